# gemel train, eval and predict with every model of the zoo, on CIFAR-10's form: a file that another process can use. The
# data is made here. What they compute: tests/zoo.
set -u
: "${GEMEL:=./gemel}"
failed=0
passed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # expect PATTERN words...: exit code 0, and a line of standard output that matches
    pattern=$1
    shift
    "$GEMEL" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ $got -eq 0 ] && grep -q -- "$pattern" "$work/out"; then passed=$((passed + 1)); else
        echo "gemel $*: exit $got, wanted \"$pattern\"" >&2
        cat "$work/out" "$work/err" >&2
        failed=$((failed + 1))
    fi
}

fill() { head -c "$1" /dev/zero | tr '\000' "$2"; }
for k in 0 1; do { printf "\\00$k"; fill 3072 "\\$((k + 1))00"; } >"$work/record$k"; done
for b in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
    cat "$work"/record[01] "$work"/record[01] >"$work/$b.bin"
done
data="cifar10:$work"
expect 'x.png' sample --data "$data" --index 1 --out "$work/x.png"
for model in lenet lstm mlp resnet18 resnet50 vit_tiny; do
    file=$work/$model.safetensors
    expect '^epoch 1: ' train --model $model --data "$data" --epochs 1 --batch-size 4 --quiet --out "$file"
    expect 'accuracy .* on 4 images' eval "$file" --data "$data"
    expect '%' predict "$file" "$work/x.png" --top 1
    expect 'weight' inspect "$file"
done
echo "$passed checks passed, $failed failed"
[ $failed -eq 0 ]
