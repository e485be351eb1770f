"""Consistency: how often and how far predictions change along a sequence of slightly perturbed frames.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (ICLR 2019),
section 4.2; code hendrycks/robustness, ImageNet-P. Shapes: S sequences, T frames, R ranks that are known (5 or more).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from eval.metrics.contract import MetricSpec

Reference = Literal["previous", "first"]
"""What a frame is compared with: the frame before (default), or the first frame (sequences of independent noise draws)."""

TOP: Final = 5


def reference_of(perturbation: str) -> Reference:
    """Return what frames of a perturbation are compared with: the first one for noise, whose frames are independent."""
    return "first" if "noise" in perturbation else "previous"


def flip_probability(
    predicted: NDArray[np.integer], *, reference: Reference = "previous", difficulty: int = 1
) -> float:
    """Return the share of frames whose top-1 class differs from that of the reference frame.

    Args:
        predicted: Top-1 class per frame, (S, T) with T at least 2.
        reference: What a frame is compared with.
        difficulty: Frames between a frame and the one it is compared with; without meaning for reference "first".

    Returns:
        A fraction in [0, 1]; lower is better.

    Raises:
        ValueError: If a sequence has too few frames.
    """
    now, before = _pairs(predicted, reference, difficulty)
    return float(np.mean(now != before))


def top5_distance(top_classes: NDArray[np.integer], *, reference: Reference = "previous", difficulty: int = 1) -> float:
    """Return how far the five best classes move between a frame and its reference frame, on average.

    With sigma(i) the new rank of the class that held rank i in the reference frame, the distance of a pair of frames is
    the sum over i = 1..5 of |min(i, 6) - min(sigma(i), 6)|.

    Args:
        top_classes: Classes by falling logit, (S, T, R) with R at least 5 (or all classes where there are fewer).
        reference: What a frame is compared with.
        difficulty: Frames between a frame and the one it is compared with.

    Returns:
        A rank distance in [0, 18] (the two lowest of five move to the top and the others leave), no fraction; lower is better.

    Raises:
        ValueError: If a sequence has too few frames or too few ranks are given.
    """
    if top_classes.ndim != 3 or top_classes.shape[2] < 1:
        raise ValueError(f"top-5 distance needs ranked classes (S, T, R), but got the shape {top_classes.shape}")
    now, before = _pairs(top_classes[:, :, :TOP], reference, difficulty)
    distance = np.zeros(now.shape[:2], dtype=np.int64)
    for rank in range(before.shape[2]):
        matches = now == before[:, :, rank : rank + 1]
        new_rank = np.where(matches.any(axis=2), matches.argmax(axis=2), TOP)
        distance += np.abs(new_rank - rank)
    return float(distance.mean())


def mean_rate(rates: Mapping[str, float]) -> float:
    """Return the plain mean of a rate over perturbations: the raw mFR and mT5D of CIFAR-P.

    Raises:
        ValueError: If there are no perturbations.
    """
    if not rates:
        raise ValueError("a mean over perturbations needs at least one of them, but got none")
    return float(np.mean(list(rates.values())))


def normalised_rate(rates: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """Return the mean over perturbations of a rate as a share of a baseline network's: mFR and mT5D of ImageNet-P.

    Raises:
        ValueError: If there are no perturbations, or the baseline lacks one or is not positive for one.
    """
    return mean_rate(rate_ratios(rates, baseline))


def rate_ratios(rates: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, float]:
    """Return each perturbation's rate as a share of a baseline network's (1.0: as unstable as the baseline).

    Raises:
        ValueError: If the baseline lacks a perturbation or is not positive for one.
    """
    lacking = sorted(name for name in rates if not baseline.get(name, 0.0) > 0.0)
    if lacking:
        raise ValueError(f"the baseline must give a positive rate for every perturbation, but lacks {lacking}")
    return {name: rate / baseline[name] for name, rate in rates.items()}


def _pairs(
    frames: NDArray[np.integer], reference: Reference, difficulty: int
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    if difficulty < 1:
        raise ValueError(f"the difficulty must be at least 1, but got {difficulty}")
    step = 1 if reference == "first" else difficulty
    if frames.ndim < 2 or frames.shape[0] == 0 or frames.shape[1] <= step:
        raise ValueError(f"sequences need at least {step + 1} frames, but got the shape {frames.shape}")
    if reference == "first":
        return frames[:, 1:], frames[:, :1]
    return frames[:, step:], frames[:, :-step]


_SOURCE: Final = "Hendrycks and Dietterich, ICLR 2019, section 4.2"

MFR: Final = MetricSpec(
    name="mfr",
    label="mFR",
    unit="fraction",
    lower_is_better=True,
    description="Mean over perturbations of the share of frames whose class differs from that of the frame before.",
    source=_SOURCE,
    formula=r"\mathrm{mFR} = \frac{1}{P} \sum_{p=1}^{P} \mathrm{FP}_p , \quad "
    r"\mathrm{FP} = \frac{1}{S (T - d)} \sum_{j=1}^{S} \sum_{t=d+1}^{T} [\hat{y}_{j,t} \neq \hat{y}_{j,t-d}]",
    axis="consistency",
    of="sequences",
)
MT5D: Final = MetricSpec(
    name="mt5d",
    label="mT5D",
    unit="ranks",
    lower_is_better=True,
    description="Mean over perturbations of how far the five best classes move from frame to frame.",
    source=_SOURCE,
    formula=r"\mathrm{mT5D} = \frac{1}{P} \sum_{p=1}^{P} \mathrm{T5D}_p , \quad "
    r"\mathrm{T5D} = \frac{1}{S (T - d)} \sum_{j=1}^{S} \sum_{t=d+1}^{T} \sum_{i=1}^{5} | i - \min(\sigma_{j,t}(i), 6) |",
    axis="consistency",
    of="sequences",
)
MFR_NORMALISED: Final = MetricSpec(
    name="mfr-normalised",
    label="mFR (normalised)",
    unit="ratio",
    lower_is_better=True,
    description="Mean over perturbations of the flip probability as a share of a baseline network's.",
    source=_SOURCE,
    formula=r"\frac{1}{P} \sum_{p=1}^{P} \frac{\mathrm{FP}_p}{\mathrm{FP}^{0}_p}",
    axis="consistency",
    normalisation="a named baseline network's flip probability on the same perturbation",
    of="sequences",
)
MT5D_NORMALISED: Final = MetricSpec(
    name="mt5d-normalised",
    label="mT5D (normalised)",
    unit="ratio",
    lower_is_better=True,
    description="Mean over perturbations of the top-5 distance as a share of a baseline network's.",
    source=_SOURCE,
    formula=r"\frac{1}{P} \sum_{p=1}^{P} \frac{\mathrm{T5D}_p}{\mathrm{T5D}^{0}_p}",
    axis="consistency",
    normalisation="a named baseline network's top-5 distance on the same perturbation",
    of="sequences",
)
