"""Estimates: operations where nothing is known, recorded times where something is, and prices from a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import full_params
from eval.inference.precision import EvaluationPrecision
from eval.report import BenchmarkOutcome, MetricReport, MetricValue
from orchestration.cells.catalogue import Catalogue, builtin_catalogue
from orchestration.cells.cell import Plan
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.errors import InputError
from orchestration.planning.costs import operations
from orchestration.planning.costs.estimate import PlanCost, estimate, schedule_stages
from orchestration.planning.costs.machines import PRICE_FILE, read_machine
from orchestration.planning.costs.operations import CostModel, image_flops, passes_of, weights_of
from orchestration.planning.plan import make_plan
from orchestration.store.contract import CellResult, ResultsStore, TrainingRecord
from orchestration.store.measured import measured_seconds_of
from orchestration.store.open import open_store
from orchestration.sweeps.model import Workers
from orchestration.sweeps.overrides import parse_overrides
from tests.fakes.records import make_training
from trainers.worker.devices import installed_wheel


def scheduled(plan: Plan, store: ResultsStore, catalogue: Catalogue) -> dict[str, float]:
    stages = schedule_stages(plan, store=store, catalogue=catalogue)
    return {key: sum(each.values()) for key, each in stages.items()}


def plan_of(name: str, store: ResultsStore, size: str = "full") -> Plan:
    return make_plan(load_sweep(name, size=size), store=store)  # type: ignore[arg-type]


def recorded(config: dict[str, object], *, device_s: float, evaluated_s: float) -> CellResult:
    outcome = BenchmarkOutcome(metrics={"error": MetricValue(0.1, 10)}, forward_passes=1000)
    report = MetricReport(benchmark="clean", benchmark_key="k", semantics=1, outcome=outcome, wall_s=evaluated_s)
    return CellResult(
        train_key="t",
        training=make_training("t", checkpoint_sha256="d", wall_s=device_s, device_s=device_s, config=config),
        reports={"k": report},
    )


def test_a_wide_resnet_is_as_large_as_published() -> None:
    cifar = builtin_catalogue().dataset("cifar-100")

    assert image_flops("wrn-40-4", cifar) == pytest.approx(2 * 1.30e9, rel=0.01)
    assert weights_of("wrn-40-4", cifar) == pytest.approx(8.95e6, rel=0.01)


def test_a_published_cifar_training_is_as_many_operations_as_published() -> None:
    cell = plan_of("table-3", open_store("memory:")).cells[0]

    assert CostModel().training(cell.config, builtin_catalogue().dataset("cifar-100")) == pytest.approx(
        3.9e16, rel=0.02
    )


def test_folders_of_outliers_are_counted_where_they_are(tmp_path: Path) -> None:
    request = BenchmarkRequest(name="ood", params=full_params("ood", {"sets": ["folder:art", "digits"]}), key="k")
    (tmp_path / "art").mkdir()
    for number in range(7):
        (tmp_path / "art" / f"{number}.png").write_bytes(b"")
    digits = builtin_catalogue().dataset("digits")

    assert passes_of(request, digits, tmp_path).forward == digits.num_test + 7


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the operations of every network unknown."""
    monkeypatch.setattr("orchestration.planning.costs.operations.network_size", lambda *_: (None, None))


@pytest.mark.usefixtures("uncounted")
def test_a_network_of_unknown_cost_is_never_free(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["plan", "demo", "--smoke", "--storage", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert main(["plan", "demo", "--smoke", "--storage", str(tmp_path), "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)["cost"]

    assert "at least 0 s (0 device-hours)" in text
    assert "the operations of model 'wrn-10-1' are unknown" in text
    assert "plan --calibrate" in text
    assert cost["is_lower_bound"]
    assert cost["estimated_from"] == {"unknown": 5}


def test_cells_start_by_their_operations_and_unknown_ones_as_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    store, catalogue = open_store("memory:"), builtin_catalogue()
    plan = plan_of("demo", store)
    first, *others = plan.cells
    small = replace(first, config=replace(first.config, model="wrn-10-1"), missing=())
    large = replace(others[0], config=replace(first.config, model="wrn-40-4"), missing=())
    mixed = replace(plan, cells=(small, large))
    flops = [CostModel().training(cell.config, catalogue.dataset(cell.config.dataset)) for cell in mixed.cells]

    seconds = scheduled(mixed, store=store, catalogue=catalogue)

    assert list(seconds.values()) == [read_machine().seconds(each) for each in flops]
    known = operations.network_size
    monkeypatch.setattr(
        operations, "network_size", lambda model, *rest: (None, None) if model == "wrn-10-1" else known(model, *rest)
    )
    assert len(set(scheduled(mixed, store=store, catalogue=catalogue).values())) == 1


def test_without_experience_operations_are_counted_and_said_so() -> None:
    store = open_store("memory:")

    cost = estimate(
        plan_of("table-3", store), store=store, catalogue=builtin_catalogue(), machine=read_machine("a100-x8")
    )

    assert cost.by_source() == {"operations": 8}
    assert 5 < cost.device_hours < 50
    longest = max(cell.train_s + cell.evaluation_s for cell in cost.cells) / 3600
    assert cost.wall_hours == pytest.approx(longest)
    assert longest > cost.device_hours / 8
    assert cost.money == pytest.approx(cost.device_hours / 8 * cost.machine.price_per_hour)
    assert cost.disk_bytes == pytest.approx(8 * 8.95e6 * 4, rel=0.02)


def test_wall_time_follows_the_devices_and_the_workers_of_a_cell() -> None:
    store, catalogue, machine = open_store("memory:"), builtin_catalogue(), read_machine("l4")
    sharded = load_sweep("table-10", overrides=parse_overrides(["train.batch_shards=6"]))
    plan = make_plan(sharded, store=store)

    def cost_on(devices: int, workers: Workers = 1) -> PlanCost:
        return estimate(plan, store=store, catalogue=catalogue, machine=machine, devices=devices, workers=workers)

    total = cost_on(1).device_hours
    longest = max(cell.train_s + cell.evaluation_s for cell in cost_on(1).cells) / 3600
    assert cost_on(1).wall_hours == pytest.approx(total)
    assert cost_on(3).wall_hours == pytest.approx(total / 3)
    assert cost_on(100).wall_hours == pytest.approx(longest)
    assert cost_on(100, workers=2).wall_hours == pytest.approx(longest / 2)
    assert cost_on(100, workers=6).wall_hours == pytest.approx(longest / 6)
    assert cost_on(100, workers="auto").wall_hours == pytest.approx(longest / 2)
    assert cost_on(100).money == pytest.approx(total * machine.price_per_hour)


def test_no_device_at_all_is_refused() -> None:
    store = open_store("memory:")

    with pytest.raises(InputError, match="--devices: must be at least 1, but got 0"):
        estimate(
            plan_of("table-10", store), store=store, catalogue=builtin_catalogue(), machine=read_machine(), devices=0
        )


def test_recorded_cells_of_the_same_kind_count_more() -> None:
    config = {
        "dataset": "digits",
        "model": "wrn-10-1",
        "method": "baseline",
        "recipe": {"epochs": 2, "train_images": 50},
    }

    measured = measured_seconds_of([recorded(config, device_s=10.0, evaluated_s=2.0)])

    assert measured.training == {("digits", "wrn-10-1", "baseline", "fp32"): pytest.approx(0.1)}
    assert measured.evaluation == {("digits", "wrn-10-1", "clean", "fp32"): pytest.approx(0.002)}


def test_cells_of_another_precision_are_another_kind() -> None:
    def cell(precision: str, device_s: float) -> CellResult:
        recipe = {"epochs": 1, "train_images": 100, "precision": precision}
        config = {"dataset": "digits", "model": "wrn-10-1", "method": "baseline", "recipe": recipe}
        return recorded(config, device_s=device_s, evaluated_s=device_s / 10)

    measured = measured_seconds_of([cell("bf16", 1.0), cell("tf32", 2.0), cell("fp32", 40.0)])

    assert {kind[3]: seconds for kind, seconds in measured.training.items()} == {
        "bf16": 0.01,
        "tf32": 0.02,
        "fp32": 0.4,
    }
    # Without a note: networks trained in bf16 were evaluated in it, all others in fp32; the upper of two medians counts.
    assert {kind[3]: seconds for kind, seconds in measured.evaluation.items()} == {"bf16": 1e-4, "fp32": 4e-3}


@pytest.mark.parametrize(("precision", "expected"), [("tf32", "recorded"), ("bf16", "operations")])
def test_an_estimate_takes_recorded_seconds_of_its_own_precision_only(precision: str, expected: str) -> None:
    store, catalogue = open_store("memory:"), builtin_catalogue()
    plan = plan_of("demo", store)
    first, other = plan.cells[:2]
    recipe = {"epochs": 1, "train_images": None, "precision": "tf32"}
    taught = recorded(
        {"dataset": "digits", "model": "wrn-10-1", "method": "baseline", "recipe": recipe},
        device_s=6.0,
        evaluated_s=2.0,
    )
    store.record_training(replace(taught.training, train_key=first.train_key))
    config = replace(other.config, recipe=replace(other.config.recipe, precision=precision))
    wanted = replace(plan, cells=(replace(other, config=config, missing=()),))

    (cost,) = estimate(wanted, store=store, catalogue=catalogue, machine=read_machine("a100-x8")).cells

    assert cost.sources == {expected}


def test_an_estimate_learns_from_the_store() -> None:
    store = open_store("memory:")
    plan = plan_of("demo", store)
    first = plan.cells[0]
    config = {
        "dataset": "digits",
        "model": "wrn-10-1",
        "method": "baseline",
        "recipe": {
            "epochs": first.config.recipe.epochs,
            "train_images": None,
            "precision": first.config.recipe.precision,
        },
    }
    taught = recorded(config, device_s=60.0, evaluated_s=2.0)
    summary, provenance = taught.training.summary, taught.training.provenance
    store.record_training(TrainingRecord(train_key=first.train_key, summary=summary, provenance=provenance))

    cost = estimate(plan_of("demo", store), store=store, catalogue=builtin_catalogue(), machine=read_machine())

    other_seed = cost.cells[1]
    assert other_seed.train_s == pytest.approx(60.0)
    assert other_seed.sources == {"recorded", "operations"}
    unmeasured = plan_of("demo", open_store("memory:"))
    assert scheduled(unmeasured, store=store, catalogue=builtin_catalogue()) == scheduled(
        unmeasured, store=open_store("memory:"), catalogue=builtin_catalogue()
    )  # seconds of a machine and operations of others cannot be compared


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("machines: {}", "unknown machine 'mine'"),
        ("{}", "must have `machines`"),
        ("machines: {mine: {devices: 1}}", "needs the numbers"),
        ("machines: {mine: {devices: 0, price_per_hour: 1, tflops: 1}}", "devices >= 1"),
        (
            "machines: {mine: {devices: 1, price_per_hour: 1, tflops: 1, tflops_tf32: 0}}",
            "tflops_tf32 of machine 'mine'",
        ),
        (
            "machines: {mine: {devices: 1, price_per_hour: 1, tflops: 1, tflops_bf16: x}}",
            "tflops_bf16 of machine 'mine'",
        ),
        ("machines: {mien: {devices: 1, price_per_hour: 1, tflops: 1}}", "did you mean 'mien'?"),
    ],
)
def test_a_mistaken_price_file_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)

    with pytest.raises(InputError) as caught:
        read_machine("mine", path)

    assert expected in str(caught.value)


def test_a_price_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="readable"):
        read_machine("mine", tmp_path / "none.yaml")


def test_the_packaged_prices_can_be_read() -> None:
    assert read_machine("a100-x8", PRICE_FILE).devices == 8


OLDEST_CAPABILITY = 7.5
"""Compute capability of the oldest GPU that the locked wheel of torch has code for."""

CAPABILITIES = {
    "p4": 6.1, "p100": 6.0, "k80": 3.7, "v100": 7.0, "t4": 7.5, "a100": 8.0, "a10g": 8.6, "a10": 8.6, "l4": 8.9, "l40s": 8.9,
    "h100": 9.0, "h200": 9.0, "b200": 10.0,
}  # fmt: skip
"""GPU -> compute capability (developer.nvidia.com/cuda-gpus)."""


def packaged_machines() -> list[str]:
    return list(yaml.safe_load(PRICE_FILE.read_text(encoding="utf-8"))["machines"])


@pytest.mark.parametrize("name", packaged_machines())
def test_the_locked_wheel_runs_on_every_machine_of_the_price_file(name: str) -> None:
    machine, gpu = read_machine(name), name.partition("-x")[0]

    capability = CAPABILITIES.get(gpu, 0.0)
    assert machine.device_type == "cpu" or capability >= OLDEST_CAPABILITY
    assert machine.device_type == "cpu" or installed_wheel().runs_on((int(capability), round(capability * 10) % 10))
    # TF32 and bf16 have tensor cores from compute capability 8.0 on, and are never slower than fp32 then.
    has_new_cores = machine.device_type == "cuda" and capability >= 8.0
    assert (machine.tflops_tf32 is not None, machine.tflops_bf16 is not None) == (has_new_cores, has_new_cores)
    if machine.tflops_tf32 is not None and machine.tflops_bf16 is not None:
        assert machine.tflops < machine.tflops_tf32 < machine.tflops_bf16


@pytest.mark.parametrize(
    ("rates", "precision", "expected"),
    [
        ("tflops: 2", "fp32", 2),
        ("tflops: 2", "tf32", 2),
        ("tflops: 2", "bf16", 2),
        ("tflops: 2, tflops_tf32: 4", "bf16", 4),
        ("tflops: 2, tflops_tf32: 4, tflops_bf16: 8", "fp32", 2),
        ("tflops: 2, tflops_tf32: 4, tflops_bf16: 8", "tf32", 4),
        ("tflops: 2, tflops_tf32: 4, tflops_bf16: 8", "bf16", 8),
        ("tflops: 2, tflops_bf16: 8", "tf32", 2),
    ],
)
def test_seconds_follow_the_precision_and_never_a_rate_the_file_does_not_name(
    tmp_path: Path, rates: str, precision: str, expected: float
) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(f"machines: {{mine: {{devices: 1, price_per_hour: 1, {rates}}}}}")

    assert read_machine("mine", path).seconds(1e12, precision) == 1 / expected


@pytest.mark.parametrize("evaluated_in", ["fp32", "tf32", "bf16"])
def test_an_estimate_takes_the_rate_of_the_recipe_for_training_and_that_of_the_evaluation_for_benchmarks(
    evaluated_in: EvaluationPrecision,
) -> None:
    store, catalogue, machine = open_store("memory:"), builtin_catalogue(), read_machine("a100-x8")
    plan = plan_of("table-10", store)
    (cell, *_), model = plan.to_run, CostModel()
    half = replace(
        cell,
        config=replace(cell.config, recipe=replace(cell.config.recipe, precision="bf16")),
        missing=tuple(replace(request, precision=evaluated_in) for request in cell.missing),
    )
    data = catalogue.dataset(cell.config.dataset)
    flops = [model.evaluation(request, cell.config, data) for request in cell.missing]

    (cost,) = estimate(replace(plan, cells=(half,)), store=store, catalogue=catalogue, machine=machine).cells

    assert cost.train_s == machine.seconds(model.training(cell.config, data), "bf16")
    assert cost.evaluation_s == pytest.approx(sum(machine.seconds(each, evaluated_in) or 0.0 for each in flops))
    assert machine.seconds(1.0, "bf16") < machine.seconds(1.0, "fp32")  # type: ignore[operator]


def test_a_method_that_trains_on_several_images_at_once_costs_as_many_passes() -> None:
    data = builtin_catalogue().dataset("cifar-100")
    once, thrice = (operations.training_flops(method, "wrn-40-4", 100.0, data) for method in ("baseline", "augmix-jsd"))

    assert once is not None
    assert thrice == pytest.approx(3.0 * once)


def test_backward_passes_of_an_attack_count_for_its_benchmark() -> None:
    data = builtin_catalogue().dataset("cifar-100")
    request = BenchmarkRequest(name="pgd", params=full_params("pgd", {}), key="k")
    passes, config = operations.passes_of(request, data), plan_of("table-3", open_store("memory:")).cells[0].config

    flops = CostModel().evaluation(request, config, data)
    image = image_flops("wrn-40-4", data)

    assert image is not None
    assert flops == pytest.approx(image * (passes.forward + 1.7 * passes.backward))
    assert passes.backward > 0


def test_a_cell_that_is_trained_costs_its_benchmarks_alone() -> None:
    store = open_store("memory:")
    plan = plan_of("demo", store, "smoke")
    cells = tuple(replace(cell, trained=True) for cell in plan.cells)

    cost = estimate(
        replace(plan, cells=cells), store=store, catalogue=builtin_catalogue(), machine=read_machine("cpu-core")
    )

    assert {cell.train_s for cell in cost.cells} == {0.0}
    assert all(cell.evaluation_s > 0 for cell in cost.cells)
