"""peer_jax.py NET FILE MODE: JAX's side of steps.py: the whole step is one jit whose parameters and state are donated.
MODE is words joined by "+":

    jit         as it comes: channels-last pictures, which XLA's CPU convolutions want
    first       channels-first pictures
    unrolled    the LSTM's loop written out eight steps at a time
"""
import os
import sys

import worker

import jax
import numpy
from jax import lax
from jax import numpy as jnp

if os.environ.get("GEMEL_PEER_CACHE"):
    jax.config.update("jax_compilation_cache_dir", os.environ["GEMEL_PEER_CACHE"])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

FIRST = False       # channels first
UNROLL = 1


def linear(p, key, x):
    return x @ p[key + ".weight"].T + p[key + ".bias"]


def conv(p, key, x, stride=1):
    w = p[key + ".weight"]
    pad = (w.shape[2] if FIRST else w.shape[0]) // 2
    spec = ("NCHW", "OIHW", "NCHW") if FIRST else ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, w, (stride, stride), [(pad, pad)] * 2, dimension_numbers=spec)
    return y + channels(p[key + ".bias"]) if key + ".bias" in p else y


def channels(v):
    return v[:, None, None] if FIRST else v


def max_pool(x):
    window = (1, 1, 2, 2) if FIRST else (1, 2, 2, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


def batch_norm(p, key, x, seen):
    dims = (0, 2, 3) if FIRST else (0, 1, 2)
    mean, var = jnp.mean(x, dims), jnp.var(x, dims)
    n = x.size // mean.size
    for what, new in (("running_mean", mean), ("running_var", var * (n / (n - 1)))):
        old = p[f"{key}.{what}"]
        seen[f"{key}.{what}"] = lax.stop_gradient(old + 0.1 * (new - old))
    scale = p[key + ".weight"] * lax.rsqrt(var + 1e-5)
    return x * channels(scale) + channels(p[key + ".bias"] - mean * scale)


def mlp(p, x, seen):
    return linear(p, "2", jax.nn.relu(linear(p, "0", x)))


def lenet(p, x, seen):
    x = max_pool(jax.nn.relu(conv(p, "0", x)))
    x = max_pool(jax.nn.relu(conv(p, "3", x)))
    return linear(p, "9", jax.nn.relu(linear(p, "7", x.reshape(len(x), -1))))


def lstm(p, x, seen):
    """The products with the inputs of all steps are one product."""
    w = p["0.weight_hh_l0"].T
    gates = jnp.swapaxes(x @ p["0.weight_ih_l0"].T + (p["0.bias_ih_l0"] + p["0.bias_hh_l0"]), 0, 1)

    def cell(carry, g):
        h, c = carry
        i, f, g, o = jnp.split(g + h @ w, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((x.shape[0], w.shape[0]), x.dtype)
    (h, _), _ = lax.scan(cell, (zero, zero), gates, unroll=UNROLL)
    return linear(p, "2", h)


def layer_norm(p, key, x):
    mean = jnp.mean(x, -1, keepdims=True)
    var = jnp.mean(jnp.square(x - mean), -1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * p[key + ".weight"] + p[key + ".bias"]


def encoder(p, key, x, heads=4):
    b, t, d = x.shape
    qkv = x @ p[key + ".self_attn.in_proj_weight"].T + p[key + ".self_attn.in_proj_bias"]
    q, k, v = (a.reshape(b, t, heads, d // heads) for a in jnp.split(qkv, 3, axis=2))
    weights = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", q, k) / (d // heads) ** 0.5)
    seen = jnp.einsum("bhts,bshd->bthd", weights, v).reshape(b, t, d)
    x = layer_norm(p, key + ".norm1", x + linear(p, key + ".self_attn.out_proj", seen))
    return layer_norm(p, key + ".norm2", x + linear(p, key + ".linear2", jax.nn.relu(linear(p, key + ".linear1", x))))


def transformer(p, x, seen):
    for i in range(4):
        x = encoder(p, str(i), x)
    return linear(p, "head", x[:, -1])


def block(p, key, x, stride, seen):
    y = jax.nn.relu(batch_norm(p, key + ".bn1", conv(p, key + ".conv1", x, stride), seen))
    y = batch_norm(p, key + ".bn2", conv(p, key + ".conv2", y), seen)
    if key + ".downsample.0.weight" in p:
        x = batch_norm(p, key + ".downsample.1", conv(p, key + ".downsample.0", x, stride), seen)
    return jax.nn.relu(x + y)


def resnet18(p, x, seen):
    x = jax.nn.relu(batch_norm(p, "bn1", conv(p, "conv1", x), seen))
    for i in range(4):
        for j in range(2):
            x = block(p, f"layer{i + 1}.{j}", x, 2 if i > 0 and j == 0 else 1, seen)
    return linear(p, "fc", jnp.mean(x, (2, 3) if FIRST else (1, 2)))


def sgd(p, g, state, t):
    state = {k: 0.9 * state[k] + g[k] for k in g}
    return {k: p[k] - 0.01 * state[k] for k in g}, state


def adam(p, g, state, t, decay=0.0):
    m = {k: 0.9 * state["m"][k] + 0.1 * g[k] for k in g}
    v = {k: 0.999 * state["v"][k] + 0.001 * g[k] * g[k] for k in g}
    c1, c2 = 1 - 0.9 ** t, 1 - 0.999 ** t
    new = {k: p[k] * (1 - 1e-3 * decay) - 1e-3 / c1 * (m[k] / (jnp.sqrt(v[k]) / jnp.sqrt(c2) + 1e-8)) for k in g}
    return new, {"m": m, "v": v}


def channels_last(name, values):
    """Pictures [N, H, W, C], weights [H, W, I, O]; the linear layer behind a flattened picture in that order."""
    for k, v in values.items():
        if v.ndim == 4:
            values[k] = numpy.ascontiguousarray(v.transpose((0, 2, 3, 1) if k == "input.x" else (2, 3, 1, 0)))
    if name == "lenet":
        w = values["7.weight"].reshape(128, 64, 7, 7)
        values["7.weight"] = numpy.ascontiguousarray(w.transpose(0, 2, 3, 1)).reshape(128, 3136)


def main(name, path, mode):
    global FIRST, UNROLL
    words, values = mode.split("+"), worker.read(path)
    FIRST, UNROLL = "first" in words, 8 if "unrolled" in words else 1
    if not FIRST:
        channels_last(name, values)
    x, y = jnp.asarray(values.pop("input.x")), jnp.asarray(values.pop("input.y").astype("i4"))
    of = {"mlp": mlp, "lenet": lenet, "lstm": lstm, "transformer": transformer, "resnet18": resnet18}[name]
    statistics = {k: jnp.asarray(v) for k, v in values.items() if "running_" in k}
    p = {k: jnp.asarray(v) for k, v in values.items() if v.dtype == "f4" and k not in statistics}

    def loss_of(p, statistics, x, y):
        seen = {}
        logits = of({**p, **statistics}, x, seen)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1)), seen

    def step(all_, x, y):
        p, statistics, state, t = all_
        (loss, seen), g = jax.value_and_grad(loss_of, has_aux=True)(p, statistics, x, y)
        t = t + 1
        if name == "resnet18":
            p, state = sgd(p, g, state, t)
        else:
            p, state = adam(p, g, state, t, 0.01 if name == "transformer" else 0.0)
        return loss, (p, seen, state, t)

    zeros = lambda: {k: jnp.zeros_like(v) for k, v in p.items()}
    state = zeros() if name == "resnet18" else {"m": zeros(), "v": zeros()}
    all_, compiled = (p, statistics, state, jnp.float32(0)), jax.jit(step, donate_argnums=0)

    def take():
        nonlocal all_
        loss, all_ = compiled(all_, x, y)
        return loss

    def number(loss):
        jax.block_until_ready(all_)
        return float(loss)

    worker.answer(take, number, {"jax": jax.__version__, "jaxlib": jax.lib.__version__})


main(*sys.argv[1:])
