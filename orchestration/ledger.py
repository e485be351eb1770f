"""The ledger: what recorded cells really took, beside what was estimated for them before anything of their kind was recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestration.costs import DEFAULT_MACHINE, read_machine
from orchestration.workload import judging_flops, training_flops

if TYPE_CHECKING:
    from orchestration.catalogue import Catalogue
    from orchestration.identities import ResolvedCell
    from orchestration.store.base import CellResult


def ledger(
    cells: Sequence[ResolvedCell],
    results: Mapping[str, CellResult],
    catalogue: Catalogue,
    *,
    machine: str = DEFAULT_MACHINE,
) -> dict[str, Any]:
    """Return actual device-seconds of recorded cells and reports beside the estimate from counted operations.

    Args:
        cells: The cells of a sweep.
        results: Train key -> what is recorded.
        catalogue: Sizes of datasets.
        machine: Machine of the price file that the estimate is for.

    Returns:
        "machine", "cells" (recorded ones), "train_s" and "judge_s" with "actual" and "estimate", and "ratio": actual over
        estimate of all together, or None where nothing is recorded.

    Raises:
        InputError: If the price file has no such machine.
    """
    rate = read_machine(machine).tflops * 1e12
    unique = {cell.train_key: cell for cell in cells if cell.train_key in results}
    train = [_training(cell, results[key], catalogue, rate) for key, cell in unique.items()]
    judge = [pair for key, cell in unique.items() for pair in _judging(cell, results[key], catalogue, rate)]
    actual = math.fsum(pair[0] for pair in (*train, *judge))
    estimate = math.fsum(pair[1] for pair in (*train, *judge))
    return {
        "machine": machine,
        "cells": len(unique),
        "train_s": _sums(train),
        "judge_s": _sums(judge),
        "ratio": actual / estimate if estimate > 0 else None,
    }


def ledger_text(made: Mapping[str, Any]) -> str:
    """Return a ledger as one sentence for people."""
    train, judge = made["train_s"], made["judge_s"]
    if made["ratio"] is None:
        return "nothing is recorded, so nothing was paid"
    actual, estimate = train["actual"] + judge["actual"], train["estimate"] + judge["estimate"]
    return (
        f"cost of {made['cells']} recorded cells: {_hours(actual)} device-hours ({_hours(train['actual'])} training, "
        f"{_hours(judge['actual'])} judging), {made['ratio']:.2g} times the {_hours(estimate)} that counted operations "
        f"foretell for {made['machine']}"
    )


def _training(cell: ResolvedCell, result: CellResult, catalogue: Catalogue, rate: float) -> tuple[float, float]:
    flops = training_flops(cell.config, catalogue.dataset(cell.config.dataset))
    return result.training.summary.device_s, flops / rate


def _judging(
    cell: ResolvedCell, result: CellResult, catalogue: Catalogue, rate: float
) -> Iterable[tuple[float, float]]:
    dataset = catalogue.dataset(cell.config.dataset)
    for request in cell.benchmarks:
        report = result.reports.get(request.key)
        if report is not None:
            yield report.wall_s, judging_flops(request, cell.config, dataset) / rate


def _sums(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    return {"actual": math.fsum(pair[0] for pair in pairs), "estimate": math.fsum(pair[1] for pair in pairs)}


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.3g}"
