"""What a version of the loop, of a model, of a dataset stands for: numbers that may change only together with the version.

The numbers are compared with a tolerance, since processors round differently; a change of meaning moves them far more.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainers.config import LOOP_SEMANTICS, JobConfig, RecipeConfig
from trainers.datasets.load import load_split
from trainers.datasets.registry import DATASETS
from trainers.job import JobPaths, JobRequest
from trainers.models.registry import MODELS, model_for
from trainers.recipes import RECIPES
from trainers.training.group import OneWorker
from trainers.training.input.order import Order
from trainers.training.networks import build_classifier
from trainers.worker.run_job import run_job

LOGITS = Path(__file__).with_name("model_logits.json")
"""Logits of each model and version; what is missing is written with DREAMGRID_WRITE_DIGESTS=1."""

STORED_LOSSES = {
    ("sgd", 2): [2.328268, 2.302854],
    ("adamw", 2): [2.317179, 2.208895],
    ("clipped, averaged, in micro-batches", 2): [2.3374, 2.33187],
    ("held out, in steps after a warm-up", 2): [2.334061, 2.286129],
}

STORED_ORDER = "d3185b211be45c2e"


def job(model: str, recipe: RecipeConfig, **params: object) -> JobConfig:
    return JobConfig(
        method="baseline",
        method_params={},
        dataset="digits",
        model=model,
        recipe=recipe,
        seed=11,
        model_params=params,
    )


def logits_of(name: str) -> list[float]:
    """Return the first logits of a freshly initialised model on a fixed image."""
    config = job(name, RecipeConfig(channels_last=False))
    model = build_classifier(config, DATASETS["digits"]).eval()
    images = torch.linspace(0, 1, 2 * 32 * 32).reshape(2, 1, 32, 32)
    with torch.no_grad():
        return [round(value, 4) for value in model(images)[1, :4].tolist()]


class Silent:
    """A sink that forgets."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name == "stop_requested":
            raise AttributeError(name)
        return lambda *values: None


def losses_of(folder: Path, **recipe: Any) -> list[float]:
    """Return the losses of two epochs over 40 digits."""
    values = {"epochs": 2, "batch_size": 16, "batch_shards": 2, "train_images": 40, "lr": 0.1, "crop_padding": 2}
    config = job("wrn-10-1", RecipeConfig(**{**values, **recipe}), dropout=0.3)
    request = JobRequest(
        train_key="0" * 64,
        config=config,
        benchmarks=(),
        paths=JobPaths(checkpoints=str(folder), data_root=str(folder), cache_dir=str(folder)),
        threads=1,
    )
    result = run_job(request, group=OneWorker(torch.device("cpu")), sink=Silent())
    return [row.loss for row in result.training.epochs]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_computes_something_else_has_another_version(name: str) -> None:
    stored: dict[str, list[float]] = json.loads(LOGITS.read_text())
    key, found = f"{name}@{model_for(name).semantics}", logits_of(name)
    if os.environ.get("DREAMGRID_WRITE_DIGESTS") and key not in stored:
        stored[key] = found
        lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(stored.items())]
        LOGITS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    assert key in stored, f"no logits are stored for {key}; run this test with DREAMGRID_WRITE_DIGESTS=1"
    assert found == pytest.approx(stored[key], abs=2e-3, rel=1e-3)


@pytest.mark.parametrize(
    ("case", "recipe"),
    [
        ("sgd", {}),
        ("adamw", {"optimiser": "adamw", "lr": 0.01}),
        ("clipped, averaged, in micro-batches", {"grad_clip": 0.1, "ema_decay": 0.9, "grad_accumulation": 2}),
        (
            "held out, in steps after a warm-up",
            {"validation_images": 100, "schedule": "step", "step_epochs": (1,), "warmup_steps": 3},
        ),
    ],
)
def test_a_loop_that_trains_otherwise_has_another_version(tmp_path: Path, case: str, recipe: dict[str, Any]) -> None:
    assert losses_of(tmp_path, **recipe) == pytest.approx(STORED_LOSSES[case, LOOP_SEMANTICS], rel=1e-4)


def test_the_order_of_samples_is_the_one_of_this_version() -> None:
    order = Order(samples=np.arange(1000), batch_size=64, num_shards=2, seed=11)
    visits = np.concatenate([order.epoch(epoch) for epoch in range(3)]).astype("<i8")
    assert (hashlib.sha256(visits.tobytes()).hexdigest()[:16], LOOP_SEMANTICS) == (STORED_ORDER, 2)


def test_every_stored_number_belongs_to_a_present_version() -> None:
    assert set(json.loads(LOGITS.read_text())) == {f"{name}@{spec.semantics}" for name, spec in MODELS.items()}
    assert all(version == LOOP_SEMANTICS for _, version in STORED_LOSSES)


def test_no_recipe_and_no_identity_changed_by_accident() -> None:
    """Recipes and identities are part of every key through their values; this guards the published ones."""
    recipe = RECIPES["cifar"].config
    assert (recipe.epochs, recipe.lr, recipe.batch_size, recipe.weight_decay) == (100, 0.1, 128, 5e-4)
    digits = "".join(load_split("digits", split, "nowhere").fingerprint for split in ("train", "test"))
    assert DATASETS["digits"].identity == f"sha256:{hashlib.sha256(digits.encode()).hexdigest()}"
