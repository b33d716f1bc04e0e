"""Writes tests/ops/data/pool.txt with PyTorch: python tests/ops/record_pool.py (from the root)."""
import torch
import torch.nn.functional as F
from record import inp, grads, put, write

for name, f, xs, k, opt in [
        ("max1d", F.max_pool1d, (2, 3, 9), 3, dict(stride=2, padding=1)),
        ("max2d", F.max_pool2d, (2, 3, 6, 8), 2, dict()),
        ("max2d_all", F.max_pool2d, (2, 3, 8, 9), (3, 2), dict(stride=(2, 3), padding=(1, 1), dilation=(2, 1), ceil_mode=True)),
        ("max3d", F.max_pool3d, (1, 2, 4, 5, 6), 3, dict(stride=2, padding=1)),
        ("avg1d", F.avg_pool1d, (2, 3, 9), 4, dict(stride=3, padding=2)),
        ("avg2d", F.avg_pool2d, (2, 3, 6, 8), 2, dict()),
        ("avg2d_all", F.avg_pool2d, (2, 3, 8, 9), (3, 2), dict(stride=(2, 3), padding=(1, 1), ceil_mode=True)),
        ("avg2d_exclude", F.avg_pool2d, (2, 3, 7, 6), 3, dict(stride=2, padding=1, ceil_mode=True, count_include_pad=False)),
        ("avg2d_divisor", F.avg_pool2d, (1, 2, 6, 6), 3, dict(stride=1, divisor_override=5)),
        ("avg3d", F.avg_pool3d, (1, 2, 4, 5, 6), 3, dict(stride=2, padding=1))]:
    x = inp(1, *xs)
    grads(name, f(x, k, **opt), x)
    if name.startswith("max"):
        put(name + "_index", f(x, k, return_indices=True, **opt)[1])
for name, f, xs, k in [
        ("adaptive_avg1d", F.adaptive_avg_pool1d, (2, 3, 10), 4), ("adaptive_avg2d", F.adaptive_avg_pool2d, (2, 3, 7, 10), (3, 4)),
        ("adaptive_avg3d", F.adaptive_avg_pool3d, (1, 2, 5, 6, 7), (2, 4, 3)),
        ("adaptive_one", F.adaptive_avg_pool2d, (2, 5, 7, 7), 1), ("adaptive_max2d", F.adaptive_max_pool2d, (2, 3, 7, 10), (3, 4))]:
    x = inp(1, *xs)
    grads(name, f(x, k), x)
write("tests/ops/data/pool.txt")
