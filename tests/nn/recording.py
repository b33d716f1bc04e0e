"""What the record_*.py scripts of tests/nn share: modules with parameters by formula, their results and gradients."""
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from record import inp, put, write  # noqa: E402,F401

torch.set_default_dtype(torch.float64)


def seed(name):
    h = 0
    for c in name.encode():
        h = (h * 31 + c) % 997
    return h + 1000


def fill(module):
    """Parameters and buffers of floats: a formula of their names. running_var is kept positive."""
    module.zero_grad()
    for name, p in module.named_parameters():
        p.data = inp(seed(name), *p.shape, grad=False)
    for name, b in module.named_buffers():
        if b.is_floating_point():
            b.data = inp(seed(name), *b.shape, grad=False)
            if name.endswith("running_var"):
                b.data = b.data + 1.5
    return module


def outputs(y):
    return [y] if torch.is_tensor(y) else [t for part in y for t in outputs(part)]


def layer(name, module, *xs, call=None, buffers=False):
    """Record the outputs (name, name.y1 ...), the gradients of float inputs (name.0 ...), of parameters (name.NAME)."""
    fill(module)
    y = outputs((call or module)(*xs))
    for i, t in enumerate(y):
        put(name if i == 0 else "%s.y%d" % (name, i), t)
    sum((t * inp(99 + i, *t.shape, grad=False)).sum() for i, t in enumerate(y)).backward()
    for i, x in enumerate(xs):
        if x.is_floating_point() and x.requires_grad:
            put("%s.%d" % (name, i), x.grad)
    for n, p in module.named_parameters():
        put("%s.%s" % (name, n), p.grad)
    if buffers:
        for n, b in module.named_buffers():
            put("%s.%s" % (name, n), b)
