"""A plan looks at the checkpoints that it needs: a damaged one is reported, and its cell is trained again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from eval.report import BenchmarkOutcome, MetricValue
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.cell import Plan
from orchestration.cells.resolve import resolve_sweep
from orchestration.cli.verbs.plan import plan_document, plan_text
from orchestration.planning.plan import make_plan
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from orchestration.sweeps.expand import expand
from orchestration.sweeps.model import Sweep
from orchestration.sweeps.schema import parse_document
from orchestration.sweeps.yaml_reader import Document
from tests.fakes.records import make_report, make_training
from trainers.training.checkpoints import Checkpoints

ONE = ({"row": "A", "method": "baseline"},)
CHILD = ({"row": "B", "method": "cutout", "init_from": {"method": "baseline"}},)


def sweep_of(cells: Sequence[dict[str, Any]], *columns: str) -> Sweep:
    value = {
        "name": "s",
        "title": "S",
        "base": {"dataset": "digits", "model": "wrn-10-1", "recipe": "digits"},
        "axes": {"cells": list(cells)},
        "table": {"columns": list(columns) or ["clean/error"]},
    }
    file, mistakes = parse_document(Document(value, {}))
    assert file is not None, mistakes
    sweep, found = expand(file, Document(value, {}))
    assert not found, found
    return sweep


class Storage:
    """A storage in which cells are recorded as a run records them."""

    def __init__(self, folder: Path) -> None:
        self.uri, self.checkpoints = folder / "storage", str(folder / "storage" / "checkpoints")

    @property
    def store(self) -> FileStore:
        return open_store(self.uri)

    def plan(self, sweep: Sweep) -> Plan:
        return make_plan(resolve_sweep(sweep, builtin_catalogue()), store=self.store, checkpoints=self.checkpoints)

    def record(self, plan: Plan) -> None:
        for cell in plan.to_run:
            state = {"model": {"w": torch.zeros(3)}, "environment": {}}
            final = Checkpoints(self.checkpoints, cell.train_key).save_final(state)
            reports = [
                make_report(request, BenchmarkOutcome(metrics={"error": MetricValue(0.5, 10)}))
                for request in cell.missing
            ]
            record = make_training(
                cell.train_key,
                checkpoint_sha256=final.sha256,
                checkpoint_uri=final.uri,
                environment={"checkpoint_etag": final.etag},
            )
            self.store.record_cell(record, reports)

    def final(self, key: str) -> Path:
        return Path(self.checkpoints) / key / "final.ckpt"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "one bit": flip,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_of_a_cell_with_a_benchmark_to_do_is_trained_again(
    storage: Storage, damage: Callable[[Path], object]
) -> None:
    storage.record(storage.plan(sweep_of(ONE)))
    grown = sweep_of(ONE, "clean/error", "pgd/error")
    (whole,) = storage.plan(grown).cells
    assert (whole.trained, whole.retrained) == (True, "")

    damage(storage.final(whole.train_key))

    plan = storage.plan(grown)
    (cell,) = plan.cells
    assert (cell.trained, cell.is_done) == (False, False)
    assert [request.name for request in cell.missing] == ["pgd"], "what is recorded of its weights still counts"
    counts = plan_document(plan, grown, ["damaged"])["counts"]
    assert (counts["to_train"], counts["to_train_again"], counts["to_evaluate"]) == (1, 1, 0)
    text = plan_text(plan, grown, ["damaged"])
    assert "to run: 1 cell (1 to train, 1 of them again, 0 to evaluate only)" in text
    assert f"cell {cell.cell_id} is trained again: its final checkpoint {storage.final(cell.train_key)} is" in text


def test_a_checkpoint_that_nothing_needs_is_not_looked_at(storage: Storage) -> None:
    sweep = sweep_of(ONE)
    storage.record(storage.plan(sweep))
    storage.final(storage.plan(sweep).cells[0].train_key).unlink()
    assert storage.plan(sweep).to_run == ()


def test_a_damaged_parent_is_trained_again_before_its_child(storage: Storage) -> None:
    sweep = sweep_of(CHILD)
    parent = storage.plan(sweep).cells[0]
    storage.record(storage.plan(sweep_of(ONE)))
    assert [cell.cell.row for cell in storage.plan(sweep).to_run] == ["B"]

    flip(storage.final(parent.train_key))

    first, second = storage.plan(sweep).to_run
    assert (first.train_key, bool(first.retrained)) == (parent.train_key, True)
    assert second.cell.row == "B"


def test_a_child_to_train_again_has_its_damaged_parent_trained_again_too(storage: Storage) -> None:
    storage.record(storage.plan(sweep_of(CHILD)))
    grown = sweep_of(CHILD, "clean/error", "pgd/error")
    keys = [cell.train_key for cell in storage.plan(sweep_of((*ONE, *CHILD))).cells]
    flip(storage.final(keys[0]))
    assert [cell.cell.row for cell in storage.plan(grown).to_run] == ["B"], "a trained child needs no parent"
    flip(storage.final(keys[1]))
    assert [bool(cell.retrained) for cell in storage.plan(grown).to_run] == [True, True]
