"""The script that measures the structure of the packages: what it counts, on a small tree."""

from __future__ import annotations

from pathlib import Path

from benchmarks.house import crowded_folders, measure

FIRST = '''"""One."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.rooms.second import other


def one() -> None:  # a reason
    import json

    def inner() -> None:
        import os
'''
REPOSITORY = Path(__file__).resolve().parents[2]
SECOND = '"""Two."""\nfrom eval.rooms import first\n'


def tree(root: Path) -> Path:
    (root / "eval" / "rooms").mkdir(parents=True)
    for name, text in (("__init__", ""), ("rooms/__init__", ""), ("rooms/first", FIRST), ("rooms/second", SECOND)):
        (root / "eval" / f"{name}.py").write_text(text)
    return root


def test_imports_in_functions_circles_and_comments_are_counted(tmp_path: Path) -> None:
    found = measure(tree(tmp_path))

    assert (found.files, found.lines) == (4, FIRST.count("\n") + SECOND.count("\n"))
    assert (found.late_imports, found.type_checking_blocks) == (2, 1)
    assert found.comment_share == 1 / found.lines
    assert found.lines_a_function.most == 5
    assert found.circles == {"eval.rooms": [["first", "second"]]}


def test_a_folder_with_more_entries_than_the_rules_allow_is_named(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / "eval" / "py.typed").touch()
    for number in range(13):
        (root / "eval" / f"file{number}.py").touch()

    assert crowded_folders(root) == {"eval": 14}


def test_every_folder_of_the_packages_has_room() -> None:
    """13 entries at a package's top, 15 elsewhere; more of them means that some belong in a folder with a name."""
    assert crowded_folders(REPOSITORY) == {}
