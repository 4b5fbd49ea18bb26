"""A training step of the images app's tokenizer."""

import adamw
import vqvae
from inputs import uniform

RATE, DECAY, BETAS = 2e-3, 0.01, (0.9, 0.95)


def _images(params):
    return uniform("images", (params["batch"], params["side"], params["side"], 3))


def torch_step(params, context):
    model = vqvae.torch_model(params, context)
    optimizer = context.adamw(model, RATE, DECAY, BETAS)
    images = context.tensor(_images(params)).permute(0, 3, 1, 2)  # channels_last memory
    loss_of, follow = context.compile(model), context.compile(model.follow)

    def step():
        loss, x, chosen = loss_of(images)
        loss.backward()
        optimizer.step()
        # Apart from the loss: compiled with it, the backward pass would see the codes after their update.
        follow(x, chosen)
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


def jax_step(params, context):
    import jax
    import jax.numpy as jnp
    from jax_layers import Parameters, collect

    dim = params["codeDim"]
    images = context.array(_images(params))

    def loss_of(parameters, vectors, images):
        p = Parameters(context.dtype, parameters)
        latents = vqvae.jax_encode(p, images, dim).astype(jnp.float32)
        x = latents.reshape(-1, dim)
        fixed = jax.lax.stop_gradient(x)
        with jax.default_matmul_precision("highest"):
            chosen = jnp.argmin((vectors**2).sum(1) - 2 * (fixed @ vectors.T), 1)
        selected = vectors[chosen]
        commitment = vqvae.COMMITMENT * ((x - selected) ** 2).mean()
        estimated = (x + jax.lax.stop_gradient(selected - x)).reshape(latents.shape)
        reconstruction = vqvae.jax_decode(p, estimated).astype(jnp.float32)
        return ((reconstruction - images) ** 2).mean() + commitment, (fixed, chosen)

    def train(parameters, state, book, images):
        (loss, observed), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, book["vectors"], images)
        parameters, state = adamw.update(parameters, gradients, state, RATE, DECAY, BETAS)
        return parameters, state, vqvae.jax_follow(book, *observed), loss

    def both(p, images):
        return vqvae.jax_decode(p, vqvae.jax_encode(p, images, dim))

    parameters = jax.tree.map(context.array, collect(both, context.dtype, images))
    state = adamw.init(parameters)
    book = jax.tree.map(context.array, vqvae.jax_codebook(params))
    train = jax.jit(train, donate_argnums=(0, 1, 2))

    def step():
        nonlocal parameters, state, book
        parameters, state, book, loss = train(parameters, state, book, images)
        return loss

    return step
