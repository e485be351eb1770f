"""`mixing-set`: the images that PixMix mixes in; list, make and look at them, and at training images mixed with them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray

from augment.compound import config_for, method_for
from augment.lookup.wording import count
from augment.mixing_sets.build import MixingSetFile, ensure_mixing_set, open_mixing_set
from augment.mixing_sets.images import contact_sheet, enlarged, treated_rows
from augment.mixing_sets.registry import MIXING_SETS, mixing_set_for
from augment.treatment import TreatmentContext
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, echo_err, emit
from orchestration.cli.verbs.cells.cell_ids import find_cell
from orchestration.errors import InputError, Mistake
from orchestration.settings import Settings
from orchestration.store.open import open_existing_store, open_store
from orchestration.sweeps.yaml_reader import read_scalar
from trainers.datasets.load import load_split
from trainers.datasets.registry import dataset_for

SECONDS_BETWEEN_LINES: Final = 5.0
SHOWN_REPEATS: Final = 7
SetName = Annotated[str, typer.Argument(metavar="SET", help="Mixing set (see `mixing-set list`).")]
Images = Annotated[int, typer.Option("--images", min=1, max=1_000_000_000, help="Number of images.")]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Parameter of the set. Repeatable. parents=[CELL] or parents=[random:0] for feature visualisations.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the set.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    verbs = {"list": list_sets, "generate": generate_set, "preview": preview_set}
    options.add_group(
        app, "mixing-set", "List, generate and preview mixing sets: the images that PixMix mixes in.", verbs
    )


def list_sets(as_json: options.Json = False) -> int:
    """List the mixing sets with their content, source and parameters."""
    rows = [
        {
            "name": name,
            "title": each.title,
            "origin": each.origin,
            "images": each.num_images,
            "what": each.what,
            "source": each.source,
            "params": asdict(each.config()),
        }
        for name, each in MIXING_SETS.items()
    ]
    table = [[str(row["name"]), str(row["origin"]), str(row["images"]), str(row["what"])] for row in rows]
    emit(rows, lambda: columns(table, header=["set", "origin", "images", "what"], right=(2,)), as_json=as_json)
    return EXIT_DONE


def generate_set(
    name: SetName,
    places: options.PlaceOptions,
    num_images: Images = 1000,
    side: Annotated[int, typer.Option("--side", min=8, max=1024, help="Side of an image in pixels.")] = 36,
    channels: Annotated[int, typer.Option("--channels", help="1 (grey) or 3 (RGB).")] = 3,
    seed: Seed = 0,
    params: Params = None,
    as_json: options.Json = False,
) -> int:
    """Generate a mixing set in the cache, where runs with the same set find it."""
    settings = places.settings
    file = _ensure_set(name, settings, params, num_images=num_images, side=side, channels=channels, seed=seed)
    document = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(file).items()}
    emit(document, lambda: "\n".join(f"{key}: {value}" for key, value in document.items()), as_json=as_json)
    return EXIT_DONE


def preview_set(
    name: SetName,
    places: options.PlaceOptions,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Output PNG file; an existing one is replaced.")
    ] = Path("mixing-set.png"),
    num_images: Images = 64,
    side: Annotated[
        int | None,
        typer.Option("--side", min=8, max=1024, help="Side of an image in pixels [64; with --on, what fits]."),
    ] = None,
    seed: Seed = 0,
    params: Params = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="DATASET", help="Show training images of this dataset, mixed with the set."),
    ] = None,
    method: Annotated[str, typer.Option("--method", help="With --on: method that mixes them.")] = "pixmix",
    rows: Annotated[int, typer.Option("--rows", min=1, max=10_000, help="With --on: number of training images.")] = 8,
    zoom: Annotated[int, typer.Option("--zoom", min=1, max=16, help="Magnification of each pixel.")] = 1,
) -> int:
    """Write a contact sheet of a mixing set as a PNG file, or of training images mixed with it.

    With --on every row is a training image, followed by seven results of the method.
    """
    settings = places.settings
    if on is None:
        file = _ensure_set(name, settings, params, num_images=num_images, side=side or 64, channels=3, seed=seed)
        shown = open_mixing_set(file)
        across, gap = math.isqrt(len(shown) - 1) + 1, 0
        echo_err(f"{count(len(shown), 'image')} of '{name}' in {output}")
    else:
        shown = _mixed(name, on, method, settings, params, num_images=num_images, side=side, rows=rows, seed=seed)
        across, gap = 1 + SHOWN_REPEATS, zoom
        echo_err(f"{count(rows, 'image')} of '{on}' by '{method}' with '{name}' in {output}")
    contact_sheet(enlarged(shown, zoom), output, across, gap_px=gap)
    return EXIT_DONE


def _mixed(
    name: str,
    dataset: str,
    method: str,
    settings: Settings,
    params: list[str] | None,
    *,
    num_images: int,
    side: int | None,
    rows: int,
    seed: int,
) -> NDArray[np.uint8]:
    spec, described = dataset_for(dataset), method_for(method)
    images = load_split(dataset, "train", settings.data_root).images[:rows]
    size = side or mixing_set_for(name).stored_side(spec.image_size)
    file = _ensure_set(name, settings, params, num_images=num_images, side=size, channels=spec.num_channels, seed=seed)
    context = TreatmentContext(
        image_size=spec.image_size,
        num_channels=spec.num_channels,
        num_classes=spec.num_classes,
        mean=spec.mean,
        mixing_set=open_mixing_set(file),
        data_root=settings.data_root,
    )
    treatment = described.build(config_for(described, dataset, {}), context)
    return treated_rows(treatment, images, repeats=SHOWN_REPEATS, seed=seed)


def _ensure_set(
    name: str, settings: Settings, params: list[str] | None, *, num_images: int, side: int, channels: int, seed: int
) -> MixingSetFile:
    values = _assignments(params or [])
    models = None
    if values.get("parents"):
        import torch

        from trainers.training.networks import trained_networks

        values["parents"] = [_whole_key(str(parent), settings) for parent in values["parents"]]
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        store = open_store(settings.storage)
        eras = {parent: store.era(parent) for parent in values["parents"] if ":" not in parent}
        models = trained_networks(settings.checkpoints, device, eras)
    return ensure_mixing_set(
        mixing_set_for(name),
        num_images=num_images,
        image_size=side,
        num_channels=channels,
        seed=seed,
        params=values,
        cache_dir=settings.cache_dir,
        data_root=settings.data_root,
        progress=progress_lines(name),
        models=models,
    )


def _whole_key(parent: str, settings: Settings) -> str:
    """Return the train key of a trained cell that is named by its id; "random:0" names an untrained network."""
    if ":" in parent:
        return parent

    return find_cell(parent, open_existing_store(settings.storage))


def progress_lines(name: str, clock: Callable[[], float] = time.monotonic) -> Callable[[int, int], None]:
    """Return a function that reports progress on stderr, a line every few seconds."""
    last = clock()

    def report(done: int, total: int) -> None:
        nonlocal last
        if clock() - last >= SECONDS_BETWEEN_LINES:
            last = clock()
            echo_err(f"mixing set '{name}': {done} of {count(total, 'image')}")

    return report


def _assignments(texts: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError("options", [Mistake(where=f"--set {text}", text="write NAME=VALUE")])
        values[name] = _list_of(value) if value.startswith("[") else read_scalar(value)
    return values


def _list_of(text: str) -> list[str]:
    """Return the words of "[a, b]"; a colon inside one is no mapping here."""
    return [word.strip().strip("'\"") for word in text.strip("[]").split(",") if word.strip()]
