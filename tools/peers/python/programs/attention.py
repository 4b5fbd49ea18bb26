"""Causal attention with its gradient: PyTorch's scaled_dot_product_attention (flash where it can), cuDNN's in JAX."""

from inputs import uniform


def _inputs(params):
    shape = tuple(params[name] for name in ("batch", "heads", "time", "dim"))
    return [uniform(name, shape) for name in ("query", "key", "value", "dOut")]


def torch_step(params, context):
    import torch
    import torch.nn.functional as F

    dtype = torch.bfloat16 if context.precision == "bfloat16" else torch.float32
    query, key, value, d_out = (context.tensor(x).to(dtype) for x in _inputs(params))
    inputs = [x.requires_grad_(True) for x in (query, key, value)]

    @context.compile
    def attend(query, key, value):
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)

    def step():
        return torch.autograd.grad(attend(*inputs), inputs, d_out)

    return step


def jax_step(params, context):
    import jax

    # [B, H, T, D] -> [B, T, H, D], as jax.nn takes it.
    inputs = [context.array(x.transpose(0, 2, 1, 3).copy()).astype(context.dtype) for x in _inputs(params)]

    def attend(query, key, value):
        return jax.nn.dot_product_attention(query, key, value, is_causal=True, implementation=context.attention)

    @jax.jit
    def run(query, key, value, d_out):
        return jax.vjp(attend, query, key, value)[1](d_out)

    return context.with_layout(lambda: run(*inputs), (0, 2, 1, 3))
