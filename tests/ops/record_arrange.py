"""Writes tests/ops/data/arrange.txt with PyTorch: python tests/ops/record_arrange.py (from the root)."""
import numpy
import torch
import torch.nn.functional as F
from record import inp, grads, put, write

for name, mode, value in [("constant", "constant", 1.5), ("reflect", "reflect", None), ("replicate", "replicate", None),
                          ("circular", "circular", None)]:
    x = inp(1, 2, 3, 4, 5)
    grads(name, F.pad(x, (2, 3, 1, 2), mode=mode, value=value), x)
x = inp(1, 2, 3, 4, 5)
grads("cut", F.pad(x, (-1, 2, 0, 0, 3, -2)), x)
x = inp(1, 2, 3, 4, grad=False)
put("symmetric", torch.tensor(numpy.pad(x.numpy(), ((0, 0), (2, 3), (9, 1)), "symmetric")))
put("reflect_wide", torch.tensor(numpy.pad(x.numpy(), ((3, 0), (0, 0), (7, 11)), "reflect")))
x = inp(1, 4, 5, 3)
grads("roll", x.roll(-7, 1), x)
x = inp(1, 4, 3)
grads("repeat", x.repeat(2, 1, 3), x)
x = inp(1, 4, 3)
grads("interleave", x.repeat_interleave(3, 1), x)
x = inp(1, 4, 3)
grads("interleave_by", x.repeat_interleave(torch.tensor([2, 0, 1, 3]), 0), x)
write("tests/ops/data/arrange.txt")
