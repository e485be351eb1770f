"""A method whose output changes must raise its `semantics`, for the version is part of every train key.

`method_digests.json` holds, for each method and version, what came out for fixed input. After a change that is meant
to alter outputs: raise `semantics` of the method in its own file and write the new outcome with

    DREAMGRID_WRITE_DIGESTS=1 python -m pytest tests/conformance/test_method_semantics.py

What host stages return is stored as a digest (float32 images rounded to 3 decimals). What device stages return is stored as
means and spreads that must agree to 2e-4, since kernels of other libraries differ between processors in the last bits.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from augment.kernels.counters import SampleKeys, StepKeys
from augment.method import Method
from augment.registry import METHODS
from augment.treatment import Treatment, TreatmentContext

pytestmark = pytest.mark.usefixtures("one_torch_thread")

STORE = Path(__file__).with_name("method_digests.json")
SIZE = 16
SMALL: dict[str, dict[str, Any]] = {
    "pixmix-iterative": {"images": 4, "ascent_steps": 0, "buffer_size": 8},
    "ant": {"retrain_steps": 1},
    "edsr": {"train_steps": 0, "hidden": 4, "num_blocks": 1},
    "sin": {"train_steps": 0, "hidden": 3},
}
"""Hyper-parameters that keep a method quick here."""
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    f"{name}, rounding uint8": (name, {"rounding": "uint8"})
    for name in ("pixmix", "mix-input", "mix-aug", "pixmix-iterative")
}
"""Values of hyper-parameters that take another way through a method, each with an outcome of its own."""


def _context() -> TreatmentContext:
    ramp = np.arange(9 * 18 * 18 * 3, dtype=np.int64).reshape(9, 18, 18, 3)
    return TreatmentContext(
        image_size=SIZE,
        num_channels=3,
        num_classes=4,
        mean=(0.5, 0.5, 0.5),
        mixing_set=(ramp * 37 % 256).astype(np.uint8),
        outliers=(ramp[:, :SIZE, :SIZE] * 11 % 256).astype(np.uint8),
    )


def _network() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 4))
    with torch.no_grad():
        for parameter in model.parameters():
            values = torch.arange(parameter.numel(), dtype=torch.float32)
            parameter.copy_((torch.sin(values) * 0.2).reshape(parameter.shape))
    return model.train()


def _add(digest: Any, values: Any) -> None:
    array = np.ascontiguousarray(values)
    if array.dtype.kind == "f":
        array = np.round(array.astype(np.float64) * 1000).astype(np.int64)
    digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())


def _summary(outputs: Iterable[torch.Tensor]) -> list[float]:
    """Return mean, spread and a mean with uneven weights of each tensor."""
    found = []
    for output in outputs:
        values = output.detach().double().flatten()
        uneven = values * torch.cos(torch.arange(len(values), dtype=torch.float64))
        found += [float(values.mean()), float(values.std(correction=0)), float(uneven.mean())]
    return [round(value, 6) for value in found]


def outcome_of(method: Method, **params: Any) -> dict[str, Any]:
    """Return what every stage of a method makes of fixed input: a digest of the host's, values of the device's."""
    treatment: Treatment = method.build(method.config(**SMALL.get(method.name, {}), **params), _context())
    model = _network()
    treatment.start_epoch(model, 0)
    images = (np.arange(32 * SIZE * SIZE * 3, dtype=np.int64) * 53 % 251).astype(np.uint8).reshape(32, SIZE, SIZE, 3)
    keys = SampleKeys(1, 2, np.arange(32, dtype=np.int64))
    digest = hashlib.sha256()
    _add(digest, treatment.sample(images, keys))
    extra = treatment.extra(keys)
    if extra is not None:
        _add(digest, extra)
    pixels = torch.from_numpy(images.astype(np.float32) / np.float32(255)).permute(0, 3, 1, 2).contiguous()
    targets = torch.arange(32) % 4
    steps = [treatment.batch(model, pixels, targets, StepKeys(1, step, 0)) for step in range(3)]
    outputs = [output for step in steps for output in step] if "batch" in method.stages else []
    if "loss" in method.stages:
        views = pixels.repeat(treatment.num_views, 1, 1, 1)
        stream = None if extra is None else torch.from_numpy(extra).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            outputs.append(treatment.loss(model, views, targets, stream, StepKeys(1, 0, 0)).loss.reshape(1))
    return {"host": digest.hexdigest()[:16], "device": _summary(outputs)}


@pytest.mark.parametrize("name", [*METHODS, *OPTIONS])
def test_a_changed_output_needs_a_raised_semantics_version(name: str) -> None:
    of, params = OPTIONS.get(name, (name, {}))
    method = METHODS[of]
    stored: dict[str, Any] = json.loads(STORE.read_text()) if STORE.exists() else {}
    key, outcome = f"{name}@{method.semantics}", outcome_of(method, **params)
    if os.environ.get("DREAMGRID_WRITE_DIGESTS") and key not in stored:
        stored[key] = outcome
        lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(stored.items())]
        STORE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    assert key in stored, f"no outcome is stored for {key}; write it as this file's first lines say"
    is_same = stored[key]["host"] == outcome["host"] and stored[key]["device"] == pytest.approx(
        outcome["device"], abs=2e-4
    )
    assert is_same, (
        f"the output of {name!r} changed, but its semantics is still {method.semantics}: results recorded before would be taken "
        f"for results of this code. Raise `semantics` of {of!r} in its file, or undo the change; then write the new "
        "outcome as this file's first lines say"
    )


def test_every_stored_outcome_belongs_to_a_version_that_was() -> None:
    for key in json.loads(STORE.read_text()):
        name, _, version = key.partition("@")
        of, _ = OPTIONS.get(name, (name, {}))
        assert of in METHODS
        assert 1 <= int(version) <= METHODS[of].semantics
