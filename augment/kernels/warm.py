"""Warm the kernels of modules by their names."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from augment.kernels import compiled


def warm(modules: Iterable[str]) -> float:
    """Run every warm-up call of the modules under the compile lock and return the seconds it took."""
    return compiled.warm(call for name in modules for call in importlib.import_module(name).WARM_UP)
