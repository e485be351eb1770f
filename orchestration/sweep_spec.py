"""The sweep file: its shape, as frozen pydantic models at the boundary.

Names and types of hyper-parameters are checked later, when cells are expanded (`orchestration.resolve`), since a sweep may be
shrunk to another dataset first. What comes out of here has the right shape and nothing unknown in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError, model_validator

from orchestration.errors import Mistake, nearest
from orchestration.sweep_yaml import Document, Path

SizeName = Literal["smoke", "small"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120)]
SweepName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Column = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+/[a-z0-9-]+(/[^\s/](.*\S)?)?$")]
Scalars = dict[str, JsonValue]

CELL_LIMIT = 20_000


class StrictModel(BaseModel):
    """A frozen value of a file: unknown keys and wrong types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class PointPatch(StrictModel):
    """Part of a cell; what it leaves out comes from elsewhere in the file."""

    method: Name | None = Field(default=None, description="Method, or several joined by '+': pixmix+cutmix")
    dataset: Name | None = Field(default=None, description="Dataset to train and judge on")
    model: Name | None = Field(default=None, description="Network: wrn-40-4, resnet-18, small-cnn, ...")
    recipe: Name | None = Field(default=None, description="How it is trained")
    params: Scalars = Field(default_factory=dict, description="Hyper-parameters of the method")
    train: Scalars = Field(default_factory=dict, description="Fields of the recipe that differ from it")
    model_params: Scalars = Field(default_factory=dict, description="Options of the network")
    mixing_set: Name | None = Field(default=None, description="Mixing set of the methods that need one")
    mixing_set_params: Scalars = Field(default_factory=dict, description="num_pictures, image_size, seed and options")
    outliers: Name | None = Field(default=None, description="Outlier stream of the methods that need one")
    released: Name | None = Field(
        default=None, description="A released network that is judged in this row instead of training one"
    )
    imported: Name | None = Field(
        default=None,
        description="Name of another suite's results, brought in by `dreamgrid import`, that the row shows",
    )
    normalize: Name | tuple[JsonValue, JsonValue] | None = Field(
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

    @model_validator(mode="after")
    def _something_varies(self) -> Axes:
        if not (self.cells or self.grid or self.one_at_a_time):
            raise ValueError(
                "at least one of cells, grid and one_at_a_time must list something, or no cell is left to run"
            )
        return self


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
    rows: tuple[Name, ...] | None = Field(default=None, description="Order of the rows, or a choice of them")
    matrix: MatrixAxes | None = None
    details: tuple[Name, ...] = Field(default=(), description="Fine rows of layout `sets`, for example [svhn, mean]")
    baseline: Name | None = Field(default=None, description="Row that the others are tested against")
    published: Name | None = Field(default=None, description="Key of the published table to compare with")

    @model_validator(mode="after")
    def _consistent(self) -> TableSpec:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns must differ from each other; leave the repeated one out")
        if (self.layout == "matrix") != (self.matrix is not None):
            raise ValueError(
                "layout 'matrix' and the key `matrix` (its two factors) belong together; give both or neither"
            )
        if (self.layout == "sets") != bool(self.details):
            raise ValueError(
                "layout 'sets' and the key `details` (its fine rows) belong together; give both or neither"
            )
        return self


class SizeSpec(StrictModel):
    """A smaller edition of a sweep that runs the same code: what is set on every cell, stand-ins, and what is left out."""

    set: PointPatch = Field(default_factory=PointPatch, description="Set on every cell, over what its row says")
    rows: dict[str, PointPatch] = Field(default_factory=dict, description="Set on the cells of one row, over `set`")
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    workers: Annotated[int, Field(ge=1)] | None = None
    columns: dict[Column, Column] = Field(
        default_factory=dict, description="Column -> the column that stands in for it"
    )
    benchmarks: dict[str, Scalars] = Field(
        default_factory=dict, description="Benchmark -> parameters, over the full size's"
    )
    details: tuple[Name, ...] = Field(default=(), description="Fine rows of layout `sets` instead of the table's")
    left_out: dict[Name, Name] = Field(
        default_factory=dict, description="Row or column -> why it has no counterpart here"
    )


class SweepFile(StrictModel):
    """A sweep as it stands in a file."""

    name: SweepName
    title: Name
    description: str = ""
    base: PointPatch = Field(default_factory=PointPatch, description="What all cells share")
    include: tuple[SweepName, ...] = Field(default=(), description="Built-in sweeps that this one is the union of")
    axes: Axes | None = None
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)
    workers: Annotated[int, Field(ge=1)] = 1
    benchmarks: dict[str, Scalars] = Field(default_factory=dict, description="Benchmark -> parameters")
    table: TableSpec | None = None
    sizes: dict[SizeName, SizeSpec] = Field(default_factory=dict)
    left_out: dict[Name, Name] = Field(default_factory=dict, description="Row or column -> why it cannot run yet")
    cell_limit: Annotated[int, Field(ge=1, le=1_000_000)] = CELL_LIMIT

    @model_validator(mode="after")
    def _is_whole(self) -> SweepFile:
        own = [name for name, value in (("axes", self.axes), ("table", self.table)) if value is None]
        if not self.include and own:
            raise ValueError(
                f"a sweep needs `{'` and `'.join(own)}`, or `include` (the built-in sweeps that it is the union of)"
            )
        if self.include and (len(own) < 2 or self.sizes or self.benchmarks):
            raise ValueError(
                "a union of sweeps has only `name`, `title`, `description` and `include`; the rest is in its parts"
            )
        return self

    @model_validator(mode="after")
    def _seeds_differ(self) -> SweepFile:
        for seeds in (self.seeds, *(size.seeds or () for size in self.sizes.values())):
            if len(set(seeds)) < len(seeds):
                raise ValueError(f"seeds must differ from each other, got {list(seeds)}; leave the repeated one out")
        return self


def parse_document(document: Document) -> tuple[SweepFile | None, list[Mistake]]:
    """Check the shape of a document.

    Mistaken values are dropped and the rest is checked again, so that later checks can still tell of their own mistakes.

    Returns:
        The sweep file with the mistaken parts left out, or None where too little is left; and all mistakes of shape.
    """
    if not isinstance(document.value, dict):
        return None, [
            Mistake(where="", text="a sweep file must be a mapping with `name`, `base`, `axes`, `table`", line=1)
        ]
    value = document.value
    mistakes: list[Mistake] = []
    for _ in range(4):
        try:
            return SweepFile.model_validate_json(json.dumps(value)), mistakes
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=True)
            known = {(mistake.where, mistake.text) for mistake in mistakes}
            fresh = [_mistake(item, document) for item in found]
            mistakes += [mistake for mistake in fresh if (mistake.where, mistake.text) not in known]
            value = _without(value, [_real_path(item["loc"], value) for item in found])
    return None, mistakes


def point_field_of(path: str) -> str:
    """Return the field of a point that a dotted path names.

    Raises:
        ValueError: If the path names none, or goes deeper or less deep than that field does.
    """
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


def _mistake(error: Mapping[str, Any], document: Document) -> Mistake:
    path = _real_path(error["loc"], document.value)
    where = ".".join(str(part) for part in path)
    line = document.line(path)
    if error["type"] == "extra_forbidden":
        key = str(path[-1])
        return Mistake(where=where, text=f"unknown key '{key}'{nearest(key, _keys_at(path[:-1]))}", line=line)
    if error["type"] == "missing":
        return Mistake(where=where, text=f"`{path[-1]}` is required; add it", line=line)
    text = str(error["msg"]).removeprefix("Value error, ")
    shown = "" if error["type"] == "value_error" else f", got {_shown(error.get('input'))}"
    return Mistake(where=where, text=f"{text[:1].lower()}{text[1:]}{shown}", line=line)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _real_path(loc: tuple[str | int, ...], value: Any) -> Path:
    """Cut a location to the parts that stand in the file (pydantic adds names of union members and '[key]')."""
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
        case ("table", "matrix"):
            model = MatrixAxes
        case ("sizes", _):
            model = SizeSpec
        case ("axes", "cells", _):
            model = NamedPoint
        case _:
            model = PointPatch
    return list(model.model_fields)


def _without(value: Any, paths: list[Path]) -> Any:
    """Return a value without the parts at some paths."""
    drop = {path[0] for path in paths if len(path) == 1}
    deeper: dict[str | int, list[Path]] = {}
    for path in paths:
        if len(path) > 1:
            deeper.setdefault(path[0], []).append(path[1:])
    if isinstance(value, dict):
        return {k: _without(v, deeper[k]) if k in deeper else v for k, v in value.items() if k not in drop}
    if isinstance(value, list):
        return [_without(v, deeper[i]) if i in deeper else v for i, v in enumerate(value) if i not in drop]
    return value
