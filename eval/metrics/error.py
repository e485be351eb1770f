"""Accuracy: the share of images that a network gets wrong."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from eval.metrics.contract import MetricSpec


def error_rate(correct: NDArray[np.bool_]) -> float:
    """Return the share of wrong predictions.

    Args:
        correct: Whether the top-1 class was right, (N,) bool.

    Returns:
        A fraction in [0, 1]; lower is better.

    Raises:
        ValueError: If there are no predictions.
    """
    if correct.ndim != 1 or correct.size == 0:
        raise ValueError(f"the error needs a 1-D array of at least one prediction, but got the shape {correct.shape}")
    return float(1.0 - np.count_nonzero(correct) / correct.size)


ERROR: Final = MetricSpec(
    name="error",
    label="Error",
    unit="fraction",
    lower_is_better=True,
    description="Share of images whose most probable class is wrong.",
    source="share of wrong top-1 classes",
    formula=r"E = \frac{1}{N} \sum_{i=1}^{N} [\hat{y}_i \neq y_i]",
)
