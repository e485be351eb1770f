"""The ledger: what recorded cells really took, next to what was estimated before anything of their kind was recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from eval.benchmarks.contract import BenchmarkRequest
from orchestration.cells.catalogue import Catalogue
from orchestration.cells.cell import PlannedCell
from orchestration.cells.evaluated_in import evaluated_in
from orchestration.cells.identity import ResolvedCell
from orchestration.planning.costs.machines import DEFAULT_MACHINE, Machine, read_machine
from orchestration.planning.costs.operations import (
    CostModel,
    image_flops,
    training_flops,
    unknown_line,
)
from orchestration.planning.costs.units import amount, duration
from orchestration.store.contract import CellResult
from orchestration.store.measured import images_seen
from trainers.config import JobConfig
from trainers.datasets.registry import DATASETS

Pair = tuple[float, float | None]
"""Actual and estimated seconds; None where the operations of the network are unknown."""


def ledger(
    cells: Iterable[ResolvedCell | PlannedCell],
    results: Mapping[str, CellResult],
    catalogue: Catalogue,
) -> dict[str, Any]:
    """Return actual device-seconds of recorded cells and reports next to the estimate from counted operations.

    Args:
        cells: The cells of a sweep; equal ones count once.
        results: Train key -> what is recorded.

    Returns:
        "machine", "cells" (recorded ones), "train_s" and "evaluation_s" with "actual" and "estimate", "ratio": actual over
        estimate of all together, or None where nothing is recorded; and "unknown": a line for each network whose operations are
        unknown. What such a network took is in "actual" and left out of the ratio.
    """
    priced, model = read_machine(DEFAULT_MACHINE), CostModel(catalogue.data_root)
    configs: dict[str, JobConfig] = {}
    requests: dict[str, dict[str, BenchmarkRequest]] = {}
    for cell in cells:
        if cell.train_key in results:
            configs[cell.train_key] = cell.config
            requests.setdefault(cell.train_key, {}).update({request.key: request for request in cell.benchmarks})
    train: list[Pair] = []
    evaluation: list[Pair] = []
    for key, config in configs.items():
        dataset = catalogue.dataset(config.dataset)
        flops = model.training(config, dataset)
        train.append((results[key].training.summary.device_s, priced.seconds(flops, config.recipe.precision)))
        for request in requests[key].values():
            report = results[key].reports.get(request.key)
            if report is not None:
                counted = model.evaluation(request, config, dataset)
                evaluation.append((report.wall_s, priced.seconds(counted, request.precision)))
    names = [
        config.model
        for config in configs.values()
        if image_flops(config.model, catalogue.dataset(config.dataset)) is None
    ]
    return _balance(priced, len(configs), train, evaluation, names)


def cell_ledger(result: CellResult) -> dict[str, Any] | None:
    """Return the ledger of one recorded cell by itself, as `ledger` does for a sweep.

    No sweep says here which benchmarks count: all recorded ones do, by the forward passes that were recorded.

    Returns:
        None where the record names a dataset that is not known here.
    """
    config = result.training.provenance.config
    dataset = DATASETS.get(str(config.get("dataset", "")))
    if dataset is None:
        return None
    priced, model = read_machine(DEFAULT_MACHINE), str(config.get("model", ""))
    recipe = config.get("recipe")
    precision = str(recipe.get("precision", "")) if isinstance(recipe, Mapping) else ""
    flops, per_image = (
        training_flops(str(config.get("method", "")), model, images_seen(config), dataset),
        image_flops(model, dataset),
    )
    paid = result.training.summary.device_s
    evaluated = [(report.wall_s, report.outcome) for report in result.reports.values() if report.outcome]
    evaluation: list[Pair] = [
        (
            wall_s,
            priced.seconds(
                None if per_image is None else outcome.forward_passes * per_image,
                evaluated_in(outcome.notes, config),
            ),
        )
        for wall_s, outcome in evaluated
    ]
    train: list[Pair] = [(paid, priced.seconds(flops, precision))] if paid > 0 else []
    return _balance(priced, 1, train, evaluation, [model] if per_image is None else [])


def _balance(
    machine: Machine, cells: int, train: Sequence[Pair], evaluation: Sequence[Pair], unknown: Sequence[str]
) -> dict[str, Any]:
    """Add up pairs of actual and estimated seconds."""
    known = [(actual, estimate) for actual, estimate in (*train, *evaluation) if estimate is not None]
    estimated = math.fsum(estimate for _, estimate in known)
    return {
        "machine": machine.name,
        "cells": cells,
        "train_s": _sums(train),
        "evaluation_s": _sums(evaluation),
        "ratio": math.fsum(actual for actual, _ in known) / estimated if estimated > 0 else None,
        "unknown": [unknown_line(name) for name in dict.fromkeys(unknown)],
    }


def ledger_text(made: Mapping[str, Any]) -> str:
    """Return a ledger as one sentence for people."""
    train, evaluation = made["train_s"], made["evaluation_s"]
    actual = train["actual"] + evaluation["actual"]
    if made["ratio"] is None and not (actual and made["unknown"]):
        return "nothing is recorded, so there is no cost yet"
    noun = "cell" if made["cells"] == 1 else "cells"
    if not actual:
        return f"{made['cells']} recorded {noun} cost nothing here: adopted or imported, and not evaluated yet"
    return (
        f"cost of {made['cells']} recorded {noun}: {duration(actual)} of device time ({duration(train['actual'])} training, "
        f"{duration(evaluation['actual'])} evaluation)" + "".join(_comparison(made))
    )


def _comparison(made: Mapping[str, Any]) -> Iterator[str]:
    if made["ratio"] is not None:
        estimate = made["train_s"]["estimate"] + made["evaluation_s"]["estimate"]
        without = "" if not made["unknown"] else " without those of unknown cost"
        ratio = amount(made["ratio"])
        times = f"as long as the {duration(estimate)}" if ratio == "1" else f"{ratio} times the {duration(estimate)}"
        yield f", {times} estimated from operation counts for {made['machine']}{without}"
    for line in made["unknown"]:
        yield f"; {line}"


def _sums(pairs: Sequence[Pair]) -> dict[str, float]:
    return {
        "actual": math.fsum(actual for actual, _ in pairs),
        "estimate": math.fsum(estimate for _, estimate in pairs if estimate is not None),
    }
