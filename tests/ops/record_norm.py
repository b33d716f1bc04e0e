"""Writes tests/ops/data/norm.txt with PyTorch: python tests/ops/record_norm.py (from the root)."""
import torch
import torch.nn.functional as F
from record import inp, grads, put, write

# statistics and scans: name, function, shape
for name, f, shape in [
        ("sum", lambda x: x.sum((0, 2)), (3, 4, 5)), ("mean", lambda x: x.mean(1, keepdim=True), (3, 4, 5)),
        ("prod", lambda x: (x * 2).prod(1), (3, 5)), ("max", lambda x: x.amax((1, 2)), (3, 4, 5)),
        ("min", lambda x: x.amin(0), (3, 4, 5)),
        ("var", lambda x: x.var((0, 2), correction=1), (3, 4, 5)), ("var0", lambda x: x.var(-1, correction=0, keepdim=True), (3, 40)),
        ("std", lambda x: x.std(-1), (3, 40)), ("logsumexp", lambda x: torch.logsumexp(x * 9, 1), (3, 7)),
        ("logsumexp_all", lambda x: torch.logsumexp(x, (0, 1)), (3, 7)),
        ("norm2", lambda x: torch.linalg.vector_norm(x, 2, 1), (3, 7)), ("norm1", lambda x: torch.linalg.vector_norm(x, 1, 0), (3, 7)),
        ("norm3", lambda x: torch.linalg.vector_norm(x, 3, (0, 1)), (3, 7)),
        ("norm_inf", lambda x: torch.linalg.vector_norm(x, float("inf"), 1), (3, 7)),
        ("normalize", lambda x: F.normalize(x, dim=1), (3, 7)),
        ("cumsum", lambda x: x.cumsum(1), (3, 7, 2)), ("cumprod", lambda x: (x * 2).cumprod(0), (5, 3)),
        ("softmax", lambda x: (x * 5).softmax(-1), (3, 37)), ("softmax_dim", lambda x: (x * 5).softmax(1), (3, 7, 4)),
        ("log_softmax", lambda x: (x * 5).log_softmax(-1), (3, 37)), ("log_softmax_dim", lambda x: (x * 5).log_softmax(0), (3, 7, 4))]:
    x = inp(1, *shape)
    grads(name, f(x), x)

for name, shape in [("batch2", (7, 5)), ("batch3", (3, 2, 90)), ("batch4", (4, 2, 6, 11)), ("batch4_wide", (2, 18, 3, 3))]:
    x, w, b = inp(1, *shape), inp(2, shape[1]), inp(3, shape[1])
    grads(name, F.batch_norm(x, None, None, w, b, True, 0, 1e-5), x, w, b)
    x, w, b = inp(1, *shape), inp(2, shape[1]), inp(3, shape[1])
    mean, var = inp(4, shape[1], grad=False), inp(5, shape[1], grad=False) + 1.5
    grads(name + "_given", F.batch_norm(x, mean, var, w, b, False, 0, 1e-3), x, w, b)
    d = [d for d in range(len(shape)) if d != 1]
    put(name + "_mean", x.mean(d))
    put(name + "_var", x.var(d, correction=0))

for name, shape, n in [("layer", (5, 40), 1), ("layer2", (3, 2, 7), 2)]:
    x, w, b = inp(1, *shape), inp(2, *shape[-n:]), inp(3, *shape[-n:])
    grads(name, F.layer_norm(x, shape[-n:], w, b, 1e-5), x, w, b)
    x = inp(1, *shape)
    grads(name + "_plain", F.layer_norm(x, shape[-n:]), x)
    x, w = inp(1, *shape), inp(2, *shape[-n:])
    d = list(range(-n, 0))
    grads(name + "_rms", x / torch.sqrt((x * x).mean(d, keepdim=True) + 1e-6) * w, x, w)
for name, shape, groups in [("group", (2, 6, 5), 3), ("group4", (2, 8, 3, 5), 2), ("instance", (2, 3, 5, 4), 3)]:
    x, w, b = inp(1, *shape), inp(2, shape[1]), inp(3, shape[1])
    grads(name, F.group_norm(x, groups, w, b, 1e-5), x, w, b)


def second(name, f, *xs):
    """The gradient of sum(gradient(x) * weights): second order."""
    y = f(*xs)
    gs = torch.autograd.grad((y * inp(99, *y.shape, grad=False)).sum(), xs, create_graph=True)
    total = sum((g * inp(98 - i, *g.shape, grad=False)).sum() for i, g in enumerate(gs))
    total.backward()
    for i, x in enumerate(xs):
        put("%s.%d" % (name, i), torch.zeros_like(x) if x.grad is None else x.grad)


second("second_batch", lambda x, w, b: F.batch_norm(x, None, None, w, b + w, True, 0, 1e-2), inp(1, 3, 4, 5), inp(2, 4), inp(3, 4))
second("second_given", lambda x, w, b: F.batch_norm(x * x, inp(4, 4, grad=False), inp(5, 4, grad=False) + 1.5, w, b * w, False, 0, 1e-2),
       inp(1, 3, 4, 5), inp(2, 4), inp(3, 4))
second("second_layer", lambda x, w, b: F.layer_norm(x, (7,), w, b * w, 1e-2), inp(1, 4, 7), inp(2, 7), inp(3, 7))
second("second_rms", lambda x, w: x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-2) * w, inp(1, 4, 7), inp(2, 7))
second("second_group", lambda x, w, b: F.group_norm(x, 2, w, b * w, 1e-2), inp(1, 2, 4, 5), inp(2, 4), inp(3, 4))
second("second_softmax", lambda x: x.softmax(-1), inp(1, 3, 7))
second("second_log_softmax", lambda x: (x * 2).log_softmax(0), inp(1, 3, 7))
second("second_var", lambda x: x.var(1) * x.sum(1), inp(1, 3, 7))
second("second_prod", lambda x: x.prod(1), inp(1, 3, 5))
second("second_cumprod", lambda x: x.cumprod(1), inp(1, 3, 5))
write("tests/ops/data/norm.txt")
