"""Whether an engine gives the same numbers on several releases of Ray.

    python -m benchmarks.ray_releases 2.50.1 2.54.1 --engine plain

Every release is installed into a virtual environment of its own under `.venv-rays/`, which has everything else from the one that
this runs in. A sweep is run on each, and its weights and metrics are compared, bit for bit, with those of the warm engine on the
installed release.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.smoke_numbers import differences, numbers_in
from orchestration.engine.options import ENGINES

FOLDER: Final = Path(".venv-rays")
SWEEP: Final = "demo"
TAIL: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of a sweep on one release.

    Attributes:
        cells: Numbers of its cells (`benchmarks.smoke_numbers`).
        error: The end of what it printed if it did not complete, or "".
    """

    release: str
    engine: str
    cells: Sequence[dict[str, Any]]
    seconds: float
    error: str


def interpreter(release: str) -> Path:
    """Return a Python that has a release of Ray, and everything else from this one; installs it where it is missing.

    Raises:
        subprocess.CalledProcessError: If the release cannot be installed.
    """
    if release == version("ray"):
        return Path(sys.executable)
    folder = FOLDER / release
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    if not (packages / "ray").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", str(packages), f"ray=={release}"], check=True)
    # Behind its own packages on the path: Ray comes from there, everything else from here.
    (packages / "zz_others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def environment() -> Mapping[str, str]:
    """Return the environment of a run: this checkout's packages, and no Ray but a private one."""
    kept = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "DREAMGRID_STORAGE")}
    return {**kept, "PYTHONPATH": str(Path.cwd()), "RAY_USAGE_STATS_ENABLED": "0"}


def try_release(release: str, engine: str, storage: Path) -> Tried:
    """Run the sweep in smoke size by an engine on a release."""
    options = ["--smoke", "--engine", engine, "--storage", str(storage), "--tracking-uri", "none"]
    began = time.monotonic()
    ran = subprocess.run(
        [str(interpreter(release)), "-m", "orchestration.cli", "run", SWEEP, *options],
        env=dict(environment()),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    error = "" if ran.returncode == 0 else "\n".join(ran.stderr.splitlines()[-TAIL:])
    return Tried(
        release=release,
        engine=engine,
        cells=[] if error else numbers_in(storage),
        seconds=seconds,
        error=error,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the releases; exit code 1 where one does not complete the sweep, or gives other numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ray_releases", description=__doc__)
    parser.add_argument("releases", nargs="+", metavar="RELEASE")
    parser.add_argument("--engine", choices=ENGINES, default="plain")
    given = parser.parse_args(arguments)
    wanted = [(version("ray"), "warm"), *((release, given.engine) for release in given.releases)]
    reference: Tried | None = None
    is_fine = True
    print("| Ray | engine | cells | seconds | differences |\n|:---|:---|---:|---:|:---|", flush=True)
    for release, engine in wanted:
        with tempfile.TemporaryDirectory(prefix="dreamgrid-rays-") as folder:
            tried = try_release(release, engine, Path(folder))
        reference = reference or tried
        lines = differences(reference.cells, tried.cells)
        said = "did not complete" if tried.error else f"{len(lines)}" if tried is not reference else ""
        print(f"| {release} | {engine} | {len(tried.cells)} | {tried.seconds:.0f} | {said} |", flush=True)
        for line in [*tried.error.splitlines(), *lines]:
            print(f"    {line}", file=sys.stderr)
        is_fine = is_fine and not tried.error and not lines
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
