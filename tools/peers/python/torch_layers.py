"""Layers of PyTorch with our names, initial values (layout [h, w, in, out] and [in, out]) and padding. NCHW."""

import torch
import torch.nn.functional as F
from inputs import initial
from torch import nn


def _fill(layer, name, weight, bias=True):
    layer.weight.data = torch.from_numpy(weight.copy())
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def linear(name, inputs, outputs, bias=True):
    layer = nn.Linear(inputs, outputs, bias=bias)
    return _fill(layer, name, initial(f"{name}.weight", (inputs, outputs)).T, bias)


def conv(name, inputs, outputs, kernel, stride=1):
    """`same` padding; of a stride of 2 with kernel 3 the odd rest is at the end (see `Downsample`)."""
    padding = 0 if stride == 2 and kernel == 3 else (kernel - stride) // 2 if stride == 2 else kernel // 2
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    # HWIO -> OIHW
    return _fill(layer, name, initial(f"{name}.weight", (kernel, kernel, inputs, outputs)).transpose(3, 2, 0, 1))


def conv_transpose(name, inputs, outputs):
    """Kernel 4, stride 2: twice the size."""
    layer = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)
    # HWOI -> IOHW
    return _fill(layer, name, initial(f"{name}.weight", (4, 4, outputs, inputs)).transpose(3, 2, 0, 1))


class Downsample(nn.Module):
    def __init__(self, name, inputs, outputs):
        super().__init__()
        self.conv = conv(f"{name}.conv", inputs, outputs, 3, 2)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, name, inputs, outputs):
        super().__init__()
        self.conv = conv(f"{name}.conv", inputs, outputs, 3)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class ResNetBlock(nn.Module):
    def __init__(self, name, inputs, outputs, groups, embedding=None):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, eps=1e-6)
        self.conv1 = conv(f"{name}.conv1", inputs, outputs, 3)
        self.embedding = None if embedding is None else linear(f"{name}.embedding", embedding, outputs)
        self.norm2 = nn.GroupNorm(groups, outputs, eps=1e-6)
        self.conv2 = conv(f"{name}.conv2", outputs, outputs, 3)
        self.shortcut = None if inputs == outputs else conv(f"{name}.shortcut", inputs, outputs, 1)

    def forward(self, x, embedding=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if self.embedding is not None:
            h = h + self.embedding(F.silu(embedding))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.shortcut is None else self.shortcut(x))
