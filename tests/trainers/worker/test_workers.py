"""Real processes over gloo: one worker with four shards, two with two each, four with one each."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

SCRIPT = textwrap.dedent(
    """
    import json, os, sys
    import torch
    from torch import distributed
    from trainers.config import JobConfig, RecipeConfig
    from trainers.training.group import distributed_group
    from trainers.job import JobPaths, JobRequest
    from trainers.worker.run_job import run_job
    from eval.benchmarks.contract import BenchmarkRequest

    rank, world_size, folder, options = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])

    class Sink:
        def epoch(self, *values): pass
        def progress(self, *values): pass
        def trained(self, *values): pass
        def benchmark(self, *values): pass

    if world_size > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world_size
        )
    recipe = RecipeConfig(**{
        "epochs": 2, "batch_size": 16, "batch_shards": 4, "train_images": 35, "crop_padding": 2, "lr": 0.05,
        **options.get("recipe", {}),
    })
    config = JobConfig(
        method=options.get("method", "baseline"), method_params={}, dataset="digits", model="wrn-10-1", recipe=recipe,
        seed=3, model_params={"dropout": 0.3},
    )
    request = JobRequest(
        train_key="ab" * 32, config=config, threads=1,
        benchmarks=(BenchmarkRequest(name="clean", params={}, key="clean"),),
        paths=JobPaths(checkpoints=f"{folder}/checkpoints", data_root=folder, cache_dir=f"{folder}/cache"),
    )
    group = distributed_group(rank=rank, world_size=world_size, device="cpu")
    result = run_job(request, group=group, sink=Sink())
    if rank == 0:
        print(json.dumps({
            "weights": result.training.environment["weights_sha256"],
            "losses": [row.loss for row in result.training.epochs],
            "accuracies": [row.accuracy for row in result.training.epochs],
            "error": result.reports[0].outcome.metrics["error"].value,
        }))
    if world_size > 1:
        distributed.destroy_process_group()
        sys.stdout.flush()
        os._exit(0)  # about one process in twenty aborts while it unloads torch: a thread of gloo still runs
    """
)


def train(folder: Path, world_size: int, **options: Any) -> dict[str, Any]:
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT)
    root = Path(__file__).resolve().parents[3]
    workers = [
        subprocess.Popen(
            [sys.executable, str(folder / "script.py"), str(rank), str(world_size), str(folder), json.dumps(options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=root,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "OMP_NUM_THREADS": "1"},
        )
        for rank in range(world_size)
    ]
    outputs = [worker.communicate(timeout=240) for worker in workers]
    assert all(worker.returncode == 0 for worker in workers), "\n".join(error for _, error in outputs)
    result: dict[str, Any] = json.loads(outputs[0][0].strip().splitlines()[-1])
    return result


def check_same_within_rounding(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert other["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert other["accuracies"] == pytest.approx(one["accuracies"], abs=1 / 35)
    assert other["error"] == pytest.approx(one["error"], abs=3 / 355)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one worker comes to."""
    return train(tmp_path_factory.mktemp("alone") / "1", 1)


@pytest.mark.ddp
def test_two_workers_come_to_the_same_as_one_within_rounding(tmp_path: Path, alone: dict[str, Any]) -> None:
    check_same_within_rounding(alone, train(tmp_path / "2", 2))


@pytest.mark.ddp
@pytest.mark.slow
def test_four_workers_come_to_the_same_as_one_within_rounding(tmp_path: Path, alone: dict[str, Any]) -> None:
    check_same_within_rounding(alone, train(tmp_path / "4", 4))


@pytest.mark.ddp
@pytest.mark.slow
def test_two_workers_repeat_bit_by_bit(tmp_path: Path) -> None:
    first, second = (train(tmp_path / name, 2) for name in ("first", "second"))
    assert first["weights"] == second["weights"]
    assert first["losses"] == second["losses"]
