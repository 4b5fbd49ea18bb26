"""Inputs and initial weights by the rule of src/inputs.ts, bit for bit."""

import math

import numpy


def _mixed(name, size):
    """murmur3's finaliser of i * 0x9e3779b1 + fnv1a(name), uint32 [size]."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = numpy.arange(size, dtype=numpy.uint32)
    x *= numpy.uint32(0x9E3779B1)
    x += numpy.uint32(seed)
    x ^= x >> numpy.uint32(16)
    x *= numpy.uint32(0x85EBCA6B)
    x ^= x >> numpy.uint32(13)
    x *= numpy.uint32(0xC2B2AE35)
    x ^= x >> numpy.uint32(16)
    return x


def uniform(name, shape, scale=1.0):
    """float32 values in +-scale."""
    size = math.prod(shape)
    values = ((_mixed(name, size) >> numpy.uint32(8)).astype(numpy.float64) * 2.0**-23 - 1.0) * scale
    return values.astype(numpy.float32).reshape(shape)


def integers(name, shape, limit):
    """int32 values in [0, limit)."""
    return (_mixed(name, math.prod(shape)) % numpy.uint32(limit)).astype(numpy.int32).reshape(shape)


def initial(name, shape):
    """Initial values of a parameter of that name, in the layout of ours (a linear map is [in, out])."""
    if len(shape) >= 2:
        return uniform(name, shape, math.sqrt(3 / math.prod(shape[:-1])))
    fill = numpy.ones if name.endswith("weight") else numpy.zeros
    return fill(shape, numpy.float32)
