"""`data`, `mixing-set`: datasets, benchmarks, and pictures to mix in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.cli import benchmark_verbs, evaluate_verbs, exchange_verbs, options
from orchestration.cli.output import EXIT_DONE, EXIT_REFUSED, columns, emit, tell

GENERATED = "generated"
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        help="Datasets, folders of published benchmarks (CIFAR-10-C), or `generated`; by default all that is there.",
    ),
]
SetName = Annotated[str, typer.Argument(metavar="SET", help="Mixing set (see `mixing-set list`).")]
Pictures = Annotated[int, typer.Option("--pictures", min=1, help="How many pictures.")]
Side = Annotated[int, typer.Option("--side", min=8, max=1024, help="Side of a picture in pixels.")]
Params = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Parameter of the set. Repeatable.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    data = typer.Typer(
        help="Datasets and benchmarks: what is there, whether it is whole, and how to make it.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    data.command("list")(list_data)
    data.command("verify")(verify_data)
    benchmark_verbs.add_to(data)
    app.add_typer(data, name="data")
    sets = typer.Typer(
        help="Mixing sets: the pictures that PixMix mixes in.", no_args_is_help=True, rich_markup_mode=None
    )
    sets.command("list")(list_sets)
    sets.command("generate")(generate_set)
    sets.command("preview")(preview_set)
    app.add_typer(sets, name="mixing-set")
    evaluate_verbs.register(app)
    exchange_verbs.register(app)


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


def verify_data(names: Names = None, data_root: options.DataRoot = None, as_json: options.Json = False) -> int:
    """Read datasets, published benchmark files and generated sets whole, and compare their checksums."""
    from eval.published_files.layout import FOLDERS
    from orchestration.benchmark_data import verify_generated, verify_published
    from trainers.datasets.registry import DATASETS

    settings = options.settings_of(None, data_root)
    folders = list(dict.fromkeys(FOLDERS.values()))
    present = [name for name in folders if (settings.data_root / name).is_dir()]
    published = [name for name in names or present if name in folders]
    datasets = [name for name in names or DATASETS if name not in folders and name != GENERATED]
    rows = [_verified(name, settings.data_root) for name in datasets]
    rows += verify_published(published, settings)
    rows += verify_generated(settings) if not names or GENERATED in names else []
    table = [[row["name"], row["state"], row["detail"]] for row in rows]
    emit(rows, lambda: columns(table, header=["data", "state", "detail"]), as_json=as_json)
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


def _verified(name: str, root: Path) -> dict[str, str]:
    from trainers.datasets.registry import dataset_for, missing_data
    from trainers.errors import DataError

    spec = dataset_for(name)
    missing = missing_data([name], root)
    if missing:
        return {"name": name, "state": "missing", "detail": missing[0]}
    try:
        return {"name": name, "state": "whole", "detail": _read_whole(spec.name, root)}
    except DataError as error:
        return {"name": name, "state": "broken", "detail": str(error)}


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
