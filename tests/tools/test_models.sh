# gemel train, eval and predict with every model of the zoo, on CIFAR-10's form: a file that another process can use. The
# data is made here. What they compute: tests/zoo.
set -u
. tests/tools/check.sh

fill() { head -c "$1" /dev/zero | tr '\000' "$2"; }
for k in 0 1; do { printf "\\00$k"; fill 3072 "\\$((k + 1))00"; } >"$work/record$k"; done
for b in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
    cat "$work"/record[01] "$work"/record[01] >"$work/$b.bin"
done
data="cifar10:$work"
expect 0 out 'x.png' sample --data "$data" --index 1 --out "$work/x.png"
for model in lenet lstm mlp resnet18 resnet50 vit_tiny; do
    file=$work/$model.safetensors
    expect 0 out '^epoch 1: ' train --model $model --data "$data" --epochs 1 --batch-size 4 --quiet --out "$file"
    expect 0 out '^epoch 1: ' train --model $model --data "$data" --epochs 1 --batch-size 4 --quiet --out "$work/same" --compile
    check 'cmp "$file" "$work/same"' # a compiled step has the bits of an eager one
    expect 0 out 'accuracy .* on 4 images' eval "$file" --data "$data"
    expect 0 out '%' predict "$file" "$work/x.png" --top 1
    expect 0 out 'weight' inspect "$file"
    case $model in
    lenet | mlp | lstm)
        command -v cc >"$work/cc" || continue
        expect 0 out 'C99 source' export "$file" --c "$work/$model.c99" --main --batch 2
        check 'cc -std=c99 -Wall -Wextra -Werror -pedantic -O1 "$work/$model.c99/model.c" -o "$work/$model.run" -lm'
        check '"$work/$model.run" --selftest | grep -q passed'
        case $model in lstm) continue ;; esac
        expect 0 out 'C99 source' export "$file" --c "$work/$model.step" --main --batch 3 --train-step --optimizer sgd
        check 'cc -std=c99 -Wall -Wextra -Werror -pedantic -O1 "$work/$model.step/model.c" -o "$work/$model.run" -lm'
        check '"$work/$model.run" --selftest | grep -q passed'
        ;;
    esac
done
expect 2 err 'is for --train-step' export "$work/mlp.safetensors" --c "$work/no" --lr 0.1
expect 2 err 'is for --optimizer sgd' export "$work/mlp.safetensors" --c "$work/no" --train-step --momentum 0.5
done_checking
