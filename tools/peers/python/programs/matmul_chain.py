"""A chain of square matrix products, x <- x W."""

import math

from inputs import uniform


def torch_step(params, context):
    import torch

    size, length = params["size"], params["length"]
    x = context.tensor(uniform("x", (size, size)))
    w = context.tensor(uniform("w", (size, size), math.sqrt(3 / size)))

    @context.compile
    def chain(x, w):
        with context.autocast():
            for _ in range(length):
                x = x @ w
        return x

    def step():
        with torch.no_grad():
            return chain(x, w)

    return step


def jax_step(params, context):
    import jax

    size, length = params["size"], params["length"]
    x = context.array(uniform("x", (size, size)))
    w = context.array(uniform("w", (size, size), math.sqrt(3 / size)))

    @jax.jit
    def chain(x, w):
        x, w = x.astype(context.dtype), w.astype(context.dtype)
        for _ in range(length):
            x = x @ w
        return x

    return lambda: chain(x, w)
