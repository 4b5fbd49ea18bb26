"""A linear recurrence as an associative scan along time."""

from inputs import uniform

MISSING = {"torch": "PyTorch's associative_scan is a prototype for compiled code"}


def _inputs(params):
    shape = (params["time"], params["channels"])
    return uniform("a", shape), uniform("b", shape)


def torch_step(params, context):
    import torch
    from torch._higher_order_ops.associative_scan import associative_scan

    a, b = (context.tensor(x) for x in _inputs(params))
    # `pointwise` is the fast form and needs CUDA.
    mode = "pointwise" if context.device.type == "cuda" else "generic"

    def combine(earlier, later):
        return earlier[0] * later[0], earlier[1] * later[0] + later[1]

    # With CUDA graphs its triton kernel is not faster, and it is a prototype: plain compilation.
    scan = torch.compile(lambda a, b: associative_scan(combine, (a, b), 0, combine_mode=mode)[1])

    def step():
        with torch.no_grad():
            return scan(a, b)

    return step


def jax_step(params, context):
    import jax

    a, b = (context.array(x) for x in _inputs(params))

    def combine(earlier, later):
        return earlier[0] * later[0], earlier[1] * later[0] + later[1]

    scan = jax.jit(lambda a, b: jax.lax.associative_scan(combine, (a, b))[1])
    return lambda: scan(a, b)
