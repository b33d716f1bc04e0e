# src/all.c compiles as one translation unit without a warning: names that are static are unique over the whole tree.
set -eu
${CC:-cc} -fsyntax-only -Wall -Wextra -Werror -Iinclude -Isrc src/all.c
