"""peer_tensorflow.py NET FILE MODE: TensorFlow's side of steps.py: the whole step is one tf.function over variables, with
TensorFlow's own update operations. MODE is words joined by "+":

    xla | graph      jit_compile=True or False
    unrolled         the LSTM's steps are written out instead of looped over
"""
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import worker

import numpy
import tensorflow as tf

THREADS = int(os.environ["OMP_NUM_THREADS"])
tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)


def linear(p, key, x):
    return tf.matmul(x, p[key + ".weight"]) + p[key + ".bias"]


def conv(p, key, x, stride=1):
    pad = p[key + ".weight"].shape[0] // 2
    y = tf.nn.conv2d(x, p[key + ".weight"], stride, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
    return tf.nn.bias_add(y, p[key + ".bias"]) if key + ".bias" in p else y


def batch_norm(p, key, x, seen):
    """The operation's running mean and variance; it takes 1 - momentum, and the variance over n - 1."""
    y, mean, var, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=p[key + ".weight"], offset=p[key + ".bias"], mean=p[key + ".running_mean"],
        variance=p[key + ".running_var"], epsilon=1e-5, exponential_avg_factor=0.1, is_training=True)
    seen[key + ".running_mean"], seen[key + ".running_var"] = mean, var
    return y


def mlp(p, x, seen, words):
    return linear(p, "2", tf.nn.relu(linear(p, "0", x)))


def lenet(p, x, seen, words):
    x = tf.nn.max_pool2d(tf.nn.relu(conv(p, "0", x)), 2, 2, "VALID")
    x = tf.nn.max_pool2d(tf.nn.relu(conv(p, "3", x)), 2, 2, "VALID")
    return linear(p, "9", tf.nn.relu(linear(p, "7", tf.reshape(x, [len(x), -1]))))


def cell(h, c, g, w):
    i, f, g, o = tf.split(g + tf.matmul(h, w), 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def lstm(p, x, seen, words):
    """The products with the inputs of all steps are one product."""
    batch, steps, width = x.shape
    w = p["0.weight_hh_l0"]
    gates = tf.matmul(tf.reshape(x, [-1, width]), p["0.weight_ih_l0"]) + (p["0.bias_ih_l0"] + p["0.bias_hh_l0"])
    gates = tf.transpose(tf.reshape(gates, [batch, steps, -1]), [1, 0, 2])
    h = c = tf.zeros([batch, w.shape[0]])
    if "unrolled" in words:
        for g in tf.unstack(gates):
            h, c = cell(h, c, g, w)
    else:
        weight = tf.convert_to_tensor(w)
        _, h, c = tf.while_loop(lambda t, h, c: t < steps, lambda t, h, c: (t + 1, *cell(h, c, gates[t], weight)),
                                (tf.constant(0), h, c), maximum_iterations=steps)
    return linear(p, "2", h)


def layer_norm(p, key, x):
    mean = tf.reduce_mean(x, -1, keepdims=True)
    var = tf.reduce_mean(tf.math.squared_difference(x, mean), -1, keepdims=True)
    return (x - mean) * tf.math.rsqrt(var + 1e-5) * p[key + ".weight"] + p[key + ".bias"]


def encoder(p, key, x, shape, heads=4):
    """x [batch * steps, d]: products of two matrices are the quick ones."""
    b, t, d = shape
    qkv = tf.matmul(x, p[key + ".self_attn.in_proj_weight"]) + p[key + ".self_attn.in_proj_bias"]
    q, k, v = tf.unstack(tf.transpose(tf.reshape(qkv, [b, t, 3, heads, d // heads]), [2, 0, 3, 1, 4]))
    weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / (d // heads) ** 0.5)
    seen = tf.reshape(tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3]), [b * t, d])
    x = layer_norm(p, key + ".norm1", x + linear(p, key + ".self_attn.out_proj", seen))
    return layer_norm(p, key + ".norm2", x + linear(p, key + ".linear2", tf.nn.relu(linear(p, key + ".linear1", x))))


def transformer(p, x, seen, words):
    shape = x.shape
    x = tf.reshape(x, [-1, shape[2]])
    for i in range(4):
        x = encoder(p, str(i), x, shape)
    return linear(p, "head", tf.reshape(x, shape)[:, -1])


def block(p, key, x, stride, seen):
    y = tf.nn.relu(batch_norm(p, key + ".bn1", conv(p, key + ".conv1", x, stride), seen))
    y = batch_norm(p, key + ".bn2", conv(p, key + ".conv2", y), seen)
    if key + ".downsample.0.weight" in p:
        x = batch_norm(p, key + ".downsample.1", conv(p, key + ".downsample.0", x, stride), seen)
    return tf.nn.relu(x + y)


def resnet18(p, x, seen, words):
    x = tf.nn.relu(batch_norm(p, "bn1", conv(p, "conv1", x), seen))
    for i in range(4):
        for j in range(2):
            x = block(p, f"layer{i + 1}.{j}", x, 2 if i > 0 and j == 0 else 1, seen)
    return linear(p, "fc", tf.reduce_mean(x, [1, 2]))


def update_sgd(p, g, state):
    tf.raw_ops.ResourceApplyMomentum(var=p.handle, accum=state[0].handle, lr=0.01, grad=g, momentum=0.9)


def update_adam(p, g, state, t, decay):
    """TensorFlow's epsilon is that of the paper's second form; this makes it PyTorch's."""
    b1, b2 = tf.pow(0.9, t), tf.pow(0.999, t)
    if decay:
        p.assign(p * (1 - 1e-3 * decay))
    tf.raw_ops.ResourceApplyAdam(var=p.handle, m=state[0].handle, v=state[1].handle, beta1_power=b1, beta2_power=b2,
                                 lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8 * tf.sqrt(1 - b2), grad=g)


def to_tensorflow(name, values):
    """Pictures [N, H, W, C], weights [H, W, I, O] and [I, O]; the linear layer behind a flattened picture so."""
    if name == "lenet":
        values["7.weight"] = values["7.weight"].reshape(128, 64, 7, 7).transpose(0, 2, 3, 1).reshape(128, 3136)
    for k, v in values.items():
        if v.ndim == 4:
            values[k] = v.transpose((0, 2, 3, 1) if k == "input.x" else (2, 3, 1, 0))
        elif v.ndim == 2 and not k.startswith("input."):
            values[k] = v.T
        values[k] = numpy.ascontiguousarray(values[k])


def main(name, path, mode):
    words, values = mode.split("+"), worker.read(path)
    to_tensorflow(name, values)
    x, y = tf.constant(values.pop("input.x")), tf.constant(values.pop("input.y").astype("i4"))
    of = {"mlp": mlp, "lenet": lenet, "lstm": lstm, "transformer": transformer, "resnet18": resnet18}[name]
    p = {k: tf.Variable(v) for k, v in values.items() if v.dtype == "f4"}
    trained = {k: v for k, v in p.items() if "running_" not in k}
    states = 1 if name == "resnet18" else 2
    state = {k: [tf.Variable(tf.zeros_like(v)) for _ in range(states)] for k, v in trained.items()}
    t = tf.Variable(0.0)

    @tf.function(jit_compile=words[0] == "xla")
    def step(x, y):
        seen = {}
        with tf.GradientTape() as tape:
            logits = of(p, x, seen, words)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        gradients = tape.gradient(loss, list(trained.values()))
        t.assign_add(1.0)
        for k, value in seen.items():
            p[k].assign(value)
        for (k, v), g in zip(trained.items(), gradients):
            if name == "resnet18":
                update_sgd(v, g, state[k])
            else:
                update_adam(v, g, state[k], t, 0.01 if name == "transformer" else 0.0)
        return loss

    worker.answer(lambda: step(x, y), float, {"tensorflow": tf.__version__})


main(*sys.argv[1:])
