"""A GPT in PyTorch and in JAX: learned positions, pre-norm blocks with exact GELU, an untied head.

Weights come from the rule of inputs.py under the names that ours has, in its layout ([in, out]).
"""

from inputs import initial


def torch_model(params, context):
    import torch
    import torch.nn.functional as F
    from torch import nn

    dim, heads = params["dim"], params["heads"]

    def linear(name, inputs, outputs, bias=True):
        layer = nn.Linear(inputs, outputs, bias=bias)
        layer.weight.data = torch.from_numpy(initial(f"{name}.weight", (inputs, outputs)).T.copy())
        if bias:
            nn.init.zeros_(layer.bias)
        return layer

    def embedding(name, size):
        return nn.Embedding.from_pretrained(torch.from_numpy(initial(f"{name}.weight", (size, dim))), freeze=False)

    class Block(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.norm1 = nn.LayerNorm(dim)
            self.qkv = linear(f"{name}.attention.qkv", dim, 3 * dim)
            self.out = linear(f"{name}.attention.output", dim, dim)
            self.norm2 = nn.LayerNorm(dim)
            self.up = linear(f"{name}.feedForward.up", dim, 4 * dim)
            self.down = linear(f"{name}.feedForward.down", 4 * dim, dim)

        def forward(self, x):
            batch, time, _ = x.shape
            # [B, T, 3, H, D] -> 3 of [B, H, T, D]
            q, k, v = self.qkv(self.norm1(x)).view(batch, time, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(attended.transpose(1, 2).reshape(batch, time, dim))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = embedding("tokens", params["vocabulary"])
            self.positions = embedding("positions", params["time"])
            self.blocks = nn.ModuleList(Block(f"blocks.{layer}") for layer in range(params["layers"]))
            self.norm = nn.LayerNorm(dim)
            self.head = linear("head", dim, params["vocabulary"], bias=False)

        def forward(self, ids):
            x = self.tokens(ids) + self.positions.weight
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    return GPT().to(context.device)


def jax_parameters(params):
    dim, vocabulary = params["dim"], params["vocabulary"]

    def linear(name, inputs, outputs):
        return {"weight": initial(f"{name}.weight", (inputs, outputs)), "bias": initial(f"{name}.bias", (outputs,))}

    def norm():
        return {"weight": initial("weight", (dim,)), "bias": initial("bias", (dim,))}

    def block(name):
        return {
            "norm1": norm(),
            "qkv": linear(f"{name}.attention.qkv", dim, 3 * dim),
            "out": linear(f"{name}.attention.output", dim, dim),
            "norm2": norm(),
            "up": linear(f"{name}.feedForward.up", dim, 4 * dim),
            "down": linear(f"{name}.feedForward.down", 4 * dim, dim),
        }

    return {
        "tokens": initial("tokens.weight", (vocabulary, dim)),
        "positions": initial("positions.weight", (params["time"], dim)),
        "blocks": [block(f"blocks.{layer}") for layer in range(params["layers"])],
        "norm": norm(),
        "head": initial("head.weight", (dim, vocabulary)),
    }


def jax_logits(parameters, ids, params, context):
    """float32 [B, T, V]; products in context.dtype, norms and softmax in float32."""
    import jax
    import jax.numpy as jnp

    dim, heads = params["dim"], params["heads"]
    batch, time = ids.shape

    def linear(x, layer):
        return x @ layer["weight"].astype(context.dtype) + layer["bias"].astype(context.dtype)

    def norm(x, layer):
        x = x.astype(jnp.float32)
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return (scaled * layer["weight"] + layer["bias"]).astype(context.dtype)

    def block(x, layer):
        qkv = linear(norm(x, layer["norm1"]), layer["qkv"]).reshape(batch, time, 3, heads, dim // heads)
        attended = jax.nn.dot_product_attention(
            qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2], is_causal=True, implementation=context.attention
        )
        x = x + linear(attended.reshape(batch, time, dim), layer["out"])
        hidden = jax.nn.gelu(linear(norm(x, layer["norm2"]), layer["up"]), approximate=False)
        return x + linear(hidden, layer["down"])

    x = (parameters["tokens"][ids] + parameters["positions"]).astype(context.dtype)
    for layer in parameters["blocks"]:
        x = block(x, layer)
    logits = norm(x, parameters["norm"]) @ parameters["head"].astype(context.dtype)
    return logits.astype(jnp.float32)
