#!/bin/sh
# install.sh [PEER...]: install the libraries that bench/steps measures against, each into an environment of its own below
# $GEMEL_PEERS (build/peers): torch, jax, tensorflow, or those that are named. The versions are those of PEER.txt beside
# this file. An environment that has its Python stays as it is, whoever made it; remove its folder to have it made anew.
# One that cannot be had is left out, with a line that says so: the benchmarks then run without it.
set -u
cd "$(dirname "$0")/../.."
peers=${GEMEL_PEERS:-${BUILD:-build}/peers}
here=bench/peers
[ $# -gt 0 ] || set -- torch jax tensorflow
for peer; do
    [ -e "$here/$peer.txt" ] || { echo "install.sh: there is no peer \"$peer\"" >&2; exit 2; }
    [ -x "$peers/$peer/bin/python" ] && continue
    echo "Installing $peer into $peers/$peer"
    mkdir -p "$peers"
    rm -rf "$peers/$peer.new"
    if python3 -m venv "$peers/$peer.new" &&
        "$peers/$peer.new/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/$peer.txt"; then
        mv "$peers/$peer.new" "$peers/$peer"
    else
        rm -rf "$peers/$peer.new"
        echo "NOT INSTALLED: $peer: the benchmarks run without it"
    fi
done
