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
from dataclasses import dataclass, field, replace
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
        measures: Name -> measure.
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


def _better(bench: Bench, test: Mapping[str, Any]) -> list[Comparison]:
    return _lower(bench, test["row"], test["than"], test["measures"])


def _worse(bench: Bench, test: Mapping[str, Any]) -> list[Comparison]:
    return _higher(bench, test["row"], test["than"], test["measures"])


def _near(bench: Bench, test: Mapping[str, Any]) -> list[Comparison]:
    return _close(bench, test["row"], test["to"], test["measures"], test["within"])


def _best(bench: Bench, test: Mapping[str, Any]) -> list[Comparison]:
    others = [row for row in test.get("among", bench.evidence.rows) if row != test["row"]]
    return _close(bench, test["row"], others, test["measures"], test.get("within", 0.0))


def _reaches(bench: Bench, test: Mapping[str, Any]) -> list[Comparison]:
    found = []
    for name in bench.present(test["measures"], test["row"]):
        sample = bench.sample(test["row"], name)
        sign = -1.0 if sample.mean < 0.0 else 1.0
        bound = replace(sample, values=dict.fromkeys(sample.values, sign * test["value"]), rounding=0.0, floor=0.0)
        found.append(is_near(sample, bound, text=f"{name}, {test['row']} against {test['value']:g}"))
    return found


def _stable(bench: Bench, test: Mapping[str, Any]) -> list[Comparison]:
    rows = test.get("rows", bench.evidence.rows)
    return [
        is_near(
            bench.sample(first, name),
            bench.sample(second, name),
            text=f"{name}, {first} against {second}",
            within=test["within"],
        )
        for name in bench.present(test["measures"], rows[0])
        for first, second in permutations(rows, 2)
    ]


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


def _gains_more(bench: Bench, test: Mapping[str, Any]) -> list[Comparison]:
    here, there = test["measure"], test["than-measure"]
    ground = _difference(bench.sample(test["over"], here), bench.sample(test["over"], there))
    return [
        is_better(
            _difference(bench.sample(row, here), bench.sample(row, there)),
            ground,
            text=f"{here} less {there}, {row} against {test['over']}",
        )
        for row in test["rows"]
    ]


def _difference(first: Sample, second: Sample) -> Sample:
    common = first.values.keys() & second.values.keys()
    return Sample(
        values={seed: first.values[seed] - second.values[seed] for seed in sorted(common)},
        rounding=first.rounding + second.rounding,
        floor=first.floor + second.floor,
        is_printed=first.is_printed or second.is_printed,
        is_percent=first.is_percent and second.is_percent,
    )


def _quick(bench: Bench, test: Mapping[str, Any]) -> list[Comparison]:
    return [
        is_better(_time(bench, test["row"], 1.0), _time(bench, other, test["within"]), text=_times(test, other))
        for other in test["than"]
    ]


def _slow(bench: Bench, test: Mapping[str, Any]) -> list[Comparison]:
    return [
        is_better(_time(bench, other, test["by"]), _time(bench, test["row"], 1.0), text=_times(test, other))
        for other in test["than"]
    ]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of test.

    Attributes:
        find: What it finds: whether it holds, or the comparisons that must all hold.
    """

    find: Callable[[Bench, Mapping[str, Any]], Finding | list[Comparison]]
    needs: frozenset[str]
    may_have: frozenset[str] = frozenset()

    def __call__(self, bench: Bench, test: Mapping[str, Any]) -> Finding:
        """Return what a test of this kind finds."""
        found = self.find(bench, test)
        return found if isinstance(found, Finding) else Finding(all_hold(found, bench.alpha), tuple(found))


TESTS: Final[Mapping[str, Kind]] = {
    "better": Kind(find=_better, needs=frozenset({"row", "than", "measures"})),
    "worse": Kind(find=_worse, needs=frozenset({"row", "than", "measures"})),
    "near": Kind(find=_near, needs=frozenset({"row", "to", "measures", "within"})),
    "best": Kind(find=_best, needs=frozenset({"row", "measures"}), may_have=frozenset({"among", "within"})),
    "reaches": Kind(find=_reaches, needs=frozenset({"row", "measures", "value"})),
    "stable": Kind(find=_stable, needs=frozenset({"measures", "within"}), may_have=frozenset({"rows"})),
    "undominated": Kind(find=_undominated, needs=frozenset({"row", "measures"})),
    "most-worse-somewhere": Kind(find=_most_worse_somewhere, needs=frozenset({"than", "except", "share", "measures"})),
    "gains-more": Kind(find=_gains_more, needs=frozenset({"rows", "over", "measure", "than-measure"})),
    "quick": Kind(find=_quick, needs=frozenset({"row", "than", "within"})),
    "slow": Kind(find=_slow, needs=frozenset({"row", "than", "by"})),
}
