"""What the record_*.py scripts share: inputs by formula, results as lines of text. See recorded.h."""
import torch

lines = []


def scattered(seed, shape):
    n = 1
    for s in shape:
        n *= s
    i = torch.arange(n, dtype=torch.int64)
    return ((i * 7919 + seed * 104729 + 12345) % 2003).reshape(shape)


def idx(seed, below, *shape):
    return scattered(seed, shape) % below


def inp(seed, *shape, grad=True):
    x = (scattered(seed, shape).double() / 1001.5 - 1).float().double()
    x.requires_grad_(grad)
    return x


def put(name, t):
    v = t.detach().double().reshape(-1).tolist()
    assert len(v) <= 4096, name
    lines.append("%s %d %s" % (name, len(v), " ".join("%.9g" % e for e in v)))


def grads(name, y, *xs):
    put(name, y)
    (y * inp(99, *y.shape, grad=False)).sum().backward()
    for i, x in enumerate(xs):
        put("%s.%d" % (name, i), x.grad)


def write(path):
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
