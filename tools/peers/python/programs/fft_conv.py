"""Long causal convolution by FFT."""

from inputs import uniform


def _inputs(params):
    batch, channels, time = params["batch"], params["channels"], params["time"]
    return uniform("u", (batch, channels, time)), uniform("k", (channels, time), 1 / time**0.5)


def torch_step(params, context):
    import torch

    time = params["time"]
    u, k = (context.tensor(x) for x in _inputs(params))

    @context.compile
    def convolve(u, k):
        return torch.fft.irfft(torch.fft.rfft(u, 2 * time) * torch.fft.rfft(k, 2 * time), 2 * time)[..., :time]

    def step():
        with torch.no_grad():
            return convolve(u, k)

    return step


def jax_step(params, context):
    import jax
    import jax.numpy as jnp

    time = params["time"]
    u, k = (context.array(x) for x in _inputs(params))

    @jax.jit
    def convolve(u, k):
        return jnp.fft.irfft(jnp.fft.rfft(u, 2 * time) * jnp.fft.rfft(k, 2 * time), 2 * time)[..., :time]

    return lambda: convolve(u, k)
