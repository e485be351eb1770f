"""Temperature scaling: one number that divides the logits, fitted to the likelihood of held-out images.

Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017), section 4.2.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

RANGE: Final = (0.01, 100.0)
"""Temperatures that are searched."""


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Return the temperature that minimises the mean cross-entropy of softmax(logits / T).

    The loss is convex in 1 / T, so bisection on its slope finds the minimum; at the ends of `RANGE` the end is returned.

    Args:
        logits: (N, K), N at least 1.
        labels: True classes, (N,).

    Raises:
        ValueError: If the shapes do not match, a label is no class or a logit is not finite.
    """
    if logits.ndim != 2 or labels.shape != (len(logits),) or len(logits) == 0:
        raise ValueError(
            f"a temperature needs logits (N, K) and labels (N,), but got {logits.shape} and {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"labels must be from 0 to {logits.shape[1] - 1}, but are from {labels.min()} to {labels.max()}"
        )
    if not np.isfinite(logits).all():
        raise ValueError("a temperature needs finite logits, but some are NaN or infinite")
    values = logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    low, high = 1.0 / RANGE[1], 1.0 / RANGE[0]
    if _slope(values, labels, low) >= 0.0:
        return 1.0 / low
    if _slope(values, labels, high) <= 0.0:
        return 1.0 / high
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _slope(values, labels, middle) < 0.0 else (low, middle)
    return 2.0 / (low + high)


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the probabilities of logits (N, K) divided by a temperature, (N, K).

    Raises:
        ValueError: If the temperature is not positive.
    """
    if not temperature > 0.0:
        raise ValueError(f"a temperature must be positive, but got {temperature}")
    values = logits.astype(np.float64) / temperature
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _slope(values: NDArray[np.float64], labels: NDArray[np.int64], inverse: float) -> float:
    """Return the derivative of the mean cross-entropy by 1 / T: expected logit under the softmax minus the true one."""
    probabilities = softmax(values * inverse)
    return float((probabilities * values).sum(axis=1).mean() - values[np.arange(len(labels)), labels].mean())
