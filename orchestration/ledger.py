"""The ledger: what recorded cells really took, beside what was estimated for them before anything of their kind was recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestration.costs import DEFAULT_MACHINE, read_machine
from orchestration.workload import judging_flops, training_flops

if TYPE_CHECKING:
    from eval.benchmark import BenchmarkRequest
    from orchestration.catalogue import Catalogue
    from orchestration.store.base import CellResult
    from trainers.config import JobConfig


Wanted = tuple[str, "JobConfig", Sequence["BenchmarkRequest"]]
"""A cell for the ledger: train key, configuration, benchmarks that count."""


def ledger(
    wanted: Iterable[Wanted],
    results: Mapping[str, CellResult],
    catalogue: Catalogue,
    *,
    machine: str = DEFAULT_MACHINE,
) -> dict[str, Any]:
    """Return actual device-seconds of recorded cells and reports beside the estimate from counted operations.

    Args:
        wanted: The cells of a sweep; equal ones count once.
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
    configs: dict[str, JobConfig] = {}
    requests: dict[str, dict[str, BenchmarkRequest]] = {}
    for key, config, benchmarks in wanted:
        if key in results:
            configs[key] = config
            requests.setdefault(key, {}).update({request.key: request for request in benchmarks})
    train = [_training(config, results[key], catalogue, rate) for key, config in configs.items()]
    judge = [
        pair
        for key, config in configs.items()
        for pair in _judging(config, requests[key].values(), results[key], catalogue, rate)
    ]
    actual = math.fsum(pair[0] for pair in (*train, *judge))
    estimate = math.fsum(pair[1] for pair in (*train, *judge))
    return {
        "machine": machine,
        "cells": len(configs),
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


def _training(config: JobConfig, result: CellResult, catalogue: Catalogue, rate: float) -> tuple[float, float]:
    flops = training_flops(config, catalogue.dataset(config.dataset))
    return result.training.summary.device_s, flops / rate


def _judging(
    config: JobConfig, requests: Iterable[BenchmarkRequest], result: CellResult, catalogue: Catalogue, rate: float
) -> Iterable[tuple[float, float]]:
    dataset = catalogue.dataset(config.dataset)
    for request in requests:
        report = result.reports.get(request.key)
        if report is not None:
            yield report.wall_s, judging_flops(request, config, dataset) / rate


def _sums(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    return {"actual": math.fsum(pair[0] for pair in pairs), "estimate": math.fsum(pair[1] for pair in pairs)}


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.3g}"
