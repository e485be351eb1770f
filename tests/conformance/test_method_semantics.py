"""A method whose output changes must raise its `semantics`, for the version is part of every train key.

`method_digests.json` holds, for each method and version, the digest of its output on fixed input. After a change that is meant
to alter outputs: raise `semantics` of the method in `augment/methods.py` and write the new digest with

    DREAMGRID_WRITE_DIGESTS=1 python -m pytest tests/conformance/test_method_semantics.py

Digests of host stages are exact; those of device stages are of values rounded to 3 decimals, since kernels of other libraries
differ between processors in the last bits.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from augment.counters import SampleKeys, StepKeys
from augment.methods import METHODS, Method
from augment.treatment import Treatment, TreatmentContext

STORE = Path(__file__).with_name("method_digests.json")
SIZE = 16
SMALL = {"pixmix-iterative": {"pictures": 4, "ascent_steps": 1, "buffer_size": 8}}
"""Hyper-parameters that keep a method quick here."""


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


def digest_of(method: Method) -> str:
    """Return a digest of every stage's output on fixed input."""
    treatment: Treatment = method.build(method.config(**SMALL.get(method.name, {})), _context())
    model = _network()
    treatment.start_epoch(model, 0)
    images = (np.arange(32 * SIZE * SIZE * 3, dtype=np.int64) * 53 % 251).astype(np.uint8).reshape(32, SIZE, SIZE, 3)
    keys = SampleKeys(1, 2, np.arange(32, dtype=np.int64))
    digest = hashlib.sha256()
    sampled = treatment.sample(images, keys)
    _add(digest, sampled)
    unit = images.astype(np.float32) / np.float32(255)
    pixels, targets = torch.from_numpy(unit).permute(0, 3, 1, 2).contiguous(), torch.arange(32) % 4
    for step in range(3):
        for output in treatment.batch(model, pixels, targets, StepKeys(1, step, 0)):
            _add(digest, output.numpy())
    extra = treatment.extra(keys)
    if extra is not None:
        _add(digest, extra)
    if "loss" in method.stages:
        views = pixels.repeat(treatment.num_views, 1, 1, 1)
        stream = None if extra is None else torch.from_numpy(extra).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            _add(digest, treatment.loss(model, views, targets, stream, StepKeys(1, 0, 0)).loss.numpy())
    return digest.hexdigest()[:16]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: the networks here are too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", METHODS)
def test_a_changed_output_needs_a_raised_semantics_version(name: str) -> None:
    method = METHODS[name]
    stored: dict[str, str] = json.loads(STORE.read_text()) if STORE.exists() else {}
    key, digest = f"{name}@{method.semantics}", digest_of(method)
    if os.environ.get("DREAMGRID_WRITE_DIGESTS") and key not in stored:
        stored[key] = digest
        STORE.write_text(json.dumps(dict(sorted(stored.items())), indent=2) + "\n")
    assert key in stored, f"no digest is stored for {key}; write it as this file's first lines say"
    assert stored[key] == digest, (
        f"the output of {name!r} changed, but its semantics is still {method.semantics}: results recorded before would be taken "
        f"for results of this code. Raise `semantics` of {name!r} in augment/methods.py, or undo the change; then write the new "
        "digest as this file's first lines say"
    )


def test_every_stored_digest_belongs_to_a_version_that_was() -> None:
    for key in json.loads(STORE.read_text()):
        name, _, version = key.partition("@")
        assert name in METHODS
        assert 1 <= int(version) <= METHODS[name].semantics
