"""Writes tests/ops/data/attention.txt with PyTorch: python tests/ops/record_attention.py (from the root)."""
import torch
import torch.nn.functional as F
from record import inp, grads, put, write

x = inp(1, 2, 2, 5, 4), inp(2, 2, 2, 7, 4), inp(3, 2, 2, 7, 3)
grads("plain", F.scaled_dot_product_attention(*x), *x)
x = inp(1, 2, 6, 4), inp(2, 2, 6, 4), inp(3, 2, 6, 4)
grads("causal", F.scaled_dot_product_attention(*x, is_causal=True, scale=0.7), *x)
x = inp(1, 2, 5, 4), inp(2, 2, 7, 4), inp(3, 2, 7, 3)
keep = inp(4, 5, 7, grad=False) > -0.4
grads("keep", F.scaled_dot_product_attention(*x, attn_mask=keep), *x)
x = inp(1, 2, 2, 5, 4), inp(2, 2, 2, 7, 4), inp(3, 2, 2, 7, 3), inp(4, 2, 1, 5, 7)
grads("bias", F.scaled_dot_product_attention(*x[:3], attn_mask=x[3]), *x)
x = inp(1, 1, 4, 3, 4), inp(2, 1, 2, 5, 4), inp(3, 1, 2, 5, 3)
grads("groups", F.scaled_dot_product_attention(*x, enable_gqa=True), *x)
x = inp(1, 1, 300, 3), inp(2, 1, 520, 3), inp(3, 1, 520, 2)
y = F.scaled_dot_product_attention(*x, attn_mask=torch.ones(300, 520, dtype=torch.bool).tril(200))
grads("long", y, *x)

# second order: the gradients of a sum over gradients
x = inp(1, 2, 3, 4), inp(2, 2, 5, 4), inp(3, 2, 5, 3), inp(4, 2, 3, 5)
s = x[0] @ x[1].transpose(-1, -2) * 0.5 + x[3]
y = torch.softmax(s, -1) @ x[2]
g = torch.autograd.grad((y * y).sum(), x, create_graph=True)
e = sum((t * inp(5 + i, *t.shape, grad=False)).sum() for i, t in enumerate(g))
for i, t in enumerate(torch.autograd.grad(e, x)):
    put("second.%d" % i, t)
write("tests/ops/data/attention.txt")
