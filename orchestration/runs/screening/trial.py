"""One screened training inside a trial of Ray Tune: train a few epochs, look at the held-out error, report, go on.

Each stretch is a job of its own that resumes the one before exactly, so the weights are those of an uninterrupted training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import torch
from ray import tune

from eval.report import MetricReport
from orchestration.runs.screening.request import METRIC, Screened, chosen_cell
from trainers.datasets.load import shared_split
from trainers.errors import ImpossibleJob, JobStopped
from trainers.job import EpochRow, JobRequest, TrainSummary
from trainers.training.checkpoints import Checkpoints
from trainers.training.group import OneWorker
from trainers.training.input.job_inputs import checked_dataset
from trainers.training.input.order import validation_samples
from trainers.training.networks import build_classifier
from trainers.worker.devices import worker_device
from trainers.worker.run_job import run_job

BATCH: Final = 500


class StretchSink:
    """Asks a job to stop once it has trained to an epoch."""

    def __init__(self, until: int) -> None:
        self._until = until
        self.epochs = 0

    def epoch(self, train_key: str, row: EpochRow) -> None:
        """Count an epoch."""
        self.epochs = row.epoch + 1

    def stop_requested(self) -> bool:
        """Whether the stretch is over."""
        return self.epochs >= self._until

    def progress(self, train_key: str, stage: str, done: int, total: int) -> None:
        """Nobody looks at single steps."""

    def trained(self, train_key: str, summary: TrainSummary) -> None:
        """Note that the last epoch is trained."""
        self.epochs = max(self.epochs, len(summary.epochs))

    def benchmark(self, train_key: str, checkpoint_sha256: str, report: MetricReport) -> None:
        """A screened training is evaluated on held-out images only."""


def screen_trial(config: Mapping[str, Any], *, cells: tuple[Screened, ...], threads: int, gpus: float) -> None:
    """Train a cell stretch by stretch and report its held-out error until Tune ends the trial or training is over.

    Args:
        config: "cell": position among `cells`; or "settings", the settings to look up.
        gpus: GPUs that the trial has reserved.

    Raises:
        UnusableDevice: If a GPU was reserved that torch cannot use.
    """
    cell = chosen_cell(config, cells)
    if cell is None:
        tune.report({METRIC: 1.0, "epoch": 1, "cell_id": ""})
        return
    run_stretches(cell, threads=threads, device=worker_device(gpus, "--gpus"), notify=tune.report)


def run_stretches(
    cell: Screened, *, threads: int, device: torch.device, notify: Callable[[dict[str, Any]], None]
) -> None:
    """Train a cell to its last epoch, telling epoch and held-out error after each stretch."""
    request = replace(cell.request, threads=threads)
    until = cell.look_every
    while True:
        sink = StretchSink(min(until, cell.epochs))
        group = OneWorker(device)
        try:
            run_job(request, group=group, sink=sink)
            is_over = True
        except JobStopped:
            is_over = False
        epoch = cell.epochs if is_over else sink.epochs
        notify({METRIC: held_out_error(request, group.device), "epoch": epoch, "cell_id": cell.cell_id})
        if is_over:
            return
        until = epoch + cell.look_every


def held_out_error(request: JobRequest, device: torch.device) -> float:
    """Return the error of the newest checkpoint on the held-out training images, a fraction."""
    dataset = checked_dataset(request)
    split = shared_split(dataset.name, "train", request.paths.data_root, request.paths.cache_dir)
    held_out = validation_samples(len(split.images), request.config.recipe)
    stored = Checkpoints(request.paths.checkpoints, request.train_key).newest()
    if not len(held_out) or stored is None:
        raise ImpossibleJob(
            f"{len(held_out)} images are held out and a checkpoint is {'there' if stored else 'missing'}"
        )
    model = build_classifier(request.config, dataset)
    model.load_state_dict(stored.state["model"])
    model.to(device).eval()
    wrong = 0
    with torch.no_grad():
        for start in range(0, len(held_out), BATCH):
            part = held_out[start : start + BATCH]
            pixels = torch.from_numpy(split.images[part]).to(device).permute(0, 3, 1, 2).float() / 255.0
            labels = torch.from_numpy(split.labels[part]).to(device)
            wrong += int((model(pixels).argmax(1) != labels).sum())
    return wrong / len(held_out)
