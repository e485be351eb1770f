"""The sweep file: checking the shape of a document, all mistakes at once.

Names and types of hyper-parameters are checked later, when cells are expanded (`orchestration.cells.resolve`), since a sweep
may be shrunk to another dataset first. What comes out of here has the right shape and nothing unknown in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from augment.lookup.parameters import did_you_mean, nearest
from orchestration.errors import Mistake
from orchestration.sweeps.messages import shown_value, value_mistake
from orchestration.sweeps.rules import completed, rule_mistakes, with_parts, without
from orchestration.sweeps.sweep_file import (
    Axes,
    EvaluationSpec,
    MatrixAxes,
    NamedPoint,
    PointPatch,
    SizeName,
    SizeSpec,
    StrictModel,
    SweepFile,
    TableSpec,
)
from orchestration.sweeps.yaml_reader import Document, Path, mistake_in

MAX_ROUNDS = 6
"""How often a file is checked again without its mistaken parts."""


def parse_document(document: Document) -> tuple[SweepFile | None, list[Mistake]]:
    """Check the shape of a document.

    Mistaken values are left out and the rest is checked again, so that later checks can still report their own mistakes.

    Returns:
        The sweep file with the mistaken parts left out, or None where too little is left; and all mistakes of shape.
    """
    if not isinstance(document.value, dict):
        text = f"a sweep file must be a mapping with `name`, `title`, `base`, `axes` and `table`, but is {_kind(document.value)}"
        return None, [Mistake(where="", text=text, line=1)]
    value = document.value
    mistakes = [mistake_in(document, path, text) for path, text in rule_mistakes(value)]
    value = with_parts(value)
    # Leaving a mistaken value out may uncover another one (a list that is then empty): check again until nothing is found.
    for _ in range(MAX_ROUNDS):
        try:
            return SweepFile.model_validate_json(json.dumps(value)), mistakes
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=True)
            known = {mistake.where for mistake in mistakes}
            fresh = [_mistake(item, document) for item in found if not _follows(item, found)]
            mistakes += [mistake for mistake in fresh if mistake.where not in known]
            value = completed(without(value, [_real_path(item["loc"], value) for item in found]))
    return None, mistakes


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "empty" if value is None else f"only {shown_value(value)}"


def point_field_of(path: str) -> str:
    """Return the field of a point that a dotted path names."""
    head, _, rest = path.partition(".")
    fields = [name for name in PointPatch.model_fields if name not in PARENT_FIELDS]
    if head in OPTIONS_OF:
        raise ValueError(f"'{head}' is no setting of a cell; {OPTIONS_OF[head]}")
    if head not in fields:
        raise ValueError(f"unknown field '{head}'{nearest(head, fields)}")
    if (head in MAPPING_FIELDS) != bool(rest):
        raise ValueError(
            f"'{path}' must name one value: "
            + (f"write '{head}.<name>'" if head in MAPPING_FIELDS else f"write '{head}' alone")
        )
    return head


PARENT_FIELDS = ("init_from", "visualise")
OPTIONS_OF = {
    "seed": "write `seeds` in the file, or --seeds 0,1,2",
    "seeds": "write `seeds` in the file, or --seeds 0,1,2",
    "workers": "write `workers` in the file, or --workers 2",
    "row": "a label follows from the axes and is not set",
    "init_from": "the cell that one starts from is named in the file",
    "visualise": "the cell that is visualised is named in the file",
}
MAPPING_FIELDS = ("params", "train", "model_params", "mixing_set_params")


def _follows(error: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an error is only what another one leads to: a list without its mistaken items, a key that is there misspelt."""
    if error["type"] == "too_short":
        return bool(error.get("input"))
    if error["type"] != "missing":
        return False
    spelt = [
        str(other["loc"][-1])
        for other in others
        if other["type"] == "extra_forbidden" and other["loc"][:-1] == error["loc"][:-1]
    ]
    return bool(did_you_mean(str(error["loc"][-1]), spelt))


def _mistake(error: Mapping[str, Any], document: Document) -> Mistake:
    path = _real_path(error["loc"], document.value)
    name = str(path[-1]) if path else "the file"
    if error["type"] == "extra_forbidden":
        return mistake_in(document, path, f"unknown key '{name}'{nearest(name, _keys_at(path[:-1]))}")
    if error["type"] == "missing":
        return mistake_in(document, path, f"`{name}` is required; add it")
    if error["loc"][-1] == "[key]" and path[:1] == ("sizes",) and len(path) == 2:
        return mistake_in(document, path, f"unknown size '{name}'{nearest(name, get_args(SizeName))}")
    if isinstance(path[-1] if path else "", int):
        name = f"each of {path[-2]}"
    return mistake_in(document, path, value_mistake(name, error))


def _real_path(loc: tuple[str | int, ...], value: Any) -> Path:
    """Cut a location to the parts that the file has (pydantic adds names of union members and '[key]')."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        inside = isinstance(value, dict) and part in value
        if inside or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            path.append(part)
            value = value[part]
        elif index == len(loc) - 1 and isinstance(value, dict) and part != "[key]":
            path.append(part)
    return tuple(path)


def _keys_at(path: Path) -> list[str]:
    """The keys that the model at a path knows."""
    match path:
        case ():
            model: type[StrictModel] = SweepFile
        case ("axes",):
            model = Axes
        case ("table",):
            model = TableSpec
        case ("evaluation",):
            model = EvaluationSpec
        case ("table", "matrix"):
            model = MatrixAxes
        case ("sizes", _):
            model = SizeSpec
        case ("axes", "cells", _):
            model = NamedPoint
        case _:
            model = PointPatch
    return list(model.model_fields)
