#!/bin/sh
# fuzz.sh: build every tests/fuzz/fuzz_X.c with libFuzzer and the sanitizers, and run each for FUZZ_SECONDS (60) from its
# corpus in tests/fuzz/corpus/X. New inputs go to build-fuzz/corpus/X; a crash leaves its input in build-fuzz/crashes.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
build=build-fuzz
CMAKE_FLAGS="-DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang -DGEMEL_FUZZ=ON -DGEMEL_COMMAND=OFF -DGEMEL_STATIC=OFF" \
    CC=clang BUILD=$build sh tools/build.sh fuzz >"${TMPDIR:-/tmp}/gemel-fuzz.log" 2>&1 || {
    tail -40 "${TMPDIR:-/tmp}/gemel-fuzz.log" >&2
    exit 1
}
mkdir -p $build/crashes
passed=0 failed=0
for source in tests/fuzz/fuzz_*.c; do
    [ -e "$source" ] || { echo "no fuzz targets"; exit 1; }
    name=$(basename "$source" .c)
    corpus=${name#fuzz_}
    mkdir -p "$build/corpus/$corpus"
    if "$build/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 -close_fd_mask=1 \
        -artifact_prefix="$build/crashes/$corpus-" "$build/corpus/$corpus" "tests/fuzz/corpus/$corpus" \
        >"$build/$name.log" 2>&1; then
        passed=$((passed + 1))
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log") inputs in $seconds s, none failed"
    else
        failed=$((failed + 1))
        echo "$name: FAILED; the input is in $build/crashes" >&2
        tail -40 "$build/$name.log" >&2
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
