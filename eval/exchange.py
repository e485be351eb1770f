"""Results in the shapes of other suites, out and in: torch-uncertainty (CSV), OpenOOD (CSV), RobustBench (JSON).

    torch-uncertainty   one line of `test/cls/Acc`, `test/cal/ECE`, `shift/cls/Acc`, `shift/cal/...`, `ood/...`, fractions
    OpenOOD             one line per outlier set: FPR@95, AUROC, AUPR_IN, AUPR_OUT, ACC, percent with two digits
    RobustBench         one document per model: clean_acc, corruptions_acc, percent as text

Definitions differ in places, and what is brought in stays marked as imported: OpenOOD's AUPR integrates by trapezoids and
its FPR takes the first threshold that reaches the recall; torch-uncertainty's outlier sets are not cut to the published ratio.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from eval.benchmarks import column_value, parse_column
from eval.errors import EvalError
from eval.params import nearest

if TYPE_CHECKING:
    from eval.report import BenchmarkOutcome

_Function = TypeVar("_Function")
Outcomes = Mapping[str, "BenchmarkOutcome"]
"""Benchmark -> outcome, all of one checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is said of the checkpoint in an export."""

    name: str
    dataset: str
    architecture: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One number from another suite.

    Attributes:
        column: The column here that is nearest in meaning.
        value: In our unit.
        original: The name that it bears there.
    """

    column: str
    value: float
    original: str


_TORCH_UNCERTAINTY: Final[Mapping[str, tuple[tuple[str, ...], bool]]] = MappingProxyType(
    {
        "test/cls/Acc": (("clean/error",), True),
        "test/cal/ECE": (("clean/ece",), False),
        "shift/cls/Acc": (("c/error", "c-generated/error"), True),
        "ood/AUROC": (("ood/auroc", "ood-generated/auroc"), False),
        "ood/AUPR": (("ood/aupr", "ood-generated/aupr"), False),
        "ood/FPR95": (("ood/fpr95", "ood-generated/fpr95"), False),
    }
)
"""Name there -> our columns (the first that is present counts), and whether it is one minus ours."""

_OPENOOD_FIELDS: Final = ("dataset", "FPR@95", "AUROC", "AUPR_IN", "AUPR_OUT", "ACC")
_OPENOOD_METRICS: Final[Mapping[str, str]] = MappingProxyType({"FPR@95": "fpr95", "AUROC": "auroc", "AUPR_OUT": "aupr"})
_ROBUSTBENCH: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"clean_acc": ("clean/error",), "corruptions_acc": ("c/error", "c-generated/error")}
)


def export_results(suite: str, outcomes: Outcomes, about: About) -> str:
    """Return a checkpoint's results as a file of another suite; what was not measured is left out (or empty).

    Raises:
        EvalError: If the suite is unknown.
    """
    return _known(suite, _EXPORTS)(outcomes, about)


def import_results(suite: str, text: str) -> tuple[Imported, ...]:
    """Return the numbers in a file of another suite that have a column here.

    Raises:
        EvalError: If the suite is unknown, the file is no such file, or a number is none or outside its range.
    """
    found = _known(suite, _IMPORTS)(text)
    if not found:
        raise EvalError(f"the file holds no number of {suite!r} that has a column here; is it a file of that suite?")
    for each in found:
        parse_column(each.column)
        if not (math.isfinite(each.value) and 0.0 <= each.value <= 1.0):
            raise EvalError(
                f"{each.original!r} of {suite!r} must be a rate between 0 and 1 (or 0 and 100 percent), but is {each.value}"
            )
    return tuple(found)


def _to_torch_uncertainty(outcomes: Outcomes, about: About) -> str:
    values: dict[str, str] = {"model": about.name, "dataset": about.dataset}
    for name, (columns, is_complement) in _TORCH_UNCERTAINTY.items():
        value = _first(outcomes, columns)
        if value is not None:
            values[name] = repr(1.0 - value if is_complement else value)
    return _csv(list(values), [values])


def _from_torch_uncertainty(text: str) -> list[Imported]:
    found = []
    for line in csv.DictReader(io.StringIO(text)):
        for name, (columns, is_complement) in _TORCH_UNCERTAINTY.items():
            if line.get(name):
                value = _number(line[name], name)
                found.append(Imported(column=columns[0], value=1.0 - value if is_complement else value, original=name))
    return found


def _to_openood(outcomes: Outcomes, about: About) -> str:
    clean = _first(outcomes, ("clean/error",))
    accuracy = "" if clean is None else f"{100 * (1 - clean):.2f}"
    lines = []
    for benchmark in ("ood", "ood-generated"):
        for label in _sets(outcomes.get(benchmark)):
            line = {"dataset": label, "AUPR_IN": "", "ACC": accuracy}
            for there, metric in _OPENOOD_METRICS.items():
                value = column_value(outcomes[benchmark], parse_column(f"{benchmark}/{metric}/{label}"))
                line[there] = "" if value is None else f"{100 * value:.2f}"
            lines.append(line)
    return _csv(list(_OPENOOD_FIELDS), lines)


def _from_openood(text: str) -> list[Imported]:
    found: list[Imported] = []
    for line in csv.DictReader(io.StringIO(text)):
        label = line.get("dataset") or ""
        if line.get("ACC") and not found:  # every line repeats the accuracy on the test pictures
            error = 1.0 - _number(str(line["ACC"]), "ACC") / 100.0
            found.append(Imported(column="clean/error", value=error, original="ACC"))
        for there, metric in _OPENOOD_METRICS.items():
            if label and line.get(there):
                value = _number(line[there], there) / 100.0
                found.append(Imported(column=f"ood/{metric}/{label}", value=value, original=f"{label} {there}"))
    return found


def _to_robustbench(outcomes: Outcomes, about: About) -> str:
    document: dict[str, object] = {
        "name": about.name,
        "dataset": about.dataset,
        "architecture": about.architecture,
        "additional_data": False,
        "number_forward_passes": 1,
        "eps": None,
    }
    for there, columns in _ROBUSTBENCH.items():
        value = _first(outcomes, columns)
        if value is not None:
            document[there] = f"{100 * (1 - value):.2f}"
    return json.dumps(document, indent=2) + "\n"


def _from_robustbench(text: str) -> list[Imported]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise EvalError(
            f"a RobustBench file must be a JSON document, but line {error.lineno} is not: {error.msg}"
        ) from error
    if not isinstance(document, dict):
        raise EvalError(f"a RobustBench file must hold one JSON object, but holds a {type(document).__name__}")
    return [
        Imported(column=columns[0], value=1.0 - _number(str(document[there]), there) / 100.0, original=there)
        for there, columns in _ROBUSTBENCH.items()
        if document.get(there) not in (None, "")
    ]


def _first(outcomes: Outcomes, columns: tuple[str, ...]) -> float | None:
    for text in columns:
        column = parse_column(text)
        if column.benchmark in outcomes:
            return column_value(outcomes[column.benchmark], column)
    return None


def _sets(outcome: BenchmarkOutcome | None) -> list[str]:
    return (
        [] if outcome is None else list(dict.fromkeys(str(row["set"]) for row in outcome.rows if row["set"] != "mean"))
    )


def _csv(fields: list[str], lines: list[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise EvalError(f"{name!r} must be a number, but is {text!r}") from error


def _known(suite: str, table: Mapping[str, _Function]) -> _Function:
    if suite not in table:
        raise EvalError(f"unknown suite {suite!r}{nearest(suite, table)}")
    return table[suite]


_EXPORTS: Final[Mapping[str, Callable[[Outcomes, About], str]]] = MappingProxyType(
    {"torch-uncertainty": _to_torch_uncertainty, "openood": _to_openood, "robustbench": _to_robustbench}
)
_IMPORTS: Final[Mapping[str, Callable[[str], list[Imported]]]] = MappingProxyType(
    {"torch-uncertainty": _from_torch_uncertainty, "openood": _from_openood, "robustbench": _from_robustbench}
)
SUITES: Final = tuple(_EXPORTS)
"""The suites that results are exchanged with."""
