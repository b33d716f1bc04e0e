# gemel train, eval, predict, inspect, ops, sample: results, JSON, errors, and the same model file for any number of
# threads. The data is made here: pictures of a bar whose length is the class.
set -u
. tests/tools/check.sh
data=$work/data model=$work/m.safetensors
mkdir "$data"

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

GM_THREADS=many
export GM_THREADS
expect 0 err '^gemel: warning: GM_THREADS=many: 1 to 256 are possible' train --model lenet --data "mnist:$data" --epochs 1
unset GM_THREADS

# The same of a net with convolutions, an average and a schedule.
for threads in 1 2 3; do
    export GM_THREADS=$threads
    expect 0 out '^epoch 1' train --model lenet --data "mnist:$data" --batch-size 50 --schedule one-cycle --ema 0.9 --clip 1 \
        --optimizer sgd --lr 0.1 --seed 2 --out "$work/c$threads.safetensors"
done
unset GM_THREADS
check 'cmp -s "$work/c1.safetensors" "$work/c2.safetensors" && cmp -s "$work/c1.safetensors" "$work/c3.safetensors"'

expect 0 out 'epoch 1: loss [0-9.]*, accuracy [0-9.]*; validation loss' train --data "mnist:$data" --model lenet \
    --optimizer sgd --logdir "$work/log"
check 'ls "$work/log" | grep -q tfevents'
check 'cat "$work"/log/*tfevents* | grep -aq "_hparams_/session_start_info"'
check 'grep -q "^gemel: epoch 1/1: 256 in [0-9.]* s, .* examples/s, loss" "$work/err"' # plain lines where no terminal is
check '! grep -q "$(printf "\r")" "$work/err"'
expect 0 out '^loss [0-9.]*, accuracy [0-9.]* on 256 images$' eval "$model" --data "mnist:$data"
expect 0 out '^{"loss": [0-9.e-]*, "accuracy": [0-9.]*, "count": 256}$' eval "$model" --data "mnist:$data" --json
check '[ "$(sed "s/.*\"accuracy\": \([0-9.]*\),.*/\1/" "$work/out" | cut -c 1-5)" = \
         "$(sed -n "s/.*\"val_accuracy\": //p" "$work/json1" | tail -1 | awk "{ printf \"%.3f\", \$1 }")" ]'

# The recipe: every optimizer and schedule by name, and what goes with them.
for name in sgd adam adamw adagrad rmsprop adadelta lamb lion adafactor; do
    expect 0 out '"epoch": 1, "loss": [0-9]' train --model mlp --data "mnist:$data" --optimizer $name --weight-decay 0.01 --json
done
rates() { # rates WANTED words...: the learning rates at the last of 4 steps in each of 4 epochs, as PyTorch has them
    wanted=$1
    shift
    expect 0 out '^epoch 4: ' train --model mlp --data "mnist:$data" --epochs 4 --optimizer sgd --lr 1 --momentum 0 --clip 0.001 \
        --csv "$work/rates.csv" "$@"
    got=$(sed 1d "$work/rates.csv" | awk -F, '{ printf "%s%.4g", (NR > 1 ? " " : ""), $NF }')
    if [ "$got" = "$wanted" ]; then pass; else fault "$*: learning rates $got, wanted $wanted"; fi
}
rates '1 1 1 1' --schedule constant
rates '1 1 0.5 0.5' --schedule step --step-size 2 --gamma 0.5
rates '1 0.1 0.1 0.01' --schedule multistep --milestones 1,3
rates '1 0.9 0.81 0.729' --schedule exponential
rates '0.9157 0.5975 0.2222 0.009607' --schedule cosine
rates '0.9222 0.6285 0.2819 0.08567' --schedule cosine --min-lr 0.0768
rates '0.6913 0.03806 0.6913 0.03806' --schedule restarts --step-size 2
rates '0.8988 0.8117 0.2831 4e-06' --schedule one-cycle
rates '0.8125 0.5625 0.3125 0.0625' --schedule polynomial
rates '0.375 0.875 1 1' --warmup-epochs 2
rates '1 1 1 1' --schedule plateau
expect 0 out '^epoch 2: ' train --model mlp --data "mnist:$data" --optimizer rmsprop --momentum 0.9 --clip 1 --clip-value 0.5 \
    --ema 0.9 --warmup-epochs 0.5 --patience 2 --keep-best --label-smoothing 0.1 --accumulate 4 --epochs 2 --quiet
check '[ ! -s "$work/err" ]'
for words in '' --compile; do # the same bytes, whatever goes with a step
    expect 0 out '^epoch 2: ' train --model lenet --data "mnist:$data" --clip 1 --clip-value 0.5 --ema 0.9 --warmup-epochs 0.5 \
        --label-smoothing 0.1 --accumulate 4 --epochs 2 --quiet --out "$work/step$words" $words
done
check 'cmp "$work/step" "$work/step--compile"'
expect 0 out '^epoch 2: ' train --model mlp --data "mnist:$data" --swa --optimizer sgd --nesterov --epochs 2
expect 2 err 'unknown flag --gama; did you mean --gamma?' train --gama 1
expect 2 err 'did you mean "multistep"' train --schedule mulistep
expect 2 err '"3,2" is not a list of epochs' train --schedule multistep --milestones 3,2
expect 2 err 'multistep needs --milestones' train --schedule multistep
expect 1 err 'cannot write .*: Is a directory' train --model mlp --data "mnist:$data" --out "$work"
expect 2 err 'out needs a value: FILE' train --model mlp --data "mnist:$data" --out ''
check '[ ! -s "$work/out" ]' # before the training, not after it
expect 2 err 'min-lr 0.5 is above --lr 0.001' train --schedule cosine --min-lr 0.5
expect 2 err 'momentum is for --optimizer sgd and rmsprop' train --momentum 0.9
expect 2 err 'step-size is for --schedule step' train --schedule cosine --step-size 3
for words in '--ema 1|--ema: "1" is not a number from 0 on and below 1' '--ema -0.1|"-0.1" is not a number from 0' \
    '--optimizer sgd --momentum 1|--momentum: "1" is not a number from 0 on and below 1' \
    '--optimizer rmsprop --momentum nan|"nan" is not a number' '--optimizer sgd --nesterov --momentum 0|nesterov needs a --momentum' \
    '--schedule plateau --gamma 1|--gamma: "1" is not a number from 1e-09 on and below 1' \
    '--accumulate 3|--accumulate: 3 is not a power of two that divides --batch-size 64' \
    '--batch-size 10 --accumulate 4|4 is not a power of two that divides --batch-size 10' \
    '--epochs 2 --warmup-epochs 2.5|--warmup-epochs 2.5 is above --epochs 2' '--warmup-epochs 2|above --epochs 1' \
    '--checkpoint-dir=|checkpoint-dir needs a value: DIR' '--logdir=|logdir needs a value' '--csv=|csv needs a value'; do
    expect 2 err "${words#*|}" train --model mlp --data "mnist:$work/not-looked-at" ${words%%|*}
done
expect 0 out '^epoch 2: ' train --model mlp --data "mnist:$data" --epochs 2 --warmup-epochs 2

# A part held out of the training set is validated on; the test set is not looked at. Patience ends the run.
mkdir "$work/train-only"
cp "$data"/train-* "$work/train-only"
expect 0 out '^epoch 1: ' train --model mlp --data "mnist:$work/train-only" --val-split 0.25 --csv "$work/split.csv"
check '[ "$(sed -n 2p "$work/split.csv" | cut -d, -f2)" = 3 ]' # 192 examples by 64
expect 1 err 'leaves one part empty' train --model mlp --data "mnist:$work/train-only" --val-split 0.001
expect 0 out '^epoch 3: ' train --model mlp --data "mnist:$data" --lr 0 --epochs 9 --patience 2
check '[ "$(wc -l <"$work/out")" -eq 3 ]'

# Pictures out and in. The model knows its classes.
expect 0 out 'image 3, 1$' sample --data "mnist:$data" --index 3 --out "$work/picture.png"
expect 0 out '^  1  *[0-9.]* %$' predict "$model" "$work/picture.png" --top 1
check '[ $(wc -l <"$work/out") -eq 2 ]'
expect 0 out '"top": \[{"class": "1", "share": [0-9.]*}, {.*}, {.*}, {.*}\]}$' predict "$model" "$work/picture.png" \
    --top 4 --json
expect 1 err 'index 256: there are 256 images' sample --data "mnist:$data" --index 256 --out "$work/x.png"

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
[ ! -e /dev/zero ] || expect 1 err 'IO: .*cannot read /dev/zero: .*arge' inspect /dev/zero
expect 1 err 'STATE: .*keep/last.safetensors is a run to go on with' eval "$work/keep/last.safetensors" --data "mnist:$data"
expect 1 err 'INDEX: .*missing.*(in .*keep/last.safetensors)' $keep --model lenet
expect 1 err 'INDEX: .*"optimizer.group.0.momentum" is missing.*(in .*keep/last.safetensors)' $keep --optimizer sgd
expect 1 err 'IO: .*cannot make the directory .*/whole.json: a file of that name is in the way' $long \
    --checkpoint-dir "$work/whole.json"
check '[ ! -s "$work/out" ]'
expect 1 err 'STATE: .*last.safetensors: batch_size was 8 there, now it is 16' $keep --batch-size 16

# Ctrl-C, and what kill and a shutdown send.
for signal in INT TERM; do
    stop=$work/stop$signal
    "$GEMEL" $long --epochs 1000000 --checkpoint-dir "$stop" --out "$stop.safetensors" >"$work/out" 2>"$work/err" &
    id=$!
    tries=0
    while [ ! -e "$stop/last.safetensors" ] && [ $tries -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
    kill -$signal $id
    wait $id
    code=$?
    check '[ $code -eq 130 ] && grep -q "INTERRUPTED: .*resume goes on from $stop/last.safetensors" "$work/err"'
    expect 0 out '"count": 256' eval "$stop.safetensors" --data "mnist:$data" --json
done

# Closed streams: nothing that is printed gets into a file, and not being read is an error.
"$GEMEL" train --model mlp --data "mnist:$data" --csv "$work/closed.csv" --logdir "$work/closed" --quiet >&- 2>&- <&-
code=$?
check '[ $code -eq 1 ] && [ "$(wc -l <"$work/closed.csv")" -eq 2 ] && ! grep -q loss.*validation "$work/closed.csv"'
check '! grep -aq "validation loss" "$work"/closed/*'
mkdir "$work/locked" && chmod 555 "$work/locked"
if [ "$(id -u)" != 0 ]; then
    expect 1 err 'IO: .*cannot write to the directory .*/locked' train --model mlp --data "mnist:$data" --checkpoint-dir "$work/locked"
    check '[ ! -s "$work/out" ]'
fi

# A full disk: an error that says so, and the last checkpoint stays what it was.
full="train --model mlp --data mnist:$data --seed 3 --checkpoint-dir $work/full"
expect 0 out '^epoch 1' $full
cp "$work/full/last.safetensors" "$work/before"
(ulimit -f 1000 && exec "$GEMEL" $full --epochs 3 --resume --out "$work/none") >"$work/out" 2>"$work/err"
code=$?
check '[ $code -eq 1 ]'
check 'grep -q "IO: .*cannot write $work/full/[a-z]*.safetensors: .*arge" "$work/err"'
check 'cmp -s "$work/before" "$work/full/last.safetensors"'
expect 0 out '^epoch 2' $full --epochs 2 --resume
if [ -e /dev/full ]; then # the results cannot be read by anyone, the model is there
    "$GEMEL" train --model mlp --data "mnist:$data" --json --quiet --out "$work/unread" >/dev/full 2>"$work/err"
    code=$?
    check '[ $code -eq 1 ] && grep -q "standard output: No space left" "$work/err" && [ -s "$work/unread" ]'
fi
[ ! -e /dev/full ] || expect 1 err 'IO: .*cannot write /dev/full' train --model mlp --data "mnist:$data" --out /dev/full

head -c 5000 "$work/keep/last.safetensors" >"$work/cut"
mv "$work/cut" "$work/keep/last.safetensors"
expect 1 err 'FORMAT: .*keep/last.safetensors' $keep
expect 1 err 'STATE: .*stopINT/last.safetensors: it was saved without a schedule, this run has one' $long \
    --checkpoint-dir "$work/stopINT" --resume --schedule cosine
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
for words in 'imagenet|data: there is no "imagenet"; there are fashion-mnist, mnist:DIR' 'mnist:|where is it? mnist:DIR' \
    'fashion-mnist:x|fashion-mnist takes no place' 'folder:x,channels=2|channels=2: 1 and 3 are possible' \
    'csv:x,part=some|part=some: all, train and test' 'csv:x,header=1|header=1: yes and no are' \
    'csv:x,missing=inf|missing=inf is not a number' 'csv:x,label=|label= names no column'; do
    expect 2 err "${words#*|}" train --data "${words%%|*}" --out "$work/none"
    expect 2 err "${words#*|}" eval "$work/not-looked-at" --data "${words%%|*}"
    expect 2 err "${words#*|}" sample --data "${words%%|*}" --out "$work/none"
done
expect 1 err 'IO: .*no-such-file' eval "$work/no-such-file" --data "mnist:$data"
expect 1 err 'IO: .*none.png' predict "$model" "$work/none.png"
head -c 1000 "$model" >"$work/cut"
expect 1 err 'FORMAT: .*/cut' inspect "$work/cut"
mkdir "$work/bad"
cp "$data"/t* "$work/bad"
{ head -c 107 "$data/train-labels-idx1-ubyte"; printf '\012'; tail -c 156 "$data/train-labels-idx1-ubyte"; } >"$work/bad/train-labels-idx1-ubyte"
expect 1 err 'FORMAT: .*train-labels-idx1-ubyte: label 10 of image 99 is not 0 to 9' train --model mlp --data "mnist:$work/bad" --out "$work/none"
expect 1 err 'NUMERIC: fit: the loss is [a-z]* at step [1-9][0-9]* (epoch 1, batch [1-9][0-9]*): [a-z_]*: made a NaN' train --model mlp \
    --data "mnist:$data" --optimizer sgd --lr 1e9 --out "$work/none"
expect 1 err 'cannot make the directory /dev/null/x' train --model mlp --data "mnist:$data" --checkpoint-dir /dev/null/x
expect 1 err 'IO: .*cannot make the directory /dev/null' train --model mlp --data "mnist:$data" --logdir /dev/null/x
expect 1 err 'IO: .*cannot make the directory /dev/null' train --model mlp --data "mnist:$data" --csv /dev/null/x
expect 1 err 'cannot write .*/no/such/folder' train --data "mnist:$data" --model mlp --out "$work/no/such/folder/m"
# A model that learned too fast: its numbers are none, and JSON has no word for that.
expect 0 out '"val_loss": null' train --model mlp --data "mnist:$data" --batch-size 256 --lr 1e9 --weight-decay 1e9 --json \
    --out "$work/wild"
expect 0 out '^{"loss": null, ' eval "$work/wild" --data "mnist:$data" --json
expect 1 err 'NUMERIC: predict: .*picture.png: what the model gives is not finite' \
    predict "$work/wild" "$work/picture.png" --json
cp "$data/train-images-idx3-ubyte" "$data/train-labels-idx1-ubyte" "$work/bad"
printf '\000\000\010\003\000\000\000\000\000\000\000\034\000\000\000\034' >"$work/bad/t10k-images-idx3-ubyte"
printf '\000\000\010\001\000\000\000\000' >"$work/bad/t10k-labels-idx1-ubyte"
expect 1 err 'VALUE: data "mnist:.*/bad" has no examples for testing' train --model mlp --data "mnist:$work/bad"
printf '\000\000\010\003\000\000\001\000' >"$data/t10k-images-idx3-ubyte"
expect 1 err 'FORMAT: .*t10k-images-idx3-ubyte' train --data "mnist:$data" --out "$work/none"
rm "$data/t10k-images-idx3-ubyte"
expect 1 err 'IO: .*t10k-images-idx3-ubyte' train --data "mnist:$data" --out "$work/none"
check '[ ! -e "$work/none" ]'

done_checking
