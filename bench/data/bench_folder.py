"""bench_folder.py [FOLDER]: the pipeline of bench_folder.c beside torchvision's, in both of its forms: with Pillow (what
ImageFolder does unasked) and on tensors (transforms.v2, pictures decoded by torchvision.io). GM_THREADS threads beside as
many workers of a DataLoader (1: none, the main process does it), pinned to as many CPUs; rounds are taken in turn. What
becomes of the pictures without the random parts is compared. FOLDER/CLASS/*.jpg; without it 192 pictures of 500 x 375 with
the spectrum of photographs (1/f) are made. Prints medians of pictures a second and their ratios; with one thread also of
pictures a second of CPU time, which a busy machine disturbs less."""
import os
import statistics
import subprocess
import sys
import tempfile
import time

threads = int(os.environ.get("GM_THREADS", "1"))
os.environ["GM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)

import numpy
import PIL
import torch
import torchvision
from PIL import Image
from torchvision import transforms
from torchvision.transforms import v2

ROUNDS, WARM, BATCH, VALUES = int(os.environ.get("ROUNDS", "9")), 1, 32, 16
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def make_pictures(folder, count=192, height=375, width=500):
    rng = numpy.random.default_rng(7)
    y, x = numpy.fft.fftfreq(height)[:, None], numpy.fft.rfftfreq(width)[None, :]
    spectrum = 1 / numpy.maximum(numpy.hypot(x, y), 1 / width)
    for i in range(count):
        def field():
            noise = rng.standard_normal(spectrum.shape) + 1j * rng.standard_normal(spectrum.shape)
            f = numpy.fft.irfft2(noise * spectrum, (height, width))
            return f / f.std()
        gray = field()  # colours differ less than brightness does
        planes = [128 + 55 * (0.9 * gray + 0.3 * field()) for _ in range(3)]
        picture = numpy.clip(numpy.stack(planes, -1), 0, 255).astype(numpy.uint8)
        os.makedirs(os.path.join(folder, "class%d" % (i % 4)), exist_ok=True)
        Image.fromarray(picture).save(os.path.join(folder, "class%d" % (i % 4), "%04d.jpg" % i), quality=90)


def pillow_set(folder):
    return torchvision.datasets.ImageFolder(folder, transforms.Compose([
        transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
        transforms.Normalize(MEAN, STD)]))


def tensor_set(folder):
    mode = torchvision.io.ImageReadMode.RGB
    return torchvision.datasets.ImageFolder(folder, v2.Compose([
        v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD)]), loader=lambda path: torchvision.io.decode_image(path, mode))


def torch_round(loader):
    begin, used, n = time.perf_counter(), time.process_time(), 0
    for x, _ in loader:
        n += len(x)
    return n / (time.perf_counter() - begin), n / (time.process_time() - used)


def gemel_round(process):
    process.stdin.write("round\n")
    process.stdin.flush()
    return tuple(map(float, process.stdout.readline().split()))


def compare(program, folder, work):
    """The largest difference, in gray levels, of resizing to 256 and cutting out the middle."""
    out = os.path.join(work, "values.npy")
    subprocess.run([program, folder, "values", out], check=True)
    centre = torchvision.datasets.ImageFolder(folder, transforms.Compose([
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]))
    theirs = numpy.stack([centre[i][0].numpy() for i in range(VALUES)])
    std = numpy.array(STD, numpy.float32)[:, None, None]
    return float(numpy.abs((numpy.load(out) - theirs) * std).max() * 255)


def main():
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    program = os.path.join(os.environ.get("GEMEL_BUILD", "build"), "bench_folder")
    workers = threads if threads > 1 else 0
    with tempfile.TemporaryDirectory() as work:
        folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(work, "pictures")
        if len(sys.argv) < 2:
            make_pictures(folder)
        off = compare(program, folder, work)
        loaders = [torch.utils.data.DataLoader(make(folder), BATCH, shuffle=True, num_workers=workers,
                                               persistent_workers=workers > 0) for make in (pillow_set, tensor_set)]
        process = subprocess.Popen([program, folder, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True)
        rates = [[], [], []]
        for i in range(WARM + ROUNDS):
            got = [gemel_round(process), *map(torch_round, loaders)]
            for rate, value in zip(rates, got if i >= WARM else []):
                rate.append(value)
        process.stdin.write("end\n")  # workers hold copies of the pipe: closing it would not be seen
        process.stdin.flush()
        process.wait()
    print(f"threads {threads}, torchvision {torchvision.__version__}, Pillow {PIL.__version__}, {ROUNDS} rounds; "
          f"without the random parts values differ by {off:.2g} gray levels at most")
    for kind, what in enumerate(["second", "second of CPU time"][:2 if threads == 1 else 1]):
        ours, pillow, tensors = (statistics.median(r[kind] for r in rate) for rate in rates)
        most = [max(r[kind] for r in rate) for rate in rates]
        print(f"pictures a {what}, median (most): Gemel {ours:.0f} ({most[0]:.0f}), with Pillow {pillow:.0f} "
              f"({most[1]:.0f}), on tensors {tensors:.0f} ({most[2]:.0f}); "
              f"Gemel / Pillow {ours / pillow:.2f}, Gemel / tensors {ours / tensors:.2f}")
    return 0 if off < 1.001 and process.returncode == 0 else 1


sys.exit(main())
