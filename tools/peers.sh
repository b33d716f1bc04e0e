#!/bin/sh
# peers.sh [FILE...]: run the comparisons that need PyTorch, tests/*/peer_*.py unless others are named. They run by
# $GEMEL_PEERS_PYTHON if that is set, else in .venv-peers, made at the first use from tests/requirements-peers.txt.
set -u
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- tests/*/peer_*.py
[ -e "$1" ] || { echo "peers.sh: there is no $1" >&2; exit 1; }
export GEMEL_BUILD="${GEMEL_BUILD:-$PWD/${BUILD:-build}}"
passed=0 failed=0
for file; do
    echo "=== $file"
    if [ -n "${GEMEL_PEERS_PYTHON-}" ]; then
        "$GEMEL_PEERS_PYTHON" "$file"
    else
        GEMEL_VENV=.venv-peers GEMEL_REQUIREMENTS=tests/requirements-peers.txt sh tools/python.sh "$file"
    fi && passed=$((passed + 1)) || failed=$((failed + 1))
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
