"""A training step of a GPT with AdamW."""

import adamw
import gpt
from inputs import integers

RATE, DECAY = 1e-3, 0.1


def _tokens(params):
    shape = (params["batch"], params["time"])
    return integers("ids", shape, params["vocabulary"]), integers("labels", shape, params["vocabulary"])


def torch_step(params, context):
    import torch.nn.functional as F

    ids, labels = (context.tensor(value).long() for value in _tokens(params))
    model = gpt.torch_model(params, context)
    optimizer = context.adamw(model, RATE, DECAY)

    @context.compile
    def loss_of(ids, labels):
        with context.autocast():
            logits = model(ids)
        return F.cross_entropy(logits.float().flatten(0, 1), labels.flatten())

    def step():
        loss = loss_of(ids, labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


def jax_step(params, context):
    import jax
    import jax.numpy as jnp

    ids, labels = (context.array(value) for value in _tokens(params))
    parameters = jax.tree.map(context.array, gpt.jax_parameters(params))
    state = adamw.init(parameters)

    def loss_of(parameters, ids, labels):
        logits = gpt.jax_logits(parameters, ids, params, context)
        picked = jnp.take_along_axis(logits, labels[..., None], -1)[..., 0]
        return (jax.nn.logsumexp(logits, -1) - picked).mean()

    def train(parameters, state, ids, labels):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, ids, labels)
        parameters, state = adamw.update(parameters, gradients, state, RATE, DECAY)
        return parameters, state, loss

    train = jax.jit(train, donate_argnums=(0, 1))

    def step():
        nonlocal parameters, state
        parameters, state, loss = train(parameters, state, ids, labels)
        return loss

    return step
