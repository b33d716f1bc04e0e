#!/bin/sh
# setup.sh PURPOSE: install the Debian packages that a purpose needs, or print the one line that does.
#
#   build   compile the library and the command, with every optional library
#   demo    the same, and the data set of the demo
#   test    what `make test` needs
#   ci      what .ci/run needs: the second compiler, sanitizers, an emulator
#   bench   the libraries that the benchmarks measure against
#
# Quick when nothing is missing. --list PURPOSE prints the packages and installs nothing.
set -eu

packages_of() {
    case $1 in
    build) echo gcc libc6-dev make cmake ninja-build pkg-config zlib1g-dev libjpeg62-turbo-dev libpng-dev \
        opencl-headers ;;
    demo) echo "$(packages_of build)" dataset-fashion-mnist ;;
    test) echo "$(packages_of demo)" python3 python3-venv ca-certificates ocl-icd-libopencl1 pocl-opencl-icd ;;
    ci) echo "$(packages_of test)" g++ clang libclang-rt-14-dev qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
        abigail-tools gdb ;;
    bench) echo "$(packages_of demo)" libdnnl-dev libopenblas-dev ;;
    *) echo "setup.sh: unknown purpose \"$1\": build, demo, test, ci or bench" >&2; return 2 ;;
    esac
}

if [ "${1-}" = --list ]; then packages_of "${2-build}"; exit; fi
purpose=${1-build}
wanted=$(packages_of "$purpose")

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "Not a Debian system: nothing installed. Needed (Debian's names): $wanted" >&2
    exit 0
fi

missing=
present=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | sed -n 's/ installed$//p') || true
for package in $wanted; do
    printf '%s\n' "$present" | grep -qxF -- "$package" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root='sudo -n'
else
    echo "Missing packages. Run this, then the same command again:" >&2
    echo "    sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi
echo "Installing:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
    tail -20 "$log" >&2
    echo "setup.sh: apt-get could not install:$missing" >&2
    exit 1
fi
