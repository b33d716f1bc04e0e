#!/bin/sh
# test_size.sh: the stripped library, with every type and instruction set, is smaller than 4 MB in a release build.
set -eu
build=${GEMEL_BUILD:-build}
skip() { echo "SKIPPED: $1"; exit 0; }

library=$(ls "$build"/libgemel.so.*.*.* 2>/dev/null | head -1)
[ -n "$library" ] || skip "no shared library in $build"
command -v strip >/dev/null || skip "no strip (apt-get install binutils)"
grep -q '^CMAKE_BUILD_TYPE:STRING=Release' "$build/CMakeCache.txt" || skip "not a release build"
grep -q "^CMAKE_C_COMPILER:.*clang" "$build/CMakeCache.txt" && skip "the limit is that of GCC's code"
copy=$(mktemp)
trap 'rm -f "$copy"' EXIT
strip -o "$copy" "$library"
bytes=$(wc -c <"$copy")
echo "$bytes bytes"
[ "$bytes" -lt 4000000 ]
