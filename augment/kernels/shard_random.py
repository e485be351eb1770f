"""Torch generators that belong to one shard of one step, and choices of images within it."""

from __future__ import annotations

from augment.heavy import Tensor, torch
from augment.kernels.counters import StepKeys, step_uniforms


def shard_generator(keys: StepKeys, stream: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator seeded by the keys and the stream's name; its numbers depend on the kind of device."""
    return torch.Generator(device=device).manual_seed(int(step_uniforms(keys, 1, stream=stream)[0] * 2**53))


def chosen_share(keys: StepKeys, count: int, share: float, stream: str) -> Tensor:
    """Return which images of a shard are chosen, each with a probability of its own draw, (count,) bool."""
    return torch.from_numpy(step_uniforms(keys, count, stream=stream) < share)
