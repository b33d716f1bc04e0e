#!/bin/sh
# run.sh [PATTERN]: run the benchmarks whose names match, one after the other, on one pinned CPU and one thread unless
# GM_THREADS says more. Programs are bench/**/bench_X.c; bench_X.py compare with PyTorch and run where
# GEMEL_PEERS_PYTHON or .venv-peers is there. Figures are ratios taken in one run; look at a quiet machine's only.
set -u
cd "$(dirname "$0")/.."
pattern=${1:-.}
build=${BUILD:-build}
export GM_THREADS="${GM_THREADS:-1}" OMP_NUM_THREADS="${GM_THREADS:-1}" OPENBLAS_NUM_THREADS="${GM_THREADS:-1}"
pin=
if command -v taskset >/dev/null 2>&1; then pin="taskset -c 0-$((GM_THREADS - 1))"; fi
status=0
for source in $(find bench -name 'bench_*.c' | sort); do
    name=$(basename "$source" .c)
    echo "$name" | grep -q -- "$pattern" || continue
    echo "=== $name (GM_THREADS=$GM_THREADS)"
    $pin "$build/$name" || status=1
done
for source in $(find bench -name 'bench_*.py' | sort); do
    echo "$source" | grep -q -- "$pattern" || continue
    if [ -n "${GEMEL_PEERS_PYTHON-}" ] || [ -d .venv-peers ]; then
        $pin sh tools/peers.sh "$source" || status=1
    else
        echo "NOT RUN: $source: it needs PyTorch (make test-peers installs it, or set GEMEL_PEERS_PYTHON)"
    fi
done
exit $status
