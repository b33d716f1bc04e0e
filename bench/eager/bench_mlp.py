"""bench_mlp.py: the training step of bench_mlp.c beside PyTorch eager: same data, same parameters, the same number of
threads, rounds taken in turn; every loss compared. Prints medians and their ratio."""
import os
import statistics
import subprocess
import sys
import tempfile
import time

threads = int(os.environ.get("GM_THREADS", "1"))
os.environ["GM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)

import numpy
import torch

STEPS, ROUNDS, WARM = 50, 40, 4


def parameters(folder):
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    x, y = torch.randn(64, 784), torch.randint(0, 10, (64,))
    for name, value in [("x", x), ("y", y), *net.state_dict().items()]:
        numpy.save(os.path.join(folder, name + ".npy"), value.numpy())
    return net, x, y


def torch_round(net, optimizer, x, y):
    losses = []
    begin = time.perf_counter()
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return (time.perf_counter() - begin) / STEPS * 1e6, losses


def gemel_round(process):
    process.stdin.write("round\n")
    process.stdin.flush()
    us, *losses = map(float, process.stdout.readline().split())
    return us, losses


def main():
    torch.set_num_threads(threads)
    program = os.path.join(os.environ.get("GEMEL_BUILD", "build"), "bench_mlp")
    with tempfile.TemporaryDirectory() as folder:
        net, x, y = parameters(folder)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        process = subprocess.Popen([program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ours, theirs, worst = [], [], 0.0
        for i in range(WARM + ROUNDS):
            (us, a), (them, b) = gemel_round(process), torch_round(net, optimizer, x, y)
            worst = max(worst, *(abs(p - q) / max(abs(q), 1e-3) for p, q in zip(a, b)))
            if i >= WARM:
                ours.append(us)
                theirs.append(them)
        process.stdin.close()
        process.wait()
    g, t = statistics.median(ours), statistics.median(theirs)
    print(f"threads {threads}, PyTorch {torch.__version__}: losses differ by {worst:.1e} at most, relative to 1e-3 or more")
    print(f"microseconds a step, median (least): Gemel {g:.1f} ({min(ours):.1f}), PyTorch {t:.1f} ({min(theirs):.1f});"
          f" PyTorch / Gemel {t / g:.2f} ({min(theirs) / min(ours):.2f})")
    return 0 if worst < 1e-2 and process.returncode == 0 else 1


sys.exit(main())
