#!/bin/sh
# demo.sh: train a small convolutional network on the 60,000 photographs of Fashion-MNIST, then let it name the content
# of one image of the test set. Writes runs/fashion/: the model, the TensorBoard log, the image.
set -eu
cd "$(dirname "$0")/.."
out=runs/fashion
model=$out/model.safetensors
mkdir -p "$out"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }

say ./gemel train --model lenet --data fashion-mnist --epochs 3 --batch-size 64 --optimizer adamw --lr 3e-3 \
    --schedule one-cycle --seed 1 --logdir "$out/log" --out "$model"
say ./gemel eval "$model" --data fashion-mnist --json | tee "$out/eval.json"
accuracy=$(sed -n 's/.*"accuracy": *\([0-9.eE+-]*\).*/\1/p' "$out/eval.json" | tail -1)

# One image of the test set as a PNG file, for the prediction.
say ./gemel sample --data fashion-mnist --index 0 --out "$out/sample.png"
say ./gemel predict "$model" "$out/sample.png" --top 3

echo
echo "Accuracy on the 10,000 test images: $accuracy"
echo "The model is $model. To look at the curves:"
echo "    tensorboard --logdir $out/log"
awk -v a="${accuracy:-0}" 'BEGIN { exit !(a >= 0.9) }' || { echo "demo: the accuracy is below 0.90" >&2; exit 1; }
