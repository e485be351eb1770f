"""Random choices of one shard of one step, as tensors: generators, partners, Beta-distributed weights; and soft targets."""

from __future__ import annotations

import numpy as np

from augment.heavy import Tensor, functional, scipy, torch
from augment.kernels.counters import StepKeys, step_uniforms


def shard_generator(keys: StepKeys, stream: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator seeded by the keys and the stream's name; its numbers depend on the kind of device."""
    return torch.Generator(device=device).manual_seed(int(step_uniforms(keys, 1, stream=stream)[0] * 2**53))


def chosen_share(keys: StepKeys, count: int, share: float, stream: str) -> Tensor:
    """Return which images of a shard are chosen, each with a probability of its own draw, (count,) bool."""
    return torch.from_numpy(step_uniforms(keys, count, stream=stream) < share)


def partners(keys: StepKeys, count: int, *, stream: str, device: torch.device) -> Tensor:
    """Return a uniform random permutation of a shard's images, (count,) int64, by sorting one draw each."""
    order = np.argsort(step_uniforms(keys, count, stream=f"{stream}-partners"), kind="stable")
    return torch.from_numpy(order).to(device)


def beta_weight(uniform: float, alpha: float) -> float:
    """Return a draw of Beta(alpha, alpha) for a uniform draw, by inversion of the distribution function."""
    if alpha == 1.0:
        return uniform
    return float(scipy.special.betaincinv(alpha, alpha, uniform))


def soft_targets(targets: Tensor, num_classes: int) -> Tensor:
    """Return class probabilities, (N, K) float32, for classes (N,) int64; probabilities pass through."""
    if targets.ndim == 2:
        return targets
    return functional.one_hot(targets, num_classes).float()
