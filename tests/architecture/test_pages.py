"""The page of the architecture names what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "explanations" / "architecture.md").read_text(encoding="utf-8")
TREE = PAGE.split("```")[1]
PACKAGES = ("orchestration", "trainers", "eval", "augment", "clusters", "dreamgrid")
NAMED = sorted(set(re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w./]+?(?::\w+)?)`", PAGE)))


def rooms_of_the_tree() -> list[str]:
    """Return the folders that the tree names, from the packages down."""
    found, package = [], ""
    for line in TREE.splitlines():
        if match := re.match(r"(\w+)/", line):
            package = match[1]
        elif match := re.match(r"  ((?:\w+/ ?)+)", line):
            found += [f"{package}/{name}" for name in match[1].replace("/", " ").split()]
    return found


def folders(package: str) -> set[str]:
    return {f"{package}/{path.parent.name}" for path in (REPOSITORY / package).glob("*/__init__.py")}


def test_the_tree_names_every_room_of_the_four_packages_in_line() -> None:
    rooms = {room for package in PACKAGES[:4] for room in folders(package)}
    assert {room for room in rooms_of_the_tree() if not room.startswith("clusters")} == rooms


@pytest.mark.parametrize("named", NAMED)
def test_every_file_and_function_on_the_page_exists(named: str) -> None:
    place, _, name = named.partition(":")
    path = REPOSITORY / place
    assert path.exists()
    if name:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
