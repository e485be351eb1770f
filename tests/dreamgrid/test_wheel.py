"""The wheel alone, in a folder with modules that have our packages' names: it runs, evaluates and shows results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).parents[2]
OURS = ("augment", "clusters", "dreamgrid", "eval", "orchestration", "trainers")

SCRIPT = """
import json, sys
import torch
import dreamgrid

sweep = dreamgrid.load_sweep("demo", size="smoke", storage=sys.argv[1])
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 10))
images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
print(json.dumps({
    "file": dreamgrid.__file__,
    "rows": len(sweep.results()),
    "html": sweep.table()._repr_html_()[:6],
    "fog": list(dreamgrid.corrupt(images, "fog", 3).shape),
}))
"""


class Installed(NamedTuple):
    """An installed wheel.

    Attributes:
        site: Folder of its packages.
        folder: A user's folder, with an own `eval.py` and an own package `trainers`.
    """

    site: Path
    folder: Path

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the user's folder; the libraries are those of this environment."""
        environment = {**os.environ, "PYTHONPATH": str(self.site), "MLFLOW_TRACKING_URI": "none"}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=600
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    wheels, site, folder = (tmp_path_factory.mktemp(name) for name in ("wheels", "site", "mine"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, REPOSITORY], check=True)
    (wheel,) = wheels.iterdir()
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", site, wheel], check=True)
    (folder / "eval.py").write_text("raise SystemExit('this is not yours')\n")
    (folder / "trainers").mkdir()
    (folder / "trainers" / "__init__.py").write_text("raise SystemExit('nor is this')\n")
    return Installed(site, folder)


@pytest.mark.slow
def test_the_wheel_has_all_that_the_packages_have_and_nothing_else(installed: Installed) -> None:
    tracked = subprocess.run(
        ["git", "-C", REPOSITORY, "ls-files", *OURS], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    there = {
        path.relative_to(installed.site).as_posix()
        for name in OURS
        for path in (installed.site / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert there == set(filter(None, tracked))


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_the_wheel_runs_the_demo_and_shows_it_next_to_foreign_modules(installed: Installed, tmp_path: Path) -> None:
    ran = installed.run(
        [str(installed.site / "bin" / "dreamgrid"), "run", "demo", "--smoke", "--storage", str(tmp_path)]
    )

    assert ran.returncode == 0, ran.stderr
    assert "PixMix" in ran.stdout

    (installed.folder / "look.py").write_text(SCRIPT)
    looked = installed.run([sys.executable, "look.py", str(tmp_path)])

    assert looked.returncode == 0, looked.stderr
    seen = json.loads(looked.stdout.splitlines()[-1])
    assert Path(seen["file"]).is_relative_to(installed.site)
    assert seen["rows"] > 0
    assert seen["html"] == "<table"
    assert seen["fog"] == [2, 3, 32, 32]
