"""Mamba's selective scan with gradients, in the faster of the idiomatic ways. PyTorch itself has no fused kernel."""

import numpy
from inputs import uniform

MISSING = {"torch.compile": "it would unroll a loop over all steps"}


def _inputs(params):
    batch, time, dim, states = (params[name] for name in ("batch", "time", "dim", "states"))
    x, d_y = uniform("x", (batch, time, dim)), uniform("dY", (batch, time, dim))
    delta = numpy.abs(uniform("delta", (batch, time, dim))) * numpy.float32(0.099) + numpy.float32(0.001)
    a = numpy.abs(uniform("a", (dim, states))) * numpy.float32(-15.5) - numpy.float32(0.5)
    return [x, delta, a, uniform("b", (batch, time, states)), uniform("c", (batch, time, states))], d_y


def torch_step(params, context):
    import torch

    values, d_y = _inputs(params)
    inputs = [context.tensor(value).requires_grad_(True) for value in values]
    d_y = context.tensor(d_y)

    def scan(x, delta, a, b, c):
        decay = torch.exp(delta[..., None] * a)  # [B, T, D, N]
        update = (delta * x)[..., None] * b[:, :, None]
        h, ys = torch.zeros_like(decay[:, 0]), []
        for decay_t, update_t, c_t in zip(decay.unbind(1), update.unbind(1), c.unbind(1)):
            h = torch.addcmul(update_t, decay_t, h)
            ys.append((h * c_t[:, None]).sum(-1))
        return torch.stack(ys, 1)

    return lambda: torch.autograd.grad(scan(*inputs), inputs, d_y)


def jax_step(params, context):
    import jax
    import jax.numpy as jnp

    values, d_y = _inputs(params)
    inputs = [context.array(value) for value in values]
    d_y = context.array(d_y)

    def terms(x, delta, a, b):
        return jnp.exp(delta[..., None] * a), (delta * x)[..., None] * b[:, :, None]

    def in_parallel(x, delta, a, b, c):
        combine = lambda earlier, later: (earlier[0] * later[0], earlier[1] * later[0] + later[1])
        h = jax.lax.associative_scan(combine, terms(x, delta, a, b), axis=1)[1]
        return jnp.einsum("btdn,btn->btd", h, c)

    def step_by_step(x, delta, a, b, c):
        def advance(h, inputs):
            x, delta, b, c = inputs
            h = jnp.exp(delta[..., None] * a) * h + (delta * x)[..., None] * b[:, None]  # [B, D, N]
            return h, jnp.einsum("bdn,bn->bd", h, c)

        first = jnp.zeros((x.shape[0], *a.shape))
        return jnp.moveaxis(jax.lax.scan(advance, first, [jnp.moveaxis(v, 1, 0) for v in (x, delta, b, c)])[1], 0, 1)

    def with_gradients(scan):
        run = jax.jit(lambda inputs, d_y: jax.vjp(scan, *inputs)[1](d_y))
        return lambda: run(inputs, d_y)

    return context.fastest([with_gradients(in_parallel), with_gradients(step_by_step)])
