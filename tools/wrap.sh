#!/bin/sh
# wrap.sh: bring C lines of more than 120 characters within the width, by clang-format, touching nothing else.
cd "$(dirname "$0")/.." || exit 1
command -v clang-format >/dev/null || exit 0
git ls-files 'include/*.h' 'src/*.[ch]' 'tests/*.[ch]' 'tools/*.[ch]' 'bench/*.[ch]' 'examples/*.[ch]' | while read -r file; do
    [ -f "$file" ] && [ "$file" != src/all.c ] || continue
    for _ in 1 2; do # a wrapped comment can push the next line out
        lines=$(awk 'length($0) > 120 && !/\\$/ { printf " -lines=%d:%d", FNR, FNR }' "$file")
        # shellcheck disable=SC2086
        [ -z "$lines" ] || clang-format -i $lines "$file"
    done
done
