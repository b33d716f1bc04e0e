#!/bin/sh
# test_vectorised.sh: every f32 scalar function, in a plain loop, was compiled into vector instructions. Reads the
# disassembly of the loops of tests/math/maps_template.h as this build made them (-O3, x86-64): each must do its arithmetic in
# 256-bit or 512-bit registers and call nothing.
set -eu
build=${GEMEL_BUILD:-build}
object=$build/CMakeFiles/test_math.dir/tests/math/test_math.c.o
skip() { echo "SKIPPED: $1"; exit 0; }

[ "$(uname -m)" = x86_64 ] || skip "not x86-64"
command -v objdump >/dev/null || skip "no objdump (apt-get install binutils)"
[ -f "$object" ] || skip "no $object"
grep -q 'test_math\.c"' "$build/compile_commands.json" || skip "no compile command"
grep 'command.*test_math\.c' "$build/compile_commands.json" | grep -q -- ' -O3 ' || skip "not an -O3 build"
grep 'command.*test_math\.c' "$build/compile_commands.json" | grep -q -- '-fsanitize' && skip "a sanitizer build"

names=$(sed -n '/GM_MATH_UNARY\|GM_MATH_BINARY/,/^$/p' src/math/list.h | grep -o 'X([a-z0-9_]*)' | sed 's/X(\(.*\))/\1/')
objdump -d --no-show-raw-insn "$object" | awk -v names="$names" '
    /^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]|_maps/, "", name); next }
    name !~ /^map_.*_f32_avx/ { next }
    $2 ~ /^call/ { calls[name]++ }
    $0 !~ /%[yz]mm/ { next }
    $2 ~ /^v(add|sub|mul|div|sqrt|fn?m(add|sub)(132|213|231)|round|rndscale|max|min|blendv|blendm|cmp[a-z_]*|and|or)p[sd]$/ {
        wide[name]++
    }
    END {
        n = split(names, list, /[ \n]+/)
        split("avx2 avx512", isas)
        for (i = 1; i <= n; i++)
            for (j = 1; j <= 2; j++) {
                f = "map_" list[i] "_f32_" isas[j]
                least = list[i] ~ /^(sqrt|rsqrt|floor|ceil|trunc|round|max|min)$/ ? 1 : 10
                checked++
                if (wide[f] < least || calls[f]) {
                    printf "%s: %d vector instructions, at least %d wanted; %d calls, none wanted\n", f, wide[f], least, calls[f]
                    bad++
                }
            }
        printf "%d loops checked, %d not vectorised\n", checked, bad
        exit bad > 0 || checked < 60
    }'
