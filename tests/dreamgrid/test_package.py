"""What `import dreamgrid` brings: quickly, typed, and nothing that is heavy before it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dreamgrid

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "ray", "mlflow", "pandas", "numba", "numpy", "scipy", "matplotlib", "boto3")


def test_importing_it_imports_nothing_heavy() -> None:
    code = f"import sys, dreamgrid; print([name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )

    assert ran.stdout == "[]\n"


@pytest.mark.parametrize("name", dreamgrid.__all__)
def test_every_public_name_is_there_and_has_a_description(name: str) -> None:
    assert getattr(dreamgrid, name).__doc__
    assert name in dir(dreamgrid)


def test_a_name_that_it_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'PixMax'; it has .*PixMix"):
        dreamgrid.PixMax  # noqa: B018


@pytest.mark.parametrize("package", ["dreamgrid", "orchestration", "trainers", "eval", "augment", "clusters"])
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (REPOSITORY / package / "py.typed").is_file()
