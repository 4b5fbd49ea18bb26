"""One denoising step of a small diffusion U-Net."""

from inputs import uniform

REMOVED = 0.1


def _inputs(params):
    batch, side = params["batch"], params["side"]
    return uniform("x", (batch, side, side, 3)), uniform("time", (batch, params["features"]))


def torch_step(params, context):
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torch_layers import Downsample, ResNetBlock, Upsample, conv, linear

    c = params["channels"]
    heads = c // 32

    def block(name, inputs, outputs):
        return ResNetBlock(name, inputs, outputs, 32, 4 * c)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.time1, self.time2 = linear("time1", params["features"], 4 * c), linear("time2", 4 * c, 4 * c)
            self.stem = conv("stem", 3, c, 3)
            self.down1 = nn.ModuleList([block("down1.0", c, c), block("down1.1", c, c)])
            self.downsample = Downsample("downsample", c, c)
            self.down2 = nn.ModuleList([block("down2.0", c, 2 * c), block("down2.1", 2 * c, 2 * c)])
            self.middle1, self.middle2 = block("middle1", 2 * c, 2 * c), block("middle2", 2 * c, 2 * c)
            self.norm = nn.GroupNorm(32, 2 * c)
            self.qkv, self.project = (
                linear("attention.qkv", 2 * c, 6 * c),
                linear("attention.output", 2 * c, 2 * c),
            )
            self.up2 = nn.ModuleList([block("up2.0", 4 * c, 2 * c), block("up2.1", 4 * c, 2 * c)])
            self.upsample = Upsample("upsample", 2 * c, c)
            self.up1 = nn.ModuleList([block("up1.0", 2 * c, c), block("up1.1", 2 * c, c)])
            self.out_norm, self.out = nn.GroupNorm(32, c), conv("out", c, 3, 3)

        def attend(self, h):
            batch, channels, height, width = h.shape
            x = self.norm(h).flatten(2).transpose(1, 2)  # [B, H W, C]
            qkv = self.qkv(x).view(batch, height * width, 3, heads, channels // heads).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(*qkv).transpose(1, 2).reshape(batch, height * width, channels)
            return h + self.project(y).transpose(1, 2).reshape(h.shape)

        def forward(self, x, time):
            embedding = self.time2(F.silu(self.time1(time)))
            skips, h = [], self.stem(x)
            for layer in self.down1:
                h = layer(h, embedding)
                skips.append(h)
            h = self.downsample(h)
            for layer in self.down2:
                h = layer(h, embedding)
                skips.append(h)
            h = self.middle2(self.attend(self.middle1(h, embedding)), embedding)
            for layer in self.up2:
                h = layer(torch.cat([h, skips.pop()], 1), embedding)
            h = self.upsample(h)
            for layer in self.up1:
                h = layer(torch.cat([h, skips.pop()], 1), embedding)
            return self.out(F.silu(self.out_norm(h)))

    x, time = (context.tensor(value) for value in _inputs(params))
    x = x.permute(0, 3, 1, 2)  # channels_last memory
    model = UNet().to(context.device, memory_format=torch.channels_last).eval()

    @context.compile
    def denoise(x, time):
        with context.autocast():
            noise = model(x, time)
        return x - REMOVED * noise

    def step():
        with torch.no_grad():
            return denoise(x, time)

    return context.with_layout(step, (0, 2, 3, 1))


def jax_step(params, context):
    import jax
    import jax.numpy as jnp
    from jax_layers import Parameters, collect, conv, group_norm, linear, resnet_block, upsample

    c = params["channels"]

    def unet(p, x, time):
        embedding = linear(p, "time2", jax.nn.silu(linear(p, "time1", time, 4 * c)), 4 * c)
        skips, h = [], conv(p, "stem", x, c, 3)
        for name in ("down1.0", "down1.1"):
            h = resnet_block(p, name, h, c, 32, embedding)
            skips.append(h)
        h = conv(p, "downsample.conv", h, c, 3, 2)
        for name in ("down2.0", "down2.1"):
            h = resnet_block(p, name, h, 2 * c, 32, embedding)
            skips.append(h)
        h = resnet_block(p, "middle1", h, 2 * c, 32, embedding)
        batch, height, width, channels = h.shape
        qkv = linear(p, "attention.qkv", group_norm(p, "norm", h, 32).reshape(batch, height * width, channels), 6 * c)
        q, k, v = jnp.moveaxis(qkv.reshape(batch, height * width, 3, c // 32, -1), 2, 0)
        y = jax.nn.dot_product_attention(q, k, v, implementation=context.attention).reshape(batch, -1, channels)
        h = h + linear(p, "attention.output", y, channels).reshape(h.shape)
        h = resnet_block(p, "middle2", h, 2 * c, 32, embedding)
        for name in ("up2.0", "up2.1"):
            h = resnet_block(p, name, jnp.concatenate([h, skips.pop()], -1), 2 * c, 32, embedding)
        h = upsample(p, "upsample", h, c)
        for name in ("up1.0", "up1.1"):
            h = resnet_block(p, name, jnp.concatenate([h, skips.pop()], -1), c, 32, embedding)
        return conv(p, "out", jax.nn.silu(group_norm(p, "outNorm", h, 32)), 3, 3)

    x, time = (context.array(value) for value in _inputs(params))
    parameters = jax.tree.map(context.array, collect(unet, context.dtype, x, time))

    @jax.jit
    def denoise(parameters, x, time):
        return x - REMOVED * unet(Parameters(context.dtype, parameters), x, time).astype(jnp.float32)

    return lambda: denoise(parameters, x, time)
