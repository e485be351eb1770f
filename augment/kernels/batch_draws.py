"""Random choices of batch stages: partners, Beta-distributed weights, soft targets."""

from __future__ import annotations

import numpy as np

from augment.heavy import Tensor, functional, torch
from augment.kernels.counters import StepKeys, step_uniforms


def partners(keys: StepKeys, count: int, *, stream: str, device: torch.device) -> Tensor:
    """Return a uniform random permutation of a shard's images, (count,) int64, by sorting one draw each."""
    order = np.argsort(step_uniforms(keys, count, stream=f"{stream}-partners"), kind="stable")
    return torch.from_numpy(order).to(device)


def beta_weight(uniform: float, alpha: float) -> float:
    """Return a draw of Beta(alpha, alpha) for a uniform draw, by inversion of the distribution function."""
    if alpha == 1.0:
        return uniform
    from scipy.special import betaincinv

    return float(betaincinv(alpha, alpha, uniform))


def soft_targets(targets: Tensor, num_classes: int) -> Tensor:
    """Return class probabilities, (N, K) float32, for classes (N,) int64; probabilities pass through."""
    if targets.ndim == 2:
        return targets
    return functional.one_hot(targets, num_classes).float()
