"""The registry of methods: every entry under its own name, from one file, and nothing heavy imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from augment.method import Method
from augment.registry import METHODS


def test_every_entry_is_a_method_under_its_name() -> None:
    assert all(isinstance(method, Method) and method.name == name for name, method in METHODS.items())


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="pixmax"):
        METHODS["pixmax"]


def test_reading_every_method_imports_neither_torch_nor_numba() -> None:
    code = (
        "import sys; from augment.registry import METHODS; assert len([m.config() for m in METHODS.values()]) > 20; "
        "print(sorted({'torch', 'numba', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
