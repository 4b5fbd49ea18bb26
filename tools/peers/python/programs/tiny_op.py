"""x + 1 for one number, op by op and compiled."""

import numpy

ONE = numpy.ones(1, numpy.float32)


def torch_step(params, context):
    import torch

    one = context.tensor(ONE)
    add = context.compile(lambda x: x + 1)
    if params["mode"] == "compiled":
        return lambda: add(one)
    operations = params["chained"] if params["mode"] == "lazy" else 1

    def step():
        x = one
        for _ in range(operations):
            x = add(x)
        x.cpu().numpy()
        return x

    return step


def jax_step(params, context):
    import jax

    one = context.array(ONE)
    # Op by op JAX runs each as a program of its own, found in a cache.
    add = jax.jit(lambda x: x + 1) if params["mode"] == "compiled" else lambda x: x + 1
    if params["mode"] == "compiled":
        return lambda: add(one)
    operations = params["chained"] if params["mode"] == "lazy" else 1

    def step():
        x = one
        for _ in range(operations):
            x = add(x)
        numpy.asarray(x)
        return x

    return step
