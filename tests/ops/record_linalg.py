"""Writes tests/ops/data/linalg.txt with PyTorch: python tests/ops/record_linalg.py (from the root)."""
import torch
from record import inp, grads, write

for name, a, b in [("mm", (5, 7), (7, 3)), ("long", (2, 700), (700, 3)), ("vv", (9,), (9,)), ("mv", (4, 6), (6,)),
                   ("vm", (6,), (6, 5)), ("bv", (2, 3, 4), (4,)), ("vb", (4,), (2, 4, 3)),
                   ("batch", (2, 1, 3, 4), (5, 4, 2)), ("shared", (3, 2, 5), (5, 4)), ("left", (2, 5), (3, 5, 4))]:
    x, y = inp(1, *a), inp(2, *b)
    grads("matmul_" + name, torch.matmul(x, y), x, y)
x, y = inp(1, 4, 6), inp(2, 3, 6)
grads("matmul_transposed", x @ y.t(), x, y)
for name, s in [("2d", (5, 7)), ("3d", (2, 3, 7)), ("1d", (7,))]:
    x, w, b = inp(1, *s), inp(2, 4, 7), inp(3, 4)
    grads("linear_" + name, torch.nn.functional.linear(x, w, b), x, w, b)
x, y = inp(1, 3), inp(2, 4)
grads("outer", torch.outer(x, y), x, y)
for i, (eq, *shapes) in enumerate([
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("ij,j", (3, 4), (4,)), ("...ij->...ji", (2, 3, 4)), ("ii->i", (4, 4)),
        ("ij->", (3, 4)), ("ii", (4, 4)), ("i,j->ij", (3,), (4,)), ("ij,ij->ij", (3, 4), (3, 4)),
        ("...i,...i->...", (2, 3, 4), (3, 4)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("ijk,jil->kl", (2, 3, 4), (3, 2, 5)),
        ("b i d, b j d -> b j i", (2, 3, 4), (2, 5, 4)), ("ba,cad->dcb", (2, 3), (4, 3, 2)), ("ijk,k,i->j", (2, 3, 4), (4,), (2,)),
        ("ij,kl->il", (2, 3), (4, 2)), ("iji,j->ij", (3, 2, 3), (2,)), ("...,...->...", (2, 1), (1, 3))]):
    xs = [inp(j + 1, *s) for j, s in enumerate(shapes)]
    grads("einsum%d" % i, torch.einsum(eq, *xs), *xs)
x = inp(1, 2, 4, 5)
grads("tril", torch.tril(x, 1), x)
x = inp(1, 2, 4, 5)
grads("triu", torch.triu(x, -1), x)
x = inp(1, 4, 3, 5)
grads("diagonal", torch.diagonal(x, -1, 0, 2), x)
x = inp(1, 2, 3)
grads("diag_embed", torch.diag_embed(x, 1), x)
x = inp(1, 4, 5)
grads("diag", torch.diag(x, 2), x)
x = inp(1, 4, 4)
grads("trace", torch.trace(x), x)
write("tests/ops/data/linalg.txt")
