# gemel train, eval, predict and sample on every kind of --data but MNIST (test_train.sh): folders of pictures, tables,
# CIFAR-10, arrays; what the model file keeps of them; what is said of bad ones. All data is made here.
set -u
. tests/tools/check.sh

# ---- CIFAR-10: dark images, the bright part tells the class ----
cifar=$work/cifar
mkdir "$cifar"
fill() { head -c "$1" /dev/zero | tr '\000' "$2"; }
for k in 0 1 2 3 4 5 6 7 8 9; do
    { printf "\\0$((k / 8))$((k % 8))"; fill $((k * 300)) '\020'; fill 372 '\300'; fill $((2700 - k * 300)) '\020'; } >"$work/record$k"
done
for b in 1 2 3 4 5; do cat "$work"/record[0-9] "$work"/record[0-9] >"$cifar/data_batch_$b.bin"; done
cat "$work"/record[0-9] >"$cifar/test_batch.bin"
small="--epochs 30 --batch-size 10 --lr 0.001 --seed 1 --quiet"
expect 0 out '^epoch 30: .* accuracy 1.0000 (' train --model mlp --data "cifar10:$cifar" $small --out "$work/c.safetensors"
expect 0 out 'accuracy 1.0000 on 10 images' eval "$work/c.safetensors" --data "cifar10:$cifar"
expect 0 out 'x.png: image 9, truck$' sample --data "cifar10:$cifar" --index 9 --out "$work/x.png"

# ---- a folder of pictures: the same in folders named as its classes ----
folder=$work/folder
png=$("$GEMEL" version --features | sed -n 's/^libpng *//p')
if [ "$png" = yes ]; then
    expect 0 out '^  truck ' predict "$work/c.safetensors" "$work/x.png" --top 1
    i=0
    for name in airplane automobile bird cat deer dog frog horse ship truck; do
        mkdir -p "$folder/train/$name" "$folder/test/$name"
        "$GEMEL" sample --data "cifar10:$cifar" --index $i --out "$folder/train/$name/1.png" >/dev/null
        cp "$folder/train/$name/1.png" "$folder/train/$name/2.PNG"
        cp "$folder/train/$name/1.png" "$folder/test/$name/3.png"
        i=$((i + 1))
    done
    for threads in 1 3; do
        GM_THREADS=$threads
        export GM_THREADS
        expect 0 out '^epoch 30: .* accuracy 1.0000 (' train --model mlp --data "folder:$folder" $small \
            --out "$work/f$threads.safetensors"
    done
    unset GM_THREADS
    check 'cmp -s "$work/f1.safetensors" "$work/f3.safetensors"'
    expect 0 out 'accuracy 1.0000 on 10 images' eval "$work/f1.safetensors" --data "folder:$folder"
    expect 0 out 'accuracy 1.0000 on 20 images' eval "$work/f1.safetensors" --data "folder:$folder/train,part=all"
    expect 0 out 'accuracy 1.0000 on 10 images' eval "$work/f1.safetensors" --data "folder:$folder/train"
    expect 0 out 'on 10 images' eval "$work/f1.safetensors" --data "cifar10:$cifar"
    expect 0 out '^  truck ' predict "$work/f1.safetensors" "$folder/test/truck/3.png" --top 1
    expect 0 out '^gemel.input: "3 32 32"' inspect "$work/f1.safetensors"
    check 'grep -q "^gemel.resize: \"cover\"" "$work/out"'
    rm -r "$folder/test/airplane" # the others keep their labels
    expect 0 out 'accuracy 1.0000 on 9 images' eval "$work/f1.safetensors" --data "folder:$folder"
    expect 0 out '^epoch 1: ' train --model lenet --data "folder:$folder" --image-size 8x12 --quiet --out "$work/s.safetensors"
    expect 0 out '^gemel.input: "3 8 12"' inspect "$work/s.safetensors"
    expect 0 out '^  [a-z]* ' predict "$work/s.safetensors" "$folder/test/truck/3.png" # another size than the model's
    expect 0 out '^epoch 1: ' train --model mlp --data "folder:$folder,channels=1" --quiet --out "$work/g.safetensors"
    expect 0 out '^gemel.input: "1 32 32"' inspect "$work/g.safetensors"
    mkdir "$folder/test/zebra" && cp "$work/x.png" "$folder/test/zebra"
    expect 1 err 'VALUE: image_folder: .*/test/zebra is none of the 10 classes' eval "$work/f1.safetensors" --data "folder:$folder"
    rm -r "$folder/test/zebra"
    echo no picture >"$folder/test/truck/4.jpg"
    expect 1 err 'FORMAT: .*test/truck/4.jpg: neither JPEG nor PNG' eval "$work/f1.safetensors" --data "folder:$folder"
    head -c 60 "$work/x.png" >"$folder/test/truck/4.jpg"
    expect 1 err 'FORMAT: .*test/truck/4.jpg: PNG' eval "$work/f1.safetensors" --data "folder:$folder"
    expect 1 err 'IO: image_folder: cannot read the folder .*/nowhere (DIR/CLASS/PICTURE' train --data "folder:$work/nowhere"
    expect 2 err 'data: channels=x: 1 and 3 are possible' train --data "folder:$folder,channels=x"
    many=$(i=0; while [ $i -lt 70 ]; do echo "$work/x.png"; i=$((i + 1)); done)
    expect 0 out '"class": "truck"' predict "$work/c.safetensors" --top 1 $many --json
    check '[ "$(wc -l <"$work/out")" -eq 70 ]'
    expect 1 err 'IO: image_folder: .* has no folders, only pictures' train --data "folder:$folder/train/truck"
    mkdir "$work/empty" && mkdir "$work/empty/cats"
    expect 1 err 'IO: image_folder: the class .*empty/cats has no pictures (.jpg, .jpeg, .png)' train --data "folder:$work/empty"
else
    echo "SKIPPED: folders of pictures: this build reads no PNG"
    mkdir -p "$folder/a" && cp "$work/x.png" "$folder/a"
    expect 1 err 'UNSUPPORTED: .*x.png: this build reads no PNG: install libpng (Debian: libpng-dev)' train --data "folder:$folder"
fi

for threads in 1 3; do # pictures are changed by numbers of their own
    GM_THREADS=$threads
    export GM_THREADS
    expect 0 out '^epoch 3: ' train --model lenet --data "cifar10:$cifar" --augment crop,flip,rotate,color,erase --epochs 3 \
        --batch-size 16 --quiet --out "$work/a$threads.safetensors"
done
unset GM_THREADS
check 'cmp -s "$work/a1.safetensors" "$work/a3.safetensors"'
expect 2 err '--augment: there is no "spin"; there are crop' train --augment flip,spin
expect 2 err '"8y8" is no size' train --image-size 8y8
expect 1 err 'only pictures of a folder get another size' train --data "cifar10:$cifar" --image-size 8

# ---- model files that say what cannot be ----
forge() { # forge FROM TO PATTERN: eval of a model file in which FROM, of the same length, became TO
    LC_ALL=C sed "s/$1/$2/" "$work/c.safetensors" >"$work/forged"
    expect 1 err "$3" eval "$work/forged" --data "cifar10:$cifar"
}
forge '"gemel.resize":"cover"' '"gemel.resize":"other"' 'UNSUPPORTED: .*gemel.resize is "other", this version knows cover'
forge '"gemel.input":"3 32 32"' '"gemel.input":"3 32 3x"' 'FORMAT: .*bad metadata: gemel.input is "3 32 3x"'
forge '"gemel.input":"3 32 32"' '"gemel.input":"3 32  0"' 'FORMAT: .*bad metadata: gemel.input is "3 32  0"'
forge '"gemel.model":"mlp"' '"gemel.model":"mlq"' 'VALUE: zoo: there is no "mlq"'
forge '"gemel.model"' '"gemel.nodel"' 'FORMAT: .*no gemel.model: not a model of'
forge 'airplane.nauto' 'airplane__auto' 'SHAPE.*(in .*forged)'
forge '"gemel.scaling":"0' '"gemel.scaling":"x' 'FORMAT: .*bad metadata: gemel.scaling is "x'

# ---- a table: the class is where the point lies; columns of very different sizes, one of them constant ----
table() { # table HEADER NAME NAME
    awk -v header="$1" -v low="$2" -v high="$3" 'BEGIN {
        if (header) print "width,height.mm,always,kind"
        for (i = 0; i < 200; i++) {
            x = (i * 37 % 100) / 100; y = (i * 61 % 100) * 1000
            printf "%g,%g,7,%s\n", x, y, (x * 100000 > y ? low : high)
        }
    }'
}
table 1 low high >"$work/t.csv"
rows="train --model mlp --epochs 20 --batch-size 20 --lr 0.01 --seed 2 --quiet"
expect 0 out '^epoch 20: .* accuracy [01]\.[09]' $rows --data "csv:$work/t.csv" --out "$work/t.safetensors"
expect 0 out 'accuracy [01]\.[09][0-9]* on 20 rows' eval "$work/t.safetensors" --data "csv:$work/t.csv"
expect 0 out 'accuracy [01]\.[09][0-9]* on 200 rows' eval "$work/t.safetensors" --data "csv:$work/t.csv,part=all"
printf 'always,height.mm,extra,width\n7,90000,x,0.1\n7,1000,y,0.95\n' >"$work/new.csv" # other columns, other order
expect 0 out '^.*new.csv, row 2$' predict "$work/t.safetensors" "$work/new.csv" --top 1
check '[ "$(sed -n 2p "$work/out" | cut -c 3-7)" = "high " ] && [ "$(sed -n 4p "$work/out" | cut -c 3-6)" = "low " ]'
expect 0 out '"row": 1, "top": \[{"class": "high", ' predict "$work/t.safetensors" "$work/new.csv" --json
table 0 1 0 >"$work/n.csv" # no header, numbers as classes, given by the label option
expect 0 out '^epoch 20: .* accuracy [01]\.[09]' $rows --data "csv:$work/n.csv,label=3" --out "$work/n.safetensors"
expect 0 out '^gemel.classes: "0\\u000a1"' inspect "$work/n.safetensors"
printf 'id,a,b\nx,1,2\nx,,3\ny,2,2\ny,4,1\n' >"$work/gaps.csv"
expect 0 out '^epoch 1: ' train --model mlp --data "csv:$work/gaps.csv,label=id,missing=0" --quiet --out "$work/gaps"
expect 0 out 'on 4 rows' eval "$work/gaps" --data "csv:$work/gaps.csv,part=all"
printf 'a,b\n,3\n' >"$work/gap.csv"
expect 0 out 'row 1$' predict "$work/gaps" "$work/gap.csv"
expect 1 err 'column "a" has no value in row 2' train --model mlp --data "csv:$work/gaps.csv,label=id"
expect 1 err 'column "id" is text' train --model mlp --data "csv:$work/gaps.csv"
expect 0 out '^epoch 1: ' train --model mlp --data "csv:$work/gaps.csv,missing=1,label=b,ignore=id+" --quiet
expect 1 err 'INDEX: .*gaps.csv: there is no column "x" to ignore' train --model mlp \
    --data "csv:$work/gaps.csv,missing=1,label=b,ignore=id+x"
expect 2 err 'data: .*if "mising=1" is meant as an option, there are .*missing=' train --model mlp \
    --data "csv:$work/gaps.csv,mising=1,label=id"
expect 2 err 'label= names no column' train --model mlp --data "csv:$work/gaps.csv,label="
printf 'a,b\n1,x\ninf,y\n' >"$work/inf.csv"
expect 1 err 'VALUE: .*inf.csv: column "a" in row 2 is inf' train --model mlp --data "csv:$work/inf.csv,part=all"
cat "$work/t.csv" | "$GEMEL" predict "$work/t.safetensors" /dev/stdin >"$work/out" 2>"$work/err"
check '[ $? -eq 0 ] && [ "$(grep -c row "$work/out")" -eq 200 ]'
cat "$work/t.csv" | "$GEMEL" train --model mlp --data csv:/dev/stdin >"$work/out" 2>"$work/err" # once for each part
check '[ $? -eq 1 ] && grep -q "IO: .*/dev/stdin: a pipe with nothing in it; what is read twice" "$work/err"'
expect 1 err 'INDEX: .*there is no column "c" of labels' train --model mlp --data "csv:$work/gaps.csv,label=c"
expect 2 err 'missing=x is not a number' train --model mlp --data "csv:$work/gaps.csv,missing=x"
expect 1 err 'SHAPE: .*a table for a model that takes \[3, 32, 32\]' eval "$work/c.safetensors" --data "csv:$work/t.csv"
expect 1 err 'FORMAT: load_csv: .*x.png: ' predict "$work/t.safetensors" "$work/x.png"
expect 1 err 'SHAPE: .*pictures for a model that takes \[3\]' eval "$work/t.safetensors" --data "folder:$folder"
expect 1 err 'VALUE: .*"kind" in row 1 is none of the 2 classes' eval "$work/n.safetensors" --data "csv:$work/t.csv,header=no"
expect 1 err '--augment: the examples are f32 \[3\]' train --model mlp --data "csv:$work/t.csv" --augment flip
expect 1 err 'SHAPE: sample: the examples are f32 \[3\]: no pictures' sample --data "csv:$work/t.csv" --out "$work/y.png"
printf '1,0.5\n2,0.25\n' >"$work/real.csv"
expect 1 err 'its labels are no classes' train --model mlp --data "csv:$work/real.csv"
printf '1,0\n2,-1\n' >"$work/negative.csv"
expect 1 err 'the label in row 2 is -1, 0 to' train --model mlp --data "csv:$work/negative.csv"
expect 1 err 'IO: .*none.csv' train --model mlp --data "csv:$work/none.csv"
expect 1 err 'VALUE: lenet: examples are \[3\]; images' train --model lenet --data "csv:$work/t.csv"

# ---- names, and bad files of CIFAR-10 ----
expect 2 err 'data: "folder": where is it? folder:DIR is needed' train --data folder
expect 2 err 'data: "fashion-mnist:x": fashion-mnist takes no place' train --data fashion-mnist:x
expect 1 err 'IO: npy_folder: .*x_train.npy: there is no such file. Four are needed' train --data "npy:$work"
expect 1 err 'IO: load_cifar10: .*nowhere is no folder. Six files.*data_batch_1.bin' train --data "cifar10:$work/nowhere"
head -c 5000 "$cifar/data_batch_2.bin" >"$work/cut" && mv "$work/cut" "$cifar/data_batch_2.bin"
expect 1 err 'FORMAT: .*data_batch_2.bin: 5000 bytes, not a multiple of 3073: truncated' train --data "cifar10:$cifar"
{ printf '\012'; fill 3072 a; } >"$cifar/test_batch.bin"
expect 1 err 'FORMAT: .*test_batch.bin: the label of image 0 is 10' eval "$work/c.safetensors" --data "cifar10:$cifar"

done_checking
