"""What a screening is asked: which cells, held-out images, looks, scheduler, search. Plain values, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from augment.lookup.parameters import nearest
from orchestration.cells.catalogue import Catalogue
from orchestration.cells.resolved import ResolvedPoint
from orchestration.errors import InputError, Mistake
from trainers.job import JobPaths, JobRequest

Scheduler = Literal["asha", "median", "none"]
Search = Literal["all", "optuna"]
METRIC: Final = "validation_error"
HELD_OUT_SHARE: Final = 0.1
MOST_HELD_OUT: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenOptions:
    """How cells are screened.

    Attributes:
        scheduler: "asha" (successive halving), "median" (stop below the median of the others), or "none".
        search: "all" tries every cell; "optuna" lets Optuna choose `trials` of them by their settings.
        reduction: Of so many trainings ASHA lets one go on at each rung.
        look_every: Epochs between looks at the held-out error, or None for a tenth of the training.
        validation_images: Training images held out, or None for a tenth, at most 5,000.
        cpus: CPUs of a training, or None for what the cluster has for each worker, as in a run.
        gpus: GPUs of a training, 0 for CPUs only, or None for one where there are any.
        max_concurrent: Most trainings at once, or None for what the resources hold.
        address: Running Ray to use, or None for a private one.
    """

    scheduler: Scheduler = "asha"
    search: Search = "all"
    trials: int = 20
    grace_epochs: int = 1
    reduction: int = 3
    look_every: int | None = None
    validation_images: int | None = None
    cpus: float | None = None
    gpus: float | None = None
    max_concurrent: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        mistakes = [
            Mistake(where=f"--{name.replace('_', '-')}", text=f"{name} must be {rule}, but got {getattr(self, name)}")
            for name, rule, is_right in (
                ("trials", "at least 1", self.trials >= 1),
                ("grace_epochs", "at least 1", self.grace_epochs >= 1),
                ("reduction", "at least 2", self.reduction >= 2),
                ("look_every", "at least 1", self.look_every is None or self.look_every >= 1),
                ("validation_images", "at least 1", self.validation_images is None or self.validation_images >= 1),
                ("cpus", "above 0", self.cpus is None or self.cpus > 0),
                ("gpus", "0 or more", self.gpus is None or self.gpus >= 0),
                ("max_concurrent", "at least 1", self.max_concurrent is None or self.max_concurrent >= 1),
            )
            if not is_right
        ]
        for name, kinds in (("scheduler", get_args(Scheduler)), ("search", get_args(Search))):
            value = getattr(self, name)
            if value not in kinds:
                mistakes.append(Mistake(where=f"--{name}", text=f"unknown {name} '{value}'{nearest(value, kinds)}"))
        if mistakes:
            raise InputError("options", mistakes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """A cell that is to be screened: its request, and how often the held-out error is looked at."""

    cell_id: str
    train_key: str
    row: str
    settings: tuple[tuple[str, str], ...]
    request: JobRequest
    epochs: int
    look_every: int


def chosen_cell(config: Mapping[str, Any], cells: tuple[Screened, ...]) -> Screened | None:
    """Return the cell that a configuration names, or None where no cell has its settings."""
    if "cell" in config:
        return cells[int(config["cell"])]
    wanted = {(path, str(value)) for path, value in config.items()}
    return next((cell for cell in cells if wanted <= set(cell.settings)), None)


def screened_cells(
    points: Sequence[ResolvedPoint], *, options: ScreenOptions, paths: JobPaths, catalogue: Catalogue
) -> tuple[tuple[Screened, ...], dict[str, str]]:
    """Return the cells that can be screened, each once, and row -> reason for those that cannot.

    Args:
        paths: Where workers read and write; checkpoints must be apart from those of results.
    """
    made: dict[str, Screened] = {}
    left_out: dict[str, str] = {}
    for each in points:
        cell = each.cell
        if cell.parents:
            left_out[cell.cell.row] = "builds on another cell, which screening does not train"
        elif cell.config.recipe.epochs < 1:
            left_out[cell.cell.row] = "has no epoch to train"
        elif cell.train_key not in made:
            made[cell.train_key] = _screened(each, options, paths, catalogue)
    return tuple(made.values()), left_out


def _screened(each: ResolvedPoint, options: ScreenOptions, paths: JobPaths, catalogue: Catalogue) -> Screened:
    cell = each.cell
    recipe = cell.config.recipe
    images = catalogue.dataset(cell.config.dataset).num_train
    held_out = options.validation_images or recipe.validation_images or min(MOST_HELD_OUT, int(images * HELD_OUT_SHARE))
    config = replace(cell.config, recipe=replace(recipe, validation_images=held_out))
    key = hashlib.sha256(f"screen {cell.train_key} {held_out}".encode()).hexdigest()
    return Screened(
        cell_id=cell.cell_id,
        train_key=cell.train_key,
        row=cell.cell.row,
        settings=tuple((path, str(item.value)) for path, item in sorted(each.point.settings.items())),
        request=JobRequest(
            train_key=key,
            config=config,
            benchmarks=(),
            paths=paths,
            dataset_identity=cell.dataset_identity,
            sources=cell.sources,
            files=cell.files,
        ),
        epochs=recipe.epochs,
        look_every=options.look_every or max(1, recipe.epochs // 10),
    )
