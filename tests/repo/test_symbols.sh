# The shared library exports exactly what the public headers declare, functions only: no data, nothing of gm__.
set -eu
: "${GEMEL_BUILD:=build}" "${CC:=cc}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nm -D --defined-only "$GEMEL_BUILD/libgemel.so" | awk '$2 != "A"' >"$work/symbols"
if awk '$2 != "T"' "$work/symbols" | grep .; then echo "exported, and not a function" >&2; exit 1; fi
awk '{ sub(/@.*/, "", $3); print $3 }' "$work/symbols" | LC_ALL=C sort >"$work/exported"

# every function that a header declares, macros expanded
for header in include/gemel/*.h; do echo "#include <gemel/$(basename "$header")>"; done >"$work/all.c"
$CC -E -P -Iinclude "$work/all.c" | tr '\n' ' ' | tr ';{}' '\n\n\n' | grep 'visibility("default")' |
    sed 's/__attribute__((visibility("default")))//; s/^[^(]*[^A-Za-z0-9_]\(gm_[A-Za-z0-9_]*\) *(.*/\1/' |
    LC_ALL=C sort -u >"$work/declared"
LC_ALL=C comm -23 "$work/declared" "$work/exported" | sed 's/^/declared, not defined: /'
if LC_ALL=C comm -13 "$work/declared" "$work/exported" | grep .; then echo "exported, not declared" >&2; exit 1; fi
[ "$(wc -l <"$work/declared")" -gt 10 ]
echo "$(wc -l <"$work/declared") checks passed, 0 failed"
