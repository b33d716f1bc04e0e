"""peer_torch.py NET FILE MODE: PyTorch's side of steps.py. MODE is words joined by "+":

    eager | compile | max-autotune      how the net and its loss run (torch.compile's modes)
    fused | foreach | compiled          how the optimizer runs
    last                                channels-last pictures and weights
    unrolled                            lets torch.compile look into the LSTM, step by step
    wrapper                             the compiled code is called from C++
"""
import os
import sys

import worker

import torch
from torch import nn

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


class Last(nn.Module):
    def forward(self, x):
        return x[0][:, -1] if isinstance(x, tuple) else x[:, -1]


class Block(nn.Module):
    def __init__(self, n_in, n, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n, 3, stride, 1, bias=False), nn.BatchNorm2d(n)
        self.conv2, self.bn2 = nn.Conv2d(n, n, 3, 1, 1, bias=False), nn.BatchNorm2d(n)
        self.downsample = None
        if stride > 1 or n_in != n:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, n, 1, stride, bias=False), nn.BatchNorm2d(n))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        for i, (n_in, n) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)]):
            setattr(self, f"layer{i + 1}", nn.Sequential(Block(n_in, n, 1 if i == 0 else 2), Block(n, n, 1)))
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def network(name):
    if name == "mlp":
        return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    if name == "lenet":
        return nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                             nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))
    if name == "lstm":
        return nn.Sequential(nn.LSTM(64, 256, batch_first=True), Last(), nn.Linear(256, 10))
    if name == "resnet18":
        return ResNet18()
    layers = [(str(i), nn.TransformerEncoderLayer(256, 4, 1024, dropout=0.0, batch_first=True)) for i in range(4)]
    net = nn.Sequential()
    for key, layer in [*layers, ("last", Last()), ("head", nn.Linear(256, 10))]:
        net.add_module(key, layer)
    return net


def optimizer_of(name, parameters, how):
    how = {"fused": True} if how == "fused" else {"foreach": True}
    if name == "resnet18":
        return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, **how)
    kind = torch.optim.AdamW if name == "transformer" else torch.optim.Adam
    return kind(parameters, lr=1e-3, **({"weight_decay": 0.01} if name == "transformer" else {}), **how)


def main(name, path, mode):
    words, values = mode.split("+"), worker.read(path)
    x, y = torch.from_numpy(values.pop("input.x")), torch.from_numpy(values.pop("input.y"))
    net = network(name)
    lost = net.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()}, strict=False)
    assert not lost.unexpected_keys and all(k.endswith("num_batches_tracked") for k in lost.missing_keys), lost
    if "last" in words:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = optimizer_of(name, net.parameters(), "fused" if "fused" in words else "foreach")
    take = optimizer.step
    loss_of = lambda x, y: nn.functional.cross_entropy(net(x), y)
    if words[0] != "eager":
        if "unrolled" in words:
            torch._dynamo.config.allow_rnn = True
        if "wrapper" in words:
            from torch._inductor import config
            config.cpp_wrapper = True
        loss_of = torch.compile(loss_of, mode=None if words[0] == "compile" else words[0])
    if "compiled" in words:
        take = torch.compile(take)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x, y)
        loss.backward()
        take()
        return loss.detach()

    worker.answer(step, torch.Tensor.item, {"torch": torch.__version__})


main(*sys.argv[1:])
