"""`data`, `mixing-set`, `evaluate`: datasets, pictures to mix in, and checkpoints from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli import options
from orchestration.cli.output import EXIT_CELLS_FAILED, EXIT_DONE, EXIT_REFUSED, columns, emit, tell

if TYPE_CHECKING:
    from eval.report import MetricReport

Datasets = Annotated[list[str] | None, typer.Argument(metavar="[DATASET]...", help="Datasets; by default all.")]
SetName = Annotated[str, typer.Argument(metavar="SET", help="Mixing set (see `mixing-set list`).")]
Pictures = Annotated[int, typer.Option("--pictures", min=1, help="How many pictures.")]
Side = Annotated[int, typer.Option("--side", min=8, max=1024, help="Side of a picture in pixels.")]
Params = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Parameter of the set. Repeatable.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    data = typer.Typer(
        help="Datasets: what is there, and whether it is whole.", no_args_is_help=True, rich_markup_mode=None
    )
    data.command("list")(list_data)
    data.command("verify")(verify_data)
    app.add_typer(data, name="data")
    sets = typer.Typer(
        help="Mixing sets: the pictures that PixMix mixes in.", no_args_is_help=True, rich_markup_mode=None
    )
    sets.command("list")(list_sets)
    sets.command("generate")(generate_set)
    sets.command("preview")(preview_set)
    app.add_typer(sets, name="mixing-set")
    app.command("evaluate")(evaluate)


def list_data(data_root: options.DataRoot = None, as_json: options.Json = False) -> int:
    """List the datasets, whether each is below the data root, and how to get those that are not."""
    from trainers.datasets.registry import DATASETS, missing_data

    root = options.settings_of(None, data_root).data_root
    rows = []
    for name, spec in DATASETS.items():
        missing = missing_data([name], root)
        rows.append(
            {
                "name": name,
                "title": spec.title,
                "pixels": spec.image_size,
                "classes": spec.num_classes,
                "train": spec.num_train,
                "test": spec.num_test,
                "is_there": not missing,
                "get_it_with": spec.fetch_hint.replace("DIR", str(root)) if missing else "",
            }
        )
    header = ["dataset", "pixels", "classes", "train", "test", "there", "get it with"]
    table = [
        [str(row[key]) for key in ("name", "pixels", "classes", "train", "test")]
        + ["yes" if row["is_there"] else "no", str(row["get_it_with"])]
        for row in rows
    ]
    emit(rows, lambda: columns(table, header=header, right=(1, 2, 3, 4)), as_json=as_json)
    return EXIT_DONE


def verify_data(names: Datasets = None, data_root: options.DataRoot = None, as_json: options.Json = False) -> int:
    """Read datasets whole and compare their checksums with the published ones."""
    from trainers.datasets.registry import DATASETS, dataset_for, missing_data
    from trainers.errors import DataError

    root = options.settings_of(None, data_root).data_root
    rows: list[dict[str, str]] = []
    for name in names or list(DATASETS):
        spec = dataset_for(name)
        missing = missing_data([name], root)
        if missing:
            rows.append({"name": name, "state": "missing", "detail": missing[0]})
            continue
        try:
            rows.append({"name": name, "state": "whole", "detail": _read_whole(spec.name, root)})
        except DataError as error:
            rows.append({"name": name, "state": "broken", "detail": str(error)})
    table = [[row["name"], row["state"], row["detail"]] for row in rows]
    emit(rows, lambda: columns(table, header=["dataset", "state", "detail"]), as_json=as_json)
    bad = {"broken", "missing"} if names else {"broken"}
    return EXIT_REFUSED if any(row["state"] in bad for row in rows) else EXIT_DONE


def list_sets(as_json: options.Json = False) -> int:
    """List the mixing sets: what each shows, how it is made, and its parameters."""
    from dataclasses import asdict

    from augment.mixing_sets.registry import MIXING_SETS

    rows = [
        {
            "name": name,
            "title": each.title,
            "origin": each.origin,
            "pictures": each.num_pictures,
            "what": each.what,
            "source": each.source,
            "params": asdict(each.config()),
        }
        for name, each in MIXING_SETS.items()
    ]
    table = [[str(row["name"]), str(row["origin"]), str(row["pictures"]), str(row["what"])] for row in rows]
    emit(rows, lambda: columns(table, header=["set", "origin", "pictures", "what"], right=(2,)), as_json=as_json)
    return EXIT_DONE


def generate_set(
    name: SetName,
    pictures: Pictures = 1000,
    side: Side = 36,
    channels: Annotated[int, typer.Option("--channels", help="1 (grey) or 3 (RGB).")] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the set.")] = 0,
    params: Params = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> int:
    """Make a mixing set in the cache, or find it there; a run that wants the same one uses it."""
    from dataclasses import asdict

    settings = options.settings_of(None, data_root)
    file = _ensure_set(name, pictures, side, channels, seed, params, settings.data_root, settings.cache_dir)
    document = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(file).items()}
    emit(document, lambda: "\n".join(f"{key}: {value}" for key, value in document.items()), as_json=as_json)
    return EXIT_DONE


def preview_set(
    name: SetName,
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG file to write.")] = Path("mixing-set.png"),
    pictures: Pictures = 64,
    side: Side = 64,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the set.")] = 0,
    params: Params = None,
    data_root: options.DataRoot = None,
) -> int:
    """Write a sheet of a mixing set's pictures as a PNG file."""
    import math

    import numpy as np
    from PIL import Image

    from augment.mixing_sets.build import open_mixing_set

    settings = options.settings_of(None, data_root)
    file = _ensure_set(name, pictures, side, 3, seed, params, settings.data_root, settings.cache_dir)
    images = open_mixing_set(file)
    across = math.isqrt(len(images) - 1) + 1
    down = -(-len(images) // across)
    sheet = np.zeros((down * side, across * side, 3), np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, across)
        sheet[row * side : (row + 1) * side, column * side : (column + 1) * side] = image
    output.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(output, format="PNG")
    tell(f"{len(images)} pictures of '{name}' in {output}")
    return EXIT_DONE


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A final checkpoint of ours, or a PyTorch file of weights.")],
    benchmarks: Annotated[
        str, typer.Option("--benchmarks", help="Benchmarks, separated by commas.")
    ] = "clean,c-generated,pgd,ood-generated",
    model: Annotated[str | None, typer.Option("--model", help="Network, for a file that does not say.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Its dataset, for a file that does not say.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="benchmarks.pgd.steps=5. Repeatable.")
    ] = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> int:
    """Run the safety suite on any checkpoint, also one that was not trained here. Records nothing."""
    from orchestration.foreign import judge_network, load_network

    settings = options.settings_of(None, data_root)
    requests = _requests(benchmarks, assignments or [])
    network = load_network(checkpoint.expanduser(), config=_network_config(model, dataset))
    reports = judge_network(network, requests, settings=settings, on_progress=lambda *_: None)
    document = {
        "checkpoint": str(checkpoint),
        "sha256": network.sha256,
        "dataset": network.dataset,
        "reports": [_report_document(report) for report in reports],
    }
    emit(document, lambda: _reports_text(reports), as_json=as_json)
    return EXIT_CELLS_FAILED if any(report.outcome is None for report in reports) else EXIT_DONE


def _read_whole(name: str, root: Path) -> str:
    from trainers.datasets.load import load_split

    sizes = [f"{split} {len(load_split(name, split, root))}" for split in ("train", "test")]
    return ", ".join(sizes)


def _ensure_set(
    name: str,
    pictures: int,
    side: int,
    channels: int,
    seed: int,
    params: list[str] | None,
    data_root: Path,
    cache_dir: Path,
) -> Any:
    from augment.mixing_sets.build import ensure_mixing_set

    return ensure_mixing_set(
        name,
        num_pictures=pictures,
        image_size=side,
        num_channels=channels,
        seed=seed,
        params=_assignments(params or []),
        cache_dir=cache_dir,
        data_root=data_root,
    )


def _assignments(texts: list[str]) -> dict[str, Any]:
    from orchestration.errors import InputError, Mistake
    from orchestration.sweep_yaml import read_scalar

    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError("options", [Mistake(where=f"--set {text}", text="write NAME=VALUE")])
        values[name] = read_scalar(value)
    return values


def _requests(names: str, assignments: list[str]) -> tuple[Any, ...]:
    from eval.benchmark import BenchmarkRequest
    from eval.benchmarks import full_params
    from orchestration.keys import digest
    from orchestration.overrides import parse_overrides

    given = parse_overrides(assignments).benchmarks
    made = []
    for name in (part.strip() for part in names.split(",")):
        params = full_params(name, given.get(name, {}))
        made.append(BenchmarkRequest(name=name, params=params, key=digest({"name": name, "params": params})))
    return tuple(made)


def _network_config(model: str | None, dataset: str | None) -> Any:
    from orchestration.errors import InputError, Mistake
    from trainers.config import JobConfig, RecipeConfig
    from trainers.models.registry import model_for

    if model is None and dataset is None:
        return None
    if model is None or dataset is None:
        raise InputError(
            "options", [Mistake(where="--model --dataset", text="name both, or neither for a checkpoint of ours")]
        )
    params = model_for(model).resolve({})
    return JobConfig(
        method="baseline",
        method_params={},
        dataset=dataset,
        model=model,
        model_params=params,
        recipe=RecipeConfig(),
        seed=0,
    )


def _report_document(report: MetricReport) -> dict[str, Any]:
    from dataclasses import asdict

    outcome = report.outcome
    return {
        "benchmark": report.benchmark,
        "error": report.error,
        "metrics": {name: asdict(value) for name, value in outcome.metrics.items()} if outcome else {},
        "notes": dict(outcome.notes) if outcome else {},
        "rows": [dict(row) for row in outcome.rows] if outcome else [],
        "wall_s": report.wall_s,
    }


def _reports_text(reports: tuple[MetricReport, ...]) -> str:
    rows = [
        [report.benchmark, name, f"{value.value:.4f}", str(value.n)]
        for report in reports
        if report.outcome is not None
        for name, value in report.outcome.metrics.items()
    ]
    failed = [f"{report.benchmark}: {report.error}" for report in reports if report.outcome is None]
    return "\n".join([columns(rows, header=["benchmark", "metric", "value", "n"], right=(2, 3)), *failed])
