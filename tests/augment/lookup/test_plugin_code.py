"""Plug-ins of any kind: found by one look-up, and their code is part of what identifies them."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

import pytest

from augment.compound import METHOD_KIND, method_for
from augment.errors import AugmentError
from augment.lookup.kinds import versioned
from augment.mixing_sets.identity import identity
from augment.mixing_sets.registry import mixing_set_for
from augment.registry import METHODS
from tests.conftest import Install

METHOD = """
from augment.method import Method
from augment.treatment import Treatment
from augment.methods.baseline import NoConfig

def build(config, context):
    from {helper} import STRENGTH
    return Treatment()

METHOD = Method(name="{name}", title="Mine", semantics=1, config=NoConfig, stages=frozenset(), build=build,
                what="Nothing.", source="This test.")
"""


def _package(name: str = "mine", helper: str = "mine.inside") -> dict[str, str]:
    return {
        "mine/__init__.py": METHOD.format(name=name, helper=helper),
        "mine/inside.py": "STRENGTH = 1\n",
        "mine/table.csv": "1,2\n",
    }


POINTS = "[dreamgrid.methods]\nany = mine:METHOD\n"


def _code(name: str = "mine") -> object:
    return versioned(method_for(name))


def test_the_code_of_a_users_method_is_next_to_its_semantics(install: Install) -> None:
    install(_package(), points=POINTS)
    found = _code()
    assert isinstance(found, dict)
    assert (found["semantics"], found["distribution"], found["version"]) == (1, "mine", "1.0")
    assert str(found["source"]).startswith("sha256:")
    assert versioned(method_for("pixmix")) == METHODS["pixmix"].semantics


@pytest.mark.parametrize("edited", ["mine/__init__.py", "mine/inside.py", "mine/table.csv", "mine/new.py"])
def test_any_file_of_the_package_that_changes_changes_the_code(install: Install, edited: str) -> None:
    root = install(_package(), points=POINTS)
    before = _code()
    path = root / edited
    path.write_text((path.read_text() if path.exists() else "") + "\n")
    assert _code() != before


def test_byte_code_and_the_place_of_the_package_change_nothing(install: Install, tmp_path: Path) -> None:
    root = install(_package(), points=POINTS)
    before = _code()
    (root / "mine" / "__pycache__").mkdir(exist_ok=True)
    (root / "mine" / "__pycache__" / "inside.cpython-399.pyc").write_bytes(b"other")
    (root / "mine" / ".notes").write_text("hidden")
    (root / "beside.py").write_text("X = 1")
    assert _code() == before


def test_another_version_of_the_distribution_is_other_code(install: Install) -> None:
    install(_package(), points=POINTS)
    before = _code()
    install(_package(), points=POINTS, version="1.1")
    assert _code() != before


def test_a_module_beside_a_single_file_plug_in_counts_where_it_is_imported(install: Install) -> None:
    files = {"mine_method.py": METHOD.format(name="mine", helper="mine_helper"), "mine_helper.py": "STRENGTH = 1\n"}
    root = install({**files, "mine_other.py": ""}, points="[dreamgrid.methods]\nany = mine_method:METHOD\n")
    before = _code()
    (root / "mine_other.py").write_text("X = 1\n")
    assert _code() == before
    (root / "mine_helper.py").write_text("STRENGTH = 2\n")
    assert _code() != before


def test_a_zipped_package_is_refused(install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = install(_package(), points=POINTS)
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", folder)
    shutil.rmtree(folder)
    monkeypatch.syspath_prepend(archive)
    with pytest.raises(AugmentError, match=r"must be readable files.*install the package unzipped"):
        METHOD_KIND.added()


def test_what_cannot_be_loaded_is_told_with_the_entry_point(install: Install) -> None:
    install({"mine/__init__.py": "1 / 0\n"}, points=POINTS)
    with pytest.raises(
        AugmentError, match=r"'any' of dreamgrid.methods \(mine:METHOD\) cannot be loaded: ZeroDivision"
    ):
        METHOD_KIND.added()


def test_an_edited_mixing_set_has_another_identity(install: Install) -> None:
    text = (
        "import dataclasses\nfrom augment.mixing_sets.registry import MIXING_SETS\n"
        "SET = dataclasses.replace(MIXING_SETS['dead-leaves-squares'], name='mine')\n"
    )
    root = install({"mine/__init__.py": text}, points="[dreamgrid.mixing_sets]\nany = mine:SET\n")
    before = identity(mixing_set_for("mine"), 10, 32, 3, 0, {})
    (root / "mine" / "__init__.py").write_text(text + "# edited\n")
    assert identity(mixing_set_for("mine"), 10, 32, 3, 0, {}) != before


def test_entry_points_of_this_environment_can_be_read() -> None:
    assert list(metadata.entry_points(group="dreamgrid.methods")) == []
