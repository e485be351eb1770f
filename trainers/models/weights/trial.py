"""Trying the usual normalisations on a network of others: a wrong one costs error that its own trainer never saw."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from trainers.models.normalize import Classifier, Normalize
from trainers.models.weights.normalisation import Normalisation, Trial, usual

NUM_IMAGES: Final = 500
LEAST_DIFFERENCE: Final = 0.02
"""A better normalisation makes at least so much less error ..."""
SIGMAS: Final = 3.0
"""... and is right where the one in use is wrong, so many standard deviations more often than the other way round (McNemar)."""
_BATCH: Final = 100


def try_usual(model: Classifier, images: NDArray[np.uint8], labels: NDArray[np.int64], in_use: Normalisation) -> Trial:
    """Run the usual normalisations over a few test images, spread evenly over all.

    Args:
        model: The classifier, in evaluation mode, on its device.
        images: Test images, (N, H, W, C) uint8.
        labels: Their classes, (N,).
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, min(NUM_IMAGES, len(images))).round().astype(np.int64))
    device = model.normalize.mean.device
    pixels = torch.from_numpy(np.ascontiguousarray(images[chosen].transpose(0, 3, 1, 2))).to(device)
    truth = np.asarray(labels)[chosen]
    right = _right(model, pixels, truth, in_use)
    others = {name: each for name, each in usual(images.shape[3]).items() if not in_use.equals(name)}
    tried = {name: _right(model, pixels, truth, each) for name, each in others.items()}
    clear = [name for name, theirs in tried.items() if _is_clearly_better(theirs, right)]
    return Trial(
        in_use=in_use,
        num_images=len(chosen),
        error=1 - float(right.mean()),
        errors={name: 1 - float(theirs.mean()) for name, theirs in tried.items()},
        better=max(clear, key=lambda name: int(tried[name].sum()), default=None),
    )


def _right(
    model: Classifier, pixels: torch.Tensor, truth: NDArray[Any], normalisation: Normalisation
) -> NDArray[np.bool_]:
    kept = model.normalize
    try:
        model.normalize = Normalize(normalisation.mean, normalisation.std).to(pixels.device)
        with torch.inference_mode():
            found = [model(batch.float() / 255).argmax(1) for batch in torch.split(pixels, _BATCH)]
    finally:
        model.normalize = kept
    right: NDArray[np.bool_] = torch.cat(found).cpu().numpy() == truth
    return right


def _is_clearly_better(theirs: NDArray[np.bool_], ours: NDArray[np.bool_]) -> bool:
    gained, lost = int((theirs & ~ours).sum()), int((ours & ~theirs).sum())
    enough = gained - lost >= LEAST_DIFFERENCE * len(ours)
    return enough and gained - lost > SIGMAS * math.sqrt(gained + lost)
