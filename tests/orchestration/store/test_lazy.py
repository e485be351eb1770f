"""Long lists of records are read when somebody looks, and nothing else about them changes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.report import BenchmarkOutcome, MetricReport
from orchestration.store.format.lazy import LazyList
from orchestration.store.format.records import decode_report, decode_training, encode_report, encode_training, report_of
from orchestration.store.open import open_store

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
NOTES = st.dictionaries(st.text(max_size=6), PLAIN, max_size=3)


def test_a_list_is_made_once_and_only_when_looked_at() -> None:
    made: list[int] = []
    lazy = LazyList(lambda: (made.append(1), (1, 2, 3))[1])

    assert made == []
    assert lazy == (1, 2, 3)
    assert (len(lazy), lazy[0], lazy[1:], list(lazy)) == (3, 1, (2, 3), [1, 2, 3])
    assert made == [1]
    assert lazy != (1, 2)
    assert pickle.loads(pickle.dumps(lazy)) == copy.deepcopy(lazy) == (1, 2, 3)


@settings(deadline=None)
@given(rows=st.lists(st.dictionaries(st.text(max_size=6), PLAIN, max_size=3), max_size=4), notes=NOTES)
def test_a_report_comes_back_whatever_its_rows_and_notes_say(rows: Any, notes: Any) -> None:
    outcome = BenchmarkOutcome(metrics={}, rows=tuple(rows), notes=notes)
    report = MetricReport(benchmark="c", benchmark_key="b", semantics=1, outcome=outcome)

    stored = decode_report(encode_report("k", "d", report, None), "here")
    found = report_of(stored, "here").outcome

    assert found is not None
    assert found.rows == tuple(rows)
    assert found.notes == notes


@pytest.mark.parametrize("trap", ['],"notes":', '"rows":[', '],\\"notes\\":', "$float"])
def test_text_that_looks_like_a_border_of_the_list_does_no_harm(trap: str, records: Any) -> None:
    from dataclasses import replace

    report = records.report("c", rows=2)
    outcome = replace(
        report.outcome,
        rows=({"kind": trap, "error": 0.1}, {"kind": "b", "error": 0.2}),
        notes={"note": trap, trap: [trap]},
    )
    data = encode_report("k", "d", replace(report, outcome=outcome), None)

    found = report_of(decode_report(data, "here"), "here").outcome

    assert found is not None
    assert tuple(found.rows) == outcome.rows
    assert dict(found.notes) == dict(outcome.notes)


def test_a_lazy_training_is_the_training(records: Any) -> None:
    record = records.training("x", epochs=5)

    found = decode_training(encode_training(record), "here")

    assert found.summary.epochs == record.summary.epochs
    assert encode_training(found) == encode_training(record)


def test_a_table_of_a_thousand_cells_reads_no_fine_row(records: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store("memory:")
    training, report = records.training("x"), records.report("c", rows=9)
    store.record_training(training)
    store.record_report(training.train_key, training.summary.checkpoint_sha256, report)

    found = store.result(training.train_key)
    assert found is not None
    outcome = next(iter(found.reports.values())).outcome
    assert outcome is not None

    def forbidden(rows: object) -> None:
        raise AssertionError("fine rows were read")

    monkeypatch.setattr(LazyList, "items", property(forbidden))

    assert outcome.metrics["error"].n > 0
    with pytest.raises(AssertionError, match="fine rows"):
        outcome.rows[0]
