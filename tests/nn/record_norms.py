"""Writes tests/nn/data/norms.txt with PyTorch: python tests/nn/record_norms.py (from the root)."""
from torch import nn

from recording import inp, layer, write

for name, module, shape in [
        ("batch1d", nn.BatchNorm1d(3), (5, 3)), ("batch1d_3", nn.BatchNorm1d(3, momentum=0.3), (2, 3, 7)),
        ("batch2d", nn.BatchNorm2d(3, eps=1e-3), (2, 3, 3, 5)), ("batch3d", nn.BatchNorm3d(2, affine=False), (1, 2, 3, 2, 5)),
        ("batch_cumulative", nn.BatchNorm2d(3, momentum=None), (2, 3, 3, 5)),
        ("batch_plain", nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 3, 5)),
        ("instance", nn.InstanceNorm2d(3), (2, 3, 4, 5)),
        ("instance_all", nn.InstanceNorm1d(3, affine=True, track_running_stats=True), (2, 3, 9)),
        ("layer", nn.LayerNorm(7), (2, 3, 7)), ("layer2", nn.LayerNorm((3, 5), eps=1e-3, bias=False), (2, 3, 5)),
        ("layer_plain", nn.LayerNorm(7, elementwise_affine=False), (3, 7)),
        ("rms", nn.RMSNorm(7, eps=1e-6), (2, 3, 7)), ("rms2", nn.RMSNorm((3, 5), eps=1e-2), (2, 3, 5)),
        ("group", nn.GroupNorm(2, 6), (2, 6, 3, 3)), ("group1", nn.GroupNorm(1, 3, eps=1e-2), (2, 3, 5))]:
    layer(name, module, inp(1, *shape), buffers=True)
    if name.startswith("batch") or name == "instance_all":
        layer(name + "_eval", module.eval(), inp(2, *shape))
write("tests/nn/data/norms.txt")
