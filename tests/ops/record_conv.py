"""Writes tests/ops/data/conv.txt with PyTorch: python tests/ops/record_conv.py (from the root)."""
import torch
import torch.nn.functional as F
from record import inp, grads, write

for name, f, xs, ws, opt in [
        ("conv1d", F.conv1d, (2, 3, 9), (4, 3, 3), dict(stride=2, padding=1)),
        ("conv2d", F.conv2d, (2, 3, 6, 7), (4, 3, 3, 3), dict()),
        ("conv2d_same", F.conv2d, (1, 2, 5, 6), (3, 2, 4, 3), dict(padding="same")),
        ("conv2d_all", F.conv2d, (2, 4, 9, 8), (6, 2, 3, 2), dict(stride=(2, 3), padding=(1, 2), dilation=(2, 1), groups=2)),
        ("depthwise", F.conv2d, (1, 5, 6, 6), (5, 1, 3, 3), dict(padding=1, groups=5)),
        ("conv3d", F.conv3d, (1, 2, 4, 5, 4), (3, 2, 2, 3, 2), dict(stride=(1, 2, 1), padding=(0, 1, 1))),
        ("transpose1d", F.conv_transpose1d, (2, 3, 5), (3, 4, 3), dict(stride=2, padding=1, output_padding=1)),
        ("transpose2d", F.conv_transpose2d, (2, 4, 4, 3), (4, 3, 3, 3),
         dict(stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2)),
        ("transpose3d", F.conv_transpose3d, (1, 2, 3, 2, 3), (2, 2, 2, 2, 3), dict(stride=2, dilation=(1, 2, 1)))]:
    x, w = inp(1, *xs), inp(2, *ws)
    b = inp(3, ws[1] * opt.get("groups", 1) if "transpose" in name else ws[0])
    grads(name, f(x, w, b, **opt), x, w, b)
write("tests/ops/data/conv.txt")
