#!/bin/sh
# install.sh: put the built library, headers, package files and command below $DESTDIR$PREFIX, and tell the loader.
set -eu
cd "$(dirname "$0")/.."
cmake --install "${BUILD:-build}" --prefix "${PREFIX:-/usr/local}" >"${BUILD:-build}/install.log" || {
    cat "${BUILD:-build}/install.log" >&2
    exit 1
}
echo "Installed below ${DESTDIR-}${PREFIX:-/usr/local}"
if [ -z "${DESTDIR-}" ] && [ "$(id -u)" = 0 ] && [ "$(uname)" = Linux ]; then ldconfig; fi
