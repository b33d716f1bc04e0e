"""Writes tests/optim/data/optim.txt with PyTorch: python tests/optim/record_optim.py (from the root).

LAMB and Lion are not PyTorch's: they are written out here after their papers."""
import math
import sys

import torch

sys.path.insert(0, "tests/ops")
from record import inp, put, write  # noqa: E402

STEPS = 6


def params():
    return [inp(1, 4, 6), inp(2, 7)]


def run(name, make):
    p = params()
    opt = make(p)
    for t in range(STEPS):
        for i, x in enumerate(p):
            x.grad = inp(10 * t + i + 20, *x.shape, grad=False) * (1 + t)
        opt.step()
    for i, x in enumerate(p):
        put("%s.%d" % (name, i), x)


class Lamb(torch.optim.Optimizer):
    def __init__(self, p, lr, wd, eps=1e-6):
        super().__init__(p, dict(lr=lr, wd=wd, eps=eps))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            for p in g["params"]:
                s = self.state.setdefault(p, dict(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p)))
                s["t"] += 1
                s["m"] = 0.9 * s["m"] + 0.1 * p.grad
                s["v"] = 0.999 * s["v"] + 0.001 * p.grad ** 2
                u = s["m"] / (1 - 0.9 ** s["t"]) / ((s["v"] / (1 - 0.999 ** s["t"])).sqrt() + g["eps"]) + g["wd"] * p
                p -= g["lr"] * p.norm() / u.norm() * u


class Lion(torch.optim.Optimizer):
    def __init__(self, p, lr, wd):
        super().__init__(p, dict(lr=lr, wd=wd))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            for p in g["params"]:
                s = self.state.setdefault(p, dict(m=torch.zeros_like(p)))
                c = 0.9 * s["m"] + 0.1 * p.grad
                p *= 1 - g["lr"] * g["wd"]
                p -= g["lr"] * c.sign()
                s["m"] = 0.99 * s["m"] + 0.01 * p.grad


o = torch.optim
run("sgd_plain", lambda p: o.SGD(p, 0.1))
run("sgd_momentum", lambda p: o.SGD(p, 0.1, momentum=0.9, weight_decay=0.01))
run("sgd", lambda p: o.SGD(p, 0.1, momentum=0.9, weight_decay=0.01, nesterov=True))
run("adam", lambda p: o.Adam(p, 0.05, weight_decay=0.1))
run("adamw", lambda p: o.AdamW(p, 0.05))
run("adagrad", lambda p: o.Adagrad(p, 0.1, lr_decay=0.2, weight_decay=0.01, initial_accumulator_value=0.5))
run("rmsprop", lambda p: o.RMSprop(p, 0.01))
run("rmsprop_all", lambda p: o.RMSprop(p, 0.01, alpha=0.9, momentum=0.8, centered=True, weight_decay=0.02))
run("adadelta", lambda p: o.Adadelta(p, 1.0, weight_decay=0.02))
run("adafactor", lambda p: o.Adafactor(p, 0.05))
run("adafactor_all", lambda p: o.Adafactor(p, 0.7, beta2_decay=-0.5, eps=(None, 0.1), d=1.5, weight_decay=0.1))
run("lamb", lambda p: Lamb(p, 0.05, 0.1))
run("lion", lambda p: Lion(p, 0.05, 0.1))

p = params()
opt = o.AdamW([dict(params=p[:1]), dict(params=p[1:], lr=0.2, weight_decay=0.0)], 0.05)
for t in range(STEPS):
    for i, x in enumerate(p):
        x.grad = inp(10 * t + i + 20, *x.shape, grad=False) * (1 + t)
    norm = torch.nn.utils.clip_grad_norm_(p, 3.0)
    opt.step()
put("groups.0", p[0])
put("groups.1", p[1])
put("groups.norm", norm)

# Gradients cut by value, and the mean over four parts of a batch.
p = params()
opt = o.SGD(p, 0.1)
for t in range(STEPS):
    for i, x in enumerate(p):
        x.grad = sum(inp(100 * k + 10 * t + i + 20, *x.shape, grad=False) for k in range(4)) / 4 * (1 + t)
    torch.nn.utils.clip_grad_value_(p, 0.6)
    opt.step()
put("parts.0", p[0])
put("parts.1", p[1])


def schedule(name, make, n, measure=None):
    x = torch.zeros(1, requires_grad=True)
    opt = o.SGD([x], 1.0)
    s = make(opt)
    out = []
    for t in range(n):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        s.step(measure(t)) if measure else s.step()
    put("schedule." + name, torch.tensor(out, dtype=torch.float64))


L = o.lr_scheduler
schedule("step", lambda q: L.StepLR(q, 3, 0.5), 12)
schedule("multistep", lambda q: L.MultiStepLR(q, [2, 5, 6], 0.3), 12)
schedule("exponential", lambda q: L.ExponentialLR(q, 0.9), 12)
schedule("polynomial", lambda q: L.PolynomialLR(q, 8, 2.0), 12)
schedule("cosine", lambda q: L.CosineAnnealingLR(q, 10, 0.1), 11)
schedule("restarts", lambda q: L.CosineAnnealingWarmRestarts(q, 4, 2), 30)
schedule("one_cycle", lambda q: L.OneCycleLR(q, 1.0, 20), 20)
schedule("one_cycle_linear", lambda q: L.OneCycleLR(q, 1.0, 20, pct_start=0.4, anneal_strategy="linear"), 20)
schedule("warmup", lambda q: L.LinearLR(q, 0.2, 1.0, 5), 12)
schedule("warmup_cosine",
         lambda q: L.SequentialLR(q, [L.LinearLR(q, 0.25, 1.0, 4), L.CosineAnnealingLR(q, 8, 0.1)], [4]), 13)
schedule("plateau", lambda q: L.ReduceLROnPlateau(q, factor=0.5, patience=2, cooldown=1, min_lr=0.1), 30,
         lambda t: max(1.0 - 0.1 * t, 0.55) + (0.001 if t % 3 else 0))

m = torch.nn.Linear(6, 4, bias=False).double()
a, w = (o.swa_utils.AveragedModel(m, multi_avg_fn=f) for f in (o.swa_utils.get_ema_multi_avg_fn(0.9), None))
for t in range(5):
    m.weight.data = inp(t + 3, 4, 6, grad=False)
    a.update_parameters(m)
    w.update_parameters(m)
put("average.ema", a.module.weight)
put("average.swa", w.module.weight)
write("tests/optim/data/optim.txt")
