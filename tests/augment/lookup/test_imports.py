"""What a source imports is read from any place in it, by any number of threads."""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from augment.lookup.imports import imported_names

SOURCES = sorted((Path(__file__).resolve().parents[3] / "augment").rglob("*.py"))


def by_syntax_tree(source: bytes) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


class Garbage:
    """What only the garbage collector frees, by Python code, in which another thread may take its turn."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        for _ in range(50):
            pass


@pytest.fixture
def busy_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads that take turns wherever they can: also while one of them builds a syntax tree and memory is collected."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(20, 1, 1)
    with ThreadPoolExecutor(4) as threads:
        yield threads
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


def test_the_names_are_those_of_the_syntax_tree() -> None:
    different = [path for path in SOURCES if imported_names(path.read_bytes()) != by_syntax_tree(path.read_bytes())]
    assert different == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b, d", {"a.b", "d"}),
        ("import a.b as c", {"a.b", "a.b.b"}),  # as if it were `from a.b import b as c`: nothing is there
        ("from a.b import c as e, d", {"a.b", "a.b.c", "a.b.d"}),
        ("from a import *", {"a"}),
        (
            "def f():\n  class B:\n    def g(self):\n      try:\n        import deep\n      except ImportError: pass",
            {"deep"},
        ),
        ("from . import a\nfrom .b import c\nfrom ..d.e import f\nimport g", {"g"}),
        (
            "\n".join(f"x{i} = '{i}'" for i in range(300)) + "\nimport late\nfrom far import away",
            {"late", "far", "far.away"},
        ),
        ("", set()),
    ],
)
def test_names_are_found_at_any_place_and_relative_ones_left_out(source: str, names: set[str]) -> None:
    assert imported_names(source.encode()) == names


def test_several_threads_may_ask_at_once(busy_threads: ThreadPoolExecutor) -> None:
    def asked(source: bytes) -> set[str]:
        for _ in range(20):
            Garbage()
        return imported_names(source)

    sources = [path.read_bytes() for path in SOURCES[:40]]
    found = list(busy_threads.map(asked, sources * 2))
    assert found == [imported_names(each) for each in sources] * 2
