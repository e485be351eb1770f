"""`screen`: an early-stopped look at the cells of a sweep, to choose which deserve full runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from augment.lookup.wording import count
from clusters.ray_api.address import check_address
from clusters.storage.open import check_storage
from orchestration.cli import options
from orchestration.cli.output import EXIT_CELLS_FAILED, EXIT_DONE, columns, drawing_stream, echo_err, emit
from orchestration.errors import command
from orchestration.runs.progress import progress_for
from orchestration.runs.screening.request import ScreenOptions
from orchestration.runs.screening.screen import Screening
from orchestration.runs.screening.screen import screen as run_screen


@dataclass(frozen=True, kw_only=True)
class ScreenerOptions:
    """How cells are screened; the fields are those of `ScreenOptions`."""

    scheduler: Annotated[str, typer.Option("--scheduler", help="Early stopping: asha, median or none.")] = "asha"
    search: Annotated[str, typer.Option("--search", help="Cells to train: all, or those that optuna chooses.")] = "all"
    trials: Annotated[int, typer.Option("--trials", help="Maximum number of trainings with optuna.")] = 20
    grace_epochs: Annotated[int, typer.Option("--grace-epochs", help="Minimum epochs of every training.")] = 1
    reduction: Annotated[
        int, typer.Option("--reduction", help="Reduction factor: ASHA continues one in so many at each rung.")
    ] = 3
    look_every: Annotated[
        int | None, typer.Option("--look-every", max=1_000_000, help="Epochs between validations.")
    ] = None
    validation_images: Annotated[
        int | None,
        typer.Option("--validation-images", max=1_000_000_000, help="Number of held-out training images [a tenth]."),
    ] = None
    cpus: Annotated[
        float | None, typer.Option("--cpus", help="CPUs per training [a node's CPUs / its GPUs; 1 on CPUs].")
    ] = None
    gpus: Annotated[
        float | None, typer.Option("--gpus", help="GPUs per training; 0 for CPUs only [1 where there are any].")
    ] = None
    max_concurrent: Annotated[
        int | None, typer.Option("--max-concurrent", max=1_000_000, help="Maximum number of trainings at once.")
    ] = None
    address: options.RayAddress = None

    def chosen(self) -> ScreenOptions:
        """Return how cells are screened.

        Raises:
            InputError: With every mistake of the options.
        """
        return ScreenOptions(**vars(self))

    def check(self) -> None:
        """Check the values of the options.

        Raises:
            InputError: With every mistake of them.
        """
        self.chosen()


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    options.add_verbs(app, {"screen": screen})


def screen(
    choice: options.SweepOptions, places: options.PlaceOptions, how: ScreenerOptions, as_json: options.Json = False
) -> int:
    """Train cells with early stopping on held-out images. Tables never show these results."""
    chosen = how.chosen()
    opened = options.open_sweep(choice, places)
    # Here and not later: hours of training would be lost with a storage that refuses what came of them.
    check_address(chosen.address)
    check_storage(opened.store.storage)
    echo_err("screening; its results enter no table")
    made = run_screen(
        opened.resolved,
        options=chosen,
        settings=opened.settings,
        store=opened.store,
        observer=progress_for(drawing_stream()),
    )
    emit(asdict(made), lambda: screening_text(made), as_json=as_json)
    return EXIT_CELLS_FAILED if any(cell.broken for cell in made.cells) else EXIT_DONE


def screening_text(made: Screening) -> str:
    """Return a screening as text: the order, what it saved, and how it agrees with full runs."""
    rows = [
        [
            cell.cell_id,
            cell.row,
            "-" if cell.error is None else f"{100 * cell.error:.1f}",
            f"{cell.epochs}/{cell.of_epochs}",
            "-" if cell.full is None else f"{100 * cell.full:.1f}",
            cell.broken,
        ]
        for cell in made.cells
    ]
    header = ["cell", "row", "held-out error %", "epochs", f"full run, {made.column}", "broken"]
    lines = [columns(rows, header=header, right=(2, 3, 4)), ""]
    lines.append(
        f"{count(len(made.cells), 'cell')} screened with {100 * made.epochs_share:.0f} % of the epochs of full trainings"
    )
    lines += [f"left out: {row} ({reason})" for row, reason in made.left_out.items()]
    lines.append(_agreement(made.correlation, sum(cell.full is not None for cell in made.cells)))
    best = next((cell.row for cell in made.cells if cell.error is not None), None)
    chosen = f" ('{best}' looks best)" if best else ""
    return "\n".join([*lines, f"stored in {made.file}", f"next, run cells in full{chosen}: {command('run')}"])


def _agreement(correlation: float | None, num_full: int) -> str:
    if correlation is None:
        return f"rank correlation with full runs: needs three recorded cells, {num_full} are"
    return f"rank correlation with {num_full} full runs (Spearman): {correlation:+.2f}"
