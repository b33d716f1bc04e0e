# gemel run, and what gemel inspect says of graphs: eager and compiled runs of saved graphs write the same bytes, any
# batch is taken, and what is wrong is said.
set -u
. tests/tools/check.sh

fill() { head -c "$1" /dev/zero | tr '\000' "$2"; }
for k in 0 1; do { printf "\\00$k"; fill 3072 "\\$((k + 1))00"; } >"$work/record$k"; done
for b in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
    cat "$work"/record[01] "$work"/record[01] >"$work/$b.bin"
done

npy() { # npy DTYPE "SHAPE" BYTES: an array of bytes that look like small numbers
    header="{'descr': '$1', 'fortran_order': False, 'shape': ($2), }"
    printf '\223NUMPY\001\000\166\000%-117s\n' "$header"
    yes '...?' | tr -d '\n' | head -c "$3"
}
npy '<f4' '1, 3, 32, 32' 12288 >"$work/one.npy"
npy '<f4' '5, 3, 32, 32' 61440 >"$work/five.npy"
npy '<f8' '5, 3, 32, 32' 122880 >"$work/double.npy"
npy '<f4' '5, 3, 32, 31' 59520 >"$work/narrow.npy"
npy '<i4' '5, 3, 32, 32' 61440 >"$work/whole.npy"

for model in lenet lstm mlp resnet18 vit_tiny; do
    file=$work/$model.safetensors
    expect 0 out '^epoch 1: ' train --model $model --data "cifar10:$work" --epochs 1 --batch-size 4 --quiet --out "$file"
    expect 0 out '^input x f32\[B, 3, 32, 32\]$' inspect "$file"
    expect 0 out '^output y f32\[B, 10\]$' inspect "$file"
    expect 0 out '^ratio 1\.0[0-9]*$' inspect "$file" --plan --batch 8
    expect 0 out '^arena [1-9][0-9]* bytes$' inspect "$file" --plan
    expect 0 out '"inputs": \[{"name": "x", "shape": \[-1, 3, 32, 32\], "dtype": "f32"}\]' inspect "$file" --json
    expect 0 out '"outputs": \[{"name": "y", "shape": \[-1, 10\], "dtype": "f32"}\]' inspect "$file" --json
    expect 0 out '^output "y" = %' inspect --graph "$file"
    expect 0 out 'subgraph "cluster ' inspect --dot "$file"
    for n in one five; do
        expect 0 out "y.npy: f32\[[15], 10\]" run "$file" --input "x=$work/$n.npy" --output-dir "$work/eager"
        expect 0 out "y.npy: f32" run "$file" --input "x=$work/$n.npy" --output-dir "$work/compiled" --compile
        check 'cmp -s "$work/eager/y.npy" "$work/compiled/y.npy"'
    done
done

file=$work/lenet.safetensors
expect 0 err 'null device: [0-9]* kernels, [0-9]* operations for the CPU, [0-9]* bytes of memory, nothing computed' \
    run "$file" --input "x=$work/five.npy" --output-dir "$work/null" --device null
check '[ "$(tail -c 200 "$work/null/y.npy" | tr -d "\000" | wc -c)" = 0 ]'
expect 0 out 'y.npy: f32\[5, 10\]' run "$file" --input "x=$work/double.npy" --output-dir "$work/new"
expect 0 out 'y.npy' run "$file" --device cpu --input "x=$work/five.npy" --output-dir "$work/eager"

# Without a driver, and on a device that is not there; then with what the machine has.
export OCL_ICD_VENDORS="$work/none"
expect 1 err 'opencl: .*pocl-opencl-icd' run "$file" --input "x=$work/five.npy" --output-dir "$work/new" --device opencl
unset OCL_ICD_VENDORS
if "$GEMEL" run "$file" --input "x=$work/one.npy" --output-dir "$work/new" --device opencl >/dev/null 2>"$work/why"; then
    expect 1 err 'opencl: ' \
        run "$file" --input "x=$work/five.npy" --output-dir "$work/new" --device opencl:99
    for flag in "" --compile; do
        for n in one five; do
            expect 0 out 'y.npy: f32' run "$file" --input "x=$work/$n.npy" --output-dir "$work/eager"
            expect 0 err 'opencl device: [1-9][0-9]* kernels, 0 operations for the CPU' \
                run "$file" --input "x=$work/$n.npy" --output-dir "$work/opencl" --device opencl $flag
            check 'cmp -s "$work/eager/y.npy" "$work/opencl/y.npy"'
        done
    done
else
    echo "SKIPPED: no OpenCL device: $(cat "$work/why")"
fi
expect 1 err 'input "x" is f32\[5, 3, 32, 31\], f32\[B, 3, 32, 32\] is wanted' \
    run "$file" --input "x=$work/narrow.npy" --output-dir "$work/new"
expect 1 err 'input "x" is i32' run "$file" --input "x=$work/whole.npy" --output-dir "$work/new"
expect 1 err 'nowhere.npy' run "$file" --input "x=$work/nowhere.npy" --output-dir "$work/new"
expect 1 err 'cannot make' run "$file" --input "x=$work/five.npy" --output-dir "$work/no/such"
expect 2 err 'input "x" is missing: --input x=FILE, f32\[B, 3, 32, 32\]' run "$file" --output-dir "$work/new"
expect 2 err 'no input "xx"; did you mean "x"' run "$file" --input "xx=$work/five.npy" --output-dir "$work/new"
expect 2 err 'given twice' run "$file" --input "x=$work/one.npy" --input "x=$work/one.npy" --output-dir "$work/new"
expect 2 err 'not NAME=FILE' run "$file" --input "$work/five.npy" --output-dir "$work/new"
expect 2 err -- '--output-dir is missing' run "$file" --input "x=$work/five.npy"
expect 2 err 'did you mean "null"' run "$file" --input "x=$work/five.npy" --output-dir "$work/new" --device nul
expect 2 err 'did you mean --compile' run "$file" --compil --output-dir "$work/new"
expect 2 err 'one of --json' inspect "$file" --json --graph
expect 0 out 'usage: gemel run' run --help
expect 1 err 'holds no graph' run tests/fuzz/corpus/safetensors/"$(ls tests/fuzz/corpus/safetensors | grep -v bad | head -1)" \
    --output-dir "$work/new"

# A file whose graph was changed: the message names the line and the value.
spoil() { # spoil FROM TO PATTERN: both texts of the same length
    LC_ALL=C sed "s/$1/$2/" "$file" >"$work/spoilt.safetensors"
    expect 1 err "$3" run "$work/spoilt.safetensors" --input "x=$work/five.npy" --output-dir "$work/new"
    expect 1 err "$3" inspect "$work/spoilt.safetensors"
}
spoil '= relu(%3)' '= relu(%9)' '%9 is used before anything makes it (in .*%4)'
spoil '= relu(%3)' '= rely(%3)' 'no operation .rely. (in .*%4)'
spoil 'gemel graph 1' 'gemel graph 7' 'version 7'
spoil '%4 f32\[B, 32, 32, 32\]' '%4 f32[B, 32, 32, 33]' 'the text says f32\[2, 32, 32, 33\], it is f32\[2, 32, 32, 32\]'
spoil '@9.bias f32\[10\]' '@9.bios f32[10]' 'the tensor @9.bios is missing'
spoil '= linear(%15, @9.weight' '= linear(%15, @7.weight' 'linear'
LC_ALL=C sed 's/output \\"y\\"/output \\"\/\\"/' "$file" >"$work/spoilt.safetensors"
expect 1 err 'the output.s name "/" is no file' \
    run "$work/spoilt.safetensors" --input "x=$work/five.npy" --output-dir "$work/new"
done_checking
