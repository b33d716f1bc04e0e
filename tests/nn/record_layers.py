"""Writes tests/nn/data/layers.txt with PyTorch: python tests/nn/record_layers.py (from the root)."""
from torch import nn

from recording import inp, layer, write

for name, module in [
        ("relu", nn.ReLU()), ("relu6", nn.ReLU6()), ("leaky_relu", nn.LeakyReLU(0.2)), ("elu", nn.ELU(1.5)),
        ("celu", nn.CELU(0.7)), ("selu", nn.SELU()), ("gelu", nn.GELU()), ("gelu_tanh", nn.GELU(approximate="tanh")),
        ("silu", nn.SiLU()), ("mish", nn.Mish()), ("sigmoid", nn.Sigmoid()), ("log_sigmoid", nn.LogSigmoid()),
        ("tanh", nn.Tanh()), ("softplus", nn.Softplus()), ("softsign", nn.Softsign()),
        ("hard_sigmoid", nn.Hardsigmoid()), ("hard_swish", nn.Hardswish()), ("hard_tanh", nn.Hardtanh(-0.5, 0.25)),
        ("hard_shrink", nn.Hardshrink(0.3)), ("soft_shrink", nn.Softshrink(0.3)), ("tanh_shrink", nn.Tanhshrink()),
        ("threshold", nn.Threshold(0.1, 20)), ("glu", nn.GLU(1)), ("softmax", nn.Softmax(1)),
        ("log_softmax", nn.LogSoftmax(-1)), ("prelu", nn.PReLU(6)), ("prelu1", nn.PReLU(1)),
        ("flatten", nn.Flatten(0, 1)), ("unflatten", nn.Unflatten(1, (3, 2)))]:
    layer(name, module, inp(1, 2, 6, 3))

layer("linear", nn.Linear(5, 7), inp(1, 2, 3, 5))
layer("linear_plain", nn.Linear(5, 1, bias=False), inp(1, 5))
layer("conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), inp(1, 2, 4, 9))
layer("conv2d", nn.Conv2d(3, 4, 3), inp(1, 2, 3, 6, 5))
layer("conv2d_all", nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False),
      inp(1, 2, 4, 7, 5))
layer("conv2d_same", nn.Conv2d(2, 3, 4, padding="same"), inp(1, 1, 2, 5, 7))
layer("conv3d", nn.Conv3d(2, 3, (1, 2, 3), padding=1), inp(1, 1, 2, 2, 3, 4))
layer("transpose1d", nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), inp(1, 2, 4, 5))
layer("transpose2d", nn.ConvTranspose2d(3, 4, (3, 2), stride=(1, 2), padding=(1, 0), output_padding=(0, 1), bias=False),
      inp(1, 2, 3, 4, 5))
layer("transpose3d", nn.ConvTranspose3d(2, 3, 2, stride=2, dilation=1), inp(1, 1, 2, 2, 3, 2))
layer("max1d", nn.MaxPool1d(3, stride=2, padding=1), inp(1, 2, 3, 9))
layer("max2d", nn.MaxPool2d((3, 2), stride=(2, 3), padding=(1, 0), ceil_mode=True), inp(1, 2, 3, 6, 8))
layer("max3d", nn.MaxPool3d(2), inp(1, 1, 2, 3, 4, 5))
layer("avg1d", nn.AvgPool1d(3, stride=2, padding=1), inp(1, 2, 3, 9))
layer("avg2d", nn.AvgPool2d((3, 2), stride=(2, 1), padding=(1, 1), count_include_pad=False), inp(1, 2, 3, 6, 8))
layer("avg3d", nn.AvgPool3d(2, divisor_override=3), inp(1, 1, 2, 3, 4, 5))
layer("adaptive_avg1d", nn.AdaptiveAvgPool1d(4), inp(1, 2, 3, 9))
layer("adaptive_avg2d", nn.AdaptiveAvgPool2d((3, 4)), inp(1, 1, 3, 7, 9))
layer("adaptive_avg3d", nn.AdaptiveAvgPool3d((2, 1, 3)), inp(1, 1, 2, 5, 4, 6))
layer("adaptive_max1d", nn.AdaptiveMaxPool1d(4), inp(1, 2, 3, 9))
layer("adaptive_max2d", nn.AdaptiveMaxPool2d((3, None)), inp(1, 1, 3, 7, 9))
layer("adaptive_max3d", nn.AdaptiveMaxPool3d((2, 1, 3)), inp(1, 1, 2, 5, 4, 6))
layer("upsample_nearest", nn.Upsample(scale_factor=2), inp(1, 2, 3, 3, 4))
layer("upsample_size", nn.Upsample(size=(5, 9), mode="bilinear", align_corners=True), inp(1, 2, 3, 3, 4))
layer("upsample_1d", nn.Upsample(scale_factor=1.5, mode="linear"), inp(1, 2, 3, 7))
layer("upsample_3d", nn.Upsample(scale_factor=1.5, mode="trilinear"), inp(1, 1, 2, 3, 2, 4))
layer("upsample_3d_size", nn.Upsample(size=(5, 3, 7)), inp(1, 1, 2, 3, 2, 4))
layer("upsample_cubic", nn.Upsample(scale_factor=2, mode="bicubic"), inp(1, 1, 2, 3, 5))
layer("stack", nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Sequential(nn.Flatten(), nn.Linear(27, 4))), inp(1, 2, 1, 5, 5))
write("tests/nn/data/layers.txt")
