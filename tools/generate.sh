#!/bin/sh
# generate.sh: write the committed files that are derived from others.
#
#   src/all.c       the amalgamation: one line per source file, in the order of the rooms
#   src/ops/list.h  GM_OP(name) for every operation record, sorted by name
#   src/compile/prelude.inc  the scalar functions as text, for emitted code: without comments
#   src/compile/c99.inc      the kernels of exported programs, likewise
#   src/device/kernels.inc   the kernels of devices, likewise
#
# A file is touched only where its content changes, so running this costs no rebuild.
#   sh tools/generate.sh           write them
#   sh tools/generate.sh --check   write nothing; name what is out of date and exit with 1
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.."

check=
[ "${1-}" = --check ] && check=1
stale=0
work=$(mktemp -d "${TMPDIR:-/tmp}/gemel-generate.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The rooms from the top of the map down (docs/architecture.md); a folder that is not named here comes last.
rooms=$(cat tools/rooms.txt)

amalgamation() {
    cat <<'END'
/* all.c: the whole library as one translation unit, for a build without CMake:
 *     cc -O2 -Iinclude -Isrc src/all.c $(find tools/gemel -name "*.c") -o gemel -lm -lpthread -ldl
 * Add -DGM_HAVE_ZLIB -lz and the like for what is installed. Written by tools/generate.sh. */
#ifndef GM_BUILDING
#  define GM_BUILDING 1
#endif
#ifndef _GNU_SOURCE
#  define _GNU_SOURCE 1
#endif
#include "math/fp.h"

END
    find src -mindepth 2 -name '*.c' | awk -v rooms="$rooms" '
        BEGIN { n = split(rooms, list); for (i = 1; i <= n; i++) rank[list[i]] = i }
        { split($0, part, "/"); room = part[2]; printf "%03d %s\n", (room in rank) ? rank[room] : 999, $0 }
    ' | sort | sed 's|^[0-9]* src/\(.*\)$|#include "\1"|'
}

operations() {
    cat <<'END'
/* list.h: every operation record, by name. The includer defines GM_OP. Written by tools/generate.sh. */
END
    find src/ops src/eager -name '*.c' 2>/dev/null | xargs cat /dev/null |
        sed -n 's/^const gm_op gm__op_\([A-Za-z0-9_]*\).*/GM_OP(\1)/p' | sort -u
}

# strings FILE: its text without comments and indentation, as a C string.
strings() {
    awk '
        { text = text $0 "\n" }
        END {
            while ((at = index(text, "/*")) > 0) {
                rest = substr(text, at + 2)
                text = substr(text, 1, at - 1) substr(rest, index(rest, "*/") + 2)
            }
            n = split(text, line, "\n")
            for (i = 1; i <= n; i++) {
                l = line[i]
                gsub(/^[ \t]+|[ \t]+$/, "", l)
                gsub(/[ \t]+/, " ", l)
                if (l == "") continue
                if (substr(l, length(l)) == "\\") { # a line that goes on
                    before = before substr(l, 1, length(l) - 1)
                    continue
                }
                l = before l
                before = ""
                gsub(/"/, "\\\"", l)
                printf "    \"%s\\n\"\n", l
            }
            print "    ,"
        }
    ' "$1"
}

# Headers of src/math in the order in which they are needed.
prelude() {
    cat <<'END'
/* prelude.inc: the scalar functions (src/math) as text, for emitted code. Written by tools/generate.sh. */
static const char *const prelude_text[] = {
END
    for name in fp fma bits double2 f64_basic f64_exp f64_log f64_pow f64_trig f64_hyper f64_erf f64_gamma f32_basic \
        f32_wide f32_exp f32_log f32_trig f32_pow f32_erf f32_gamma convert; do
        strings "src/math/$name.h"
    done
    echo "};"
}

# The kernels of exported programs, in the order of the enum in src/compile/export.h.
kernels() {
    cat <<'END'
/* c99.inc: the kernels of exported programs (src/compile/c99) as text. Written by tools/generate.sh. */
const char *const gm__c99_text[] = {
END
    for name in common sum dot softmax norm conv pool index optimize random; do strings "src/compile/c99/$name.h"; done
    sed '/u64/d' src/kernels/integer.h >"$work/integer.h" # exported programs have no such values
    strings "$work/integer.h"
    strings src/math/philox.h
    echo "};"
}

# The kernels of devices, in the order of the enum in src/device/kernels.c.
devices() {
    cat <<'END'
/* kernels.inc: the kernels of devices (src/device/text) as text. Written by tools/generate.sh. */
static const char *const kernels_text[] = {
END
    for name in reduce matmul softmax conv; do strings "src/device/text/$name.h"; done
    echo "};"
}

settle() { # settle FILE: FILE is what "$work/new" says, or is said to be stale
    if cmp -s "$work/new" "$1"; then return; fi
    if [ -n "$check" ]; then
        echo "out of date: $1 (run: sh tools/generate.sh)" >&2
        stale=1
    else
        mkdir -p "$(dirname "$1")"
        cp "$work/new" "$1"
        echo "wrote $1"
    fi
}

amalgamation >"$work/new"
settle src/all.c
operations >"$work/new"
settle src/ops/list.h
prelude >"$work/new"
settle src/compile/prelude.inc
kernels >"$work/new"
settle src/compile/c99.inc
devices >"$work/new"
settle src/device/kernels.inc
exit $stale
