#!/bin/sh
# build.sh [TARGET...]: build into build/ with CMake, or without CMake by compiling src/all.c, and link ./gemel.
# Targets are CMake's; by default the libraries and the command. BUILD, PREFIX, JOBS, CC and CMAKE_FLAGS are heeded.
set -eu
cd "$(dirname "$0")/.."
: "${PREFIX:=/usr/local}" "${JOBS:=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}"

have() { command -v "$1" >/dev/null 2>&1; }

if ! have "${CC:-cc}"; then
    echo "No C compiler. On Debian: sudo apt-get install -y $(sh tools/setup.sh --list build)" >&2
    exit 1
fi

with_cmake() {
    build=${BUILD:-build}
    generator=
    if [ ! -f "$build/CMakeCache.txt" ] && have ninja; then generator='-G Ninja'; fi
    log=$build/configure.log
    mkdir -p "$build"
    # shellcheck disable=SC2086
    cmake -S . -B "$build" $generator -DCMAKE_INSTALL_PREFIX="$PREFIX" ${CMAKE_FLAGS-} >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
    grep 'left out' "$log" >&2 || true
    cmake --build "$build" --parallel "$JOBS" --target "$@"
}

probe() { # probe NAME HEADERS LIBRARY: use an optional library if a program with it links
    printf '%s\nint main(void) { return 0; }\n' "$2" >"$build/probe.c"
    if $cc "$build/probe.c" -o "$build/probe" "$3" 2>/dev/null; then
        flags="$flags -DGM_HAVE_$1"
        libraries="$libraries $3"
    else
        echo "left out: $1" >&2
    fi
}

newer_sources() { find src include tools/gemel -name '*.[chd]*' -newer "$build/gemel" | grep -q .; }

with_cc() {
    build=${BUILD:-build}-cc
    cc=${CC:-cc}
    mkdir -p "$build"
    if [ -x "$build/gemel" ] && ! newer_sources; then return; fi
    flags='-O3 -DNDEBUG -ffp-contract=off -fno-trapping-math -fno-math-errno'
    libraries='-lm -lpthread -ldl'
    probe ZLIB '#include <zlib.h>' -lz
    probe JPEG '#include <stdio.h>
#include <jpeglib.h>' -ljpeg
    probe PNG '#include <png.h>' -lpng
    probe OPENCL '#include <CL/cl.h>' -ldl
    echo "CMake not found: compiling src/all.c"
    # shellcheck disable=SC2086
    $cc $flags -Iinclude -Isrc src/all.c tools/gemel/*.c -o "$build/gemel" $libraries
}

if have cmake && [ -z "${GEMEL_NO_CMAKE-}" ]; then
    [ $# -gt 0 ] || set -- gemel gemel_static gemel_command
    with_cmake "$@"
elif [ $# -gt 0 ]; then
    echo "This needs CMake. On Debian: sudo apt-get install -y cmake" >&2
    exit 1
else
    with_cc
fi
[ ! -x "$build/gemel" ] || ln -sf "$build/gemel" gemel
