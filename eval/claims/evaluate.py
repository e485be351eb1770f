"""The claims of the papers, read from their file, and the verdict on each for given evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from augment.lookup.parameters import nearest
from eval.claims.comparing import ALPHA, Comparison, Truth
from eval.claims.evidence import Evidence, Measure, PrintedEvidence
from eval.claims.predicates import TESTS, Bench, NotCheckable
from eval.errors import EvalError
from eval.tables.column import Column, check_column
from eval.tables.published.tables import published_table, published_tables

CLAIMS_FILE: Final = Path(__file__).with_name("claims.yaml")
PRINTED: Final = "published"
"""Key under `skip` for what holds of every printed table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence of a paper as a predicate.

    Attributes:
        tables: Published tables (or built-in sweeps without one) that it speaks of.
        beside: Other tables of the same dataset that its rows may be in.
        skip: Table, or "published" for all printed ones -> why nothing can be checked there.
        holds: Its tests; all must contain.
    """

    name: str
    says: str
    source: str
    tables: tuple[str, ...]
    beside: tuple[str, ...]
    skip: Mapping[str, str]
    holds: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimVerdict:
    """The verdict on a claim for some evidence.

    Attributes:
        truth: pass, fail, undecided or not checkable.
        reason: Why it is not checkable, or which comparisons failed or are open.
        left_out: Measures that the table does not have.
    """

    claim: Claim
    truth: Truth
    reason: str
    comparisons: tuple[Comparison, ...] = ()
    left_out: tuple[str, ...] = ()


def claims() -> tuple[Claim, ...]:
    """Return all claims, in the order of the file."""
    return _read()[0]


def measures() -> Mapping[str, Measure]:
    """Return the measures that claims speak of, by name."""
    return _read()[1]


def evaluate(
    claim: Claim, evidence: Evidence, *, table: str, is_printed: bool = False, alpha: float = ALPHA
) -> ClaimVerdict:
    """Return the verdict on a claim.

    Args:
        evidence: Values of the rows it speaks of.
        table: The table that the evidence is of.
        is_printed: Whether the values are those of the papers.
    """
    skipped = claim.skip.get(table) or (claim.skip.get(PRINTED) if is_printed else None)
    if skipped is not None and (is_printed or table in claim.skip):
        return ClaimVerdict(claim=claim, truth="not checkable", reason=skipped)
    bench = Bench(evidence, measures(), alpha)
    truths: list[Truth] = []
    comparisons: list[Comparison] = []
    try:
        for test in claim.holds:
            finding = TESTS[test["test"]](bench, test)
            truths.append(finding.truth)
            comparisons += finding.comparisons
    except NotCheckable as missing:
        return ClaimVerdict(claim=claim, truth="not checkable", reason=str(missing), left_out=tuple(bench.left_out))
    truth: Truth = "fail" if "fail" in truths else "undecided" if "undecided" in truths else "pass"
    reason = _reason(truth, comparisons)
    return ClaimVerdict(
        claim=claim, truth=truth, reason=reason, comparisons=tuple(comparisons), left_out=tuple(bench.left_out)
    )


def evaluate_printed(claim: Claim, table: str) -> ClaimVerdict:
    """Return the verdict on a claim by the numbers that the papers print for a table.

    Raises:
        EvalError: If there is no such published table.
    """
    printed = tuple(published_table(name) for name in (table, *claim.beside))
    return evaluate(claim, PrintedEvidence(printed), table=table, is_printed=True)


def _reason(truth: Truth, comparisons: list[Comparison]) -> str:
    if truth == "pass":
        return ""
    open_ones = [each.text for each in comparisons if each.truth() != "pass"]
    wrong = [each.text for each in comparisons if each.truth() == "fail"]
    shown = (wrong if truth == "fail" and wrong else open_ones)[:4]
    more = len(wrong if truth == "fail" and wrong else open_ones) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


@cache
def _read() -> tuple[tuple[Claim, ...], Mapping[str, Measure]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw = yaml.load(CLAIMS_FILE.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    known = {name: Measure(name, _parts(value)) for name, value in raw["measures"].items()}
    made = tuple(
        Claim(
            name=name,
            says=each["says"],
            source=each["source"],
            tables=tuple(each["tables"]),
            beside=tuple(each.get("beside", ())),
            skip=dict(each.get("skip", {})),
            holds=tuple(each["holds"]),
        )
        for name, each in raw["claims"].items()
    )
    mistakes = [mistake for claim in made for mistake in _mistakes(claim, known)]
    if mistakes:
        raise EvalError(f"claims file: {'; '.join(mistakes)}")
    return made, known


def _parts(value: Any) -> tuple[tuple[Column, ...], ...]:
    texts = value["mean"] if isinstance(value, dict) else [value]
    parts = tuple(tuple(map(Column.of, part)) for part in texts)
    for column in (column for part in parts for column in part):
        check_column(column.without_mean())
    return parts


def _mistakes(claim: Claim, known: Mapping[str, Measure]) -> list[str]:
    found = []
    for test in claim.holds:
        kind = test.get("test", "")
        if kind not in TESTS:
            found.append(f"{claim.name}: unknown test '{kind}'{nearest(kind, TESTS)}")
            continue
        needed, allowed = TESTS[kind].needs, TESTS[kind].may_have
        given = set(test) - {"test"}
        found += [f"{claim.name}: test '{kind}' needs '{name}'" for name in sorted(needed - given)]
        found += [f"{claim.name}: test '{kind}' has no parameter '{name}'" for name in sorted(given - needed - allowed)]
        named = [*test.get("measures", ()), *(test[key] for key in ("measure", "than-measure") if key in test)]
        found += [
            f"{claim.name}: unknown measure '{name}'{nearest(name, known)}" for name in named if name not in known
        ]
    unknown = [name for name in claim.beside if name not in published_tables()]
    return [*found, *(f"{claim.name}: unknown published table '{name}'" for name in unknown)]
