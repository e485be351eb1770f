"""What is warmed when a job begins covers every kernel that its training steps call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
CODE = """
import gc, json, sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from augment.kernels.counters import SampleKeys, StepKeys, permutation, step_uniforms
from augment.kernels.geometry import gather_crop_flip
from augment.registry import METHODS
from augment.treatment import TreatmentContext
from augment.kernels.compiled import warm
from augment.kernels import counters, geometry

def specialised():
    return {f"{each.py_func.__module__}.{each.py_func.__name__}": len(each.overloads)
            for each in gc.get_objects() if isinstance(each, Dispatcher)}

late = {}
keys = SampleKeys(0, 0, np.arange(3, dtype=np.int64))
warm((*counters.WARM_UP, *geometry.WARM_UP))
for channels in (1, 3):
    images = np.random.default_rng(0).integers(0, 256, (4, 18, 18, channels), dtype=np.uint8)
    on_disk = np.lib.format.open_memmap(sys.argv[1] + str(channels), mode="w+", dtype=np.uint8, shape=images.shape)
    on_disk[:] = images
    on_disk = np.load(sys.argv[1] + str(channels), mmap_mode="r")
    context = TreatmentContext(image_size=16, num_channels=channels, num_classes=4, mean=(0.5,) * channels,
                               mixing_set=on_disk, outliers=np.ascontiguousarray(images[:, :16, :16]))
    for name, method in METHODS.items():
        warm(method.kernels)
        treatment = method.build(method.config(), context)
        before = specialised()
        permutation(0, 0, 5, stream="order")
        step_uniforms(StepKeys(0, 0, 0), 2, stream="step")
        cropped = gather_crop_flip(on_disk, np.array([0, 3, 1]), keys, padding=2, flip=True)
        gather_crop_flip(images, np.array([0, 3, 1]), keys, padding=0, flip=False)
        batch = np.ascontiguousarray(cropped[:, :16, :16])
        treatment.sample(batch, keys)
        if method.accepts_float:
            treatment.sample(batch.astype(np.float32) / 255, keys)
        treatment.extra(keys)
        grown = {kernel for kernel, count in specialised().items() if count > before.get(kernel, 0)}
        if grown:
            late[f"{name}, {channels} channels"] = sorted(grown)
print(json.dumps(late))
"""


@pytest.mark.slow
def test_no_training_step_compiles_a_kernel(tmp_path: Path) -> None:
    """In a fresh process, preparing batches for each method adds no specialisation to what its description warms."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "set.npy")],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {}
