"""The generated pages by the names of their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.pages import (
    benchmarks,
    catalogue,
    command_line,
    environment,
    exit_codes,
    methods,
    metrics,
    mixing_sets,
    python_api,
    sweep_yaml,
)

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "benchmarks.md": benchmarks.document,
    "catalogue.md": catalogue.document,
    "command-line.md": command_line.document,
    "environment-variables.md": environment.document,
    "exit-codes.md": exit_codes.document,
    "methods.md": methods.document,
    "metrics.md": metrics.document,
    "mixing-sets.md": mixing_sets.document,
    "python-api.md": python_api.document,
    "sweep-yaml.md": sweep_yaml.document,
}
