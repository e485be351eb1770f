"""torch-uncertainty: a CSV file of fractions with a line per run (`save_in_csv`); its column `model`, if any, names the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from eval.errors import EvalError
from eval.exchange.cells import exported_value, is_empty, parse_number, read_lines, write_lines
from eval.exchange.conditions import (
    MEAN_OVER_SEVERITIES,
    PARTIAL,
    conditions_of,
    split_conditions,
    under_conditions,
    why_left_out,
    with_conditions,
    with_generated,
)
from eval.exchange.contract import About, FileNetwork, LeftOut, Number, Outcomes, Suite
from eval.exchange.openood import is_average
from eval.tables.column import Column

_COLUMNS: Final[Mapping[str, tuple[Column, bool]]] = MappingProxyType(
    {
        "test/cls/Acc": (Column("clean", "error"), True),
        "test/cal/ECE": (Column("clean", "ece"), False),
        "shift/cls/Acc": (Column("c", "error"), True),
        "ood/AUROC": (Column("ood", "auroc"), False),
        "ood/AUPR": (Column("ood", "aupr"), False),
        "ood/FPR95": (Column("ood", "fpr95"), False),
    }
)
"""Name there -> our column, and whether it is one minus ours."""
_LOWER_IS_BETTER: Final = frozenset({"test/cal/ECE", "ood/FPR95"})
_SHIFT: Final = "shift/cls/Acc"
"""There of one severity, which another column names, and of 19 corruptions on CIFAR; ours is never written under this name."""
_SEVERITY: Final = "shift/severity"
_ABOUT: Final = ("model", "dataset", "architecture", "", "Unnamed: 0", "epoch", "step")


def read(text: str) -> list[FileNetwork]:
    """Return one network per line that holds a number with a column here.

    Raises:
        EvalError: If two lines bear one name, or a cell is no number.
    """
    _, lines = read_lines(text)
    read_networks = [_network(line) for line in lines]
    summaries = [network.name for network in read_networks if is_average(network.name)] if len(lines) > 1 else []
    networks = [network for network in read_networks if network.numbers and network.name not in summaries]
    unnamed = [number for number, network in enumerate(networks, 1) if not network.name]
    names = [network.name or f"line {number}" for number, network in enumerate(networks, 1)]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise EvalError(
            f"each line is one network and needs its own name, but {doubled} are in several lines; rename or split them"
        )
    is_single = len(networks) == 1
    silent = [str(number) for number, network in enumerate(read_networks, 1) if not network.numbers]
    skipped = [LeftOut(original=f"line {', '.join(silent)}", reason="no number with a column here")] if silent else []
    skipped += [LeftOut(original=f"line {name!r}", reason="sums up other lines") for name in summaries]
    return [
        FileNetwork(
            name="" if is_single and number in unnamed else name,
            dataset=network.dataset,
            architecture=network.architecture,
            numbers=network.numbers,
            left_out=(*network.left_out, *(skipped if number == 1 else ())),
        )
        for number, (name, network) in enumerate(zip(names, networks, strict=True), 1)
    ]


def _network(line: Mapping[str, str]) -> FileNetwork:
    numbers, left_out = [], []
    severity = line.get(_SEVERITY, "")
    for name, text in line.items():
        if name in _ABOUT:
            continue
        plain, conditions = split_conditions(name)
        if name == _SHIFT and not is_empty(severity) and not is_empty(text):
            reason = f"of severity {severity} alone; the column here is the mean over severities"
            left_out.append(LeftOut(original=name, reason=reason))
        elif plain not in _COLUMNS:
            left_out.append(LeftOut(original=name, reason="no column here"))
        elif is_empty(text):
            left_out.append(LeftOut(original=name, reason=f"no number there ({text!r})"))
        elif reason := why_left_out(conditions):
            left_out.append(LeftOut(original=name, reason=reason))
        else:
            numbers.append(_number(name, text))
    return FileNetwork(
        name=line.get("model", ""),
        dataset=line.get("dataset", ""),
        architecture=line.get("architecture", ""),
        numbers=tuple(numbers),
        left_out=tuple(left_out),
    )


def _number(name: str, text: str) -> Number:
    plain, conditions = split_conditions(name)
    column, is_complement = _COLUMNS[plain]
    return parse_number(
        text,
        name,
        column=under_conditions(column, conditions),
        original=name,
        is_complement=is_complement,
        is_partial=PARTIAL in conditions,
        higher_is_better=plain not in _LOWER_IS_BETTER,
    )


def write(outcomes: Outcomes, about: About) -> str:
    """Return one line of fractions."""
    values: dict[str, str] = {"model": about.name, "dataset": about.dataset}
    for name, (column, is_complement) in _COLUMNS.items():
        for each in with_generated(column):
            value = exported_value(outcomes, each)
            if value is not None:
                shown = with_conditions(name, _conditions(name, each, outcomes))
                values[shown] = repr(1.0 - value if is_complement else value)
    fields: Sequence[str] = list(values)
    return write_lines(fields, [values])


def _conditions(name: str, column: Column, outcomes: Outcomes) -> tuple[str, ...]:
    found = conditions_of(column.benchmark, outcomes[column.benchmark])
    is_whole = name == _SHIFT and not any(each.startswith("severit") for each in found)
    return (*found, MEAN_OVER_SEVERITIES) if is_whole else found


SUITE: Final = Suite(
    name="torch-uncertainty",
    title="torch-uncertainty",
    unit="fraction",
    differs="outlier sets are not cut to the published ratio",
    write=write,
    read=read,
)
