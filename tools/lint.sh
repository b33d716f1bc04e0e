#!/bin/sh
# lint.sh: figures and rules of style. Prints the lengths of functions and files and every breach; fails on a breach.
# --rules prints breaches only, and lets lines of up to 140 characters pass unless GEMEL_STRICT is set (in CI).
#
# Rules: no function over 120 lines; no line over 120 characters; no tab, trailing blank, // comment or note of
# unfinished work; a head comment in every source file; rooms include only what is above them; a static function's name
# is used in one source file only (src/all.c is one translation unit).
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
figures=1
widest=120
[ "${1-}" = --rules ] && figures= && [ -z "${GEMEL_STRICT-}" ] && widest=140
users='nn optim data train formats zoo deploy'

find src include tools tests bench examples bindings \( -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.sh' \) \
    2>/dev/null | grep -v '^src/all\.c$' | sort >"$work/files"
grep '\.[ch]$' "$work/files" >"$work/sources"
grep '^src/' "$work/sources" >"$work/library"

xargs awk -f tools/lint/functions.awk <"$work/sources" | sort -n >"$work/functions"
xargs awk -v widest=$widest -f tools/lint/text.awk <"$work/files" >"$work/breaches"
xargs awk -v rooms="$(cat tools/rooms.txt)" -v users="$users" -f tools/lint/rooms.awk <"$work/library" >>"$work/breaches"
awk '$1 > 120 { print $2 ": function " $3 " has " $1 " lines, at most 120" }' "$work/functions" >>"$work/breaches"

# static functions of the same name in two source files
grep '\.c$' "$work/library" | xargs awk '/^static [^=;]*\(/ && !/^static [^(]*(GM_K|__attribute__) *\(/ {
    name = $0
    sub(/\(.*/, "", name)
    sub(/.*[^A-Za-z0-9_]/, "", name)
    if (name in seen && seen[name] != FILENAME) print FILENAME ":" FNR ": static " name " is in " seen[name] " too"
    else seen[name] = FILENAME
}' >>"$work/breaches"

# the last line of a file ends
xargs sh -c 'for f; do [ -z "$(tail -c1 "$f")" ] || echo "$f: no newline at its end"; done' sh <"$work/files" >>"$work/breaches"

if [ -n "$figures" ]; then
    for group in src tests tools bench examples; do
        grep " $group/" "$work/functions" | awk -v group=$group -f tools/lint/statistics.awk
    done
    awk '$1 > 80 && $1 <= 120 { print "  long: " $1 " lines: " $3 " in " $2 }' "$work/functions"
    xargs wc -l <"$work/sources" | awk '$2 != "total" && $1 > 800 { print "  long file: " $1 " lines: " $2 }'
    xargs cat <"$work/library" | wc -l | awk '{ print "src: " $1 " lines in all" }'
fi
cat "$work/breaches"
n=$(wc -l <"$work/breaches")
echo "lint: $n breaches in $(wc -l <"$work/files") files"
[ "$n" -eq 0 ]
