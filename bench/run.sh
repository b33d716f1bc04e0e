#!/bin/sh
# run.sh [PATTERN]: run the benchmarks whose names match, one after the other, on one pinned CPU and one thread unless
# GM_THREADS says more. Programs are bench/**/bench_X.c; bench_X.py compare with PyTorch, which they find in
# GEMEL_PEERS_PYTHON, $GEMEL_PEERS/torch or .venv-peers; bench/steps/steps.py compares training steps with every peer of
# $GEMEL_PEERS (build/peers; bench/peers/install.sh makes it). Figures are ratios taken in one run; look at a quiet
# machine's only.
set -u
cd "$(dirname "$0")/.."
pattern=${1:-.}
build=${BUILD:-build}
threads=${GM_THREADS:-1}
peers=${GEMEL_PEERS:-$build/peers}
export GM_THREADS="$threads" OMP_NUM_THREADS="$threads" OPENBLAS_NUM_THREADS="$threads"
pin=
if command -v taskset >/dev/null 2>&1; then pin="taskset -c 0-$((threads - 1))"; fi
if [ -z "${GEMEL_PEERS_PYTHON-}" ] && [ -x "$peers/torch/bin/python" ]; then
    export GEMEL_PEERS_PYTHON="$peers/torch/bin/python"
fi
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
        echo "NOT RUN: $source: it needs PyTorch (sh bench/peers/install.sh torch, or set GEMEL_PEERS_PYTHON)"
    fi
done
if echo bench/steps/steps.py | grep -q -- "$pattern"; then
    python3 bench/steps/steps.py --threads "$threads" || status=1
fi
exit $status
