"""bench_resnet.py: the training step of bench_resnet.c beside PyTorch eager: torchvision's ResNet-18 with the first
layers for small pictures, same data, same parameters, the same number of threads, steps taken in turn; losses compared
while rounding has not pulled the two runs apart. Prints medians, their ratio and the peak memory of both processes."""
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
import torchvision

ROUNDS, WARM, COMPARED = int(os.environ.get("ROUNDS", "8")), 2, 5


def memory(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key + ":")) / 1024


def network(folder):
    torch.manual_seed(1)
    net = torchvision.models.resnet18(num_classes=10)
    net.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    net.maxpool = torch.nn.Identity()
    x, y = torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,))
    for name, value in [("x", x), ("y", y), *net.named_parameters()]:
        numpy.save(os.path.join(folder, name + ".npy"), value.detach().numpy())
    if os.environ.get("CHANNELS_LAST"):
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    return net, x, y


def torch_step(net, optimizer, x, y):
    wall, cpu = time.perf_counter(), time.process_time()
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    value = loss.item()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3, value


def gemel_step(process):
    process.stdin.write("step\n")
    process.stdin.flush()
    return map(float, process.stdout.readline().split())


def main():
    torch.set_num_threads(threads)
    program = os.path.join(os.environ.get("GEMEL_BUILD", "build"), "bench_resnet")
    with tempfile.TemporaryDirectory() as folder:
        net, x, y = network(folder)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        before = memory("self", "VmRSS")
        process = subprocess.Popen([program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ours, theirs, worst = [], [], 0.0
        for i in range(WARM + ROUNDS):
            (*ms, a), (*them, b) = gemel_step(process), torch_step(net, optimizer, x, y)
            if i < COMPARED:
                worst = max(worst, abs(a - b) / abs(b))
            if i >= WARM:
                ours.append(ms)
                theirs.append(them)
        peak, its_peak = memory(process.pid, "VmHWM"), memory("self", "VmHWM")
        process.stdin.close()
        process.wait()
    print(f"threads {threads}, PyTorch {torch.__version__}: the first {COMPARED} losses differ by {worst:.1e} at most")
    for what, a, b in zip(("on the wall", "of the processors"), zip(*ours), zip(*theirs)):
        g, t = statistics.median(a), statistics.median(b)
        print(f"milliseconds a step {what}, median (least): Gemel {g:.0f} ({min(a):.0f}), PyTorch {t:.0f} ({min(b):.0f});"
              f" PyTorch / Gemel {t / g:.2f} ({min(b) / min(a):.2f})")
    print(f"peak memory of the process, MiB: Gemel {peak:.0f}, PyTorch {its_peak:.0f}, of which {before:.0f} before the"
          " first step")
    return 0 if worst < 1e-3 and process.returncode == 0 else 1


sys.exit(main())
