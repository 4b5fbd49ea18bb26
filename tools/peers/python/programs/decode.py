"""Sampling from the images app's prior with cached keys and values: a LLaMA-like transformer over a grid of tokens."""

import numpy
from inputs import initial

EPSILON = 1e-5


def _weights(params):
    dim, vocabulary = params["dim"], params["vocabulary"]
    hidden = -(-(8 * dim // 3) // 256) * 256

    def block(name):
        return {
            "qkv": initial(f"{name}.attention.qkv.weight", (dim, 3 * dim)),
            "out": initial(f"{name}.attention.output.weight", (dim, dim)),
            "up": initial(f"{name}.feedForward.up.weight", (dim, hidden)),
            "gate": initial(f"{name}.feedForward.gate.weight", (dim, hidden)),
            "down": initial(f"{name}.feedForward.down.weight", (hidden, dim)),
            "norm1": numpy.ones(dim, numpy.float32),
            "norm2": numpy.ones(dim, numpy.float32),
        }

    return {
        "tokens": initial("tokens.weight", (vocabulary, dim)),
        "condition": initial("condition.weight", (1, dim)),
        "blocks": [block(f"blocks.{layer}") for layer in range(params["layers"])],
        "norm": numpy.ones(dim, numpy.float32),
        "head": initial("head.weight", (dim, vocabulary)),
    }


def _rotary(params):
    """Cosines and sines [positions, D / 2]: rows in the first half of the pairs, columns in the second."""
    side, quarter = params["side"], params["dim"] // params["heads"] // 4
    frequencies = 10_000.0 ** (-numpy.arange(quarter) / quarter)
    row, column = numpy.divmod(numpy.arange(side * side - 1), side)
    angles = numpy.concatenate([row[:, None] * frequencies, column[:, None] * frequencies], 1)
    # The condition is not turned.
    angles = numpy.concatenate([numpy.zeros((1, 2 * quarter)), angles])
    return numpy.cos(angles).astype(numpy.float32), numpy.sin(angles).astype(numpy.float32)


def torch_step(params, context):
    import torch
    import torch.nn.functional as F
    from torch import nn

    batch, dim, heads, slots = params["batch"], params["dim"], params["heads"], params["side"] ** 2
    head_dim = dim // heads
    weights = _weights(params)

    def linear(values):
        layer = nn.Linear(*values.shape, bias=False)
        layer.weight.data = torch.from_numpy(values.T.copy())
        return layer

    class Block(nn.Module):
        def __init__(self, values):
            super().__init__()
            self.norm1, self.norm2 = nn.RMSNorm(dim, EPSILON), nn.RMSNorm(dim, EPSILON)
            for name in ("qkv", "out", "up", "gate", "down"):
                setattr(self, name, linear(values[name]))
            for name in ("keys", "values"):
                self.register_buffer(name, torch.zeros(batch, heads, slots, head_dim))

        def forward(self, x, cos, sin, position, mask):
            qkv = self.qkv(self.norm1(x)).view(batch, 1, 3, heads, head_dim).permute(2, 0, 3, 1, 4)

            def turn(part):
                a, b = part.unflatten(-1, (-1, 2)).unbind(-1)
                return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)

            q, k, v = turn(qkv[0]), turn(qkv[1]), qkv[2]
            if context.compiled:
                self.keys.index_copy_(2, position, k)
                self.values.index_copy_(2, position, v)
                keys, values = self.keys, self.values
            else:
                # Op by op, only what is filled takes part.
                self.keys[:, :, position : position + 1] = k
                self.values[:, :, position : position + 1] = v
                keys, values = self.keys[:, :, : position + 1], self.values[:, :, : position + 1]
            attended = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
            x = x + self.out(attended.transpose(1, 2).reshape(batch, 1, dim))
            h = self.norm2(x)
            return x + self.down(F.silu(self.gate(h)) * self.up(h))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding.from_pretrained(torch.from_numpy(weights["tokens"]))
            self.blocks = nn.ModuleList(Block(values) for values in weights["blocks"])
            self.norm, self.head = nn.RMSNorm(dim, EPSILON), linear(weights["head"])
            cos, sin = _rotary(params)
            self.register_buffer("cos", torch.from_numpy(cos))
            self.register_buffer("sin", torch.from_numpy(sin))
            self.register_buffer("slots", torch.arange(slots))

        def embed(self, ids):
            return self.tokens(ids)[:, None]

        def forward(self, x, position):
            """x [B, 1, dim] at a position -> the next tokens [B]."""
            mask = (self.slots <= position)[None] if context.compiled else None
            cos, sin = self.cos[position], self.sin[position]
            for block in self.blocks:
                x = block(x, cos, sin, position, mask)
            return self.head(self.norm(x))[:, 0].argmax(-1)

    model = Model().to(context.device).eval()
    condition = context.tensor(weights["condition"]).expand(batch, 1, dim)
    positions = [torch.tensor([i], device=context.device) for i in range(slots)] if context.compiled else range(slots)
    following = context.compile(lambda ids, position: model(model.embed(ids), position))
    first = context.compile(lambda x, position: model(x, position))

    def step():
        with torch.no_grad():
            drawn = [first(condition, positions[0]).clone()]
            for position in positions[1:]:
                drawn.append(following(drawn[-1], position).clone())
            return torch.stack(drawn, 1)

    return step


def jax_step(params, context):
    import jax
    import jax.numpy as jnp

    batch, dim, heads, slots = params["batch"], params["dim"], params["heads"], params["side"] ** 2
    weights = jax.tree.map(context.array, _weights(params))
    rotary = [context.array(table) for table in _rotary(params)]

    def norm(x, weight):
        return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + EPSILON) * weight

    def turn(x, cos, sin):
        a, b = jnp.moveaxis(x.reshape(*x.shape[:-1], -1, 2), -1, 0)
        return jnp.stack([a * cos - b * sin, b * cos + a * sin], -1).reshape(x.shape)

    def block(x, layer, cache, position, tables):
        cos, sin = (table[position] for table in tables)
        q, k, v = jnp.moveaxis((norm(x, layer["norm1"]) @ layer["qkv"]).reshape(batch, 3, heads, -1), 1, 0)
        keys, values = (
            jax.lax.dynamic_update_slice(old, new[:, :, None], (0, 0, position, 0))
            for old, new in zip(cache, (turn(k, cos, sin), v))
        )
        scores = jnp.einsum("bhd,bhtd->bht", turn(q, cos, sin), keys) * q.shape[-1] ** -0.5
        weights = jax.nn.softmax(jnp.where(jnp.arange(slots) <= position, scores, -jnp.inf), -1)
        x = x + jnp.einsum("bht,bhtd->bhd", weights, values).reshape(batch, dim) @ layer["out"]
        h = norm(x, layer["norm2"])
        return x + (jax.nn.silu(h @ layer["gate"]) * (h @ layer["up"])) @ layer["down"], (keys, values)

    @jax.jit
    def generate(weights, tables):
        def advance(carry, position):
            x, caches = carry
            filled = []
            for layer, cache in zip(weights["blocks"], caches):
                x, cache = block(x, layer, cache, position, tables)
                filled.append(cache)
            drawn = (norm(x, weights["norm"]) @ weights["head"]).argmax(-1).astype(jnp.int32)
            return (weights["tokens"][drawn], filled), drawn

        empty = jnp.zeros((batch, heads, slots, dim // heads))
        caches = [(empty, empty) for _ in weights["blocks"]]
        first = jnp.broadcast_to(weights["condition"], (batch, dim))
        return jax.lax.scan(advance, (first, caches), jnp.arange(slots))[1].T  # [B, N]

    return lambda: generate(weights, rotary)
