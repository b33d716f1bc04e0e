"""Writes tests/ops/data/index.txt with PyTorch: python tests/ops/record_index.py (from the root)."""
import torch
from record import inp, grads, put, write


def idx(seed, below, *shape):
    n = 1
    for s in shape:
        n *= s
    i = torch.arange(n, dtype=torch.int64)
    return ((i * 7919 + seed * 104729 + 12345) % 2003 % below).reshape(shape)


x, s = inp(1, 4, 9, 5), inp(2, 3, 7, 5)
i = idx(3, 9, 3, 7, 5)
grads("gather", x.gather(1, i), x)
x = inp(1, 4, 9, 5)
grads("scatter_add", x.scatter_add(1, i, s), x, s)
x, s = inp(1, 6, 8), inp(2, 6, 3)
grads("scatter", x.scatter(1, torch.tensor([7, 0, 4]).expand(6, 3), s), x, s)
write("tests/ops/data/index.txt")
