"""A person's own `eval.py` or `trainers/` in the working directory takes the place of no package of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clusters.code.own_packages import PACKAGES, ROOT, foreign_modules, put_first, worker_setup
from orchestration.doctor.machine import examine
from orchestration.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[3]
SWEEP = """
name: mine
title: One cell
base: {dataset: digits, model: small-cnn, recipe: digits, train: {epochs: 1, train_images: 64}}
axes: {cells: [{row: Baseline, method: baseline}]}
table: {columns: [clean/error]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with modules that bear names of ours."""
    (tmp_path / "eval.py").write_text("raise SystemExit('the module of the working directory was imported')\n")
    (tmp_path / "trainers").mkdir()
    (tmp_path / "trainers" / "__init__.py").write_text("raise SystemExit('the package of the working directory')\n")
    (tmp_path / "clusters.py").write_text("")
    (tmp_path / "mine.yaml").write_text(SWEEP)
    return tmp_path


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, where it finds our packages behind the folder's own modules."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(REPOSITORY), "DREAMGRID_CACHE": str(folder / "cache")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_package_that_is_shipped_is_known() -> None:
    shipped = {path.parent.name for path in ROOT.glob("*/py.typed")}

    assert shipped == set(PACKAGES)


def test_the_command_line_runs_next_to_foreign_modules_and_doctor_names_them(folder: Path) -> None:
    ran = python(folder, "-m", "dreamgrid", "plan", "mine.yaml", "--storage", str(folder / "storage"))
    assert ran.returncode == 0, ran.stderr
    assert "1 cell" in ran.stdout + ran.stderr

    told = python(folder, "-m", "dreamgrid", "doctor", "--storage", str(folder / "storage"))
    assert str(folder / "eval.py") in told.stdout
    assert str(folder / "trainers") in told.stdout


def test_a_program_of_ones_own_imports_dreamgrid_next_to_its_own_eval(folder: Path) -> None:
    (folder / "program.py").write_text("import dreamgrid\nprint(dreamgrid.metrics.error_rate.__module__)\n")
    ran = python(folder, "program.py")

    assert (ran.returncode, ran.stdout) == (0, "eval.metrics.error\n"), ran.stderr


@pytest.mark.parametrize("name", ["eval", "clusters"])
def test_a_foreign_module_that_is_imported_already_is_named(folder: Path, name: str) -> None:
    (folder / f"{name}.py").write_text("")
    ran = python(folder, "-c", f"import {name}\nimport dreamgrid\n")

    assert ran.returncode == 1
    assert "must be DreamGrid's, but this process has imported" in ran.stderr
    assert str(folder / f"{name}.py") in ran.stderr


def test_without_foreign_modules_workers_need_no_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "program.py")])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evaluation.py").touch()
    (tmp_path / "clusters").mkdir()
    assert foreign_modules() == []

    (tmp_path / "eval.py").touch()
    assert foreign_modules() == [tmp_path / "eval.py"]


def test_a_console_script_and_a_link_to_our_package_are_not_foreign(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "dreamgrid").write_text("#!/bin/sh\n")
    (tmp_path / "eval").symlink_to(ROOT / "eval")
    monkeypatch.setattr(sys, "argv", [str(scripts / "dreamgrid")])
    monkeypatch.chdir(tmp_path)
    assert foreign_modules() == []

    (scripts / "dreamgrid.py").touch()
    assert foreign_modules() == [scripts / "dreamgrid.py"]


def test_doctor_says_where_our_packages_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "program.py")])
    monkeypatch.chdir(tmp_path)
    settings = Settings(storage=str(tmp_path / "storage"), data_root=tmp_path, cache_dir=tmp_path, tracking_uri="none")
    (before,) = [one for one in examine(settings) if one.what == "packages"]
    (tmp_path / "augment.py").touch()
    (after,) = [one for one in examine(settings) if one.what == "packages"]

    assert (before.state, after.state) == ("fine", "note")
    assert str(ROOT) in before.detail
    assert str(tmp_path / "augment.py") in after.detail


def test_a_worker_is_set_up_by_a_function_that_needs_no_module_of_ours(folder: Path) -> None:
    from ray import cloudpickle

    (folder / "sent").write_bytes(cloudpickle.dumps(worker_setup()))
    ran = python(
        folder,
        "-c",
        "import pickle; from pathlib import Path; pickle.loads(Path('sent').read_bytes())()\n"
        "from eval.report import MetricReport; print(MetricReport.__module__)",
    )

    assert (ran.returncode, ran.stdout) == (0, "eval.report\n"), ran.stderr


def test_our_packages_come_first_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    put_first()
    put_first()

    assert sum(type(finder).__name__ == "OwnPackages" for finder in sys.meta_path) == 1


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(580)
def test_workers_import_our_packages_next_to_foreign_modules(folder: Path) -> None:
    ran = python(folder, "-m", "dreamgrid", "run", "mine.yaml", "--storage", str(folder / "storage"), "--json")

    assert ran.returncode == 0, ran.stderr
    assert "Baseline" in ran.stdout
    assert (folder / "storage" / "mlflow.db").is_file()
