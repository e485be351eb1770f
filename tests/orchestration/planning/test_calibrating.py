"""Calibrations: a few steps and images of each kind, kept by machine, and used where nothing is recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import full_params
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.cell import Plan
from orchestration.cells.load import load_sweep
from orchestration.cli.main import main
from orchestration.errors import InputError
from orchestration.evaluation.calibrate import Calibration, calibrate
from orchestration.evaluation.short_jobs import shortened, smaller
from orchestration.planning.costs.estimate import estimate
from orchestration.planning.costs.machines import Machine, read_machine
from orchestration.planning.costs.operations import passes_of
from orchestration.planning.plan import make_plan
from orchestration.settings import read_settings
from orchestration.store.contract import CorruptRecordError, MeasuredSeconds, ResultsStore
from orchestration.store.measured import NOTHING_MEASURED
from orchestration.store.open import open_store

SWEEP = """
name: two-methods
title: Two methods
base: {dataset: digits, model: wrn-10-1, recipe: cifar, train: {epochs: 3}, mixing_set: fvis}
axes:
  cells: [{method: baseline}, {method: pixmix}]
seeds: [0, 1]
table:
  columns: [clean/error, pgd/error]
"""
TRAINED = {("digits", "wrn-10-1", "baseline", "tf32"), ("digits", "wrn-10-1", "pixmix", "tf32")}
EVALUATED = {("digits", "wrn-10-1", "clean", "fp32"), ("digits", "wrn-10-1", "pgd", "fp32")}


@pytest.fixture(scope="module")
def sweep_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "two-methods.yaml"
    path.write_text(SWEEP)
    return path


@pytest.fixture(scope="module")
def plan(sweep_path: Path) -> Plan:
    return make_plan(load_sweep(str(sweep_path)), store=open_store("memory:"))


@pytest.fixture(scope="module")
def measured(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    folder = tmp_path_factory.mktemp("calibration")
    settings = read_settings(storage=str(folder), data_root=folder / "data", cache_dir=folder / "cache", environment={})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("orchestration.evaluation.calibrate.TRAINING_S", 0.2)
        patched.setattr("orchestration.evaluation.calibrate.ROUNDS", 1)
        return calibrate(
            plan.to_run, known=NOTHING_MEASURED, machine=read_machine(), settings=settings, notify=lambda _: None
        )


def calibrated(store: ResultsStore, machine: str) -> MeasuredSeconds:
    """Return what calibrations teach, all of which must be whole."""
    damaged: list[CorruptRecordError] = []
    found = store.calibrated(machine, damaged.append)
    assert not damaged
    return found


def test_every_kind_of_cell_is_timed_once_and_parents_are_not_needed(measured: Calibration) -> None:
    assert set(measured.measured.training) == TRAINED
    assert set(measured.measured.evaluation) == EVALUATED
    assert not measured.skipped
    assert all(1e-6 < seconds < 1 for seconds in measured.measured.training.values())
    assert all(1e-7 < seconds < 1 for seconds in measured.measured.evaluation.values())


def test_plans_on_the_same_machine_use_a_calibration_and_say_so(plan: Plan, measured: Calibration) -> None:
    store, catalogue = open_store("memory:"), builtin_catalogue()
    store.record_calibration("cpu-core", measured.hardware, measured.measured)

    here = estimate(plan, store=store, catalogue=catalogue, machine=read_machine())
    elsewhere = estimate(plan, store=store, catalogue=catalogue, machine=read_machine("t4"))

    assert here.by_source() == {"calibration": len(plan.to_run)}
    assert here.calibrated_on == (measured.hardware,)
    assert elsewhere.by_source() == {"operations": len(plan.to_run)}
    pixmix = next(cell for cell in plan.to_run if cell.config.method == "pixmix")
    cost = next(cell for cell in here.cells if cell.train_key == pixmix.train_key)
    per_image = measured.measured.training["digits", "wrn-10-1", "pixmix", "tf32"]
    assert cost.train_s == pytest.approx(3 * catalogue.dataset("digits").num_train * per_image)


def test_kinds_that_recorded_cells_tell_of_are_not_timed(plan: Plan, tmp_path: Path) -> None:
    known = MeasuredSeconds(training=dict.fromkeys(TRAINED, 1.0), evaluation=dict.fromkeys(EVALUATED, 1.0))
    settings = read_settings(storage=str(tmp_path), data_root=tmp_path, cache_dir=tmp_path, environment={})

    found = calibrate(plan.to_run, known=known, machine=read_machine(), settings=settings, notify=lambda _: None)

    assert found.measured == NOTHING_MEASURED


def test_missing_data_are_named_and_the_other_kinds_are_timed(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.evaluation.calibrate.TRAINING_S", 0.2)
    settings = read_settings(storage=str(tmp_path), data_root=tmp_path, cache_dir=tmp_path / "cache", environment={})
    cell = next(cell for cell in plan.to_run if cell.config.method == "baseline" and not cell.supporting)
    lacking = replace(cell, config=replace(cell.config, dataset="cifar-10"), dataset_identity="")
    known = MeasuredSeconds(evaluation=dict.fromkeys(EVALUATED, 1.0))

    found = calibrate([lacking, cell], known=known, machine=read_machine(), settings=settings, notify=lambda _: None)

    assert set(found.measured.training) == {("digits", "wrn-10-1", "baseline", "tf32")}
    assert "cifar-10" in found.skipped["cifar-10, wrn-10-1, baseline, tf32"]


def test_a_machine_with_other_devices_is_refused(plan: Plan, tmp_path: Path) -> None:
    machine = Machine(name="box", devices=1, price_per_hour=0, tflops=1, currency="", device_type="cuda")
    settings = read_settings(storage=str(tmp_path), environment={})

    with pytest.raises(InputError, match=r"'box' has devices of the type cuda, but this process computes on cpu"):
        calibrate(plan.to_run, known=NOTHING_MEASURED, machine=machine, settings=settings, notify=lambda _: None)


def test_newer_calibrations_replace_older_ones_of_the_same_kind_only() -> None:
    store = open_store("memory:")
    kinds = [("digits", "a", "x", "tf32"), ("digits", "a", "x", "bf16")]
    store.record_calibration("mine", "this CPU", MeasuredSeconds(training={kinds[0]: 1.0, kinds[1]: 2.0}))
    store.record_calibration("mine", "this CPU", MeasuredSeconds(training={kinds[0]: 3.0}, evaluation={kinds[0]: 4.0}))

    found = calibrated(store, "mine")

    assert found.training == {kinds[0]: 3.0, kinds[1]: 2.0}
    assert found.evaluation == {kinds[0]: 4.0}
    assert found.hardware == ("this CPU",)
    assert calibrated(store, "other") == NOTHING_MEASURED


def test_of_two_kinds_of_hardware_under_one_name_the_last_measured_counts() -> None:
    store = open_store("memory:")
    kind = ("digits", "a", "x", "tf32")
    store.record_calibration("mine", "old", MeasuredSeconds(training={kind: 1.0}))
    store.record_calibration("mine", "new", MeasuredSeconds(training={kind: 2.0}))

    assert calibrated(store, "mine").training == {kind: 2.0}
    assert set(calibrated(store, "mine").hardware) == {"old", "new"}


def test_a_damaged_calibration_is_reported_and_the_plan_goes_on_without_it(
    sweep_path: Path, plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, kind = open_store(tmp_path / "storage"), ("digits", "wrn-10-1", "baseline", "tf32")
    store.record_calibration("cpu-core", "cpu", MeasuredSeconds(training={kind: 1.0}))
    path = next((tmp_path / "storage" / "calibrations" / "cpu-core").iterdir())
    path.write_bytes(path.read_bytes()[:-10])

    cost = estimate(plan, store=store, catalogue=builtin_catalogue(), machine=read_machine())
    code = main(
        ["plan", str(sweep_path), "--storage", str(tmp_path / "storage"), "--data-root", str(tmp_path), "--json"]
    )
    shown = capsys.readouterr()
    store.record_calibration("cpu-core", "cpu", MeasuredSeconds(training={kind: 2.0}))

    assert cost.by_source() == {"operations": len(plan.to_run)}
    assert [str(path) in line for line in cost.not_whole] == [True]
    assert code == 0
    assert f"estimated without damaged records: {cost.not_whole[0]}" in shown.err
    assert json.loads(shown.out)["cost"]["estimated_from"] == {"operations": len(plan.to_run)}
    assert calibrated(store, "cpu-core").training == {kind: 2.0}, "measuring again writes over it"


def test_a_short_job_keeps_batches_whole_and_needs_no_other_cell(plan: Plan) -> None:
    cell = next(cell for cell in plan.to_run if cell.config.method == "pixmix")
    dataset = builtin_catalogue().dataset("digits")

    config = shortened(replace(cell.config, init_from="f" * 64), dataset, steps=31)

    assert config.recipe.train_images is not None
    assert config.recipe.train_images % config.recipe.batch_size == 0
    assert config.recipe.epochs * config.recipe.train_images // config.recipe.batch_size >= 31
    assert config.init_from is None
    assert config.mixing_set is not None
    assert "parents" not in config.mixing_set.params
    assert config.method_params == cell.config.method_params


def test_short_benchmarks_cost_a_small_share_of_whole_ones() -> None:
    dataset = builtin_catalogue().dataset("cifar-10")
    for name in ("c-generated", "p-generated", "pgd", "cbar-generated"):
        params = full_params(name, {})
        whole = BenchmarkRequest(name=name, params=params, key="k")

        assert passes_of(smaller(whole), dataset).forward < 0.01 * passes_of(whole, dataset).forward


def test_the_verb_measures_first_and_later_plans_know(
    sweep_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def quick(*_: object, **__: object) -> Calibration:
        return Calibration(
            hardware="a CPU",
            measured=MeasuredSeconds(training=dict.fromkeys(TRAINED, 0.5)),
            skipped={"digits, wrn-10-1, evaluation, fp32": "no test images"},
        )

    monkeypatch.setattr("orchestration.evaluation.calibrate.calibrate", quick)
    options = [str(sweep_path), "--storage", str(tmp_path / "storage"), "--data-root", str(tmp_path), "--json"]

    assert main(["plan", *options, "--calibrate"]) == 0
    first = capsys.readouterr()
    assert main(["plan", *options]) == 0
    later = json.loads(capsys.readouterr().out)["cost"]

    assert "not calibrated: digits, wrn-10-1, evaluation, fp32: no test images" in first.err
    assert json.loads(first.out)["cost"] == later
    assert list(later["estimated_from"].items()) == [("calibration", 4), ("operations", 4)]
    assert later["calibrated_on"] == ["a CPU"]
