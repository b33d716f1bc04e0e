"""Writes tests/ops/data/loss.txt with PyTorch: python tests/ops/record_loss.py (from the root)."""
import torch
import torch.nn.functional as F
from record import inp, grads, put, write


def labels(n, classes):
    return torch.tensor([(i * 7 + 3) % classes for i in range(n)])


for name, shape in [("ce", (6, 5)), ("ce_wide", (2, 300)), ("ce_pixels", (2, 4, 3, 5))]:
    y = labels(torch.Size((shape[0],) + shape[2:]).numel(), shape[1]).reshape((shape[0],) + shape[2:])
    w = inp(4, shape[1], grad=False) + 1.5
    for tag, opt in [("", {}), ("_sum", dict(reduction="sum")), ("_none", dict(reduction="none")),
                     ("_weight", dict(weight=w)), ("_ignore", dict(ignore_index=3)), ("_smooth", dict(label_smoothing=0.1)),
                     ("_all", dict(weight=w, ignore_index=3, label_smoothing=0.2))]:
        if tag and name == "ce_wide":
            continue
        x = inp(1, *shape)
        grads(name + tag, F.cross_entropy(x * 3, y, **opt), x)
    x = inp(1, *shape)
    grads(name + "_nll", F.nll_loss((x * 3).log_softmax(1), y, weight=w, ignore_index=1), x)
x, q = inp(1, 4, 5), inp(2, 4, 5)
grads("ce_soft", F.cross_entropy(x, (q + 1) / 5, label_smoothing=0.1), x, q)
x = inp(1, 6, 5)
loss = F.cross_entropy(x * 2, labels(6, 5), ignore_index=3)
g, = torch.autograd.grad(loss, x, create_graph=True)
(g * inp(98, 6, 5, grad=False)).sum().backward()
put("ce_second.0", x.grad)

for name, f in [
        ("mse", F.mse_loss), ("l1", F.l1_loss), ("smooth_l1", lambda x, y: F.smooth_l1_loss(x * 2, y, beta=0.7)),
        ("huber", lambda x, y: F.huber_loss(x * 2, y, delta=0.6)), ("mse_none", lambda x, y: F.mse_loss(x, y, reduction="none")),
        ("bce", lambda x, y: F.binary_cross_entropy((x + 1) / 2, (y + 1) / 2)),
        ("bce_logits", lambda x, y: F.binary_cross_entropy_with_logits(x * 9, (y + 1) / 2)),
        ("bce_logits_pos", lambda x, y: F.binary_cross_entropy_with_logits(
            x * 9, (y + 1) / 2, weight=inp(5, 7, grad=False) + 1.5, pos_weight=inp(6, 7, grad=False) + 1.5)),
        ("kl", lambda x, y: F.kl_div(x.log_softmax(1), (y + 1.01) / 7, reduction="batchmean")),
        ("kl_log", lambda x, y: F.kl_div(x.log_softmax(1), y.log_softmax(1), reduction="sum", log_target=True)),
        ("hinge_embedding", lambda x, y: F.hinge_embedding_loss(x, torch.where(y > 0, 1.0, -1.0).detach(), margin=0.5)),
        ("hinge", lambda x, y: torch.clamp(1 - x * torch.where(y > 0, 1.0, -1.0).detach(), min=0).mean()),
        ("cosine", lambda x, y: F.cosine_similarity(x, y, dim=1)),
        ("cosine_embedding", lambda x, y: F.cosine_embedding_loss(x, y, torch.tensor([1.0, -1, 1, -1, -1]), margin=0.1))]:
    x, y = inp(1, 5, 7), inp(2, 5, 7)
    grads(name, f(x, y), x)
for name, opt in [("triplet", {}), ("triplet_swap", dict(swap=True, margin=0.5, p=3))]:
    a, p, n = inp(1, 5, 7), inp(2, 5, 7), inp(3, 5, 7)
    grads(name, F.triplet_margin_loss(a, p, n, **opt), a, p, n)

x = inp(1, 12, 3, 5)
y = torch.tensor([[1, 2, 2, 4], [3, 1, 1, 1], [4, 4, 4, 4]])
il, tl = torch.tensor([12, 9, 8]), torch.tensor([4, 2, 3])
for tag, opt in [("", {}), ("_sum", dict(reduction="sum")), ("_none", dict(reduction="none"))]:
    x = inp(1, 12, 3, 5)
    grads("ctc" + tag, F.ctc_loss((x * 2).log_softmax(2), y, il, tl, blank=0, **opt), x)
x = inp(1, 12, 3, 5)
grads("ctc_zero", F.ctc_loss((x * 2).log_softmax(2), y, torch.tensor([12, 1, 5]), tl, blank=0, reduction="none", zero_infinity=True), x)
write("tests/ops/data/loss.txt")
