"""What nothing in the packages and benchmarks uses, tests apart, and the list of what is allowed to look so."""

from __future__ import annotations

import tomllib
from pathlib import Path

from vulture import Vulture

REPOSITORY = Path(__file__).resolve().parents[2]


def test_only_what_the_list_allows_looks_unused() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["vulture"]
    scan = Vulture()
    scan.scavenge([str(REPOSITORY / path) for path in settings["paths"]])
    unused = {item.name: str(item.filename) for item in scan.get_unused_code(settings["min_confidence"])}

    assert {name: place for name, place in unused.items() if name not in settings["ignore_names"]} == {}
    assert sorted(set(settings["ignore_names"]) - set(unused)) == []  # entries that allow nothing
