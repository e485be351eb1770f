"""OpenOOD: a CSV file with a line per outlier set, as `scripts/eval_ood.py` and the evaluators of version 1.0 write it.

Version 1.5 writes an index column without a name and, over several training runs, "mean ± deviation" in each cell; version 1.0
a column `dataset`, plain numbers, and sometimes CCR_4 to CCR_1. Both put lines `nearood` and `farood` between the sets: means.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from eval.benchmarks import column_value, parse_column
from eval.errors import EvalError
from eval.exchange.cells import first_value, is_empty, parse_number, read_lines, write_lines
from eval.exchange.contract import About, FileNetwork, LeftOut, Number, Outcomes, Suite

if TYPE_CHECKING:
    from eval.report import BenchmarkOutcome

_FIELDS: Final = ("dataset", "FPR@95", "AUROC", "AUPR_IN", "AUPR_OUT", "ACC")
_METRICS: Final[Mapping[str, str]] = MappingProxyType({"FPR@95": "fpr95", "AUROC": "auroc", "AUPR_OUT": "aupr"})
_INDEX: Final = ("dataset", "", "Unnamed: 0", "index")
_AVERAGE: Final = re.compile(r"^(near|far|full|all|total)?(fs|cs)?(ood)?(mean|avg|average|overall|total|all|ood)?$")
_WHY_NOT: Final[Mapping[str, str]] = MappingProxyType(
    {"AUPR_IN": "no column here: the in-distribution images are its positive class"}
)


def read(text: str) -> list[FileNetwork]:
    """Return the one network that a file is about.

    Raises:
        EvalError: If a set is named twice or not at all, or a cell is no number.
    """
    head, lines = read_lines(text)
    index = next((name for name in _INDEX if name in head), head[0] if head else "")
    if not {*_METRICS, "ACC"} & {*head} or index in _METRICS:
        return [FileNetwork()]
    labels = _labels(lines, index)
    sets = [(label, line) for label, line in zip(labels, lines, strict=True) if not is_average(label)]
    left_out = [LeftOut(original=label, reason="the mean of other lines") for label in labels if is_average(label)]
    numbers, empty = _numbers(sets)
    accuracy, why_not = _accuracy([line.get("ACC", "") for _, line in sets])
    unknown = [name for name in head if name and name not in (index, *_METRICS, "ACC")]
    left_out += [LeftOut(original=name, reason=_WHY_NOT.get(name, "no column here")) for name in unknown]
    return [FileNetwork(numbers=(*accuracy, *numbers), left_out=(*left_out, *empty, *why_not))]


def is_average(label: str) -> bool:
    """Return whether a line is the mean of others (`nearood`, `farood`, "Near-OOD mean", "average") and no outlier set."""
    plain = re.sub(r"[^a-z]", "", label.lower())
    return bool(plain) and _AVERAGE.match(plain) is not None and not re.search(r"[0-9]", label)


def _labels(lines: Sequence[Mapping[str, str]], index: str) -> list[str]:
    labels = [line[index] for line in lines]
    if "" in labels:
        raise EvalError(
            f"each line must name its outlier set, but line {labels.index('') + 1} below the head names none"
        )
    doubled = [label for label, number in Counter(labels).items() if number > 1]
    if doubled:
        raise EvalError(
            f"a file is about one network and names each outlier set once, but {doubled} stand in several lines; "
            "split it into a file a network (an evaluation that is repeated appends to its file)"
        )
    return labels


def _numbers(sets: Sequence[tuple[str, Mapping[str, str]]]) -> tuple[list[Number], list[LeftOut]]:
    numbers, empty = [], []
    for label, line in sets:
        for there, metric in _METRICS.items():
            if there in line and is_empty(line[there]):
                empty.append(LeftOut(original=f"{label} {there}", reason=f"no number there ({line[there]!r})"))
            elif there in line:
                value, spread = parse_number(line[there], there)
                numbers.append(
                    Number(
                        column=f"ood/{metric}/{label}",
                        metric=there,
                        original=f"{label} {there}",
                        value=value,
                        spread=spread,
                        higher_is_better=metric != "fpr95",
                    )
                )
    return numbers, empty


def _accuracy(texts: Sequence[str]) -> tuple[list[Number], list[LeftOut]]:
    """Return the accuracy on the test images, which every line repeats; where lines differ it is of something else."""
    different = list(dict.fromkeys(text for text in texts if not is_empty(text)))
    if len(different) > 1:
        reason = f"differs from line to line ({', '.join(different[:3])}), so it is not that of the test images"
        return [], [LeftOut(original="ACC", reason=reason)]
    numbers = [parse_number(text, "ACC") for text in different]
    return [
        Number(column="clean/error", metric="ACC", original="ACC", value=value, spread=spread, is_complement=True)
        for value, spread in numbers
    ], []


def write(outcomes: Outcomes, about: About) -> str:
    """Return a line per outlier set, in percent with two digits."""
    clean = first_value(outcomes, ("clean/error",))
    accuracy = "" if clean is None else f"{100 * (1 - clean):.2f}"
    lines = []
    for benchmark in ("ood", "ood-generated"):
        for label in _sets(outcomes.get(benchmark)):
            line = {"dataset": label, "AUPR_IN": "", "ACC": accuracy}
            for there, metric in _METRICS.items():
                value = column_value(outcomes[benchmark], parse_column(f"{benchmark}/{metric}/{label}"))
                line[there] = "" if value is None else f"{100 * value:.2f}"
            lines.append(line)
    return write_lines(_FIELDS, lines)


def _sets(outcome: BenchmarkOutcome | None) -> list[str]:
    if outcome is None:
        return []
    return list(dict.fromkeys(str(row["set"]) for row in outcome.rows if row["set"] != "mean"))


SUITE: Final = Suite(
    name="openood",
    title="OpenOOD",
    unit="percent",
    differs="AUPR by trapezoids, FPR95 at the first threshold that reaches the recall, sets of any size, "
    "deviations over training runs with n, not n - 1, as divisor",
    write=write,
    read=read,
)
