"""Options of the command line that change a sweep: `--set train.epochs=5`, `--seeds 0-4`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from eval.inference.precision import EvaluationPrecision, check_precision
from orchestration.errors import InputError, Mistake
from orchestration.sweeps.model import PRECISION_PATH, Overrides, Workers
from orchestration.sweeps.schema import point_field_of
from orchestration.sweeps.yaml_reader import read_scalar

MAX_SEEDS = 10_000


def parse_overrides(
    assignments: Sequence[str] = (), *, seeds: str | None = None, workers: str | None = None
) -> Overrides:
    """Read the options that change a sweep.

    Args:
        assignments: Texts such as "train.epochs=5", "dataset=mnist", "benchmarks.pgd.steps=5".
        seeds: Text such as "0,1,2" or "0-4,7", or None.
        workers: A number, or "auto", or None.

    Raises:
        InputError: With every mistake of every option.
    """
    settings: dict[str, Any] = {}
    benchmarks: dict[str, dict[str, Any]] = {}
    precision: EvaluationPrecision | None = None
    mistakes: list[Mistake] = []
    given: dict[str, str] = {}
    for text in assignments:
        try:
            path, value = _split(text)
            if path in given:
                raise ValueError(f"'{path}' is set twice, to {given[path]} and {text.partition('=')[2]}; leave one out")
            given[path] = text.partition("=")[2]
            if path.startswith("benchmarks."):
                name, key = _benchmark_path(path)
                benchmarks.setdefault(name, {})[key] = value
            elif path.partition(".")[0] == "evaluation":
                precision = _evaluation_precision(path, value)
            else:
                point_field_of(path)
                settings[path] = value
        except ValueError as error:
            mistakes.append(Mistake(where=f"--set {text}", text=str(error)))
    chosen, asked = None, None
    try:
        chosen = parse_seeds(seeds) if seeds is not None else None
    except ValueError as error:
        mistakes.append(Mistake(where=f"--seeds {seeds}", text=str(error)))
    try:
        asked = parse_workers(workers) if workers is not None else None
    except ValueError as error:
        mistakes.append(Mistake(where=f"--workers {workers}", text=str(error)))
    if mistakes:
        raise InputError("options", mistakes)
    return Overrides(settings=settings, benchmarks=benchmarks, precision=precision, seeds=chosen, workers=asked)


def parse_workers(text: str) -> Workers:
    """Return the workers of a cell that a text such as "2" or "auto" asks for."""
    if text == "auto":
        return "auto"
    if re.fullmatch(r"\d{1,6}", text) is None or int(text) < 1:
        raise ValueError(f"workers must be at least 1, or 'auto', but got {text!r}")
    return int(text)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds that a text such as "0,1,2" or "0-4,7" lists."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part)
        if match is None:
            raise ValueError(f"seeds must be written like 0,1,2 or 0-4, but got {text!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= MAX_SEEDS:
            raise ValueError(f"a range of seeds runs upwards over at most {MAX_SEEDS} seeds, but got {part.strip()!r}")
        seeds.extend(range(first, last + 1))
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must differ from each other, but got {text!r}")
    return tuple(seeds)


def _split(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise ValueError(f"write path=value, for example train.epochs=5, but got {text!r}")
    try:
        return path.strip(), read_scalar(value)
    except InputError as error:
        raise ValueError(
            f"the value must be a number, a word, true, false, null or a [list], but got {value!r}"
        ) from error


def _evaluation_precision(path: str, value: Any) -> EvaluationPrecision:
    if path != PRECISION_PATH:
        raise ValueError(f"of the evaluation only `{PRECISION_PATH}` can be set, but got '{path}'")
    check_precision(value)
    found: EvaluationPrecision = value
    return found


def _benchmark_path(path: str) -> tuple[str, str]:
    parts = path.split(".")
    if len(parts) != 3 or not all(parts):
        raise ValueError(f"a benchmark's parameter is written benchmarks.<name>.<parameter>, but got '{path}'")
    return parts[1], parts[2]
