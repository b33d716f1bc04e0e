"""Writes tests/ops/data/sort.txt with PyTorch: python tests/ops/record_sort.py (from the root)."""
import torch
from record import idx, inp, grads, put, write


for descending in (False, True):
    name = "sort_down" if descending else "sort_up"
    x = inp(1, 3, 70, 4)
    v, i = x.sort(dim=1, descending=descending, stable=True)
    grads(name, v, x)
    put(name + "_index", i)
    put(name + "_ties", idx(2, 9, 5, 61).argsort(dim=-1, descending=descending, stable=True))
for name, k, largest in [("topk", 5, True), ("topk_smallest", 7, False), ("topk_many", 60, True)]:
    x = inp(3, 2, 3, 90)
    v, i = x.topk(k, -1, largest=largest)
    grads(name, v, x)
    put(name + "_index", i)
u = idx(4, 40, 7, 9).unique(return_inverse=True, return_counts=True)
for name, t in zip(("unique", "unique_inverse", "unique_counts"), u):
    put(name, t)
s = inp(5, 4, 33, grad=False).sort(-1)[0]
v = torch.cat([inp(6, 4, 10, grad=False), s[:, ::7]], 1)
for right in (False, True):
    put("search_%d" % right, torch.searchsorted(s, v, right=right))
    put("bucket_%d" % right, torch.bucketize(idx(7, 9, 3, 5), torch.tensor([1, 3, 3, 6]), right=right))
put("bincount", torch.bincount(idx(8, 7, 50), minlength=10))
put("bincount_weights", torch.bincount(idx(8, 7, 50), weights=inp(9, 50, grad=False)))
write("tests/ops/data/sort.txt")
