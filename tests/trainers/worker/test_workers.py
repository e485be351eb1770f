"""Jobs on real processes over gloo: the number of workers changes rounding only, for every method and after every resume."""

from pathlib import Path
from typing import Any

import pytest

from augment.registry import METHODS
from tests.trainers.ranks import run_ranks

JOBS = """
    import dataclasses
    from augment.compound import method_for
    from eval.benchmarks.contract import BenchmarkRequest
    from trainers.config import JobConfig, MixingSetConfig, RecipeConfig
    from trainers.errors import JobStopped
    from trainers.job import JobPaths, JobRequest
    from trainers.training.group import OneWorker
    from trainers.worker.run_job import run_job

    # A step along the sign of a gradient turns rounding into a change of pixels as large as the radius: with 8/255, a relative
    # change of 1e-7 in every gradient of one worker moves a loss by 1e-4. With a small radius rounding stays small.
    SMALL = {"epsilon": 1 / 255, "step_size": 0.25 / 255}
    SHORT = {
        "ant": {"retrain_steps": 2}, "edsr": {"train_steps": 2}, "sin": {"train_steps": 2}, "adversarial-linf": SMALL,
    }

    class Sink:
        '''Asks every rank for a stop after some of the steps, and forgets all else.'''
        def __init__(self, stop_after=None):
            self._asked, self._stop_after = 0, stop_after

        def stop_requested(self):
            self._asked += 1
            return self._asked == self._stop_after

        def epoch(self, *values): pass
        def progress(self, *values): pass
        def trained(self, *values): pass
        def benchmark(self, *values): pass

    def job(method="baseline", *, where, benchmarks=(), recipe=None, model="wrn-10-1"):
        spec = method_for(method)
        values = {"epochs": 2, "batch_size": 16, "batch_shards": 4, "train_images": 35, "crop_padding": 2, "lr": 0.05}
        config = JobConfig(
            method=method, method_params=SHORT.get(method, {}), dataset="digits", model=model,
            recipe=RecipeConfig(**{**values, **(recipe or {})}), seed=3,
            model_params={"dropout": 0.3 if model == "wrn-10-1" else 0.0},
            mixing_set=MixingSetConfig(name="fractals", num_images=6, image_size=36, num_channels=1)
            if spec.needs_mixing_set else None,
            outliers="digits" if spec.needs_outliers else None,
        )
        return JobRequest(
            train_key="ab" * 32, config=config, threads=1, benchmarks=benchmarks,
            paths=JobPaths(checkpoints=str(where), data_root=str(folder), cache_dir=str(folder / "cache")),
        )

    def run(request, workers=group, sink=None):
        done = run_job(request, group=workers, sink=sink or Sink())
        facts = done.training
        return {
            "weights": facts.environment["weights_sha256"], "losses": [row.loss for row in facts.epochs],
            "accuracies": [row.accuracy for row in facts.epochs], "resumed": facts.resumed_from_step,
            "workers": facts.environment["workers_from_step"],
            "errors": [report.outcome.metrics["error"].value for report in done.reports],
        }
"""

ONE_JOB = """
    clean = (BenchmarkRequest(name="clean", params={}, key="clean"),)
    request = job(
        where=folder / "checkpoints", benchmarks=clean, recipe=options.get("recipe"),
        model=options.get("model", "wrn-10-1"),
    )
    result = run(request)
"""

STRETCH = """
    try:
        result = run(job(where=options["where"]), sink=Sink(options["stop_after"]))
    except JobStopped as stopped:
        result = str(stopped)
"""

EVERY_METHOD = """
    result = {}
    for method in options["methods"]:
        straight = run(job(method, where=folder / method / "straight"))
        try:
            run(job(method, where=folder / method / "stopped"), sink=Sink(stop_after=4))
        except JobStopped:
            resumed = run(job(method, where=folder / method / "stopped"))
        # In the same processes: the second rank computes it for itself.
        alone = run(job(method, where=folder / method / f"alone-{rank}"), workers=OneWorker(torch.device("cpu")))
        result[method] = {"straight": straight, "resumed": resumed, "alone": alone}
"""


def train(folder: Path, workers: int, **options: Any) -> dict[str, Any]:
    """Train and evaluate on so many workers; return what all of them agree on."""
    ranks = run_ranks(folder, JOBS + ONE_JOB, workers, **options)
    assert all(found == ranks[0] for found in ranks)
    found: dict[str, Any] = ranks[0]
    return found


def check_same_within_rounding(one: dict[str, Any], other: dict[str, Any], tolerance: float = 1e-4) -> None:
    assert other["losses"] == pytest.approx(one["losses"], rel=tolerance)
    assert other["accuracies"] == pytest.approx(one["accuracies"], abs=1 / 35)
    assert other["errors"] == pytest.approx(one["errors"], abs=3 / 355)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one worker comes to."""
    return train(tmp_path_factory.mktemp("alone") / "1", 1)


@pytest.mark.ddp
@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_workers_come_to_the_same_as_one_within_rounding(
    tmp_path: Path, alone: dict[str, Any], workers: int
) -> None:
    check_same_within_rounding(alone, train(tmp_path / "several", workers))


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=pytest.mark.long)])
def test_the_same_number_of_workers_repeats_bit_by_bit(tmp_path: Path, workers: int) -> None:
    first, second = (train(tmp_path / name, workers) for name in ("first", "second"))
    assert first == second


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.long
def test_gradients_in_bf16_come_to_the_same_on_any_number_of_workers_within_their_tolerance(tmp_path: Path) -> None:
    one, two, four = (
        train(tmp_path / str(workers), workers, recipe={"gradient_compression": "bf16"}) for workers in (1, 2, 4)
    )
    check_same_within_rounding(one, two, tolerance=1e-2)
    check_same_within_rounding(one, four, tolerance=1e-2)
    assert one["weights"] != two["weights"]


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_compiled_network_trains_on_two_workers_to_the_same_within_rounding(tmp_path: Path) -> None:
    short = {"epochs": 1, "train_images": 16, "batch_shards": 2}
    plain, compiled = (
        train(tmp_path / str(is_on), 2, timeout_s=400, model="small-cnn", recipe={**short, "compile": is_on})
        for is_on in (False, True)
    )
    check_same_within_rounding(plain, compiled)


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cell_goes_on_with_another_number_of_workers(tmp_path: Path, alone: dict[str, Any]) -> None:
    where = str(tmp_path / "checkpoints")
    stretches = [(4, 2), (2, 2), (1, None)]
    ranks = [
        run_ranks(tmp_path / f"on-{workers}", JOBS + STRETCH, workers, where=where, stop_after=stop_after)
        for workers, stop_after in stretches
    ]
    assert ranks[0] == ["asked to stop; step 2 of 6 is saved"] * 4
    assert ranks[1] == ["asked to stop; step 4 of 6 is saved"] * 2
    (last,) = ranks[2]
    assert last["resumed"] == 4
    assert last["workers"] == [[0, 4], [2, 2], [4, 1]]
    check_same_within_rounding(alone, {**last, "errors": alone["errors"]})


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_method_trains_and_resumes_on_two_workers(tmp_path: Path) -> None:
    methods = [*METHODS, "pixmix+cutmix", "pixmix+oe"]
    ranks = run_ranks(tmp_path / "two", JOBS + EVERY_METHOD, 2, timeout_s=1500, methods=methods)
    for method, found in ranks[0].items():
        assert found["straight"] == {**ranks[1][method]["straight"]}, method
        assert found["resumed"] == {**found["straight"], "resumed": 4}, method
        assert found["straight"]["losses"] == pytest.approx(found["alone"]["losses"], rel=1e-3), method
