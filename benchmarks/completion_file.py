"""Write what shells complete: `python -m benchmarks.completion_file > orchestration/cli/completion.json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from typer.main import get_command

from augment.registry import METHODS
from eval.benchmarks.registry import BENCHMARKS
from eval.benchmarks.suite.choose import SuiteName
from eval.exchange.suites import SUITES as OTHER_SUITES
from eval.inference.precision import PRECISIONS
from eval.tables.formats.registry import FORMATS
from orchestration.cells.load import SWEEPS, built_in_sweep
from orchestration.cli.main import build_app
from orchestration.cli.verb_list import VERBS
from orchestration.cli.verbs.plan import MODES
from orchestration.engine.options import ENGINES
from orchestration.planning.costs.machines import PRICE_FILE
from orchestration.results.figures.registry import KINDS
from orchestration.sweeps.yaml_reader import read_yaml
from trainers.datasets.registry import DATASETS
from trainers.models.registry import MODELS

_MACHINES: Final = list(read_yaml(PRICE_FILE.read_text(encoding="utf-8"), subject="price file").value["machines"])
_CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "benchmarks": [*BENCHMARKS],
    "dataset": [*DATASETS],
    "engine": [*ENGINES],
    "kind": [*KINDS],
    "machine": _MACHINES,
    "method": [*METHODS],
    "mode": [*MODES],
    "model": [*MODELS],
    "precision": [*PRECISIONS],
    "suite": [*get_args(SuiteName)],
}
"""Name of a parameter -> its values."""

_LISTS: Final = frozenset({"benchmarks"})
"""Parameters with several values, separated by commas."""

_KINDS: Final = {"row": "rows", "priority": "prioritised rows"}


def document() -> str:
    """Return the file."""
    rows = {
        name: list(dict.fromkeys(row for part in built_in_sweep(name).leaves for row in part.rows)) for name in SWEEPS
    }
    titles = {name: method.title for name, method in METHODS.items()}
    found = {"verbs": {name: _described(name) for name in VERBS}, "rows": rows, "titles": titles}
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _described(name: str) -> dict[str, Any]:
    command: Any = get_command(build_app(name))
    found = command.commands[name]
    if hasattr(found, "commands"):
        return {"verbs": {verb: _leaf(verb, each) for verb, each in found.commands.items()}}
    return _leaf(name, found)


def _leaf(verb: str, command: Any) -> dict[str, Any]:
    params = [_param(verb, each) for each in command.params if each.name != "help"]
    return {"help": command.get_short_help_str(80), "params": params}


def _param(verb: str, param: Any) -> dict[str, Any]:
    is_option = param.param_type_name == "option"
    flag = "/".join(filter(None, (" ".join(param.opts), " ".join(param.secondary_opts))))
    is_flag = is_option and bool(param.is_flag)
    described = {
        "name": param.name,
        "names": ([flag] if is_flag and param.secondary_opts else [*param.opts]) if is_option else [],
        "help": str(getattr(param, "help", "") or "").partition(". ")[0],
        "is_flag": is_flag,
        "is_repeated": bool(getattr(param, "multiple", False)) or param.nargs == -1,
        "is_list": param.name in _LISTS,
        "values": [] if is_flag else _values(verb, param),
    }
    return {name: value for name, value in described.items() if value}


def _values(verb: str, param: Any) -> str | list[str]:
    metavar = str(param.metavar or "")
    if "SWEEP" in metavar:
        return "sweeps"
    if "CELL" in metavar:
        return "cells"
    if param.name == "form":
        return [*FORMATS] if verb == "table" else [*OTHER_SUITES]
    return _KINDS.get(param.name) or [*_CHOICES.get(param.name, ())]


if __name__ == "__main__":
    sys.stdout.write(document())
