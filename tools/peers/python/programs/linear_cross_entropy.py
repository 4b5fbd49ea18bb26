"""A linear head over a large vocabulary, its loss, and the gradients of both inputs."""

from inputs import integers, uniform


def _inputs(params):
    rows, dim, vocabulary = params["rows"], params["dim"], params["vocabulary"]
    weight = uniform("weight", (dim, vocabulary), 1 / dim**0.5)
    return uniform("features", (rows, dim)), weight, integers("labels", (rows,), vocabulary)


def torch_step(params, context):
    import torch
    import torch.nn.functional as F

    features, weight, labels = (context.tensor(x) for x in _inputs(params))
    inputs = [features.requires_grad_(True), weight.requires_grad_(True)]
    labels = labels.long()

    @context.compile
    def loss_of(features, weight, labels):
        with context.autocast():
            logits = features @ weight
        return F.cross_entropy(logits.float(), labels)

    def step():
        loss = loss_of(*inputs, labels)
        return [loss, *torch.autograd.grad(loss, inputs)]

    return step


def jax_step(params, context):
    import jax
    import jax.numpy as jnp

    features, weight, labels = (context.array(x) for x in _inputs(params))

    def loss_of(features, weight, labels):
        logits = (features.astype(context.dtype) @ weight.astype(context.dtype)).astype(jnp.float32)
        picked = jnp.take_along_axis(logits, labels[:, None], -1)[:, 0]
        return (jax.nn.logsumexp(logits, -1) - picked).mean()

    run = jax.jit(jax.value_and_grad(loss_of, (0, 1)))

    def step():
        loss, gradients = run(features, weight, labels)
        return [loss, *gradients]

    return step
