"""The same layers in JAX, channels last. `p(name, shape)` gives a parameter; products are in `p.dtype`, norms in float32."""

import jax
import jax.numpy as jnp
from inputs import initial


class Parameters:
    """Parameters by name: made by the rule of inputs.py the first time, then taken from a dictionary."""

    def __init__(self, dtype, values=None):
        self.dtype = dtype
        self.made = {}
        self.values = values

    def __call__(self, name, shape):
        if self.values is not None:
            return self.values[name]
        self.made[name] = initial(name, shape)
        return self.made[name]


def collect(function, dtype, *arguments):
    """The parameters that `function(p, *arguments)` asks for, by an abstract run."""
    p = Parameters(dtype)
    jax.eval_shape(lambda *inputs: function(p, *inputs), *arguments)
    return p.made


def linear(p, name, x, outputs, bias=True):
    y = x.astype(p.dtype) @ p(f"{name}.weight", (x.shape[-1], outputs)).astype(p.dtype)
    return y + p(f"{name}.bias", (outputs,)).astype(p.dtype) if bias else y


def conv(p, name, x, outputs, kernel, stride=1):
    weight = p(f"{name}.weight", (kernel, kernel, x.shape[-1], outputs)).astype(p.dtype)
    y = jax.lax.conv_general_dilated(
        x.astype(p.dtype), weight, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return y + p(f"{name}.bias", (outputs,)).astype(p.dtype)


def conv_transpose(p, name, x, outputs):
    """Kernel 4, stride 2: twice the size."""
    weight = p(f"{name}.weight", (4, 4, outputs, x.shape[-1])).astype(p.dtype)
    y = jax.lax.conv_transpose(
        x.astype(p.dtype), weight, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), transpose_kernel=True
    )
    return y + p(f"{name}.bias", (outputs,)).astype(p.dtype)


def group_norm(p, name, x, groups, epsilon=1e-5):
    channels = x.shape[-1]
    split = x.astype(jnp.float32).reshape(x.shape[0], -1, groups, channels // groups)
    mean = split.mean((1, 3), keepdims=True)
    variance = ((split - mean) ** 2).mean((1, 3), keepdims=True)
    scaled = ((split - mean) * jax.lax.rsqrt(variance + epsilon)).reshape(x.shape)
    weight, bias = p(f"{name}.weight", (channels,)), p(f"{name}.bias", (channels,))
    return (scaled * weight + bias).astype(p.dtype)


def upsample(p, name, x, outputs):
    return conv(p, f"{name}.conv", x.repeat(2, 1).repeat(2, 2), outputs, 3)


def resnet_block(p, name, x, outputs, groups, embedding=None):
    h = conv(p, f"{name}.conv1", jax.nn.silu(group_norm(p, f"{name}.norm1", x, groups, 1e-6)), outputs, 3)
    if embedding is not None:
        h = h + linear(p, f"{name}.embedding", jax.nn.silu(embedding), outputs)[:, None, None, :]
    h = conv(p, f"{name}.conv2", jax.nn.silu(group_norm(p, f"{name}.norm2", h, groups, 1e-6)), outputs, 3)
    return h + (x if x.shape[-1] == outputs else conv(p, f"{name}.shortcut", x, outputs, 1))
