"""Slow libraries are loaded at their first use, and kernels compile at their first call."""

from __future__ import annotations

import pickle
import subprocess
import sys

from augment.heavy import scipy, torch
from augment.kernels.compiled import Kernel
from augment.kernels.counters import uniform_at

LIGHT = """
import sys
import augment.kernels.counters, augment.kernels.geometry, augment.kernels.operations, augment.methods.pixmix.kernel
from augment.heavy import numba, pandas, scipy, torch
loaded = {"numba", "pandas", "scipy", "torch"} & sys.modules.keys()
assert not loaded, loaded
assert torch.zeros(1).item() == 0.0 and "torch" in sys.modules
"""


def test_nothing_heavy_is_loaded_before_its_first_use() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True, timeout=120)


def test_a_sub_module_that_its_library_does_not_load_is_found() -> None:
    assert scipy.ndimage.zoom.__module__.startswith("scipy")


def test_a_late_library_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(torch)).float32 is torch.float32


def test_a_kernel_is_pickled_by_name_and_shows_the_function_that_it_compiles() -> None:
    lazy = Kernel(uniform_at.py_func, {})
    assert lazy.__name__ == "uniform_at"
    assert pickle.loads(pickle.dumps(lazy)).py_func is lazy.py_func
