#!/bin/sh
# sanitize.sh address|threads [quick]: build under a sanitizer and run the tests.
#
# address  address, undefined-behaviour and leak sanitizers, every test program and example; with `quick`, without the
#          programs that train for long, because instrumented kernels take fifty times as long
# threads  the thread sanitizer, the tests labelled `threads`
set -u
cd "$(dirname "$0")/.."
jobs=${JOBS:-2}

build() { # build PRESET TARGET
    cmake --preset "$1" -G Ninja -DGEMEL_COMMAND=OFF -DGEMEL_STATIC=OFF >"build-$1.log" 2>&1 &&
        ninja -C "build-$1" -j "$jobs" "$2" >>"build-$1.log" 2>&1 && return
    tail -40 "build-$1.log"
    exit 1
}

run() { # run PRESET WORDS...: the tests of a preset, ctest's words behind it
    preset=$1
    shift
    ctest --test-dir "build-$preset" -j "$jobs" --output-on-failure --no-tests=error "$@"
}

case ${1:-} in
address)
    build asan all
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
    if [ "${2:-}" = quick ]; then run asan -E 'test_zoo|test_learning|example_(03|04|07|08|09|10)'; else run asan; fi
    ;;
threads) # it wants a fixed address layout on kernels with many random bits
    build tsan thread_tests
    export TSAN_OPTIONS=halt_on_error=1 JOBS="$jobs"
    setarch "$(uname -m)" -R ctest --test-dir build-tsan -j "$jobs" --output-on-failure --no-tests=error -L threads
    ;;
*) echo "usage: sanitize.sh address|threads [quick]" >&2; exit 2 ;;
esac
