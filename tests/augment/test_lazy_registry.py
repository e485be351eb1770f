"""Registries whose entries stand in several files: what is named is there, and nothing else is imported."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest

from augment.lazy_registry import LazyRegistry
from augment.method import Method
from augment.registry import METHODS


@pytest.mark.parametrize(("registry", "kind"), [(METHODS, Method)])
def test_every_entry_of_the_files_is_registered_under_its_name(registry: LazyRegistry[Method], kind: type) -> None:
    entries: list[Any] = [
        entry for module in set(registry._files.values()) for entry in importlib.import_module(module).ENTRIES
    ]

    assert {entry.name for entry in entries} == set(registry)
    assert len(entries) == len(registry)
    assert all(isinstance(entry, kind) and registry[entry.name] is entry for entry in entries)


def test_a_name_alone_imports_no_file_and_an_entry_only_its_own() -> None:
    code = (
        "import sys; from augment.registry import METHODS; assert 'augmix' in METHODS and len(list(METHODS)) > 20; "
        "METHODS['pixmix']; print(*sorted(name for name in sys.modules if name.endswith(('_methods', '_configs'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["augment.methods.mixing_methods"]


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="pixmax"):
        METHODS["pixmax"]
