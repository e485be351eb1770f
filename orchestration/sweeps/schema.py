"""The sweep file: its shape, as frozen pydantic models at the boundary.

Names and types of hyper-parameters are checked later, when cells are expanded (`orchestration.cells.resolve`), since a sweep
may be shrunk to another dataset first. What comes out of here has the right shape and nothing unknown in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from augment.lookup.parameters import did_you_mean, nearest
from orchestration.errors import Mistake
from orchestration.sweeps.messages import shown_value, value_mistake
from orchestration.sweeps.rules import completed, rule_mistakes, with_parts, without
from orchestration.sweeps.yaml_reader import Document, Path, mistake_in

SizeName = Literal["smoke", "small"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120)]
SweepName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Column = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+/[a-z0-9-]+(/[^\s/](.*\S)?)?$")]
Scalars = dict[str, JsonValue]

CELL_LIMIT = 20_000
MAX_ROUNDS = 6
"""How often a file is checked again without its mistaken parts."""


class StrictModel(BaseModel):
    """A frozen value of a file: unknown keys and wrong types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class PointPatch(StrictModel):
    """Part of a cell; what it leaves out comes from elsewhere in the file."""

    method: Name | None = Field(default=None, description="Method, or several joined by '+': pixmix+cutmix")
    dataset: Name | None = Field(default=None, description="Dataset to train and evaluate on")
    model: Name | None = Field(default=None, description="Network: wrn-40-4, resnet-18, small-cnn, ...")
    recipe: Name | None = Field(default=None, description="How it is trained")
    params: Scalars = Field(default_factory=dict, description="Hyper-parameters of the method")
    train: Scalars = Field(default_factory=dict, description="Fields of the recipe that differ from it")
    model_params: Scalars = Field(default_factory=dict, description="Options of the network")
    mixing_set: Name | None = Field(default=None, description="Mixing set of the methods that need one")
    mixing_set_params: Scalars = Field(default_factory=dict, description="num_images, image_size, seed and options")
    outliers: Name | None = Field(default=None, description="Outlier stream of the methods that need one")
    released: Name | None = Field(
        default=None, description="A released network that is evaluated in this row instead of training one"
    )
    imported: Name | None = Field(
        default=None,
        description="Name of another suite's results, brought in by `dreamgrid import`, that the row shows",
    )
    normalize: JsonValue = Field(  # a name, "MEAN STD" or [mean, std]: read by `trainers.models.weights.normalisation`
        default=None,
        description="How images are normalised for the released network of the row, where it is not as published: "
        "imagenet, none, half, ..., 'MEAN STD', or [mean, std]",
    )
    init_from: PointPatch | None = Field(default=None, description="The cell whose weights this one starts from")
    visualise: PointPatch | None = Field(
        default=None,
        description="The cell whose network a set of feature visualisations shows; by default the baseline",
    )


class NamedPoint(PointPatch):
    """An explicit point with the label of its row."""

    row: Name | None = Field(default=None, description="Label of the row; by default the method's title")


class Axes(StrictModel):
    """What varies: explicit cells, then a product grid, then one factor at a time, less the exclusions."""

    cells: tuple[NamedPoint, ...] = ()
    grid: dict[str, Annotated[tuple[JsonValue, ...], Field(min_length=1)]] = Field(default_factory=dict)
    one_at_a_time: dict[str, Annotated[tuple[JsonValue, ...], Field(min_length=1)]] = Field(default_factory=dict)
    exclude: tuple[Scalars, ...] = ()
    row: Name | None = Field(
        None, description="Label of grid rows, for example 'beta={params.beta}, k={params.max_rounds}'"
    )


class MatrixAxes(StrictModel):
    """The two factors of a `matrix` layout, as paths of the grid."""

    rows: Name
    columns: Name


class TableSpec(StrictModel):
    """How the results are laid out.

    `metrics`: rows by metric columns. `matrix`: one factor down, one across, the metrics inside each entry.
    `sets`: the details of the columns down (outlier sets, and "mean"), the rows across, once per metric.
    """

    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    layout: Literal["metrics", "matrix", "sets"] = "metrics"
    rows: tuple[Name, ...] | None = Field(default=None, description="Order of the rows, or a selection of them")
    matrix: MatrixAxes | None = None
    details: tuple[Name, ...] = Field(default=(), description="Fine rows of layout `sets`, for example [svhn, mean]")
    baseline: Name | None = Field(default=None, description="Row that the others are tested against")
    published: Name | None = Field(default=None, description="Key of the published table to compare with")


class EvaluationSpec(StrictModel):
    """How the networks of all rows are evaluated: alike, so that no column mixes numbers of two precisions."""

    precision: Literal["fp32", "tf32", "bf16"] = Field(
        default="fp32", description="Arithmetic of the networks in benchmarks; that of their training does not count"
    )


class SizeSpec(StrictModel):
    """A smaller edition of a sweep that runs the same code: what is set on every cell, stand-ins, and what is left out."""

    set: PointPatch = Field(default_factory=PointPatch, description="Set on every cell, over what its row sets")
    rows: dict[str, PointPatch] = Field(default_factory=dict, description="Set on the cells of one row, over `set`")
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    workers: Annotated[int, Field(ge=1)] | None = None
    columns: dict[Column, Column] = Field(default_factory=dict, description="Column -> the column that replaces it")
    benchmarks: dict[str, Scalars] = Field(
        default_factory=dict, description="Benchmark -> parameters, over the full size's"
    )
    details: tuple[Name, ...] = Field(default=(), description="Fine rows of layout `sets` instead of the table's")
    left_out: dict[Name, Name] = Field(
        default_factory=dict, description="Row or column -> why it has no counterpart here"
    )


class SweepFile(StrictModel):
    """A sweep as its file has it."""

    name: SweepName
    title: Name
    description: str = ""
    base: PointPatch = Field(default_factory=PointPatch, description="What all cells share")
    include: tuple[SweepName, ...] = Field(default=(), description="Built-in sweeps that this one is the union of")
    axes: Axes | None = None
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)
    workers: Annotated[int, Field(ge=1, description="Workers of a cell on CPUs; on GPUs the schedule chooses")] = 1
    benchmarks: dict[str, Scalars] = Field(default_factory=dict, description="Benchmark -> parameters")
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec, description="How networks are evaluated")
    table: TableSpec | None = None
    sizes: dict[SizeName, SizeSpec] = Field(default_factory=dict)
    left_out: dict[Name, Name] = Field(default_factory=dict, description="Row or column -> why it cannot run yet")
    cell_limit: Annotated[int, Field(ge=1, le=1_000_000)] = CELL_LIMIT


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
