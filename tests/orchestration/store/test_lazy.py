"""Long lists of records are read when somebody looks, and nothing else about them changes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.store import open_store
from orchestration.store.format.codec import decode_report, decode_training, encode_report, encode_training
from orchestration.store.format.lazy import LazyList, without_list
from orchestration.store.format.plain import from_json, to_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


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
@given(rows=st.lists(st.dictionaries(st.text(max_size=6), PLAIN, max_size=3), max_size=4), notes=PLAIN, head=PLAIN)
def test_a_cut_body_is_the_body_or_nothing(rows: Any, notes: Any, head: Any) -> None:
    body = {"head": head, "rows": rows, "notes": notes, "end": 1}
    text = to_json(body).encode()

    cut = without_list(text, "rows", "notes")

    if cut is not None:
        assert {**cut[0], "rows": from_json(cut[1], "")} == from_json(text, "")


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

    found = decode_report(data, "here", None, is_checked=True).report.outcome

    assert found is not None
    assert tuple(found.rows) == outcome.rows
    assert dict(found.notes) == dict(outcome.notes)


def test_a_lazy_training_is_the_training(records: Any) -> None:
    record = records.training("x", epochs=5)

    found = decode_training(encode_training(record), "here", is_checked=True)

    assert found.summary.epochs == record.summary.epochs
    assert encode_training(found) == encode_training(record)


def test_a_table_of_a_thousand_cells_reads_no_fine_row(records: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store("memory:")
    training, report = records.training("x"), records.report("c", rows=9)
    store.record_training(training)
    store.record_report(training.train_key, training.summary.checkpoint_sha256, report)

    def forbidden(*_: object) -> None:
        raise AssertionError("fine rows were read")

    monkeypatch.setattr("orchestration.store.format.codec._rows", forbidden)
    found = store.result(training.train_key)

    assert found is not None
    assert next(iter(found.reports.values())).outcome.metrics["error"].n > 0  # type: ignore[union-attr]
