"""AdamW for JAX over a tree, as optax computes it; decay only where a parameter has two axes and more."""


def init(parameters):
    import jax
    import jax.numpy as jnp

    zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
    return {"count": jnp.zeros((), jnp.int32), "m": zeros(), "v": zeros()}


def update(parameters, gradients, state, rate, decay, betas=(0.9, 0.999), epsilon=1e-8):
    import jax
    import jax.numpy as jnp

    count = state["count"] + 1
    m = jax.tree.map(lambda m, g: betas[0] * m + (1 - betas[0]) * g, state["m"], gradients)
    v = jax.tree.map(lambda v, g: betas[1] * v + (1 - betas[1]) * g**2, state["v"], gradients)
    c1, c2 = (1 - beta ** count.astype(jnp.float32) for beta in betas)

    def one(p, m, v):
        shrunk = p * (1 - rate * decay) if p.ndim >= 2 else p
        return shrunk - rate * (m / c1) / (jnp.sqrt(v / c2) + epsilon)

    return jax.tree.map(one, parameters, m, v), {"count": count, "m": m, "v": v}
