"""What the repository may and may not hold."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
UPLOAD_LIMIT_BYTES = 5 * 1024 * 1024
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")


@pytest.fixture(scope="module")
def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("the files are listed by git, and this is no checkout")
    return [REPOSITORY / line for line in listing.stdout.splitlines() if (REPOSITORY / line).is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_the_lock_names_no_address(tracked_files: list[Path]) -> None:
    assert "://" not in (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")


def test_the_lock_pins_exact_versions() -> None:
    lines = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines()
    loose = [line for line in lines if line and not line.startswith("#") and "==" not in line]

    assert not loose
    assert "torch==2.14.1" in lines
    assert "torchvision==0.29.1" in lines


def test_nothing_is_left_unfinished(tracked_files: list[Path]) -> None:
    marked = [
        f"{path.relative_to(REPOSITORY)}: {mark}"
        for path in tracked_files
        for mark in UNFINISHED
        if mark in text_of(path)
    ]

    assert not marked


def test_no_path_of_a_machine_is_named(tracked_files: list[Path]) -> None:
    around = str(REPOSITORY.parent) + "/"
    if len(around) < 6:
        pytest.skip("the repository lies in the root folder")

    assert not [path for path in tracked_files if around in text_of(path)]


def test_what_a_submitted_sweep_uploads_is_small(tracked_files: list[Path]) -> None:
    kept_out = tuple((REPOSITORY / ".rayignore").read_text(encoding="utf-8").split())
    uploaded = [
        path
        for path in tracked_files
        if not any(
            path.match(pattern) or pattern.rstrip("/") in path.relative_to(REPOSITORY).parts for pattern in kept_out
        )
    ]

    assert sum(path.stat().st_size for path in uploaded) < UPLOAD_LIMIT_BYTES
