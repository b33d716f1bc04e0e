"""Writes tests/nn/data/transformer.txt with PyTorch: python tests/nn/record_transformer.py (from the root).

PyTorch's masks say what is hidden, Gemel's what is seen."""
import torch
from torch import nn

from recording import inp, layer, write

keys = torch.tensor([[True, True, False, True], [True, False, False, True]])
seen = torch.tensor([[True, False, True, True], [True, True, True, False], [True, True, False, False]])
causal = torch.ones(4, 4).tril().bool()


def mha(module, **options):
    return lambda q, k=None, v=None: module(q, q if k is None else k, q if v is None else v, need_weights=False, **options)[0]


def case(name, module, *xs, **options):
    layer(name, module, *xs, call=mha(module, **options))


case("self", nn.MultiheadAttention(6, 2, batch_first=True), inp(1, 2, 4, 6))
case("cross", nn.MultiheadAttention(6, 3, bias=False, batch_first=True), inp(1, 2, 3, 6), inp(2, 2, 4, 6), inp(3, 2, 4, 6))
case("dims", nn.MultiheadAttention(6, 1, kdim=5, vdim=3, batch_first=True), inp(1, 2, 3, 6), inp(2, 2, 4, 5), inp(3, 2, 4, 3))
case("masks", nn.MultiheadAttention(6, 2, batch_first=True), inp(1, 2, 3, 6), inp(2, 2, 4, 6), inp(3, 2, 4, 6),
     key_padding_mask=~keys, attn_mask=~seen)
case("float_mask", nn.MultiheadAttention(6, 2, batch_first=True), inp(1, 2, 3, 6), inp(2, 2, 4, 6), inp(3, 2, 4, 6),
     attn_mask=inp(7, 3, 4, grad=False))
case("causal", nn.MultiheadAttention(6, 2, batch_first=True), inp(1, 2, 4, 6), attn_mask=~causal)

for name, average in [("weights", True), ("weights_heads", False)]:
    w = nn.MultiheadAttention(6, 2, batch_first=True)
    layer(name, w, inp(1, 2, 3, 6), inp(2, 2, 4, 6), inp(3, 2, 4, 6),
          call=lambda q, k, v: w(q, k, v, key_padding_mask=~keys, attn_mask=~seen, average_attn_weights=average))

common = dict(dropout=0.0, batch_first=True)
layer("encoder_layer", nn.TransformerEncoderLayer(6, 2, 10, **common), inp(1, 2, 4, 6))
m = nn.TransformerEncoderLayer(6, 3, 7, activation="gelu", norm_first=True, bias=False, layer_norm_eps=1e-3, **common)
layer("encoder_layer_first", m, inp(1, 2, 4, 6), call=lambda x: m(x, src_key_padding_mask=~keys))
layer("decoder_layer", nn.TransformerDecoderLayer(6, 2, 10, **common), inp(1, 2, 3, 6), inp(2, 2, 4, 6))
d = nn.TransformerDecoderLayer(6, 2, 7, norm_first=True, **common)
layer("decoder_layer_masks", d, inp(1, 2, 4, 6), inp(2, 2, 4, 6),
      call=lambda x, memory: d(x, memory, tgt_mask=~causal, memory_key_padding_mask=~keys))
e = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 5, **common), 2, norm=nn.LayerNorm(6), enable_nested_tensor=False)
layer("encoder", e, inp(1, 2, 4, 6), call=lambda x: e(x, mask=~causal))
d2 = nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 5, **common), 2)
layer("decoder", d2, inp(1, 2, 3, 6), inp(2, 2, 4, 6), call=lambda x, memory: d2(x, memory, memory_key_padding_mask=~keys))
write("tests/nn/data/transformer.txt")
