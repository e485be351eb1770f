"""The ledger: what recorded cells really took, beside what was estimated for them before anything of their kind was recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestration.planning.costs.estimate import DEFAULT_MACHINE, read_machine
from orchestration.planning.costs.operations import (
    FLOPS_PER_MAC,
    evaluation_flops,
    macs_of,
    operations_of_training,
    training_flops,
)
from orchestration.store.measured import images_seen

if TYPE_CHECKING:
    from eval.benchmarks.contract import BenchmarkRequest
    from orchestration.cells.catalogue import Catalogue
    from orchestration.cells.cell import PlannedCell
    from orchestration.cells.identity import ResolvedCell
    from orchestration.store.contract import CellResult
    from trainers.config import JobConfig


def ledger(
    cells: Iterable[ResolvedCell | PlannedCell],
    results: Mapping[str, CellResult],
    catalogue: Catalogue,
    *,
    machine: str = DEFAULT_MACHINE,
) -> dict[str, Any]:
    """Return actual device-seconds of recorded cells and reports beside the estimate from counted operations.

    Args:
        cells: The cells of a sweep; equal ones count once.
        results: Train key -> what is recorded.
        catalogue: Sizes of datasets.
        machine: Machine of the price file that the estimate is for.

    Returns:
        "machine", "cells" (recorded ones), "train_s" and "evaluation_s" with "actual" and "estimate", and "ratio": actual over
        estimate of all together, or None where nothing is recorded.

    Raises:
        InputError: If the price file has no such machine.
    """
    rate = read_machine(machine).tflops * 1e12
    configs: dict[str, JobConfig] = {}
    requests: dict[str, dict[str, BenchmarkRequest]] = {}
    for cell in cells:
        if cell.train_key in results:
            configs[cell.train_key] = cell.config
            requests.setdefault(cell.train_key, {}).update({request.key: request for request in cell.benchmarks})
    train = [_training(config, results[key], catalogue, rate) for key, config in configs.items()]
    evaluation_s = [
        pair
        for key, config in configs.items()
        for pair in _evaluation(config, requests[key].values(), results[key], catalogue, rate)
    ]
    return _balance(machine, len(configs), train, evaluation_s)


def cell_ledger(result: CellResult, *, machine: str = DEFAULT_MACHINE) -> dict[str, Any] | None:
    """Return the ledger of one recorded cell by itself, as `ledger` does for a sweep.

    No sweep says here which benchmarks count: all recorded ones do, by the forward passes that were recorded.

    Args:
        result: What is recorded of the cell.
        machine: Machine of the price file that the estimate is for.

    Returns:
        None where the record names a dataset that is not known here.
    """
    from trainers.datasets.registry import DATASETS

    config = result.training.provenance.config
    dataset = DATASETS.get(str(config.get("dataset", "")))
    if dataset is None:
        return None
    rate = read_machine(machine).tflops * 1e12
    method, model = str(config.get("method", "")), str(config.get("model", ""))
    foretold = operations_of_training(method, model, images_seen(config), dataset) / rate
    paid = result.training.summary.device_s
    per_pass = macs_of(model, dataset.image_size, dataset.num_channels) * FLOPS_PER_MAC / rate
    evaluation_s = [
        (report.wall_s, report.outcome.forward_passes * per_pass)
        for report in result.reports.values()
        if report.outcome is not None
    ]
    return _balance(machine, 1, [(paid, foretold)] if paid > 0 else [], evaluation_s)


def _balance(
    machine: str, cells: int, train: Sequence[tuple[float, float]], evaluation_s: Sequence[tuple[float, float]]
) -> dict[str, Any]:
    """Add up pairs of actual and estimated seconds."""
    actual = math.fsum(pair[0] for pair in (*train, *evaluation_s))
    estimate = math.fsum(pair[1] for pair in (*train, *evaluation_s))
    return {
        "machine": machine,
        "cells": cells,
        "train_s": _sums(train),
        "evaluation_s": _sums(evaluation_s),
        "ratio": actual / estimate if estimate > 0 else None,
    }


def ledger_text(made: Mapping[str, Any]) -> str:
    """Return a ledger as one sentence for people."""
    train, evaluation_s = made["train_s"], made["evaluation_s"]
    if made["ratio"] is None:
        return "nothing is recorded, so nothing was paid"
    noun = "cell" if made["cells"] == 1 else "cells"
    actual, estimate = train["actual"] + evaluation_s["actual"], train["estimate"] + evaluation_s["estimate"]
    return (
        f"cost of {made['cells']} recorded {noun}: {_hours(actual)} device-hours ({_hours(train['actual'])} training, "
        f"{_hours(evaluation_s['actual'])} evaluation), {made['ratio']:.2g} times the {_hours(estimate)} that counted operations "
        f"foretell for {made['machine']}"
    )


def _training(config: JobConfig, result: CellResult, catalogue: Catalogue, rate: float) -> tuple[float, float]:
    flops = training_flops(config, catalogue.dataset(config.dataset))
    return result.training.summary.device_s, flops / rate


def _evaluation(
    config: JobConfig, requests: Iterable[BenchmarkRequest], result: CellResult, catalogue: Catalogue, rate: float
) -> Iterable[tuple[float, float]]:
    dataset = catalogue.dataset(config.dataset)
    for request in requests:
        report = result.reports.get(request.key)
        if report is not None:
            yield report.wall_s, evaluation_flops(request, config, dataset) / rate


def _sums(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    return {"actual": math.fsum(pair[0] for pair in pairs), "estimate": math.fsum(pair[1] for pair in pairs)}


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.3g}"
