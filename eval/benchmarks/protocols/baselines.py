"""Baseline networks whose errors normalise a benchmark: published ones as data, and a user's own from a folder.

A user's file is `<data root>/baselines/<name>.yaml` with the same fields; the published flip rates and top-5 distances of
AlexNet are not known, so normalised mFR and mT5D need one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from augment.files.content import file_hash
from augment.files.given import MIB, read_given_text
from augment.files.published import Identified, given
from augment.lookup.parameters import nearest
from eval.benchmarks.contract import FileSource
from eval.errors import EvalError

BASELINES: Final = "baselines"
"""Folder of the user's own baselines in the data root."""

_LARGEST: Final = {"errors": 1.0, "flip_rates": 1.0, "top5_distances": 18.0}
"""Field -> largest value: errors and rates are fractions, not percent; a distance of five ranks is 18 at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A baseline network's errors.

    Attributes:
        errors: Corruption -> severity -> error as a fraction (empty for a consistency baseline).
        flip_rates: Perturbation -> flip probability as a fraction.
        top5_distances: Perturbation -> top-5 rank distance.
    """

    name: str
    what: str
    source: str
    errors: Mapping[str, Mapping[int, float]]
    flip_rates: Mapping[str, float]
    top5_distances: Mapping[str, float]


def baseline_for(name: str, data_root: Path | None = None) -> Baseline:
    """Return a baseline by name: a published one, else the user's own."""
    published = _published()
    if name in published:
        return _parse(name, published[name])
    own = _own_files(data_root)
    if name not in own:
        raise EvalError(
            f"unknown baseline {name!r}{nearest(name, [*published, *own])}; `dreamgrid data baselines` computes one"
        )
    return _parse(name, _document(own[name]))


def own_baseline_source(name_in: Callable[[Path], str | None]) -> FileSource:
    """Return the file of the user's own baseline that a benchmark is normalised by; a published one is no file of theirs."""

    def identities(data_root: Path | None) -> dict[str, Identified]:
        if data_root is None or not (data_root / BASELINES).is_dir():
            return {}
        name = name_in(data_root)
        path = None if name is None or name in _published() else _own_files(data_root).get(name)
        if name is None or path is None:
            return {}
        baseline_for(name, data_root)  # refuses a file with other numbers than fractions while planning
        return {f"{BASELINES}/{name}": given(file_hash(path))}

    return FileSource(identities=identities)


def baseline_problem(name: str | None, data_root: Path | None, check: Callable[[Baseline], object]) -> str | None:
    """Return why a baseline that is named cannot normalise a benchmark, or None; users' own need a data root.

    Args:
        name: Name of the baseline, or None where none is named.
        data_root: Folder of the user's own baselines, or None where none is looked at.
        check: Raises a ValueError where the baseline lacks a number.
    """
    if name is None or data_root is None:
        return None
    try:
        check(baseline_for(name, data_root))
    except EvalError as error:
        return str(error)
    except ValueError as error:
        return f"baseline {name!r} cannot normalise these corruptions: {error}"
    return None


def default_baseline(benchmark: str, dataset: str, kinds: Sequence[str], data_root: Path | None = None) -> str | None:
    """Return the name of the baseline that is meant where none is named: the only one of that benchmark and dataset.

    Args:
        benchmark: Benchmark of published files ("c", "p").
        dataset: The dataset that the files belong to.
        kinds: Corruptions or perturbations that it must cover.
    """
    documents = {name: _document(path) for name, path in _own_files(data_root).items()} | dict(_published())
    fitting = [
        name
        for name, raw in documents.items()
        if raw.get("dataset") == dataset
        and benchmark in raw.get("benchmarks", ())
        and set(kinds) <= set(raw.get("errors" if benchmark == "c" else "flip_rates", ()))
    ]
    if len(fitting) > 1:
        raise EvalError(f"several baselines fit benchmark {benchmark!r} of {dataset!r}; name one of {sorted(fitting)}")
    return fitting[0] if fitting else None


def _document(path: Path) -> Mapping[str, Any]:
    """Return the user's own file of a baseline.

    Raises:
        EvalError: If it cannot be read, lacks a field, or a number is no fraction (or rank distance).
    """
    try:
        loaded = yaml.safe_load(read_given_text(path, MIB))
    # Of numbers and dates that are none the parser raises anything.
    except (OSError, ValueError, LookupError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise EvalError(
            f"{path} must be a YAML file of a baseline network, but cannot be read: {' '.join(str(error).split())}"
        ) from error
    fault = _fault(loaded)
    if fault:
        raise EvalError(
            f"{path} must be a file of a baseline network as `dreamgrid data baselines` writes it, but {fault}"
        )
    assert isinstance(loaded, Mapping)
    return loaded


def _fault(raw: object) -> str:
    """Return what is wrong with the document of a baseline, or "" where nothing is."""
    if not isinstance(raw, Mapping):
        return "is empty" if raw is None else f"contains a {type(raw).__name__}"
    lacking = [name for name in ("what", "source") if name not in raw]
    if lacking:
        return f"lacks {lacking[0]!r}"
    for name, largest in _LARGEST.items():
        values = raw.get(name, {})
        if not isinstance(values, Mapping):
            return f"its {name} are not a mapping"
        for kind, found in values.items():
            numbers = found if name == "errors" and isinstance(found, list) else [found]
            wrong = [each for each in numbers if not _is_between(each, largest)]
            if wrong:
                return f"{name} of {kind} must be from 0 to {largest:g}, and one is {wrong[0]!r}"
    return ""


def _is_between(value: object, largest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= largest


def _own_files(data_root: Path | None) -> dict[str, Path]:
    return {path.stem: path for path in sorted((data_root / BASELINES).glob("*.yaml"))} if data_root else {}


@cache
def _published() -> Mapping[str, Mapping[str, Any]]:
    loaded: Mapping[str, Mapping[str, Any]] = yaml.safe_load(
        Path(__file__).with_name("baselines.yaml").read_text(encoding="utf-8")
    )
    return loaded


def _parse(name: str, raw: Mapping[str, Any]) -> Baseline:
    errors = {kind: dict(enumerate(values, start=1)) for kind, values in raw.get("errors", {}).items()}
    return Baseline(
        name=name,
        what=str(raw["what"]),
        source=str(raw["source"]),
        errors=errors,
        flip_rates=dict(raw.get("flip_rates", {})),
        top5_distances=dict(raw.get("top5_distances", {})),
    )
