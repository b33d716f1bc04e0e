# src/all.c compiles as one translation unit without a warning, by every compiler that is here: names that are static
# are unique over the whole tree, and what one compiler lets pass the other may not.
set -eu
for cc in "${CC:-cc}" gcc clang; do
    command -v "$cc" >/dev/null 2>&1 || continue
    "$cc" -fsyntax-only -Wall -Wextra -Werror -Iinclude -Isrc src/all.c
done
