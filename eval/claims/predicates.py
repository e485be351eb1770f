"""The kinds of tests that claims are made of.

better        row is lower than every row of `than`, in every measure
worse         row is higher than every row of `than`, in every measure
near          row is at most `within` worse than every row of `to`, in every measure
best          row is at most `within` (0) worse than any other row (or those of `among`), in every measure
reaches       row is at least as good as `value`, in every measure
stable        no two rows differ by more than `within`, in every measure
undominated   no other row is at least as good in every measure
most-worse-somewhere   of the rows but `except`, at least a `share` is worse than `than` in some measure
gains-more    rows gain more over a row in one measure than in another
quick, slow   row takes at most `within` times, more than `by` times, the device time per training image of `than`

A measure that the table does not have is left out; one that is there and not recorded makes a claim not checkable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any, Final

from eval.claims.comparing import ALPHA, Comparison, Truth, all_hold, is_better, is_near, some_hold
from eval.claims.evidence import Evidence, Measure, Missing, Sample


class NotCheckable(Exception):
    """A value that a claim needs is not there; the message says which."""


@dataclass(slots=True)
class Bench:
    """What a test works on: evidence, and the measures by name; it collects what was left out.

    Args:
        evidence: Where values come from.
        measures: Name -> measure.
        alpha: Level of a claim's verdict.
    """

    evidence: Evidence
    measures: Mapping[str, Measure]
    alpha: float = ALPHA
    left_out: dict[str, None] = field(default_factory=dict)

    def sample(self, row: str, name: str) -> Sample:
        """Return the values of a row in a measure.

        Raises:
            NotCheckable: If they are not there.
        """
        found = self.evidence.sample(row, self.measures[name])
        if isinstance(found, Missing):
            raise NotCheckable(found.reason)
        return found

    def standing(self, rows: Iterable[str], names: Sequence[str]) -> list[str]:
        """Return the rows that the table has; a size may leave some out by name.

        Raises:
            NotCheckable: If it has none of them.
        """
        kept, reason = [], ""
        for row in rows:
            found = self.evidence.sample(row, self.measures[names[0]])
            if isinstance(found, Missing) and found.is_row_absent:
                self.left_out[row], reason = None, found.reason
            else:
                kept.append(row)
        if not kept and reason:
            raise NotCheckable(reason)
        return kept

    def present(self, names: Sequence[str], row: str) -> list[str]:
        """Return the measures that the table has.

        Raises:
            NotCheckable: If it has none of them.
        """
        kept = []
        for name in names:
            found = self.evidence.sample(row, self.measures[name])
            if isinstance(found, Missing) and found.is_absent:
                self.left_out[name] = None
            else:
                kept.append(name)
        if not kept:
            raise NotCheckable(f"the table has no measure of {', '.join(names)}")
        return kept


@dataclass(frozen=True, slots=True)
class Finding:
    """What a test found: whether it holds, and the comparisons it rests on."""

    truth: Truth
    comparisons: tuple[Comparison, ...]


Test = Callable[[Bench, Mapping[str, Any]], Finding]


def _pairs(bench: Bench, row: str, others: Iterable[str], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    rivals = bench.standing(others, names)
    return ((name, other) for name in bench.present(names, row) for other in rivals)


def _lower(bench: Bench, row: str, others: Iterable[str], names: Sequence[str]) -> list[Comparison]:
    return [
        is_better(bench.sample(row, name), bench.sample(other, name), text=f"{name}, {row} against {other}")
        for name, other in _pairs(bench, row, others, names)
    ]


def _higher(bench: Bench, row: str, others: Iterable[str], names: Sequence[str]) -> list[Comparison]:
    return [
        is_better(bench.sample(other, name), bench.sample(row, name), text=f"{name}, {other} against {row}")
        for name, other in _pairs(bench, row, others, names)
    ]


def _close(bench: Bench, row: str, others: Iterable[str], names: Sequence[str], within: float) -> list[Comparison]:
    return [
        is_near(
            bench.sample(row, name), bench.sample(other, name), text=f"{name}, {row} against {other}", within=within
        )
        for name, other in _pairs(bench, row, others, names)
    ]


def _better(bench: Bench, test: Mapping[str, Any]) -> Finding:
    found = _lower(bench, test["row"], test["than"], test["measures"])
    return Finding(all_hold(found, bench.alpha), tuple(found))


def _worse(bench: Bench, test: Mapping[str, Any]) -> Finding:
    found = _higher(bench, test["row"], test["than"], test["measures"])
    return Finding(all_hold(found, bench.alpha), tuple(found))


def _near(bench: Bench, test: Mapping[str, Any]) -> Finding:
    found = _close(bench, test["row"], test["to"], test["measures"], test["within"])
    return Finding(all_hold(found, bench.alpha), tuple(found))


def _best(bench: Bench, test: Mapping[str, Any]) -> Finding:
    others = [row for row in test.get("among", bench.evidence.rows) if row != test["row"]]
    found = _close(bench, test["row"], others, test["measures"], test.get("within", 0.0))
    return Finding(all_hold(found, bench.alpha), tuple(found))


def _reaches(bench: Bench, test: Mapping[str, Any]) -> Finding:
    found = []
    for name in bench.present(test["measures"], test["row"]):
        sample = bench.sample(test["row"], name)
        sign = -1.0 if sample.mean < 0.0 else 1.0
        bound = Sample(values=dict.fromkeys(sample.values, sign * test["value"]), is_printed=sample.is_printed)
        found.append(is_near(sample, bound, text=f"{name}, {test['row']} against {test['value']:g}"))
    return Finding(all_hold(found, bench.alpha), tuple(found))


def _stable(bench: Bench, test: Mapping[str, Any]) -> Finding:
    rows = test.get("rows", bench.evidence.rows)
    found = [
        is_near(
            bench.sample(first, name),
            bench.sample(second, name),
            text=f"{name}, {first} against {second}",
            within=test["within"],
        )
        for name in bench.present(test["measures"], rows[0])
        for first, second in permutations(rows, 2)
    ]
    return Finding(all_hold(found, bench.alpha), tuple(found))


def _undominated(bench: Bench, test: Mapping[str, Any]) -> Finding:
    """No rival beats the row everywhere: against each rival the row is better in some measure."""
    row, truths, every = test["row"], [], []
    for rival in (other for other in bench.evidence.rows if other != row):
        found = _lower(bench, row, [rival], test["measures"])
        truths.append(some_hold(found, bench.alpha))
        every += _telling(found, truths[-1])
    return Finding(_conjunction(truths), tuple(every))


def _most_worse_somewhere(bench: Bench, test: Mapping[str, Any]) -> Finding:
    ground, truths, every = test["than"], [], []
    for row in (other for other in bench.evidence.rows if other not in (ground, *test["except"])):
        found = _higher(bench, row, [ground], test["measures"])
        truths.append(some_hold(found, bench.alpha))
        every += _telling(found, truths[-1])
    needed = test["share"] * len(truths)
    if truths.count("pass") >= needed:
        return Finding("pass", tuple(every))
    possible = len(truths) - truths.count("fail")
    return Finding("fail" if possible < needed else "undecided", tuple(every))


def _gains_more(bench: Bench, test: Mapping[str, Any]) -> Finding:
    found = []
    here, there = test["measure"], test["than-measure"]
    ground = _difference(bench.sample(test["over"], here), bench.sample(test["over"], there))
    for row in test["rows"]:
        shift = _difference(bench.sample(row, here), bench.sample(row, there))
        found.append(is_better(shift, ground, text=f"{here} less {there}, {row} against {test['over']}"))
    return Finding(all_hold(found, bench.alpha), tuple(found))


def _difference(first: Sample, second: Sample) -> Sample:
    common = first.values.keys() & second.values.keys()
    return Sample(
        values={seed: first.values[seed] - second.values[seed] for seed in sorted(common)},
        rounding=first.rounding + second.rounding,
        floor=first.floor + second.floor,
        is_printed=first.is_printed or second.is_printed,
    )


def _quick(bench: Bench, test: Mapping[str, Any]) -> Finding:
    found = [
        is_better(_time(bench, test["row"], 1.0), _time(bench, other, test["within"]), text=_times(test, other))
        for other in test["than"]
    ]
    return Finding(all_hold(found, bench.alpha), tuple(found))


def _slow(bench: Bench, test: Mapping[str, Any]) -> Finding:
    found = [
        is_better(_time(bench, other, test["by"]), _time(bench, test["row"], 1.0), text=_times(test, other))
        for other in test["than"]
    ]
    return Finding(all_hold(found, bench.alpha), tuple(found))


TIME_SPREAD: Final = 0.2
"""Declared floor for the spread of training times, as a share: machines are shared and differ."""


def _time(bench: Bench, row: str, factor: float) -> Sample:
    found = bench.evidence.seconds(row)
    if isinstance(found, Missing):
        raise NotCheckable(found.reason)
    scaled = {seed: factor * value for seed, value in found.items()}
    return Sample(values=scaled, floor=TIME_SPREAD * max(scaled.values()))


def _times(test: Mapping[str, Any], other: str) -> str:
    return (
        f"device-seconds per training image, {test['row']} against {other} times {test.get('within', test.get('by'))}"
    )


def _telling(found: Sequence[Comparison], truth: Truth) -> list[Comparison]:
    """Return the comparisons that show why some or none of them hold."""
    return [each for each in found if each.truth() == "pass"] if truth == "pass" else list(found)


def _conjunction(truths: Sequence[Truth]) -> Truth:
    return "fail" if "fail" in truths else "pass" if all(truth == "pass" for truth in truths) else "undecided"


TESTS: Final[Mapping[str, Test]] = {
    "better": _better,
    "worse": _worse,
    "near": _near,
    "best": _best,
    "reaches": _reaches,
    "stable": _stable,
    "undominated": _undominated,
    "most-worse-somewhere": _most_worse_somewhere,
    "gains-more": _gains_more,
    "quick": _quick,
    "slow": _slow,
}
FIELDS: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "better": (frozenset({"row", "than", "measures"}), frozenset()),
    "worse": (frozenset({"row", "than", "measures"}), frozenset()),
    "near": (frozenset({"row", "to", "measures", "within"}), frozenset()),
    "best": (frozenset({"row", "measures"}), frozenset({"among", "within"})),
    "reaches": (frozenset({"row", "measures", "value"}), frozenset()),
    "stable": (frozenset({"measures", "within"}), frozenset({"rows"})),
    "undominated": (frozenset({"row", "measures"}), frozenset()),
    "most-worse-somewhere": (frozenset({"than", "except", "share", "measures"}), frozenset()),
    "gains-more": (frozenset({"rows", "over", "measure", "than-measure"}), frozenset()),
    "quick": (frozenset({"row", "than", "within"}), frozenset()),
    "slow": (frozenset({"row", "than", "by"}), frozenset()),
}
"""Test -> the fields that it must have, and those that it may have."""
