"""The images app's VQVAE in PyTorch and JAX: two levels of residual blocks, a codebook that follows a moving average.

Codes whose average of hits falls below a tenth of a balanced share are replaced by random latents, from the hundredth
update on.
"""

BASE, GROUPS, DEPTH = 40, 8, 2
DECAY, EPSILON, SHARE, COMMITMENT, WARM_UP = 0.99, 1e-5, 0.1, 0.25, 100


def torch_model(params, context):
    import torch
    import torch.nn.functional as F
    from inputs import uniform
    from torch import nn
    from torch_layers import Downsample, ResNetBlock, Upsample, conv, conv_transpose

    dim, codes = params["codeDim"], params["codes"]

    def blocks(name, channels):
        return [ResNetBlock(f"{name}.blocks.{i}", channels, channels, GROUPS) for i in range(DEPTH)]

    class VQVAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(
                conv("encoder.stem", 3, BASE, 4, 2),
                *blocks("encoder.levels.0", BASE),
                Downsample("encoder.levels.1.down", BASE, 2 * BASE),
                *blocks("encoder.levels.1", 2 * BASE),
                nn.GroupNorm(GROUPS, 2 * BASE),
                nn.SiLU(),
                conv("encoder.out", 2 * BASE, dim, 1),
            )
            self.decoder = nn.Sequential(
                conv("decoder.in", dim, 2 * BASE, 3),
                *blocks("decoder.levels.0", 2 * BASE),
                Upsample("decoder.levels.0.up", 2 * BASE, BASE),
                *blocks("decoder.levels.1", BASE),
                nn.GroupNorm(GROUPS, BASE),
                nn.SiLU(),
                conv_transpose("decoder.head", BASE, 3),
            )
            vectors = torch.from_numpy(uniform("codebook", (codes, dim)))
            self.register_buffer("vectors", vectors.clone())
            self.register_buffer("sums", vectors.clone())
            self.register_buffer("sizes", torch.ones(codes))
            self.register_buffer("updates", torch.zeros((), dtype=torch.int32))

        @torch.no_grad()
        def follow(self, x, chosen):
            counts = torch.zeros_like(self.sizes).index_add_(0, chosen, torch.ones_like(x[:, 0]))
            sums = torch.zeros_like(self.sums).index_add_(0, chosen, x)
            sizes, sums = torch.lerp(counts, self.sizes, DECAY), torch.lerp(sums, self.sums, DECAY)
            total = sizes.sum()
            smoothed = (sizes + EPSILON) / (total + codes * EPSILON) * total
            vectors = torch.where((sizes > 1e-8)[:, None], sums / smoothed.clamp_min(1e-8)[:, None], self.vectors)
            least = x.shape[0] * SHARE / codes
            dead = (sizes < least) & (self.updates + 1 >= WARM_UP)
            fresh = x[torch.randint(x.shape[0], (codes,), device=x.device)]
            self.sizes.copy_(torch.where(dead, least, sizes))
            self.sums.copy_(torch.where(dead[:, None], fresh * least, sums))
            self.vectors.copy_(torch.where(dead[:, None], fresh, vectors))
            self.updates.add_(1)

        def forward(self, images):
            with context.autocast():
                latents = self.encoder(images)
            x = latents.float().permute(0, 2, 3, 1).reshape(-1, dim)  # [N, D]
            with torch.no_grad():
                chosen = torch.addmm(self.vectors.square().sum(1), x, self.vectors.T, alpha=-2).argmin(1)
                selected = self.vectors[chosen]
            commitment = COMMITMENT * F.mse_loss(x, selected)
            estimated = (x + (selected - x).detach()).view(latents.shape[0], *latents.shape[2:], dim)
            with context.autocast():
                reconstruction = self.decoder(estimated.permute(0, 3, 1, 2))
            return F.mse_loss(reconstruction.float(), images) + commitment, x.detach(), chosen

    return VQVAE().to(context.device, memory_format=torch.channels_last)


def jax_encode(p, x, dim):
    from jax import nn
    from jax_layers import conv, group_norm, resnet_block

    h = conv(p, "encoder.stem", x, BASE, 4, 2)
    for i in range(DEPTH):
        h = resnet_block(p, f"encoder.levels.0.blocks.{i}", h, BASE, GROUPS)
    h = conv(p, "encoder.levels.1.down.conv", h, 2 * BASE, 3, 2)
    for i in range(DEPTH):
        h = resnet_block(p, f"encoder.levels.1.blocks.{i}", h, 2 * BASE, GROUPS)
    return conv(p, "encoder.out", nn.silu(group_norm(p, "encoder.norm", h, GROUPS)), dim, 1)


def jax_decode(p, codes):
    from jax import nn
    from jax_layers import conv, conv_transpose, group_norm, resnet_block, upsample

    h = conv(p, "decoder.in", codes, 2 * BASE, 3)
    for i in range(DEPTH):
        h = resnet_block(p, f"decoder.levels.0.blocks.{i}", h, 2 * BASE, GROUPS)
    h = upsample(p, "decoder.levels.0.up", h, BASE)
    for i in range(DEPTH):
        h = resnet_block(p, f"decoder.levels.1.blocks.{i}", h, BASE, GROUPS)
    return conv_transpose(p, "decoder.head", nn.silu(group_norm(p, "decoder.norm", h, GROUPS)), 3)


def jax_codebook(params):
    import numpy
    from inputs import uniform

    vectors = uniform("codebook", (params["codes"], params["codeDim"]))
    sizes = numpy.ones(params["codes"], numpy.float32)
    return {"vectors": vectors, "sums": vectors.copy(), "sizes": sizes, "updates": numpy.int32(0)}


def jax_follow(book, x, chosen):
    """The codebook after a batch of latents [N, D]."""
    import jax
    import jax.numpy as jnp

    codes = book["sizes"].shape[0]
    counts = jnp.zeros(codes).at[chosen].add(1.0)
    sums = jnp.zeros_like(book["sums"]).at[chosen].add(x)
    sizes = DECAY * book["sizes"] + (1 - DECAY) * counts
    sums = DECAY * book["sums"] + (1 - DECAY) * sums
    total = sizes.sum()
    smoothed = (sizes + EPSILON) / (total + codes * EPSILON) * total
    vectors = jnp.where((sizes > 1e-8)[:, None], sums / jnp.maximum(smoothed, 1e-8)[:, None], book["vectors"])
    least = x.shape[0] * SHARE / codes
    updates = book["updates"] + 1
    dead = (sizes < least) & (updates >= WARM_UP)
    fresh = x[jax.random.randint(jax.random.fold_in(jax.random.key(0), updates), (codes,), 0, x.shape[0])]
    return {
        "vectors": jnp.where(dead[:, None], fresh, vectors),
        "sums": jnp.where(dead[:, None], fresh * least, sums),
        "sizes": jnp.where(dead, least, sizes),
        "updates": updates,
    }
