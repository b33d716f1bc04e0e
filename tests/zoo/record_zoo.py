"""Writes tests/zoo/data/zoo.txt with PyTorch and torchvision: python tests/zoo/record_zoo.py (from the root).

Of every parameter's gradient the norm and the product with numbers by formula are kept."""
import os
import sys

import torch
import torchvision
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "nn"))
from record_nn import fill, inp, put, write  # noqa: E402


def digest(t):
    return torch.stack([t.norm(), (t * inp(98, *t.shape, grad=False)).sum()])


def net(name, module, *shape):
    fill(module)
    x = inp(1, *shape)
    y = module(x)
    put(name, y)
    (y * inp(99, *y.shape, grad=False)).sum().backward()
    put(name + ".0", digest(x.grad))
    for n, p in module.named_parameters():
        put("%s.%s" % (name, n), digest(p.grad))


def small(module):
    module.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    module.maxpool = nn.Identity()
    return module


net("resnet18", torchvision.models.resnet18(num_classes=5), 2, 3, 67, 70)
net("resnet18_small", small(torchvision.models.resnet18(num_classes=5)), 3, 3, 20, 17)
net("resnet50", torchvision.models.resnet50(num_classes=5), 2, 3, 65, 68)
write("tests/zoo/data/zoo.txt")
