"""Long causal convolution by FFT."""

from inputs import uniform


def _inputs(params):
    batch, channels, time = params["batch"], params["channels"], params["time"]
    return uniform("u", (batch, time, channels)), uniform("k", (time, channels), 1 / time**0.5)


def torch_step(params, context):
    import torch

    time = params["time"]
    u, k = (context.tensor(x) for x in _inputs(params))

    @context.compile
    def convolve(u, k):
        product = torch.fft.rfft(u, 2 * time, 1) * torch.fft.rfft(k, 2 * time, 0)
        return torch.fft.irfft(product, 2 * time, 1)[:, :time]

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
        # Transforms run along the last axis: [B, T, C] -> [B, C, T].
        spectra = jnp.fft.rfft(u.swapaxes(1, 2), 2 * time) * jnp.fft.rfft(k.T, 2 * time)
        return jnp.fft.irfft(spectra, 2 * time)[..., :time].swapaxes(1, 2)

    return lambda: convolve(u, k)
