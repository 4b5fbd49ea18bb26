"""A training step of one 3x3 convolution with plain gradient descent."""

import math

from inputs import uniform

RATE = 1e-2


def _inputs(params):
    batch, side, channels = params["batch"], params["side"], params["channels"]
    x = uniform("x", (batch, side, side, channels))
    return x, uniform("filter", (3, 3, channels, channels), math.sqrt(3 / 9 / channels))


def torch_step(params, context):
    import torch
    import torch.nn.functional as F

    x, filter = _inputs(params)
    # NHWC -> NCHW in channels_last memory, HWIO -> OIHW.
    x = context.tensor(x).permute(0, 3, 1, 2)
    filter = context.tensor(filter).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    filter.requires_grad_(True)
    optimizer = torch.optim.SGD([filter], lr=RATE, fused=True)

    @context.compile
    def loss_of(x, filter):
        return F.conv2d(x, filter, padding=1).square().mean()

    def step():
        loss = loss_of(x, filter)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


def jax_step(params, context):
    import jax

    x, filter = (context.array(value) for value in _inputs(params))

    def loss_of(filter, x):
        y = jax.lax.conv_general_dilated(x, filter, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return (y**2).mean()

    def train(filter, x):
        loss, gradient = jax.value_and_grad(loss_of)(filter, x)
        return filter - RATE * gradient, loss

    train = jax.jit(train, donate_argnums=0)

    def step():
        nonlocal filter
        filter, loss = train(filter, x)
        return loss

    return step
