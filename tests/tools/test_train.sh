# gemel train, eval, predict, inspect, ops, sample: results, JSON, errors, and the same model file for any number of
# threads. The data is made here: pictures of a bar whose length is the class.
set -u
: "${GEMEL:=./gemel}"
failed=0
passed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
data=$work/data model=$work/m.safetensors
mkdir "$data"

pass() { passed=$((passed + 1)); }
fault() {
    echo "$*" >&2
    cat "$work/out" "$work/err" >&2
    failed=$((failed + 1))
}
check() { if eval "$1"; then pass; else fault "not true: $1"; fi; }
expect() { # expect CODE STREAM PATTERN words...: exit code, and a line of out or err that matches
    code=$1 stream=$2 pattern=$3
    shift 3
    "$GEMEL" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ $got -eq "$code" ] && grep -q -- "$pattern" "$work/$stream"; then pass; else
        fault "gemel $*: exit $got, wanted $code and \"$pattern\" on $stream"
    fi
}

# One picture [28, 28] per class, k * 78 bright pixels and then dark ones; a set is a list of classes.
fill() { printf "%$1s" '' | tr ' ' "$2"; }
for k in 0 1 2 3 4 5 6 7 8 9; do
    { [ $k -eq 0 ] || fill $((k * 78)) '\310'; fill $((784 - k * 78)) '\024'; } >"$work/image$k"
    printf "\\0$((k / 8))$((k % 8))" >"$work/label$k"
done
write_set() { # write_set NAME LIST(256 classes)
    images='' labels=''
    for k in $2; do images="$images $work/image$k" labels="$labels $work/label$k"; done
    { printf '\000\000\010\003\000\000\001\000\000\000\000\034\000\000\000\034'; cat $images; } >"$data/$1-images-idx3-ubyte"
    { printf '\000\000\010\001\000\000\001\000'; cat $labels; } >"$data/$1-labels-idx1-ubyte"
}
list=$(awk 'BEGIN { for (i = 0; i < 256; i++) printf "%d ", (i * 7 + int(i / 10)) % 10 }')
write_set train "$list"
write_set t10k "$list"

# It learns, and says so; the file is the same for any number of threads.
train="train --model mlp --data mnist:$data --epochs 3 --batch-size 32 --optimizer adamw --lr 1e-3 --seed 1"
number='-\{0,1\}[0-9.e+-]*'
line="^{\"epoch\": 3, \"loss\": $number, \"accuracy\": $number, \"val_loss\": $number, \"val_accuracy\": $number"
line="$line, \"seconds\": $number, \"samples_per_second\": $number}\$"
for threads in 1 2 3; do
    export GM_THREADS=$threads
    expect 0 out "$line" $train --json --out "$work/m$threads.safetensors"
    check '[ $(wc -l <"$work/out") -eq 3 ]'
    sed 's/, "seconds.*//' "$work/out" >"$work/json$threads"
done
unset GM_THREADS
check 'cmp -s "$work/m1.safetensors" "$work/m2.safetensors" && cmp -s "$work/m1.safetensors" "$work/m3.safetensors"'
check 'cmp -s "$work/json1" "$work/json2" && cmp -s "$work/json1" "$work/json3"'
mv "$work/m1.safetensors" "$model"
check 'sed -n "s/.*\"val_accuracy\": //p" "$work/json1" | awk "END { exit !(\$1 > 0.9) }"'

expect 0 out 'epoch 1: loss [0-9.]*, accuracy [0-9.]*; validation loss' train --data "mnist:$data" --model lenet \
    --optimizer sgd --logdir "$work/log"
check 'ls "$work/log" | grep -q tfevents'
expect 0 out '^loss [0-9.]*, accuracy [0-9.]* on 256 images$' eval "$model" --data "mnist:$data"
expect 0 out '^{"loss": [0-9.e-]*, "accuracy": [0-9.]*, "count": 256}$' eval "$model" --data "mnist:$data" --json
check '[ "$(sed "s/.*\"accuracy\": \([0-9.]*\),.*/\1/" "$work/out" | cut -c 1-5)" = \
         "$(sed -n "s/.*\"val_accuracy\": //p" "$work/json1" | tail -1 | awk "{ printf \"%.3f\", \$1 }")" ]'

# Pictures out and in. The model knows its classes.
expect 0 out 'image 3, 1$' sample --data "mnist:$data" --index 3 --out "$work/picture.png"
expect 0 out '^  1  *[0-9.]* %$' predict "$model" "$work/picture.png" --top 1
check '[ $(wc -l <"$work/out") -eq 2 ]'
expect 0 out '"top": \[{"class": "1", "share": [0-9.]*}, {.*}, {.*}, {.*}\]}$' predict "$model" "$work/picture.png" \
    --top 4 --json
expect 1 err 'there are 256 images' sample --data "mnist:$data" --index 256 --out "$work/x.png"

expect 0 out '^gemel.model: "mlp"$' inspect "$model"
check 'grep -q "^1.weight  *f32  *\[256, 784\]$" "$work/out"'
expect 0 out '"gemel.input": "1 28 28".*{"name": "1.weight", "dtype": "f32", "shape": \[256, 784\]}' inspect "$model" --json

expect 0 out '^matmul  *2  *1  *direct  *[a-z]' ops
check '[ $(wc -l <"$work/out") -gt 50 ]'
expect 0 out '^{"name": "add", "version": 1, "min_inputs": 2,.*"grad": "elementwise".*"cases": [1-9]' ops add --json
check '[ $(wc -l <"$work/out") -eq 1 ]'
expect 1 err 'did you mean "matmul"' ops matmlu

# A run that is killed again and again, and stopped by Ctrl-C, ends with the same bytes as one that never was.
long="train --model mlp --data mnist:$data --epochs 30 --batch-size 8 --seed 3 --json"
expect 0 out '"epoch": 30,' $long --out "$work/whole.safetensors"
sed 's/, "seconds.*//' "$work/out" | tail -1 >"$work/whole.json"
keep="$long --checkpoint-dir $work/keep --checkpoint-steps 5 --resume --out $work/parts.safetensors"
killed=0 code=137
for pause in 0.02 0.1 0.15 0.07 0.2; do
    [ $code -eq 137 ] || break
    "$GEMEL" $keep >"$work/parts.json" 2>"$work/err" &
    id=$!
    tries=0
    while [ ! -e "$work/keep/last.safetensors" ] && [ $tries -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
    sleep $pause
    kill -9 $id 2>/dev/null
    wait $id 2>/dev/null
    code=$?
    [ $code -ne 137 ] || killed=$((killed + 1))
done
check '[ $killed -ge 1 ]'
expect 0 out '' $keep
sed 's/, "seconds.*//' "$work/out" | tail -1 >"$work/parts.json"
check 'cmp -s "$work/whole.safetensors" "$work/parts.safetensors"'
check '[ ! -s "$work/out" ] || cmp -s "$work/whole.json" "$work/parts.json"'
expect 0 out '"count": 256' eval "$work/keep/best.safetensors" --data "mnist:$data" --json
expect 0 out '^fit.at  *i64  *\[4\]$' inspect "$work/keep/last.safetensors"
expect 1 err 'STATE: .*last.safetensors: batch_size was 8 there, now it is 16' $keep --batch-size 16

"$GEMEL" $long --epochs 1000000 --checkpoint-dir "$work/stop" --out "$work/stopped.safetensors" >"$work/out" 2>"$work/err" &
id=$!
tries=0
while [ ! -e "$work/stop/last.safetensors" ] && [ $tries -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
kill -INT $id
wait $id
code=$?
check '[ $code -eq 130 ] && grep -q "INTERRUPTED: .*resume goes on from .*stop/last.safetensors" "$work/err"'
expect 0 out '"count": 256' eval "$work/stopped.safetensors" --data "mnist:$data" --json

head -c 5000 "$work/keep/last.safetensors" >"$work/cut"
mv "$work/cut" "$work/keep/last.safetensors"
expect 1 err 'FORMAT: .*keep/last.safetensors' $keep
expect 2 err 'resume needs --checkpoint-dir' train --resume

# What is wrong is named, and nothing is written.
expect 2 err 'did you mean --epochs' train --epoch 3
expect 2 err 'there is no "mpl"; did you mean "mlp"' train --model mpl
expect 2 err 'did you mean "adam"' train --optimizer adma
expect 2 err '"0" is not a whole number between 1' train --epochs 0
expect 2 err '"x" is not a number' train --lr x
expect 2 err 'too few arguments' eval
expect 2 err 'too few arguments' predict "$model"
expect 1 err 'IO: .*no-such-folder.*train-images-idx3-ubyte.*dataset-fashion-mnist' train --data "mnist:$work/no-such-folder" \
    --out "$work/none"
expect 1 err 'VALUE: unknown data "imagenet"' train --data imagenet --out "$work/none"
expect 1 err 'IO: .*no-such-file' eval "$work/no-such-file" --data "mnist:$data"
expect 1 err 'IO: .*none.png' predict "$model" "$work/none.png"
head -c 1000 "$model" >"$work/cut"
expect 1 err 'FORMAT: .*/cut' inspect "$work/cut"
expect 1 err 'cannot write .*/no/such/folder' train --data "mnist:$data" --model mlp --out "$work/no/such/folder/m"
printf '\000\000\010\003\000\000\001\000' >"$data/t10k-images-idx3-ubyte"
expect 1 err 'FORMAT: .*t10k-images-idx3-ubyte' train --data "mnist:$data" --out "$work/none"
rm "$data/t10k-images-idx3-ubyte"
expect 1 err 'IO: .*t10k-images-idx3-ubyte' train --data "mnist:$data" --out "$work/none"
check '[ ! -e "$work/none" ]'

echo "$passed checks passed, $failed failed"
[ $failed -eq 0 ]
