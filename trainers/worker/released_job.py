"""The network of a released row: its weights, the normalisation that they come with, and what trying others showed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from trainers.datasets.contract import DatasetSpec
from trainers.datasets.load import shared_split
from trainers.job import JobRequest
from trainers.models.normalize import Classifier
from trainers.models.released.registry import asked_normalisation, checkpoint_for
from trainers.models.released.weights import load_released
from trainers.models.weights.assumption import KEY, assumption
from trainers.models.weights.trial import try_usual


def fill_released(request: JobRequest, model: Classifier, dataset: DatasetSpec, device: torch.device) -> dict[str, Any]:
    """Fill a classifier with the released weights of a row and put it on a device.

    Returns:
        What is recorded of them: file, hash, address; what is assumed, and the result of trying the usual normalisations.
    """
    origin, taken, notes = load_released(
        checkpoint_for(str(request.config.released)),
        model,
        dataset=dataset,
        data_root=Path(request.paths.data_root),
        normalisation=asked_normalisation(request.config),
    )
    model.to(device).eval()
    trial = None
    if request.benchmarks:  # test images are needed anyway
        test = shared_split(request.config.dataset, "test", request.paths.data_root, request.paths.cache_dir)
        trial = try_usual(model, test.images, test.labels, taken)
    return {"released": origin, KEY: assumption(taken, notes, trial)}
