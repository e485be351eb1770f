"""The ledger: what cells took next to what was estimated, in the table and on a single cell."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.report import BenchmarkOutcome, MetricValue
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.planning.costs.actual import cell_ledger, ledger, ledger_text
from orchestration.planning.costs.machines import read_machine
from orchestration.planning.costs.operations import CostModel, image_flops
from orchestration.store.open import open_store
from tests.fakes.records import make_report, make_training

ACTUAL_S = 3600.0
EVALUATED_S = 360.0
PASSES = 5000


@pytest.fixture
def storage(tmp_path: Path) -> str:
    """A store in which the first cell of `demo` in smoke size is recorded."""
    store = open_store(tmp_path)
    cell = load_sweep("demo", size="smoke").cells[0]
    recipe = {"epochs": cell.config.recipe.epochs, "train_images": cell.config.recipe.train_images}
    config = {"dataset": "digits", "model": "wrn-10-1", "method": "baseline", "recipe": recipe}
    store.record_training(
        make_training(cell.train_key, wall_s=ACTUAL_S, device_s=ACTUAL_S, config=config, recorded_at=1.0)
    )
    request = cell.benchmarks[0]
    outcome = BenchmarkOutcome(metrics={"error": MetricValue(0.1, 100)}, forward_passes=PASSES)
    report = make_report(request, outcome, wall_s=EVALUATED_S)
    store.record_report(cell.train_key, "d" * 64, report)
    return str(tmp_path)


def test_the_table_says_what_its_cells_cost_beside_the_estimate(
    storage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", "demo", "--smoke", "--storage", storage, "--format", "markdown", "--cost"]) == 0

    caught = capsys.readouterr()
    assert "cost of 1 recorded cell: 66 min of device time (60 min training, 6 min evaluation)" in caught.err
    assert "estimated from operation counts for cpu-core" in caught.err
    assert "cost of" not in caught.out


def test_a_table_without_the_option_has_no_cost(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "demo", "--smoke", "--storage", storage]) == 0

    assert "cost of" not in capsys.readouterr().err


def test_a_single_cell_shows_the_precision_of_its_training(
    storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (key,) = open_store(storage).train_keys()
    other = open_store(tmp_path / "other")
    other.record_training(make_training(key, environment={"device_type": "cuda", "precision": "tf32"}))

    for where, ending in ((storage, "of device time"), (str(tmp_path / "other"), "of device time, tf32")):
        assert main(["cells", "show", key[:12], "--storage", where]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert next(line for line in lines if line.startswith("trained in")).endswith(ending)


def test_a_single_cell_shows_rates_in_percent_as_tables_do(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(storage)
    key = store.train_keys()[0]
    outcome = BenchmarkOutcome(metrics={"mt5d": MetricValue(0.25, 9), "of-nobody": MetricValue(0.5, 9)})
    store.record_report(key, "d" * 64, make_report(BenchmarkRequest(name="p", params={}, key="e" * 64), outcome))

    assert main(["cells", "show", key[:12], "--storage", storage]) == 0

    rows = [line.split()[:4] for line in capsys.readouterr().out.splitlines()]
    assert ["clean", "error", "10.00", "%"] in rows
    assert ["p", "mt5d", "0.2500", "9"] in rows
    assert ["p", "of-nobody", "0.5000", "9"] in rows


def test_a_single_cell_shows_actual_beside_estimated(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    key = open_store(storage).train_keys()[0]

    assert main(["cells", "show", key[:12], "--storage", storage]) == 0
    text = capsys.readouterr().out
    assert main(["cells", "show", key[:12], "--storage", storage, "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)["cost"]

    assert ledger_text(cost) in text
    assert cost["train_s"]["actual"] == ACTUAL_S
    assert cost["evaluation_s"]["actual"] == EVALUATED_S
    rate = read_machine().tflops * 1e12
    per_image = image_flops("wrn-10-1", builtin_catalogue().dataset("digits"))
    assert per_image is not None
    assert cost["evaluation_s"]["estimate"] == pytest.approx(PASSES * per_image / rate)


def test_a_cell_is_estimated_the_same_by_itself_and_in_its_sweep(storage: str) -> None:
    catalogue, store = builtin_catalogue(), open_store(storage)
    cells = load_sweep("demo", size="smoke").cells
    results = store.results([cell.train_key for cell in cells])
    (result,) = results.values()

    alone, together = cell_ledger(result), ledger(cells, results, catalogue)

    assert alone is not None
    estimate = read_machine().seconds(CostModel().training(cells[0].config, catalogue.dataset("digits")))
    assert alone["train_s"] == together["train_s"] == {"actual": ACTUAL_S, "estimate": pytest.approx(estimate)}


def test_a_cell_on_a_dataset_that_is_gone_has_no_ledger(storage: str) -> None:
    from dataclasses import replace

    (result,) = (store := open_store(storage)).results(store.train_keys()).values()
    provenance = msgspec.structs.replace(result.training.provenance, config={"dataset": "gone"})

    assert cell_ledger(replace(result, training=replace(result.training, provenance=provenance))) is None


def test_what_a_network_of_unknown_cost_took_is_left_out_of_the_ratio(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.planning.costs.operations.network_size", lambda *_: (None, None))
    cells = load_sweep("demo", size="smoke").cells

    made = ledger(cells, open_store(storage).results([cell.train_key for cell in cells]), builtin_catalogue())

    assert made["ratio"] is None
    assert made["train_s"] == {"actual": ACTUAL_S, "estimate": 0.0}
    assert "66 min of device time" in ledger_text(made)
    assert "the operations of model 'wrn-10-1' are unknown" in ledger_text(made)


def test_a_cell_whose_training_was_adopted_is_not_said_to_be_cheaper_than_estimated(storage: str) -> None:
    made = ledger(
        (cells := load_sweep("demo", size="smoke").cells),
        open_store(storage).results([cell.train_key for cell in cells]),
        builtin_catalogue(),
    )
    nothing = {kind: {**made[kind], "actual": 0.0} for kind in ("train_s", "evaluation_s")}

    said = ledger_text({**made, **nothing, "ratio": 0.0})

    assert said == "1 recorded cell cost nothing here: adopted or imported, and not evaluated yet"
