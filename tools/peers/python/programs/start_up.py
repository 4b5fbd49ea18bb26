"""The GPT's training step again: the comparison times its process from the start to the first step."""

from programs.gpt_step import jax_step, torch_step

__all__ = ["jax_step", "torch_step"]
