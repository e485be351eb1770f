"""Who may import whom, and which files the outside world may enter through."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("orchestration", "trainers", "eval", "augment", "clusters")


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
    doors = {"trainers/worker/group_loop.py", "trainers/worker/devices.py", "orchestration/doctor/cluster.py"}

    assert {path for path in importers_of("ray") if not path.startswith(rooms)} == doors
    assert len(importers_of("ray")) <= 15


@pytest.mark.parametrize("package", PACKAGES)
def test_nobody_imports_a_package_under_its_own_bare_name(package: str) -> None:
    """`import eval` would hide the builtin, also as `import eval.report`."""
    for path in (*product_files(), *(REPOSITORY / "tests").rglob("*.py"), *(REPOSITORY / "benchmarks").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bare = [
            n for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names if a.name.split(".")[0] == package
        ]
        assert not bare, f"{path.relative_to(REPOSITORY)}:{bare[0].lineno} imports {package} with a bare import"
