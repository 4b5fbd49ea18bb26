"""What the programs of a peer are given: its device, precision, and how it compiles.

TensorFloat-32 is used where `precision` says so and nowhere else, by PyTorch, cuDNN and JAX alike.
"""

import contextlib
import time


class TorchContext:
    """PyTorch, eager or compiled."""

    def __init__(self, device, precision, compiled, threads):
        import torch

        self.compiled = compiled
        self.axes = None
        self.device = torch.device("cuda" if device == "gpu" else "cpu")
        self.precision = precision
        tf32 = precision == "tf32"
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
        if device == "cpu":
            torch.set_num_threads(threads)

    def tensor(self, values):
        import torch

        return torch.from_numpy(values).to(self.device)

    def compile(self, function):
        """`function`, compiled where this peer compiles; on the GPU as CUDA graphs, since launches count there."""
        import torch

        if not self.compiled:
            return function
        if self.device.type != "cuda":
            return torch.compile(function)
        compiled = torch.compile(function, mode="reduce-overhead")

        def call(*arguments):
            torch.compiler.cudagraph_mark_step_begin()
            return compiled(*arguments)

        return call

    def autocast(self):
        import torch

        if self.precision != "bfloat16":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def adamw(self, model, rate, decay, betas=(0.9, 0.999)):
        """Fused AdamW that decays only what has two axes and more."""
        import torch

        groups = [
            {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": decay},
            {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=rate, betas=betas, fused=True)

    def finish(self, result):
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def with_layout(self, step, axes):
        """`step` whose results are compared with their axes in another order."""
        self.axes = axes
        return step

    def values(self, result):
        result = result if self.axes is None else result.permute(self.axes)
        return result.detach().float().cpu().numpy() if result.is_floating_point() else result.cpu().numpy()

    def fastest(self, candidates):
        return fastest(candidates, self.finish)

    def version(self):
        import torch

        return f"torch {torch.__version__}"


class JaxContext:
    """JAX with jit."""

    compiled = True
    axes = None

    def __init__(self, device, precision, compiled, threads):
        import jax

        jax.config.update("jax_platforms", "cuda" if device == "gpu" else "cpu")
        matmuls = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "default"}
        jax.config.update("jax_default_matmul_precision", matmuls[precision])
        self.device = jax.devices()[0]
        self.precision = precision
        import jax.numpy as jnp

        self.dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
        # cuDNN's flash attention takes half precision only.
        self.attention = "cudnn" if device == "gpu" and precision == "bfloat16" else "xla"

    def array(self, values):
        import jax

        return jax.device_put(values, self.device)

    def finish(self, result):
        import jax

        jax.block_until_ready(result)

    def with_layout(self, step, axes):
        """`step` whose results are compared with their axes in another order."""
        self.axes = axes
        return step

    def values(self, result):
        import jax.numpy as jnp
        import numpy

        result = result if self.axes is None else result.transpose(self.axes)
        return numpy.asarray(result.astype(jnp.float32) if result.dtype == jnp.bfloat16 else result)

    def fastest(self, candidates):
        return fastest(candidates, self.finish)

    def version(self):
        import jax

        return f"jax {jax.__version__}"


def fastest(candidates, finish):
    """The candidate that takes the least time in its second call and those after."""

    def seconds(step):
        finish(step())
        started, calls = time.perf_counter(), 0
        while calls < 3 or (calls < 50 and time.perf_counter() - started < 0.3):
            finish(step())
            calls += 1
        return (time.perf_counter() - started) / calls

    return candidates[0] if len(candidates) == 1 else min(candidates, key=seconds)
