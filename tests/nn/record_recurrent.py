"""Writes tests/nn/data/recurrent.txt with PyTorch: python tests/nn/record_recurrent.py (from the root)."""
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recording import inp, layer, write

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def packed(module, lengths):
    def call(x):
        y, state = module(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        return pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])[0], state
    return call



for name, cell in CELLS.items():
    layer(name, cell(3, 4, batch_first=True), inp(1, 2, 5, 3))
    layer(name + "_deep", cell(3, 4, num_layers=2, bidirectional=True), inp(1, 5, 2, 3))
    layer(name + "_plain", cell(3, 2, bias=False, batch_first=True), inp(1, 1, 1, 3))
    m = cell(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    layer(name + "_packed", m, inp(1, 4, 6, 3), call=packed(m, torch.tensor([4, 6, 1, 5])))
    m = cell(3, 4, batch_first=True)
    x, h, c = inp(1, 2, 3, 3), inp(2, 1, 2, 4), inp(3, 1, 2, 4)
    layer(name + "_state", m, x, h, *([c] if name == "lstm" else []),
          call=(lambda x, h, c=None, m=m, lstm=name == "lstm": m(x, (h, c)) if lstm else m(x, h)))
layer("rnn_relu", nn.RNN(3, 4, nonlinearity="relu", batch_first=True), inp(1, 2, 5, 3))
layer("embedding", nn.Embedding(7, 3), torch.tensor([[1, 6, 1], [0, 2, 1]]))
ids, offsets = torch.tensor([[1, 6, 1], [0, 2, 1]]), torch.tensor([0, 2, 2, 5])
layer("bag_mean", nn.EmbeddingBag(7, 3, padding_idx=2), ids)
layer("bag_max", nn.EmbeddingBag(7, 3, mode="max"), ids)
bag = nn.EmbeddingBag(7, 3, mode="sum")
layer("bag_sum", bag, ids.flatten(), call=lambda x: bag(x, offsets, per_sample_weights=inp(5, 6, grad=False)))
write("tests/nn/data/recurrent.txt")
