import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eval.benchmarks.contract import BenchmarkRequest
from eval.inference.subject import Subject
from trainers.config import MixingSetConfig
from trainers.datasets.load import shared_split
from trainers.datasets.registry import dataset_for
from trainers.errors import CheckpointError, CorruptData, ImpossibleJob, JobStopped
from trainers.job import JobRequest, JobResult
from trainers.models.normalize import Classifier, restore
from trainers.training.checkpoints import Checkpoints, pack, tensors_sha256
from trainers.training.group import OneWorker
from trainers.training.loop import Training
from trainers.training.networks import build_classifier, network_from, trained_networks
from trainers.worker import run_job as run_job_module
from trainers.worker.failure import describe_failure
from trainers.worker.process import ThreadBudget, thread_budget
from trainers.worker.run_job import run_job

SmallJob = Callable[..., JobRequest]
CLEAN = BenchmarkRequest(name="clean", params={}, key="clean-key")
ANOTHER = BenchmarkRequest(name="clean", params={}, key="another-key")


def run(request: JobRequest, sink: Any) -> JobResult:
    return run_job(request, group=OneWorker(torch.device("cpu")), sink=sink)


def weights_of(result: JobResult) -> str:
    return str(result.training.environment["weights_sha256"])


def test_fresh_job_trains_records_and_evaluates_in_this_order(small_job: SmallJob, sink: Any) -> None:
    request = dataclasses.replace(small_job(), benchmarks=(CLEAN,))
    result = run(request, sink)
    assert [event[0] for event in sink.events if event[0] != "progress"] == ["epoch", "epoch", "trained", "benchmark"]
    assert [row.epoch for row in result.training.epochs] == [0, 1]
    assert result.training.resumed_from_step is None
    (report,) = result.reports
    assert report.outcome is not None
    assert report.outcome.metrics["error"].n == 355
    assert sink.of("benchmark")[0][2] == result.training.checkpoint_sha256
    assert Path(result.training.checkpoint_uri).is_file()


def test_finished_job_is_only_evaluated(small_job: SmallJob, sink: Any, make_sink: Any) -> None:
    first = run(small_job(), sink)
    again = make_sink()
    second = run(dataclasses.replace(small_job(), benchmarks=(CLEAN,)), again)
    assert again.of("epoch") == []
    assert second.training == first.training
    assert len(second.reports) == 1


def test_stopped_job_goes_on_and_ends_bit_identical(small_job: SmallJob, sink: Any, make_sink: Any) -> None:
    straight = run(small_job(folder="straight"), sink)
    stopped = make_sink()
    calls = iter(range(100))
    stopped.stop_requested = lambda: next(calls) >= 1
    with pytest.raises(JobStopped):
        run(small_job(), stopped)
    resumed = run(small_job(), make_sink())
    assert resumed.training.resumed_from_step == 2
    assert weights_of(resumed) == weights_of(straight)
    assert [row.loss for row in resumed.training.epochs] == [row.loss for row in straight.training.epochs]


def test_truncated_checkpoint_costs_steps_but_changes_nothing(small_job: SmallJob, sink: Any, make_sink: Any) -> None:
    straight = run(small_job(folder="straight"), sink)
    stopped = make_sink()
    calls = iter(range(100))
    stopped.stop_requested = lambda: next(calls) >= 4
    request = small_job(checkpoint_every_s=0.0)
    with pytest.raises(JobStopped):
        run(request, stopped)
    newest = max(Path(request.paths.checkpoints).rglob("step-*.ckpt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = run(small_job(), make_sink())
    assert resumed.training.resumed_from_step == 4
    assert weights_of(resumed) == weights_of(straight)


def test_job_in_a_used_process_is_bit_identical_to_one_in_a_fresh_one(small_job: SmallJob, make_sink: Any) -> None:
    fresh = run(small_job(folder="fresh"), make_sink())
    run(small_job(folder="other", train_key="11" * 32, seed=99, model="small-cnn", model_params={}), make_sink())
    torch.manual_seed(123)
    torch.rand(17)
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("medium")
    torch.set_num_threads(3)
    torch.set_grad_enabled(False)
    torch.backends.mkldnn.set_flags(False)
    old = np.seterr(all="raise")
    try:
        used = run(small_job(folder="used"), make_sink())
    finally:
        np.seterr(**old)
    assert weights_of(used) == weights_of(fresh)


def test_training_has_the_precision_of_its_recipe_and_evaluation_fp32(
    small_job: SmallJob, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, Any] = {}
    train, evaluated = Training.run, run_job_module.evaluate

    def note(stage: str, go_on: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **options: Any) -> Any:
            found[stage] = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
            return go_on(*args, **options)

        return noted

    monkeypatch.setattr(Training, "run", note("training", train))
    monkeypatch.setattr(run_job_module, "evaluate", note("evaluation", evaluated))
    result = run(dataclasses.replace(small_job(recipe={"epochs": 1}), benchmarks=(CLEAN,)), sink)

    assert found == {"training": (True, True), "evaluation": (False, False)}
    recorded = result.training.environment
    # A CPU has no TF32, and is deterministic in any case.
    assert {name: recorded[name] for name in ("precision", "deterministic", "cudnn_benchmark")} == {
        "precision": "fp32",
        "deterministic": True,
        "cudnn_benchmark": False,
    }


def test_a_training_that_needs_an_operation_without_a_deterministic_form_says_so(
    small_job: SmallJob, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(*_: object) -> None:
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))

    monkeypatch.setattr(Training, "run", put)
    with pytest.raises(ImpossibleJob, match="put_ has no such form here"):
        run(small_job(recipe={"deterministic": True}), sink)


def test_no_epochs_record_the_initial_weights(small_job: SmallJob, sink: Any) -> None:
    result = run(small_job(recipe={"epochs": 0}), sink)
    assert result.training.epochs == ()
    assert result.training.checkpoint_sha256
    assert sink.of("epoch") == []


def test_child_starts_from_the_weights_of_its_parent(small_job: SmallJob, make_sink: Any) -> None:
    parent = run(small_job(), make_sink())
    child = run(small_job(train_key="22" * 32, recipe={"epochs": 0}, init_from="ab" * 32), make_sink())
    assert weights_of(child) == weights_of(parent)


def test_child_without_a_trained_parent_is_told_to_train_it_first(small_job: SmallJob, sink: Any) -> None:
    with pytest.raises(CheckpointError, match=r"final checkpoint of abababababab .* train that cell first"):
        run(small_job(train_key="22" * 32, init_from="ab" * 32), sink)


def test_child_of_another_kind_of_network_is_refused(small_job: SmallJob, make_sink: Any) -> None:
    run(small_job(recipe={"epochs": 0}), make_sink())
    request = small_job(train_key="22" * 32, init_from="ab" * 32, model="small-cnn", model_params={})
    with pytest.raises(CheckpointError, match="only from the weights of one of the same kind"):
        run(request, make_sink())


def test_average_of_the_weights_is_what_is_evaluated(small_job: SmallJob, make_sink: Any) -> None:
    plain = run(small_job(folder="plain"), make_sink())
    averaged = run(small_job(recipe={"ema_decay": 0.9}), make_sink())
    assert weights_of(plain) != weights_of(averaged)
    assert [row.loss for row in plain.training.epochs] == [row.loss for row in averaged.training.epochs]


def test_final_checkpoint_holds_no_optimiser(small_job: SmallJob, sink: Any) -> None:
    request = small_job()
    run(request, sink)
    state = Checkpoints(request.paths.checkpoints, request.train_key).final().state
    own = {"model", "network", "progress", "resumed_from", "environment", "train_key", "trained_as"}
    assert set(state) == own
    facts = {"method": "baseline", "dataset": "digits", "model": "wrn-10-1", "seed": 7, "epochs": 2}
    assert state["trained_as"] == facts  # heard where it is adopted as the training of another cell


def test_dataset_that_is_not_the_planned_one_is_refused(small_job: SmallJob, sink: Any) -> None:
    with pytest.raises(CorruptData, match="must be sha256:other, as planned"):
        run(small_job(dataset_identity="sha256:other"), sink)


def test_summary_tells_versions_hardware_threads_and_bytes(small_job: SmallJob, sink: Any) -> None:
    environment = run(small_job(recipe={"epochs": 1}), sink).training.environment
    assert environment["torch"] == torch.__version__
    assert (environment["world_size"], environment["threads_torch"]) == (1, 1)
    assert len(environment["byte_digests"]["train"]) == 64


@pytest.mark.parametrize(
    ("threads", "kind"), [(1, "cpu"), (3, "cpu"), (4, "cpu"), (32, "cpu"), (2, "cuda"), (16, "cuda")]
)
def test_thread_budget_stays_within_the_workers_cpus(threads: int, kind: str) -> None:
    budget = thread_budget(threads, torch.device(kind))
    assert budget.torch >= 1
    assert budget.torch + budget.images <= threads


def test_next_to_a_gpu_all_threads_but_one_prepare_images() -> None:
    assert thread_budget(16, torch.device("cuda", 3)) == ThreadBudget(images=15, torch=1)


def test_workers_that_cannot_share_the_shards_are_refused(small_job: SmallJob, sink: Any) -> None:
    class ThreeWorkers(OneWorker):
        world_size = 3

    with pytest.raises(ImpossibleJob, match="number of workers must divide batch_shards"):
        run_job(small_job(), group=ThreeWorkers(torch.device("cpu")), sink=sink)


def test_trained_network_is_built_again_from_its_checkpoint_alone(small_job: SmallJob, sink: Any) -> None:
    request = small_job()
    result = run(request, sink)
    network = trained_networks(request.paths.checkpoints, torch.device("cpu"))(request.train_key)
    assert tensors_sha256(network.state_dict()) == weights_of(result)
    assert not network.training
    assert network(torch.rand(2, 1, 32, 32)).shape == (2, 10)


def test_mixing_set_is_made_from_a_network_that_another_cell_trained(small_job: SmallJob, make_sink: Any) -> None:
    run(small_job(), make_sink())
    params = {"parents": ("ab" * 32,), "steps": 2}
    shown = MixingSetConfig(name="fvis", num_images=2, image_size=36, num_channels=1, params=params)
    sink = make_sink()
    child = small_job(train_key="22" * 32, method="pixmix", mixing_set=shown, recipe={"epochs": 1})
    result = run(child, sink)
    assert len(result.training.environment["byte_digests"]["mixing_set"]) == 64
    assert next(event[2] for event in sink.of("progress")) == "mixing set"


@pytest.mark.slow
def test_compiled_network_trains_to_the_same_within_rounding(small_job: SmallJob, make_sink: Any) -> None:
    values = {"epochs": 1, "train_images": 16, "batch_shards": 1}
    plain = run(small_job(folder="plain", recipe=values, model="small-cnn", model_params={"dropout": 0.0}), make_sink())
    compiled = run(
        small_job(recipe={**values, "compile": True}, model="small-cnn", model_params={"dropout": 0.0}), make_sink()
    )
    assert compiled.training.epochs[0].loss == pytest.approx(plain.training.epochs[0].loss, rel=1e-4)


def test_bf16_and_memory_layout_are_options_that_change_rounding_only(small_job: SmallJob, make_sink: Any) -> None:
    values = {"epochs": 1, "train_images": 16, "batch_shards": 1, "lr": 0.01}
    losses = {}
    for name, changes in {"plain": {"channels_last": False}, "last": {}, "bf16": {"precision": "bf16"}}.items():
        result = run(small_job(folder=name, recipe={**values, **changes}, model_params={"dropout": 0.0}), make_sink())
        losses[name] = result.training.epochs[0].loss
        state = Checkpoints(small_job(folder=name).paths.checkpoints, "ab" * 32).final().state
        assert {value.dtype for value in state["model"].values()} == {torch.float32, torch.int64}
    assert losses["last"] == pytest.approx(losses["plain"], rel=1e-4)
    assert losses["bf16"] == pytest.approx(losses["plain"], rel=0.02)
    assert losses["bf16"] != losses["last"]


def test_a_network_trained_in_bf16_is_evaluated_in_the_precision_of_the_benchmark(
    small_job: SmallJob, make_sink: Any
) -> None:
    values = {"epochs": 1, "train_images": 16, "batch_shards": 1, "precision": "bf16"}
    wanted = [
        BenchmarkRequest(name="clean", params={"keep_logits": True}, key=precision, precision=precision)
        for precision in ("fp32", "bf16")
    ]
    request = dataclasses.replace(small_job(recipe=values), benchmarks=tuple(wanted))
    exact, coarse = (report.outcome for report in run(request, make_sink()).reports)
    assert exact is not None
    assert coarse is not None

    state = Checkpoints(request.paths.checkpoints, "ab" * 32).final().state
    test = shared_split("digits", "test", "nowhere", request.paths.cache_dir)
    images = torch.from_numpy(test.images[:250].copy()).permute(0, 3, 1, 2).float().div_(255)
    trained = build_classifier(request.config, dataset_for("digits")).eval()
    restore(trained, state["model"])
    with torch.inference_mode():
        in_training = trained(images).numpy()
        in_float32 = network_from(state)(images).numpy()
    assert np.array_equal(exact.arrays["clean/logits"][:250], in_float32)
    assert np.array_equal(coarse.arrays["clean/logits"][:250], in_training), "as it was evaluated before"
    assert not np.array_equal(in_training, in_float32)


def test_evaluation_gets_the_image_threads_and_the_disk_of_its_job(
    small_job: SmallJob, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects: list[Subject] = []

    def no_evaluation(subject: Subject, requests: object, **hooks: object) -> tuple[()]:
        subjects.append(subject)
        return ()

    monkeypatch.setattr("trainers.worker.run_job.evaluate", no_evaluation)
    for threads, expected in ((1, 0), (16, 2)):
        request = small_job(recipe={"epochs": 1, "train_images": 16}, threads=threads)
        paths = dataclasses.replace(request.paths, generated_bytes=7.0)
        run(dataclasses.replace(request, benchmarks=(CLEAN,), paths=paths), sink)
        assert (subjects[-1].threads, subjects[-1].generated_bytes) == (expected, 7.0)


def test_a_training_without_memory_says_what_would_need_less(
    small_job: SmallJob, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_memory(self: object, images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total capacity ...")

    monkeypatch.setattr(Classifier, "forward", without_memory)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        run(small_job(recipe={"grad_accumulation": 2}), sink)
    assert str(caught.value).startswith(
        "a micro-batch of 4 images must fit into the memory of the device, but does not (CUDA out of memory. Tried to "
        "allocate 2.00 GiB.); raise train.grad_accumulation from 2 (another cell,"
    )
    assert "more workers do not help" in str(caught.value)
    assert describe_failure(caught.value, 0).kinds[0] == "OutOfMemoryError"


def test_summary_tells_who_trained_from_which_step(small_job: SmallJob, sink: Any) -> None:
    assert run(small_job(), sink).training.environment["workers_from_step"] == [[0, 1]]


def damage_final(result: JobResult) -> None:
    path = Path(result.training.checkpoint_uri)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_damaged_final_checkpoint_is_trained_again_to_the_same_identity(
    small_job: SmallJob, make_sink: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first = run(small_job(), make_sink())
    damage_final(first)
    sink = make_sink()
    known = dataclasses.replace(
        small_job(), benchmarks=(CLEAN,), recorded_weights=first.training.weights, recorded_benchmarks=(ANOTHER,)
    )
    again = run(known, sink)
    assert "final.ckpt must have the SHA-256" in caplog.text
    assert len(sink.of("epoch")) == 2
    assert again.training.checkpoint_sha256 == first.training.checkpoint_sha256 == weights_of(first)
    assert [report.benchmark_key for report in again.reports] == [CLEAN.key]


def test_weights_that_come_out_as_others_are_evaluated_on_everything_wanted(small_job: SmallJob, sink: Any) -> None:
    others = dataclasses.replace(
        small_job(recipe={"epochs": 0}),
        benchmarks=(CLEAN,),
        recorded_weights=frozenset({"f" * 64}),
        recorded_benchmarks=(ANOTHER,),
    )
    assert [report.benchmark_key for report in run(others, sink).reports] == [CLEAN.key, ANOTHER.key]


def test_a_checkpoint_of_an_ended_era_is_not_taken_over(small_job: SmallJob, make_sink: Any) -> None:
    first = run(small_job(), make_sink())
    sink = make_sink()
    second = run(dataclasses.replace(small_job(), eras={"ab" * 32: 1}), sink)
    assert len(sink.of("epoch")) == 2
    assert second.training.checkpoint_sha256 == first.training.checkpoint_sha256
    assert Path(second.training.checkpoint_uri).parent.name == "era-1"
    assert not Path(first.training.checkpoint_uri).exists()


def test_a_child_starts_from_its_parent_of_this_era(small_job: SmallJob, make_sink: Any) -> None:
    run(small_job(), make_sink())
    child = small_job(train_key="22" * 32, recipe={"epochs": 0}, init_from="ab" * 32)
    with pytest.raises(CheckpointError, match="train that cell first"):
        run(dataclasses.replace(child, eras={"ab" * 32: 1}), make_sink())


def test_a_checkpoint_of_an_earlier_version_says_what_it_was_recorded_under(
    small_job: SmallJob, make_sink: Any
) -> None:
    first = run(small_job(), make_sink())
    path = Path(first.training.checkpoint_uri)
    state = dict(Checkpoints(small_job().paths.checkpoints, "ab" * 32).final().state)
    state["environment"] = {name: value for name, value in state["environment"].items() if name != "weights_sha256"}
    path.write_bytes(pack(state))
    file_sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    known = dataclasses.replace(
        small_job(),
        benchmarks=(CLEAN,),
        recorded_weights=frozenset({file_sha256}),
        recorded_benchmarks=(ANOTHER,),
    )
    again = run(known, make_sink())
    assert again.training.weights == {first.training.checkpoint_sha256, file_sha256}
    assert [report.benchmark_key for report in again.reports] == [CLEAN.key]
