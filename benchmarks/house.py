"""The structure of the packages in numbers: `python -m benchmarks.house [--root CHECKOUT] [--json]`.

Reads Python files as text and runs nothing, so that any checkout can be measured, also one from before this script.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import statistics
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

PACKAGES: Final = ("orchestration", "trainers", "eval", "augment", "clusters", "dreamgrid")
MOST_AT_TOP: Final = 13
MOST_ELSEWHERE: Final = 15
DATA_FOLDERS: Final = ("builtin", "sweeps", "manifests", "published")
"""Folders that hold data files, one a thing, which may be as many as there are things."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median, 90th percentile and maximum of some counts."""

    median: float
    p90: float
    most: int

    @classmethod
    def of(cls, counts: Sequence[int]) -> Spread:
        """Return the spread of at least one count."""
        ordered = sorted(counts)
        return cls(
            median=statistics.median(ordered),
            p90=ordered[min(len(ordered) - 1, 9 * len(ordered) // 10)],
            most=ordered[-1],
        )

    def __str__(self) -> str:
        return f"{self.median:g} / {self.p90:g} / {self.most}"


@dataclass(frozen=True, kw_only=True)
class House:
    """What was measured of a checkout.

    Attributes:
        files: Python files of the packages.
        lines: Their lines.
        lines_a_file: Spread of the lines of files.
        lines_a_function: Spread of the lines of functions.
        late_imports: Import statements in functions.
        type_checking_blocks: `if TYPE_CHECKING` blocks.
        comment_share: Lines with a comment, of all lines.
        crowded: Folder -> entries, where they are more than 13 at a package's top or 15 elsewhere.
        circles: Folder -> groups of its entries that import each other in a circle, imports in functions and for types included.
    """

    files: int
    lines: int
    lines_a_file: Spread
    lines_a_function: Spread
    late_imports: int
    type_checking_blocks: int
    comment_share: float
    crowded: dict[str, int]
    circles: dict[str, list[list[str]]]


def measure(root: Path) -> House:
    """Return the measures of a checkout.

    Raises:
        ValueError: If it has none of the packages.
    """
    sources = {path.relative_to(root): path.read_text(encoding="utf-8") for path in _python_files(root)}
    if not sources:
        raise ValueError(f"a checkout must contain packages ({', '.join(PACKAGES)}), but {root} contains none")
    trees = {path: ast.parse(text) for path, text in sources.items()}
    functions = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, FunctionNode)]
    lines = [text.count("\n") for text in sources.values()]
    return House(
        files=len(sources),
        lines=sum(lines),
        lines_a_file=Spread.of(lines),
        lines_a_function=Spread.of([(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]),
        late_imports=sum(len(_late_imports(tree)) for tree in trees.values()),
        type_checking_blocks=sum(_is_type_checking(node) for tree in trees.values() for node in ast.walk(tree)),
        comment_share=sum(map(_comments, sources.values())) / sum(lines),
        crowded=crowded_folders(root),
        circles=import_circles(trees),
    )


def crowded_folders(root: Path) -> dict[str, int]:
    """Return folder -> entries of the folders with more entries than the rules allow.

    Files that Python asks for and nobody looks for count as none: `__init__.py`, and `py.typed`, the empty mark of a package with
    types (PEP 561).
    """
    crowded = {}
    for package in PACKAGES:
        for folder in (root / package, *(each for each in (root / package).rglob("*") if each.is_dir())):
            entries = (
                [e for e in folder.iterdir() if e.name not in ("__init__.py", "__pycache__", "py.typed")]
                if folder.is_dir()
                else []
            )
            most = MOST_AT_TOP if folder.parent == root else MOST_ELSEWHERE
            if len(entries) > most and folder.name not in DATA_FOLDERS and folder.name != "__pycache__":
                crowded[folder.relative_to(root).as_posix()] = len(entries)
    return dict(sorted(crowded.items(), key=lambda item: -item[1]))


def import_circles(trees: Mapping[Path, ast.Module]) -> dict[str, list[list[str]]]:
    """Return folder -> groups of its entries (files and sub-folders) that import each other in a circle."""
    arrows: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    modules = {_module(path) for path in trees}
    for path, tree in trees.items():
        here = _module(path).split(".")
        for name in _imported(tree):
            there = _known(name, modules)
            if there is None:
                continue
            shared = next((n for n, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), None)
            if shared is not None and shared > 0:
                arrows[".".join(here[:shared])][here[shared]].add(there[shared])
    found = {folder: _components(graph) for folder, graph in sorted(arrows.items())}
    return {folder: groups for folder, groups in found.items() if groups}


def _python_files(root: Path) -> list[Path]:
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


def _late_imports(tree: ast.Module) -> set[int]:
    """Return the lines of import statements in functions, each once, however deep the function is nested."""
    return {
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, FunctionNode)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _comments(text: str) -> int:
    return sum(token.type == tokenize.COMMENT for token in tokenize.generate_tokens(io.StringIO(text).readline))


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.Module) -> Iterable[str]:
    """Yield the full names that a module imports; of `from a import b` both `a` and `a.b`, since b may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _known(name: str, modules: set[str]) -> list[str] | None:
    """Return the parts of the longest module of the packages that a name begins with."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return None
    return next((parts[:n] for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in modules), None)


def _components(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected groups of more than one entry, sorted."""
    reached = {start: _reached(start, graph) for start in graph}
    groups = {
        tuple(sorted({start} | {other for other in reached[start] if start in reached.get(other, set())}))
        for start in graph
        if start in reached[start]
    }
    return sorted(list(group) for group in groups if len(group) > 1)


def _reached(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting.extend(graph.get(each, ()))
    return seen


def _rows(house: House) -> Iterable[tuple[str, object]]:
    yield "files, lines", f"{house.files}, {house.lines:,}"
    yield "lines a file (median / p90 / most)", house.lines_a_file
    yield "lines a function (median / p90 / most)", house.lines_a_function
    yield "imports in functions", house.late_imports
    yield "TYPE_CHECKING blocks", house.type_checking_blocks
    yield "lines with a comment", f"{house.comment_share:.1%}"
    yield "crowded folders", ", ".join(f"{folder} {n}" for folder, n in house.crowded.items()) or "none"
    circles = [f"{folder}: {' <-> '.join(group)}" for folder, groups in house.circles.items() for group in groups]
    yield "import circles", "; ".join(circles) or "none"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measures as a list, or as one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent, help="checkout to measure")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        house = measure(options.root)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(asdict(house), indent=2))
    else:
        for name, value in _rows(house):
            print(f"{name:40} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
