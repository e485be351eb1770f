"""The keys of a sweep file, as frozen pydantic models: type, default, range, meaning and an example of each.

Editors read them as JSON Schema (`dreamgrid schema`); the page of the reference is made of them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

SizeName = Literal["smoke", "small"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120)]
SweepName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Column = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+/[a-z0-9-]+(/[^\s/](.*\S)?)?$")]
Scalars = dict[str, JsonValue]
Values = Annotated[tuple[JsonValue, ...], Field(min_length=1)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]

CELL_LIMIT = 20_000


class StrictModel(BaseModel):
    """A frozen value of a file: unknown keys and wrong types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class PointPatch(StrictModel):
    """Part of a cell; what it leaves out comes from elsewhere in the file."""

    method: Name | None = Field(
        default=None, description="Method, or several joined by '+'", examples=["pixmix", "pixmix+cutmix"]
    )
    dataset: Name | None = Field(
        default=None,
        description="Dataset to train and evaluate on; folder:PATH@SIDE for your own images",
        examples=["cifar-10", "folder:/data/flowers@64"],
    )
    model: Name | None = Field(default=None, description="Network", examples=["wrn-40-4", "resnet-18"])
    recipe: Name | None = Field(
        default=None, description="How it is trained: optimiser, schedule, epochs, batch", examples=["cifar"]
    )
    params: Scalars = Field(
        default_factory=dict, description="Hyper-parameters of the method", examples=[{"max_rounds": 4, "beta": 3}]
    )
    train: Scalars = Field(
        default_factory=dict, description="Fields of the recipe that differ from it", examples=[{"epochs": 5}]
    )
    model_params: Scalars = Field(
        default_factory=dict, description="Options of the network", examples=[{"dropout": 0.3}]
    )
    mixing_set: Name | None = Field(
        default=None, description="Mixing set of the methods that need one", examples=["fractals"]
    )
    mixing_set_params: Scalars = Field(
        default_factory=dict,
        description="num_images, image_size, seed, and the parameters of the mixing set",
        examples=[{"num_images": 2000}],
    )
    outliers: Name | None = Field(
        default=None,
        description="Outlier stream of the methods that need one: a dataset, or folder:PATH",
        examples=["mnist", "folder:80m"],
    )
    released: Name | None = Field(
        default=None,
        description="A released network that is evaluated in this row instead of training one",
        examples=["torchvision-resnet-50"],
    )
    imported: Name | None = Field(
        default=None,
        description="Name of another suite's results, brought in by `dreamgrid import`, that the row shows",
        examples=["their model"],
    )
    normalize: JsonValue = Field(  # a name, "MEAN STD" or [mean, std]: read by `trainers.models.weights.normalisation`
        default=None,
        description="How images are normalised for the released network of the row, where it is not as published: "
        "imagenet, none, half, ..., 'MEAN STD', or [mean, std]",
        examples=["half"],
    )
    init_from: PointPatch | None = Field(
        default=None, description="The cell whose weights this one starts from", examples=[{"method": "baseline"}]
    )
    visualise: PointPatch | None = Field(
        default=None,
        description="The cell whose network a set of feature visualisations shows; the baseline if left out",
        examples=[{"method": "cutmix"}],
    )


class NamedPoint(PointPatch):
    """An explicit point with the label of its row."""

    row: Name | None = Field(
        default=None, description="Label of the row; by default the method's title", examples=["PixMix, beta 4"]
    )


class Axes(StrictModel):
    """What varies: explicit cells, then a product grid, then one factor at a time, less the exclusions."""

    cells: tuple[NamedPoint, ...] = Field(
        default=(), description="One row of the table for each", examples=[[{"row": "Baseline", "method": "baseline"}]]
    )
    grid: dict[str, Values] = Field(
        default_factory=dict,
        description="Path of a setting -> its values; every combination is a row",
        examples=[{"params.beta": [3, 4], "params.max_rounds": [2, 3]}],
    )
    one_at_a_time: dict[str, Values] = Field(
        default_factory=dict,
        description="Path of a setting -> its values; a row `default` as `base` has it, and a row for each value",
        examples=[{"params.severity": [1, 5]}],
    )
    exclude: tuple[Scalars, ...] = Field(
        default=(),
        description="Cells that are left out: those that have all values of a rule",
        examples=[[{"params.beta": 4, "params.max_rounds": 2}]],
    )
    row: Name | None = Field(
        default=None, description="Label of the rows of a grid", examples=["beta={params.beta}, k={params.max_rounds}"]
    )


class MatrixAxes(StrictModel):
    """The two factors of a `matrix` layout, as paths of the grid."""

    rows: Name = Field(description="Factor that goes down", examples=["params.beta"])
    columns: Name = Field(description="Factor that goes across", examples=["params.max_rounds"])


class TableSpec(StrictModel):
    """How the results are laid out.

    `metrics`: rows by metric columns. `matrix`: one factor down, one across, the metrics inside each entry.
    `sets`: the details of the columns down (outlier sets, and "mean"), the rows across, once per metric.
    """

    columns: Annotated[tuple[Column, ...], Field(min_length=1)] = Field(
        description="BENCHMARK/METRIC, or BENCHMARK/METRIC/DETAIL for a fine row; only benchmarks of columns run",
        examples=[["clean/error", "c/error/fog", "ood/auroc/svhn:energy"]],
    )
    layout: Literal["metrics", "matrix", "sets"] = Field(default="metrics", description="What goes down and across")
    rows: tuple[Name, ...] | None = Field(
        default=None, description="Order of the rows, or a selection of them", examples=[["PixMix", "Baseline"]]
    )
    matrix: MatrixAxes | None = Field(
        default=None,
        description="The two factors of layout `matrix`",
        examples=[{"rows": "params.beta", "columns": "params.max_rounds"}],
    )
    details: tuple[Name, ...] = Field(default=(), description="Fine rows of layout `sets`", examples=[["svhn", "mean"]])
    baseline: Name | None = Field(
        default=None, description="Row that the others are tested against", examples=["Baseline"]
    )
    published: Name | None = Field(
        default=None, description="Key of the published table to compare with", examples=["table-3"]
    )


class EvaluationSpec(StrictModel):
    """How the networks of all rows are evaluated: alike, so that no column mixes numbers of two precisions."""

    precision: Literal["fp32", "tf32", "bf16"] = Field(
        default="fp32", description="Arithmetic of the networks in benchmarks; that of their training does not count"
    )


class SizeSpec(StrictModel):
    """A smaller edition of a sweep that runs the same code: what is set on every cell, stand-ins, and what is left out."""

    set: PointPatch = Field(
        default_factory=PointPatch,
        description="Set on every cell, over what its row sets",
        examples=[{"dataset": "digits", "train": {"epochs": 1}}],
    )
    rows: dict[str, PointPatch] = Field(
        default_factory=dict,
        description="Row -> what is set on its cells, over `set`",
        examples=[{"SIN": {"params": {"steps": 10}}}],
    )
    seeds: Seeds | None = Field(default=None, description="Seeds instead of the file's", examples=[[0]])
    workers: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Workers of a cell on CPUs instead of the file's", examples=[1]
    )
    columns: dict[Column, Column] = Field(
        default_factory=dict,
        description="Column -> the column that replaces it",
        examples=[{"c/error": "c-generated/error"}],
    )
    benchmarks: dict[str, Scalars] = Field(
        default_factory=dict,
        description="Benchmark -> parameters, over the full size's",
        examples=[{"clean": {"max_images": 200}}],
    )
    details: tuple[Name, ...] = Field(
        default=(), description="Fine rows of layout `sets` instead of the table's", examples=[["blobs", "mean"]]
    )
    left_out: dict[Name, Name] = Field(
        default_factory=dict,
        description="Row or column -> why it has no counterpart here",
        examples=[{"r/error": "renditions exist for ImageNet only"}],
    )


class SweepFile(StrictModel):
    """A sweep as its file has it."""

    name: SweepName = Field(
        description="Name of the sweep, of its MLflow experiment and of its files; part of no key",
        examples=["my-sweep"],
    )
    title: Name = Field(description="Heading of the table", examples=["My first sweep"])
    description: str = Field(default="", description="Text for readers", examples=["Does PixMix help on digits?"])
    base: PointPatch = Field(
        default_factory=PointPatch,
        description="What all cells share",
        examples=[{"dataset": "digits", "model": "wrn-10-1", "recipe": "digits"}],
    )
    include: tuple[SweepName, ...] = Field(
        default=(),
        description="Built-in sweeps that this one is the union of, in place of `axes` and `table`",
        examples=[["table-3", "table-10"]],
    )
    axes: Axes | None = Field(
        default=None,
        description="What varies; required without `include`",
        examples=[{"cells": [{"method": "baseline"}, {"method": "pixmix"}]}],
    )
    seeds: Seeds = Field(default=(0,), description="Every row is trained once for each", examples=[[0, 1, 2]])
    workers: Annotated[int, Field(ge=1)] = Field(
        default=1, description="Workers of a cell on CPUs; on GPUs the schedule chooses", examples=[2]
    )
    benchmarks: dict[str, Scalars] = Field(
        default_factory=dict,
        description="Benchmark -> its parameters that differ from their defaults",
        examples=[{"c-generated": {"severities": [1, 3, 5]}}],
    )
    evaluation: EvaluationSpec = Field(
        default_factory=EvaluationSpec, description="How networks are evaluated", examples=[{"precision": "bf16"}]
    )
    table: TableSpec | None = Field(
        default=None,
        description="How the results are laid out; required without `include`",
        examples=[{"columns": ["clean/error", "c/error"]}],
    )
    sizes: dict[SizeName, SizeSpec] = Field(
        default_factory=dict,
        description="Smaller editions, for --smoke and --small",
        examples=[{"smoke": {"set": {"train": {"epochs": 1}}}}],
    )
    left_out: dict[Name, Name] = Field(
        default_factory=dict,
        description="Row or column -> why it cannot run yet; the table prints it below",
        examples=[{"Their method": "no code was published"}],
    )
    cell_limit: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=CELL_LIMIT, description="More cells than this are a mistake in the axes", examples=[50_000]
    )
