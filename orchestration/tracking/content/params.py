"""The parameters of a cell's run: every field of its configuration, read off the domain models themselves.

A field that a recipe, a method, a mixing set or a model gains is a parameter of the next run without a line here. Names are
those of sweep files where these have one: `train.weight_decay`, `evaluation.precision`, a hyper-parameter by its own name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from orchestration.cells.cell import PlannedCell
from trainers.config import JobConfig, RecipeConfig

EVALUATED_IN: Final = "evaluation.precision"
"""The one parameter that is no part of the train key: another value means other results of the same weights."""
CELL_ID_DIGITS: Final = 12
LONGEST_PARAM: Final = 6000
"""Characters that MLflow stores of a value."""
LONGEST_NAME: Final = 250
_RESERVED: Final = re.compile(r"[^\w\-. :/]")
_PREFIXES: Final[Mapping[str, str]] = {"recipe": "train", "model_params": "model", "method_params": "method"}
"""Field of a configuration -> what sweep files call it, where that is another word."""
_TAKEN: Final = frozenset(field.name for model in (JobConfig, RecipeConfig) for field in fields(model))
"""A hyper-parameter of such a name keeps the prefix `method.`: earlier versions called the recipe's own so."""


def clean_name(name: str) -> str:
    """Return a name with only the characters that metric and parameter names may have."""
    return _RESERVED.sub("-", name)[:LONGEST_NAME]


def cell_params(planned: PlannedCell, scrub: Callable[[str], str]) -> dict[str, str]:
    """Return every field of a cell's configuration and how it is evaluated, exactly, as text by name.

    What a cell does not have at all (a mixing set, a parent) is left out; a field that is set to nothing is "null", as in sweep
    files.

    Args:
        scrub: Hides secrets in a text.
    """
    found: dict[str, str] = {}
    for field in fields(planned.config):
        value = getattr(planned.config, field.name)
        if value is not None:
            for name, inner in _flat(_PREFIXES.get(field.name, field.name), value):
                found.setdefault(_short(name), _text(inner, scrub))
    if planned.config.init_from:
        found["init_from"] = planned.config.init_from[:CELL_ID_DIGITS]
    if planned.benchmarks:
        found[EVALUATED_IN] = ", ".join(dict.fromkeys(request.precision for request in planned.benchmarks))
    return {clean_name(name): _fitted(text) for name, text in found.items()}


def _flat(prefix: str, value: object) -> Iterator[tuple[str, Any]]:
    """Yield each plain value of nested models and mappings, named by its path; a model's `name` is the model itself."""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            inner = getattr(value, field.name)
            is_own = field.name in {"name", "params"}
            yield from _flat(prefix if is_own else f"{prefix}.{field.name}", inner)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}", inner)
    else:
        yield prefix, value


def _short(name: str) -> str:
    """Return a hyper-parameter's own name, as `params:` of a sweep has it, where nothing else has it."""
    own = name.removeprefix("method.")
    return name if own.partition(".")[0] in _TAKEN else own


def _text(value: object, scrub: Callable[[str], str]) -> str:
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return ", ".join(_text(inner, scrub) for inner in value) or "[]"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return scrub(value) if isinstance(value, str) else str(value)


def _fitted(text: str) -> str:
    """Return a text that MLflow stores whole; of a longer one its beginning, and what tells it from others that begin so."""
    if len(text) <= LONGEST_PARAM:
        return text
    end = f" ... ({len(text)} characters, SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:16]})"
    return text[: LONGEST_PARAM - len(end)] + end
