"""bench_cifar.py PICTURES STATE [SEEDS [EPOCHS [SIDE]]]: ResNet-18 (CIFAR form) on CIFAR-10, `gemel train` beside the same recipe
in PyTorch: batches of 128, moved by up to 4 pixels and flipped, SGD with Nesterov momentum 0.9 and weight decay 5e-4,
one-cycle schedule to 0.1. Accuracy on the test pictures after the last epoch, each seed, and the two means.

PICTURES holds train/CLASS/*.jpg and test/CLASS/*.jpg. STATE is a folder for what is finished: hours of work, so a run that
was stopped goes on from its last epoch. SIDE: only gemel, or only torch. GM_THREADS: of both."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

threads = int(os.environ.get("GM_THREADS", "1"))
os.environ["GM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)

import numpy
import torch
from PIL import Image
from torch import nn

GEMEL = os.path.join(os.environ.get("GEMEL_BUILD", "build"), "gemel")
BATCH, LR, DECAY = 128, 0.1, 5e-4
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}


def write_binary(pictures, to):
    """The pictures as CIFAR-10's binary files, which both sides read."""
    if (to / "test_batch.bin").exists():
        return
    to.mkdir(parents=True, exist_ok=True)
    for part, files in FILES.items():
        classes = sorted(p.name for p in (pictures / part).iterdir())
        (to / "batches.meta.txt").write_text("".join(c + "\n" for c in classes))
        found = [(p, k) for k, c in enumerate(classes) for p in sorted((pictures / part / c).iterdir())]
        order = numpy.random.default_rng(0).permutation(len(found))
        for name, chosen in zip(files, numpy.array_split(order, len(files))):
            records = [bytes([found[i][1]]) + numpy.asarray(Image.open(found[i][0])).transpose(2, 0, 1).tobytes()
                       for i in chosen]
            (to / name).write_bytes(b"".join(records))


def read_binary(folder, part):
    rows = numpy.concatenate([numpy.fromfile(folder / f, numpy.uint8).reshape(-1, 3073) for f in FILES[part]])
    x = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).astype("f4") / 255)
    x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    return x, torch.from_numpy(rows[:, 0].astype("i8"))


class Block(nn.Module):
    def __init__(self, n_in, n, stride):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(n_in, n, 3, stride, 1, bias=False), nn.BatchNorm2d(n), nn.ReLU(),
                               nn.Conv2d(n, n, 3, 1, 1, bias=False), nn.BatchNorm2d(n))
        self.b = nn.Sequential()
        if stride > 1 or n_in != n:
            self.b = nn.Sequential(nn.Conv2d(n_in, n, 1, stride, bias=False), nn.BatchNorm2d(n))

    def forward(self, x):
        return torch.relu(self.a(x) + self.b(x))


def resnet18():
    layers, n = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(n, width, stride), Block(width, width, 1)]
        n = width
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    return net


def augment(x, generator):
    padded = nn.functional.pad(x, (4, 4, 4, 4))
    out = torch.empty_like(x)
    for i, (dy, dx, flip) in enumerate(torch.randint(0, 1 << 30, (len(x), 3), generator=generator).tolist()):
        piece = padded[i, :, dy % 9:dy % 9 + 32, dx % 9:dx % 9 + 32]
        out[i] = piece.flip(2) if flip & 1 else piece
    return out


def torch_accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        return sum((net(x[at]).argmax(1) == y[at]).sum().item() for at in torch.arange(len(x)).split(250)) / len(x)


def torch_run(data, state, epochs, seed):
    (x, y), (tx, ty) = read_binary(data, "train"), read_binary(data, "test")
    torch.manual_seed(seed)
    net, steps, generator = resnet18(), (len(x) + BATCH - 1) // BATCH, torch.Generator().manual_seed(seed)
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9, nesterov=True, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, epochs * steps, cycle_momentum=False)
    parts, kept, begin = (net, optimizer, schedule), state / f"torch-{seed}.pt", 0
    if kept.exists():
        begin, saved, random = torch.load(kept, weights_only=False)
        for part, values in zip(parts, saved):
            part.load_state_dict(values)
        generator.set_state(random)
    for epoch in range(begin, epochs):
        net.train()
        for at in torch.randperm(len(x), generator=generator).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(augment(x[at], generator)), y[at]).backward()
            optimizer.step()
            schedule.step()
        torch.save((epoch + 1, [p.state_dict() for p in parts], generator.get_state()), kept)
    return torch_accuracy(net, tx, ty)


def gemel_run(data, state, epochs, seed):
    folder = state / f"gemel-{seed}"
    line = [GEMEL, "train", "--model", "resnet18", "--data", f"cifar10:{data}", "--epochs", str(epochs), "--batch-size",
            str(BATCH), "--augment", "crop,flip", "--optimizer", "sgd", "--nesterov", "--weight-decay", str(DECAY), "--lr",
            str(LR), "--schedule", "one-cycle", "--seed", str(seed), "--checkpoint-dir", str(folder), "--resume",
            "--quiet", "--out", str(state / f"gemel-{seed}.safetensors")]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    out = subprocess.run([GEMEL, "eval", str(state / f"gemel-{seed}.safetensors"), "--data", f"cifar10:{data}", "--json"],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)["accuracy"]


def main():
    pictures, state = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    seeds, epochs = int(sys.argv[3]) if sys.argv[3:] else 3, int(sys.argv[4]) if sys.argv[4:] else 5
    write_binary(pictures, state / "data")
    torch.set_num_threads(threads)
    sides = {"gemel": gemel_run, "torch": torch_run}
    for seed in range(1, seeds + 1):
        for name in sys.argv[5:6] or sides:
            done, begin = state / f"{name}-{epochs}-{seed}.json", time.time()
            if not done.exists():
                done.write_text(json.dumps(sides[name](state / "data", state, epochs, seed)))
                print(f"{name}, seed {seed}: {done.read_text()} ({time.time() - begin:.0f} s)", flush=True)
    for name in sides:
        found = [json.loads(p.read_text()) for p in sorted(state.glob(f"{name}-{epochs}-*.json"))]
        if found:
            print(f"{name}: mean {statistics.mean(found):.4f} of {' '.join(f'{v:.4f}' for v in found)}")


main()
