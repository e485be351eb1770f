"""The data of runs in MLflow itself: what a cell is trained on and what each result is measured on, with digests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestration.settings import sqlite_address
from orchestration.tracking.content.data import LONGEST_DIGEST, Datasets
from orchestration.tracking.sync import sync

MD5 = "6a652a46873d7e84a72119f1ec63c532"
OWN = "c" * 64


def with_files(cell: Any) -> Any:
    """A cell that is trained on a dataset with an outlier stream, and evaluated on it and on files of its own."""
    clean, pgd = cell.benchmarks
    digits = {"key": f"md5:{MD5}", "content": ""}
    corrupted = {"key": f"content:{OWN}", "content": OWN}
    absent = {"key": "pending", "content": ""}
    return replace(
        cell,
        files={"dataset 'digits'": digits, "outlier stream 'web'": absent},
        benchmarks=(
            replace(clean, files={"digits": digits}),
            replace(pgd, files={"Digits-C": corrupted, "digits": digits}),
        ),
    )


def test_runs_name_their_data_and_results_what_they_are_measured_on(store: Any, lab: Any, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    plan = lab.plan(seeds=1, methods=("pixmix",))
    cell = with_files(plan.cells[0])
    lab.finish(store, cell)
    uri = sqlite_address(tmp_path / "mlflow.db")
    for _ in range(2):
        done = sync(store, lab.done(replace(plan, cells=(cell,))), uri)
    client = MlflowClient(uri)

    (run,) = client.search_runs([done.experiment_id], "tags.kind = 'cell'")
    found = {
        (each.dataset.name, each.dataset.digest, each.tags[0].value): each.dataset for each in run.inputs.dataset_inputs
    }
    (model,) = client.search_logged_models([done.experiment_id])
    measured = {metric.key: (metric.dataset_name, metric.dataset_digest) for metric in model.metrics}

    assert found.keys() == {
        ("digits", MD5, "training"),
        ("digits (test)", MD5, "evaluation"),
        ("Digits-C", OWN[:LONGEST_DIGEST], "evaluation"),
    }
    assert "scikit-learn" in next(each.source for (name, _, _), each in found.items() if name == "digits")
    assert measured["clean/error"] == ("digits (test)", MD5)
    assert measured["pgd/error"] == ("Digits-C", OWN[:LONGEST_DIGEST])
    assert measured["cost/train_s"] == (None, None)
    by_data = [{"dataset_name": "Digits-C", "dataset_digest": OWN[:LONGEST_DIGEST]}]
    assert len(client.search_logged_models([done.experiment_id], "metrics.`pgd/error` < 1", datasets=by_data)) == 1


def test_data_of_unknown_content_are_left_out(lab: Any) -> None:
    cell = with_files(lab.cell("pixmix", 0))

    found = Datasets().data_of(cell)

    assert [(each.name, each.context, each.benchmarks) for each in found] == [
        ("digits", "training", ()),
        ("digits (test)", "evaluation", ("clean",)),
        ("Digits-C", "evaluation", ("pgd",)),
    ]


def test_an_imported_cell_of_an_unknown_dataset_has_no_image(lab: Any) -> None:
    assert Datasets().of("somebody's own") is None
