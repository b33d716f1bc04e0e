"""Writes tests/zoo/data/zoo.txt with PyTorch and torchvision: python tests/zoo/record_zoo.py (from the root).

Of every parameter's gradient the norm and the product with numbers by formula are kept."""
import os
import sys

import torch
import torchvision
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "nn"))
from recording import fill, inp, put, write  # noqa: E402


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


# timm's names for torchvision's vision transformer
NAMES = (("encoder.layers.encoder_layer_", "blocks."), ("self_attention.in_proj_", "attn.qkv."), ("ln_1", "norm1"),
         ("self_attention.out_proj", "attn.proj"), ("ln_2", "norm2"), ("mlp.0", "mlp.fc1"), ("mlp.3", "mlp.fc2"),
         ("class_token", "cls_token"), ("encoder.pos_embedding", "pos_embed"), ("conv_proj", "patch_embed.proj"),
         ("encoder.ln", "norm"), ("heads.head", "head"))


class Named(nn.Module):
    """A module whose parameters go by other names; all but vectors are scaled, so that softmax is not a maximum."""

    def __init__(self, module, names=(), scale=1):
        super().__init__()
        self.module, self.names, self.scale = [module], names, scale

    def named_parameters(self, *_, **__):
        for n, p in self.module[0].named_parameters():
            for a, b in self.names:
                n = n.replace(a, b)
            yield n, p

    def named_buffers(self, *_, **__):
        return []

    def forward(self, x):
        for n, p in self.named_parameters():
            p.data = p.data * (self.scale if p.dim() > 1 else 1)
        return self.module[0](x)


class Lstm(nn.Module):
    def __init__(self, both, **options):
        super().__init__()
        self.both = both
        self.lstm = nn.LSTM(batch_first=True, num_layers=2, bidirectional=both, **options)
        self.fc = nn.Linear(options["hidden_size"] * (1 + both), 5)

    def forward(self, x):
        h = self.lstm(x.transpose(1, 2).flatten(2))[1][0]
        return self.fc(torch.cat([h[-2], h[-1]], 1) if self.both else h[-1])


vit = torchvision.models.VisionTransformer(image_size=12, patch_size=4, num_layers=12, num_heads=3, hidden_dim=192,
                                           mlp_dim=768, num_classes=5)
net("vit_tiny", Named(vit.eval(), NAMES, 0.1), 2, 3, 12, 12)
net("lstm", Lstm(False, input_size=6, hidden_size=128), 3, 2, 5, 3)
net("lstm_both", Lstm(True, input_size=6, hidden_size=7), 3, 2, 5, 3)
write("tests/zoo/data/zoo.txt")
