"""What it costs to turn a chain of additions and products into a program."""

import numpy

MISSING = {"torch": "op by op it traces nothing"}
ONE = numpy.ones(4, numpy.float32)


def _chain(operations):
    def chain(x, one):
        for _ in range(operations // 2):
            x = (x + one) * 0.5
        return x

    return chain


def torch_step(params, context):
    import torch

    one = context.tensor(ONE)

    def step():
        torch._dynamo.reset()
        return torch.compile(_chain(params["operations"]), backend="eager")(one, one)

    return step


def jax_step(params, context):
    import jax

    one = context.array(ONE)
    value = jax.jit(_chain(params["operations"]))(one, one)

    def step():
        # A new function each time, which JAX has not traced before. It is not run: the value is that of the build.
        jax.jit(_chain(params["operations"])).lower(one, one)
        return value

    return step
