"""RobustBench: one JSON document per model, accuracies in percent as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from eval.errors import EvalError
from eval.exchange.cells import exported_value, parse_number
from eval.exchange.conditions import (
    PARTIAL,
    conditions_of,
    split_conditions,
    under_conditions,
    why_left_out,
    with_conditions,
    with_generated,
)
from eval.exchange.contract import About, FileNetwork, LeftOut, Outcomes, Suite
from eval.tables.column import Column

_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType(
    {"clean_acc": Column("clean", "error"), "corruptions_acc": Column("c", "error")}
)
"""Name there -> our column, of which it is the complement; corruptions are 15 at five severities there too."""
_ABOUT: Final = frozenset(
    (
        *("name", "model_id", "architecture", "dataset", "threat_model", "norm", "eps", "additional_data"),
        *("number_forward_passes", "link", "paper", "authors", "venue", "year", "footnote"),
    )
)
"""What describes the model and is no result."""


def read(text: str) -> list[FileNetwork]:
    """Return the one model that a document is about.

    Raises:
        EvalError: If the text is no JSON object, a name is in it twice, or an accuracy is no number.
    """
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except RecursionError as error:
        raise EvalError(
            "a RobustBench file must contain one JSON object, but contains one nested too deep to read"
        ) from error
    except json.JSONDecodeError as error:
        raise EvalError(
            f"a RobustBench file must be a JSON document, but line {error.lineno} is not: {error.msg}"
        ) from error
    except ValueError as error:  # Python reads no numbers of thousands of digits
        raise EvalError("a RobustBench file must contain numbers, but one has too many digits; correct it") from error
    if not isinstance(document, dict):
        raise EvalError(f"a RobustBench file must contain one JSON object, but contains a {type(document).__name__}")
    numbers, left_out = [], []
    for name, value in document.items():
        plain, conditions = split_conditions(name)
        if plain in _COLUMNS and value in (None, ""):
            left_out.append(LeftOut(original=name, reason="no number there"))
        elif plain in _COLUMNS and (reason := why_left_out(conditions)):
            left_out.append(LeftOut(original=name, reason=reason))
        elif plain in _COLUMNS:
            column = under_conditions(_COLUMNS[plain], conditions)
            about = {"column": column, "original": name, "is_complement": True, "is_partial": PARTIAL in conditions}
            numbers.append(parse_number(str(value), name, **about))
        elif name not in _ABOUT:
            left_out.append(LeftOut(original=name, reason="no column here"))
    about = {name: str(document.get(name) or "") for name in ("name", "dataset", "architecture")}
    return [FileNetwork(**about, numbers=tuple(numbers), left_out=tuple(left_out))]


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object of JSON, in which a name that is said twice would keep its last value."""
    names = [name for name, _ in pairs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise EvalError(
            f"each name must be in a RobustBench file once, but {doubled} are in it twice; leave one of each"
        )
    return dict(pairs)


def write(outcomes: Outcomes, about: About) -> str:
    """Return a document with accuracies as text, in percent with two digits."""
    document: dict[str, object] = {
        "name": about.name,
        "dataset": about.dataset,
        "architecture": about.architecture,
        "additional_data": None,  # not known here
        "number_forward_passes": 1,
        "eps": None,
    }
    for there, column in _COLUMNS.items():
        for each in with_generated(column):
            value = exported_value(outcomes, each)
            if value is not None:
                name = with_conditions(there, conditions_of(each.benchmark, outcomes[each.benchmark]))
                document[name] = f"{100 * (1 - value):.2f}"
    return json.dumps(document, indent=2) + "\n"


SUITE: Final = Suite(
    name="robustbench",
    title="RobustBench",
    unit="percent",
    differs="at most 5,000 images of ImageNet",
    write=write,
    read=read,
)
