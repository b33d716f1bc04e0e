"""bench_lenet.py [DATA EPOCHS SEEDS]: `gemel train --model lenet` beside the same recipe in PyTorch: the same net,
initial values of the same distributions, batches of 64, AdamW, one-cycle schedule to 0.003, evaluation after each epoch.

Without arguments: seconds of an epoch over a part of Fashion-MNIST, also of CPU time (for a machine that is busy), rounds
taken in turn, median and least; reading the files counts on neither side.
With: trains on all of DATA (a folder of MNIST's files) and prints the accuracies of each seed. GM_THREADS: of both."""
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

threads = int(os.environ.get("GM_THREADS", "1"))
os.environ["GM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)

import numpy
import torch
from torch import nn

FASHION = os.environ.get("GM_FASHION_MNIST", "/usr/share/datasets/fashion-mnist")
PART, ROUNDS, BATCH, LR = 6400, 5, 64, 3e-3
GEMEL = os.path.join(os.environ.get("GEMEL_BUILD", "build"), "gemel")
FILES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def read(folder, name):
    path = os.path.join(folder, name)
    with gzip.open(path + ".gz") if os.path.exists(path + ".gz") else open(path, "rb") as f:
        bytes_ = f.read()
    return numpy.frombuffer(bytes_, numpy.uint8, offset=16 if "images" in name else 8)


def load(folder, part=None):
    """x [N, 1, 28, 28] scaled as `gemel train` does, y [N], for both sets."""
    mean, std = (0.2860, 0.3530) if "fashion" in folder else (0.1307, 0.3081)
    sets = []
    for i in (0, 2):
        x, y = read(folder, FILES[i]).reshape(-1, 1, 28, 28)[:part], read(folder, FILES[i + 1])[:part]
        sets.append((torch.from_numpy((x / 255).astype("f4") - mean) / std, torch.from_numpy(y.astype("i8"))))
    return sets


def write_part(folder, to, part):
    for name in FILES:
        values = read(folder, name).reshape(-1, 784 if "images" in name else 1)[:part]
        sizes = [len(values), 28, 28] if "images" in name else [len(values)]
        with open(os.path.join(to, name), "wb") as f:
            f.write(bytes([0, 0, 8, len(sizes)]) + numpy.array(sizes, ">i4").tobytes() + values.tobytes())


def lenet():
    return nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1),
                         nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))


def torch_run(sets, epochs, seed):
    """Seconds of each epoch and the accuracy after the last."""
    torch.manual_seed(seed)
    net, ((x, y), (tx, ty)) = lenet(), sets
    steps = (len(x) + BATCH - 1) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, epochs * steps, cycle_momentum=False)
    seconds = []
    for _ in range(epochs):
        begin = time.perf_counter()
        net.train()
        right = total = 0.0
        for at in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            out = net(x[at])
            loss = nn.functional.cross_entropy(out, y[at])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            right += (out.argmax(1) == y[at]).sum().item()
        net.eval()
        with torch.no_grad():
            correct = sum((net(tx[i:i + 256]).argmax(1) == ty[i:i + 256]).sum().item() for i in range(0, len(tx), 256))
        seconds.append(time.perf_counter() - begin)
    return seconds, correct / len(tx)


def gemel_run(data, epochs, seed):
    words = [GEMEL, "train", "--model", "lenet", "--data", data, "--epochs", str(epochs), "--batch-size", str(BATCH),
             "--optimizer", "adamw", "--lr", str(LR), "--schedule", "one-cycle", "--seed", str(seed), "--json", "--quiet"]
    lines = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    return [row["seconds"] for row in rows], rows[-1]["val_accuracy"]


def children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def speed():
    with tempfile.TemporaryDirectory(suffix="fashion") as folder:
        write_part(FASHION, folder, PART)
        sets, ours, theirs = load(folder), [], []
        begin = children()
        subprocess.run([GEMEL, "sample", "--data", "mnist:" + folder, "--out", folder + "/x.png"], check=True,
                       stdout=subprocess.DEVNULL)
        reading = children() - begin
        for i in range(ROUNDS + 1):
            begin = children()
            wall = gemel_run("mnist:" + folder, 1, i)[0][0]
            ours.append((wall, children() - begin - reading))
            begin = time.process_time()
            theirs.append((torch_run(sets, 1, i)[0][0], time.process_time() - begin))
    print(f"threads {threads}, PyTorch {torch.__version__}: {PART} images and a test over {len(sets[1][0])}")
    for k, what in enumerate(["seconds", "CPU seconds"]):
        g, t = ([pair[k] for pair in side[1:]] for side in (ours, theirs))
        a, b = statistics.median(g), statistics.median(t)
        print(f"{what}, median (least): Gemel {a:.2f} ({min(g):.2f}), PyTorch {b:.2f} ({min(t):.2f});"
              f" PyTorch / Gemel {b / a:.2f} ({min(t) / min(g):.2f})")


def accuracy(folder, epochs, seeds):
    sets = load(folder)
    for seed in range(1, seeds + 1):
        (a, ours), (b, theirs) = gemel_run("mnist:" + folder, epochs, seed), torch_run(sets, epochs, seed)
        print(f"seed {seed}: test accuracy Gemel {ours:.4f}, PyTorch {theirs:.4f}; seconds an epoch"
              f" {statistics.median(a):.1f}, {statistics.median(b):.1f}", flush=True)


torch.set_num_threads(threads)
if len(sys.argv) > 3:
    accuracy(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
else:
    speed()
