"""Weights for cells that are only evaluated: the same ones at every call, adopted as a person would."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import torch

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from tests.faults.harness.workloads import use_plugin
from trainers.training.networks import build_classifier


def adopt(sweep: Path, storage: str, weights: Path) -> None:
    """Let every cell of a sweep take weights from a generator of its own seed, instead of a training."""
    use_plugin()
    resolved = load_sweep(str(sweep))
    for cell in resolved.cells:
        with torch.random.fork_rng():
            torch.manual_seed(cell.cell.seed)
            model = build_classifier(cell.config, builtin_catalogue().dataset("digits"))
        torch.save({"state_dict": model.network.state_dict()}, weights)
        chosen = ["--row", cell.cell.row, "--seed", str(cell.cell.seed)]
        with contextlib.redirect_stdout(io.StringIO()):
            code = main(["cells", "adopt", str(sweep), str(weights), *chosen, "--storage", storage])
        assert code == 0, f"{sweep} row {cell.cell.row} seed {cell.cell.seed} was not adopted: exit code {code}"
