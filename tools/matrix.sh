#!/usr/bin/env bash
# matrix.sh [quick|all]: the numerics contract under every compiler, optimisation level and instruction set.
#
# quick (in CI)  GCC and Clang at -O1 and -O3, the amalgamation, and aarch64 under qemu: the tests labelled `matrix`
#                on every instruction set that this machine has, and once those labelled `tables`, which visit them all
# all            the same with -O2, Clang's amalgamation, and every test program, not only the labelled ones
#
# Prints the number of checks executed per build and instruction set. Every run must execute as many as the first one on
# its instruction set, and at least as many as tests/matrix_floor.txt says, so that a case that silently stops running
# is noticed. An instruction set that the machine lacks is named, not passed over.
set -u
cd "$(dirname "$0")/.."
mode=${1:-quick}
root=build-matrix
jobs=${JOBS:-$(nproc)}
passed=0 failed=0
declare -A reference
mkdir -p $root

case $mode in
quick) target=matrix_tests configurations='gcc-O1 gcc-O3 clang-O1 clang-O3 gcc-all aarch64-O3' ;;
all) target=all
    configurations='gcc-O1 gcc-O2 gcc-O3 clang-O1 clang-O2 clang-O3 gcc-all clang-all aarch64-O1 aarch64-O3' ;;
*) echo "usage: matrix.sh [quick|all]" >&2; exit 2 ;;
esac

flags_of() { # cmake's words for a configuration such as clang-O1 or gcc-all
    local compiler=${1%-*} level=${1#*-}
    case $level in
    all) echo "-DCMAKE_C_COMPILER=$compiler -DGEMEL_AMALGAMATION=ON -DCMAKE_C_FLAGS_RELEASE=-O2" ;;
    *) case $compiler in
        aarch64) echo "-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake -DGEMEL_ZLIB=OFF -DGEMEL_JPEG=OFF -DGEMEL_PNG=OFF \
            -DCMAKE_C_FLAGS_RELEASE=-$level" ;;
        *) echo "-DCMAKE_C_COMPILER=$compiler -DCMAKE_C_FLAGS_RELEASE=-$level" ;;
        esac ;;
    esac
}

machine_has() { # the instruction set is one of this machine's
    case $1 in
    plain | tables) ;;
    avx2) grep -q ' avx2 ' /proc/cpuinfo && grep -q ' fma ' /proc/cpuinfo ;;
    avx512) grep -q ' avx512bw ' /proc/cpuinfo && grep -q ' avx512vl ' /proc/cpuinfo ;;
    neon) [ "$(uname -m)" = aarch64 ] ;;
    esac
}

fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}

has_level() { # every command of a build directory has this level of optimisation and no other
    local commands
    commands=$(grep '"command"' "$1/compile_commands.json")
    if grep -qv -- " $2 " <<<"$commands" || grep -oE -- ' -O[^ ]* ' <<<"$commands" | grep -qv -- " $2 "; then
        echo "not every file of $1 is compiled with $2"
        return 1
    fi
}

build_one() {
    local level=${1#*-}
    [ "$level" = all ] && level=O2
    # shellcheck disable=SC2046
    cmake -G Ninja -S . -B "$root/$1" $(flags_of "$1") -DCMAKE_BUILD_TYPE=Release -DGEMEL_COMMAND=OFF -DGEMEL_STATIC=OFF \
        >"$root/$1.log" 2>&1 && has_level "$root/$1" "-$level" >>"$root/$1.log" && ninja -C "$root/$1" -j "$jobs" $target >>"$root/$1.log" 2>&1
}

run_one() { # run_one CONFIGURATION ISA: an instruction set, or `tables`
    local log=$root/$1.$2.log key=$2 count floor words=(-L matrix) isa=$2
    case $1 in aarch64*) key=$2-arm ;; esac
    [ "$mode" = all ] && words=(-LE 'tables|repo|tools|docs|examples|fuzz')
    [ "$2" = tables ] && words=(-L tables) isa=
    if ! GM_ISA=$isa ctest --test-dir "$root/$1" "${words[@]}" -j "$jobs" --verbose --no-tests=error >"$log" 2>&1; then
        fail "$1 on $2; the log is $log"
        sed -n '/tests failed out of/,$p' "$log"
        grep -E 'not true' "$log" | head -20
        return
    fi
    count=$(sed -n 's/.*[^0-9]\([0-9][0-9]*\) checks passed.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    floor=$(awk -v mode="$mode" -v isa="$key" '$1 == mode && $2 == isa { print $3 }' tests/matrix_floor.txt)
    [ "$key" = tables ] && ! machine_has avx512 && floor=1 # they visit every instruction set that there is
    reference[$key]=${reference[$key]:-$count}
    printf '%-12s %-7s %8d checks\n' "$1" "$2" "$count"
    if [ "$count" -ne "${reference[$key]}" ]; then
        fail "$1 on $2 executed $count checks, the first build ${reference[$key]}"
    elif [ "$count" -lt "${floor:-1}" ]; then
        fail "$1 on $2 executed $count checks; tests/matrix_floor.txt wants $floor"
    else
        passed=$((passed + 1))
    fi
}

for configuration in $configurations; do
    if ! build_one "$configuration"; then
        fail "$configuration does not build"
        tail -30 "$root/$configuration.log"
        continue
    fi
    case $configuration in
    aarch64*) for isa in tables neon plain; do run_one "$configuration" $isa; done ;;
    *) for isa in tables avx512 avx2 plain; do
        if machine_has $isa; then
            run_one "$configuration" $isa
        else
            echo "NOT RUN: $configuration on $isa: this machine lacks it"
        fi
    done ;;
    esac
done
echo "matrix: $passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
