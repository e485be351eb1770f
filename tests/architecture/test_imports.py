"""Who may import whom, and which files the outside world may enter through."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("orchestration", "trainers", "eval", "augment", "clusters", "dreamgrid")


def product_files() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py"))


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def importers_of(*libraries: str) -> set[str]:
    return {
        path.relative_to(REPOSITORY).as_posix()
        for path in product_files()
        if any(module.split(".")[0] in libraries for module in imported_modules(path))
    }


def test_import_contracts_hold() -> None:
    result = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr


def test_mlflow_enters_through_one_file() -> None:
    assert len(importers_of("mlflow")) == 1


def test_object_storage_enters_through_one_file() -> None:
    assert importers_of("boto3", "botocore", "fsspec", "s3fs") == {"clusters/storage/s3.py"}


def test_ray_enters_only_where_work_is_launched_connected_and_scheduled() -> None:
    rooms = ("clusters/", "orchestration/engine/", "orchestration/runs/screening/")
    doors = {
        "trainers/worker/group_loop.py",
        "trainers/worker/process_group.py",
        "trainers/worker/plain_loop.py",
        "trainers/worker/devices.py",
        "orchestration/doctor/cluster.py",
    }

    assert {path for path in importers_of("ray") if not path.startswith(rooms)} == doors
    assert len(importers_of("ray")) <= 21


def test_nobody_imports_a_package_under_its_own_bare_name() -> None:
    """`import eval` would hide the builtin, also as `import eval.report`. The public face is made to be imported so."""
    files = (*product_files(), *(REPOSITORY / "tests").rglob("*.py"), *(REPOSITORY / "benchmarks").rglob("*.py"))
    bare = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno} imports {alias.name}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.split(".")[0] in PACKAGES and alias.name != "dreamgrid"
    ]

    assert not bare, bare


PRIVATE_RAY = re.compile(r"\bray\.(?:(?:\w+\.)*_\w+|core|train\.v2|tune\.execution|tune\.utils|tune\.tune)\b")
"""Modules of Ray that promise nothing, as a dotted name."""


def dotted_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each import, each chain of attributes and each string of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            yield node.lineno, node.value


def test_private_modules_of_ray_are_named_in_one_file() -> None:
    files = (*product_files(), *(REPOSITORY / "benchmarks").rglob("*.py"))
    found = {
        path.relative_to(REPOSITORY).as_posix(): name
        for path in files
        for _, name in dotted_names(path)
        if PRIVATE_RAY.search(name.replace("self._ray.", "ray."))
    }

    assert set(found) == {
        "clusters/ray_api/private.py",
    }, found


@pytest.mark.parametrize(
    "name",
    ["ray._private.state", "ray.train.v2.api.config", "ray.tune.utils.object_cache", "ray.autoscaler._private.util",
     "ray.core.generated", "ray.tune.tune", "ray.air._internal", "ray._raylet", "ray.tune.execution.class_cache"],
)  # fmt: skip
def test_private_modules_of_ray_are_recognised(name: str) -> None:
    assert PRIVATE_RAY.search(name)


@pytest.mark.parametrize(
    "name", ["ray.train.torch.TorchTrainer", "ray.tune.Tuner", "ray.util.placement_group", "array._x"]
)
def test_public_modules_of_ray_are_not_taken_for_private_ones(name: str) -> None:
    assert not PRIVATE_RAY.search(name)
