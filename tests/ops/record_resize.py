"""Writes tests/ops/data/resize.txt with PyTorch, and Pillow for u8: python tests/ops/record_resize.py (from the root)."""
import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from record import inp, grads, put, write

for name, xs, size, opt in [
        ("nearest_up", (1, 2, 3, 4), (7, 6), dict(mode="nearest")), ("nearest_down", (1, 2, 7, 9), (3, 4), dict(mode="nearest")),
        ("linear_up", (1, 2, 3, 4), (7, 9), dict(mode="bilinear")), ("linear_down", (1, 2, 9, 11), (4, 5), dict(mode="bilinear")),
        ("linear_corners", (1, 2, 5, 4), (8, 3), dict(mode="bilinear", align_corners=True)),
        ("linear_antialias", (1, 2, 13, 11), (4, 17), dict(mode="bilinear", antialias=True)),
        ("cubic_up", (1, 2, 4, 5), (9, 7), dict(mode="bicubic")),
        ("cubic_corners", (1, 2, 4, 5), (7, 3), dict(mode="bicubic", align_corners=True)),
        ("cubic_antialias", (1, 2, 13, 9), (5, 4), dict(mode="bicubic", antialias=True))]:
    x = inp(1, *xs)
    grads(name, F.interpolate(x, size=size, **opt), x)
x = inp(1, 2, 3, 5)
grads("linear1d", F.interpolate(x, size=8, mode="linear"), x)
for name, size, opt in [("nearest3d", (5, 2, 7), dict(mode="nearest")), ("linear3d", (5, 3, 7), dict(mode="trilinear")),
                        ("corners3d", (2, 7, 4), dict(mode="trilinear", align_corners=True))]:
    x = inp(1, 1, 2, 3, 4, 5)
    grads(name, F.interpolate(x, size=size, **opt), x)
x = ((inp(3, 23, 31, grad=False) + 1) * 127.9).to(torch.uint8)
for name, mode in [("pillow_linear", Image.BILINEAR), ("pillow_cubic", Image.BICUBIC)]:
    for h, w in [(9, 13), (40, 17), (5, 50)]:
        rows = Image.fromarray(x.numpy()).resize((w, x.shape[0]), mode)  # Pillow 13 may take the columns first
        y = numpy.array(rows.resize((w, h), mode))
        put("%s_%d_%d" % (name, h, w), torch.from_numpy(y))
write("tests/ops/data/resize.txt")
