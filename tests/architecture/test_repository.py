"""What the repository may and may not hold."""

from __future__ import annotations

import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


LOCKS = ("requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?P<marker> ;[^\\]*)? \\$", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return {found["name"]: found["version"] for found in PIN.finditer((REPOSITORY / lock).read_text(encoding="utf-8"))}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address(lock: str) -> None:
    assert "://" not in (REPOSITORY / lock).read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_exact_versions_with_hashes(lock: str) -> None:
    lines = (REPOSITORY / lock).read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if not PIN.match(line) and not line.startswith("    --hash=sha256:")]
    assert all(after.startswith("    --hash=") for line, after in pairwise(lines) if PIN.match(line))
    assert pins(lock)["torch"] == "2.14.1"
    assert pins(lock)["torchvision"] == "0.29.1"


def test_what_runs_is_what_was_tested_without_the_tools_of_development() -> None:
    run, development = (pins(lock) for lock in LOCKS)
    assert run.items() <= development.items()
    tools = {"moto", "selenium", "mypy", "pytest", "ruff", "hypothesis", "vulture", "import-linter", "uv"}
    assert tools <= development.keys()
    assert not tools & run.keys()


def test_every_library_that_is_asked_for_is_locked_within_its_range() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    run, development = (pins(lock) for lock in LOCKS)
    asked = {"requirements.lock": [*project["dependencies"], *extras["search"], *extras["server"], *extras["build"]]}
    asked["requirements-dev.lock"] = [line for line in extras["dev"] if not line.startswith("dreamgrid[")]
    for lock, found in zip(LOCKS, (run, development), strict=True):
        for line in asked[lock]:
            wanted = Requirement(line)
            assert wanted.specifier.contains(found[canonicalize_name(wanted.name)]), line


def test_every_place_that_the_page_for_contributors_names_exists() -> None:
    page = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:orchestration|trainers|eval|augment|clusters)/[\w./]+)`", page)
    assert len(named) >= 12
    assert not [place for place in named if not (REPOSITORY / place).exists()]


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
