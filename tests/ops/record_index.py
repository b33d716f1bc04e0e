"""Writes tests/ops/data/index.txt with PyTorch: python tests/ops/record_index.py (from the root)."""
import torch
from record import idx, inp, grads, put, write

x, s = inp(1, 4, 9, 5), inp(2, 3, 7, 5)
i = idx(3, 9, 3, 7, 5)
grads("gather", x.gather(1, i), x)
x = inp(1, 4, 9, 5)
grads("scatter_add", x.scatter_add(1, i, s), x, s)
x, s = inp(1, 6, 8), inp(2, 6, 3)
grads("scatter", x.scatter(1, torch.tensor([7, 0, 4]).expand(6, 3), s), x, s)
x = inp(1, 4, 9, 5)
grads("index_select", x.index_select(1, idx(4, 9, 13)), x)
x, s = inp(1, 4, 9, 5), inp(2, 4, 13, 5)
grads("index_add", x.index_add(1, idx(4, 9, 13), s), x, s)
w = inp(1, 11, 6)
grads("embedding", torch.nn.functional.embedding(idx(5, 11, 4, 7), w, padding_idx=3), w)
x, i, j = inp(1, 5, 6, 3), idx(6, 5, 4, 1), idx(7, 6, 8) - 6
grads("index", x[i, j], x)
i, j = torch.tensor([[0], [4], [2]]), torch.tensor([-1, 2])
x, v = inp(1, 5, 6, 3), inp(2, 2, 1)
grads("index_put", x.index_put((i, j), v), x, v)
x, v, i, j = inp(1, 5, 6, 3), inp(2, 4, 8, 3), idx(6, 5, 4, 1), idx(7, 6, 8)
grads("index_put_add", x.index_put((i, j), v, accumulate=True), x, v)
x = inp(1, 4, 6)
m = idx(8, 3, 4, 6) == 0
grads("masked_fill", x.masked_fill(m[1], -2.5), x)
x = inp(1, 4, 6)
grads("masked_select", x.masked_select(m), x)
put("nonzero", idx(8, 3, 4, 6).nonzero())
put("one_hot", torch.nn.functional.one_hot(idx(9, 5, 3, 4), 6))
o = torch.tensor([0, 3, 3, 11, 17])
for mode in ("mean", "sum", "max"):
    w = inp(1, 9, 5)
    grads("bag_" + mode, torch.nn.functional.embedding_bag(idx(10, 9, 20), w, o, mode=mode, padding_idx=4), w)
w, f = inp(1, 9, 5), inp(2, 4, 6)
grads("bag_weighted", torch.nn.functional.embedding_bag(idx(11, 9, 4, 6), w, mode="sum", per_sample_weights=f), w, f)
write("tests/ops/data/index.txt")
