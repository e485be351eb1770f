"""OpenOOD: a CSV file with a line per outlier set, as `scripts/eval_ood.py` and the evaluators of version 1.0 write it.

Version 1.5 writes an index column without a name and, over several training runs, "mean ± deviation" in each cell; version 1.0
a column `dataset`, plain numbers, and sometimes CCR_4 to CCR_1. Both put lines `nearood` and `farood` between the sets: means.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from eval.errors import EvalError
from eval.exchange.cells import exported_value, is_empty, parse_number, plain_name, read_lines, write_lines
from eval.exchange.conditions import (
    PARTIAL,
    REFUSED,
    conditions_of,
    split_conditions,
    under_conditions,
    why_left_out,
    with_conditions,
)
from eval.exchange.contract import About, FileNetwork, LeftOut, Number, Outcomes, Suite
from eval.report import BenchmarkOutcome
from eval.tables.column import Column, column_value

_CLEAN: Final = Column("clean", "error")
_FIELDS: Final = ("dataset", "FPR@95", "AUROC", "AUPR_IN", "AUPR_OUT")
_ACCURACY: Final = "ACC"
_METRICS: Final[Mapping[str, str]] = MappingProxyType({"FPR@95": "fpr95", "AUROC": "auroc", "AUPR_OUT": "aupr"})
_INDEX: Final = ("dataset", "", "Unnamed: 0", "index")
_SUMMARY_WORDS: Final = frozenset(
    (
        *("near", "far", "full", "all", "total", "overall", "ood", "nearood", "farood", "fsood", "csood", "fs", "cs"),
        *("mean", "avg", "average", "macro", "micro", "weighted", "median", "sum", "summary", "min", "max", "count"),
        *("std", "sd", "stdev", "stddev", "deviation", "variance", "var", "sem"),
    )
)
"""Words of which the names of lines are made that sum up others."""
_NETWORK_COLUMNS: Final = frozenset(
    (
        *(
            "model",
            "network",
            "architecture",
            "arch",
            "checkpoint",
            "method",
            "postprocessor",
            "postprocess",
            "detector",
        ),
        *("score", "run", "seed", "mark", "id", "id_dataset"),
    )
)
"""Columns that distinguish networks, or ways to score them."""
_WHY_NOT: Final[Mapping[str, str]] = MappingProxyType(
    {"AUPR_IN": "no column here: the in-distribution images are its positive class"}
)


def read(text: str) -> list[FileNetwork]:
    """Return the one network that a file is about.

    Raises:
        EvalError: If a set is named twice or not at all, lines are of several networks, or a cell is no number.
    """
    head, lines = read_lines(text)
    index = next((name for name in _INDEX if name in head), head[0] if head else "")
    accuracy_there = next((name for name in head if split_conditions(name)[0] == _ACCURACY), _ACCURACY)
    if not {*_METRICS, accuracy_there} & {*head} or index in _METRICS:
        return [FileNetwork()]
    _check_one_network(lines, [name for name in head if name != index and name.lower() in _NETWORK_COLUMNS])
    labels = _labels(lines, index)
    sets = [(label, line) for label, line in zip(labels, lines, strict=True) if not is_average(label)]
    left_out = [LeftOut(original=label, reason="the mean of other lines") for label in labels if is_average(label)]
    numbers, empty = _numbers(sets)
    accuracy, why_not = _accuracy(accuracy_there, [line.get(accuracy_there, "") for _, line in sets])
    unknown = [name for name in head if name and name not in (index, *_METRICS, accuracy_there)]
    left_out += [LeftOut(original=name, reason=_WHY_NOT.get(name, "no column here")) for name in unknown]
    return [FileNetwork(numbers=(*accuracy, *numbers), left_out=(*left_out, *empty, *why_not))]


def is_average(label: str) -> bool:
    """Return whether a line sums up others (`nearood`, "Near-OOD mean", "average (6)", "std") and is no outlier set."""
    words = re.findall(r"[^\W\d_]+", label.lower())
    numbers_in_words = re.search(r"[^\W\d_]\d|\d[^\W\d_]", label)
    return bool(words) and not numbers_in_words and _SUMMARY_WORDS.issuperset(words)


def _check_one_network(lines: Sequence[Mapping[str, str]], columns: Sequence[str]) -> None:
    for name in columns:
        values = list(dict.fromkeys(line[name] for line in lines))
        if len(values) > 1:
            raise EvalError(
                f"a file is about one network and one way to score it, but its column {name!r} has {', '.join(values[:3])}; "
                "split it into a file each"
            )


def _labels(lines: Sequence[Mapping[str, str]], index: str) -> list[str]:
    labels = [line[index] for line in lines]
    if "" in labels:
        raise EvalError(
            f"each line must name its outlier set, but line {labels.index('') + 1} below the header names none"
        )
    number_of = Counter(plain_name(label) for label in labels)
    doubled = [label for label in dict.fromkeys(labels) if number_of[plain_name(label)] > 1]
    if doubled:
        raise EvalError(
            f"a file is about one network and names each outlier set once, but {doubled} are in several lines; "
            "split it into a file a network (an evaluation that is repeated appends to its file)"
        )
    return labels


def _numbers(sets: Sequence[tuple[str, Mapping[str, str]]]) -> tuple[list[Number], list[LeftOut]]:
    numbers, empty = [], []
    for label, line in sets:
        for there, metric in _METRICS.items():
            if there in line and is_empty(line[there]):
                empty.append(LeftOut(original=f"{label} {there}", reason=f"no number there ({line[there]!r})"))
            elif there in line and (reason := why_left_out(split_conditions(label)[1])):
                empty.append(LeftOut(original=f"{label} {there}", reason=reason))
            elif there in line:
                about = {**_about(label, metric), "original": f"{label} {there}"}
                numbers.append(parse_number(line[there], there, higher_is_better=metric != "fpr95", **about))
    return numbers, empty


def _about(label: str, metric: str) -> dict[str, Any]:
    """Return the column of a metric of an outlier set, as the file names the set, and whether a part of the images was used."""
    name, conditions = split_conditions(label)
    return {"column": under_conditions(Column("ood", metric, name), conditions), "is_partial": PARTIAL in conditions}


def _accuracy(name: str, texts: Sequence[str]) -> tuple[list[Number], list[LeftOut]]:
    """Return the accuracy on the test images, which every line repeats; where lines differ it is of something else.

    Args:
        name: Name of its column in the file.
    """
    conditions = split_conditions(name)[1]
    about = {"column": _CLEAN, "original": name, "is_complement": True, "is_partial": PARTIAL in conditions}
    found = {parse_number(text, _ACCURACY, **about): text for text in texts if not is_empty(text)}
    if len(found) > 1:
        reason = f"differs from line to line ({', '.join([*found.values()][:3])}), so it is not that of the test images"
        return [], [LeftOut(original=name, reason=reason)]
    reason = why_left_out(conditions)
    return ([], [LeftOut(original=name, reason=reason)]) if reason and found else (list(found), [])


def write(outcomes: Outcomes, about: About) -> str:
    """Return a line per outlier set, in percent with two digits."""
    clean = exported_value(outcomes, _CLEAN)
    accuracy = "" if clean is None else f"{100 * (1 - clean):.2f}"
    of_clean = () if clean is None else conditions_of(_CLEAN.benchmark, outcomes[_CLEAN.benchmark])
    accuracy_there = with_conditions(_ACCURACY, of_clean)
    lines = []
    for benchmark in ("ood", "ood-generated"):
        if benchmark not in outcomes:
            continue
        outcome = outcomes[benchmark]
        for name in _sets(outcome):
            # a set that is there is whole, whichever others were refused
            label = with_conditions(name, [each for each in conditions_of(benchmark, outcome) if each != REFUSED])
            line = {"dataset": label, "AUPR_IN": "", accuracy_there: accuracy}
            for there, metric in _METRICS.items():
                value = column_value(outcome, Column(benchmark, metric, name))
                line[there] = "" if value is None else f"{100 * value:.2f}"
            lines.append(line)
    return write_lines((*_FIELDS, accuracy_there), lines)


def _sets(outcome: BenchmarkOutcome) -> list[str]:
    return list(dict.fromkeys(str(row["set"]) for row in outcome.rows if row.get("set", "mean") != "mean"))


SUITE: Final = Suite(
    name="openood",
    title="OpenOOD",
    unit="percent",
    differs="AUPR by trapezoids, FPR95 at the first threshold that reaches the recall, sets of any size, "
    "deviations over training runs with n, not n - 1, as divisor",
    write=write,
    read=read,
)
