"""`cells gc`: list what no sweep wants and what killed processes left, and delete it when that is confirmed."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from augment.lookup.wording import count
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, columns, echo_damage, echo_err, emit
from orchestration.errors import InputError, Mistake
from orchestration.results.collection import Collection, Unwanted, collection, record_label
from orchestration.results.collection import delete as delete_cells

MIB = 2**20


def collect(
    places: options.PlaceOptions,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="SWEEP", help="Another sweep file whose cells are kept. Repeatable."),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="SWEEP", help="Sweep run here whose cells are not kept. Repeatable."),
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the listed cells, after asking.")] = False,
    is_agreed: Annotated[bool, typer.Option("--yes", help="With --delete: delete without asking.")] = False,
    as_json: options.Json = False,
) -> int:
    """List the cells that no sweep needs: neither one that was run on this storage, nor a built-in one (any size, seeds 0 to 9).

    And what killed processes left: unfinished files in the storage, temporary folders. All is deleted with --delete, which asks
    first. Imported cells, and what a living process uses, are always kept.
    """
    settings, store = places.settings, places.existing_store()
    _check_answer(delete=delete, is_agreed=is_agreed)
    found = collection(
        store,
        checkpoints=settings.checkpoints,
        data_root=settings.data_root,
        keep=tuple(keep or ()),
        drop=tuple(drop or ()),
        on_damage=echo_damage,
    )
    deleted: tuple[Unwanted, ...] | None = None
    if delete and (is_agreed or not (found.unwanted or found.leftovers) or _is_confirmed(found)):
        deleted = delete_cells(found, store, checkpoints=settings.checkpoints)
    emit(_document(found, deleted), lambda: _text(found, deleted, is_asked=delete), as_json=as_json)
    return EXIT_DONE


def _check_answer(*, delete: bool, is_agreed: bool) -> None:
    """Refuse to delete where nobody can be asked."""
    if delete and not is_agreed and not sys.stdin.isatty():
        text = (
            "deleting cells needs a confirmation, but there is no terminal to ask on; add --yes to delete without one"
        )
        raise InputError("options", [Mistake(where="--delete", text=text)])


def _is_confirmed(found: Collection) -> bool:
    typer.echo("\n".join(_listed(found, found.unwanted)), err=True)
    what = [f"{count(len(found.unwanted), 'cell')}, {found.checkpoint_bytes / MIB:.1f} MiB"] if found.unwanted else []
    what += [_leftover_total(found)] if found.leftovers else []
    question = f"Delete {' and '.join(what)}, permanently?"
    try:
        return typer.confirm(question, err=True)
    except typer.Abort as error:  # Ctrl-C, or an end of input, while the line of the question is open
        echo_err("")
        raise KeyboardInterrupt from error


def _document(found: Collection, deleted: tuple[Unwanted, ...] | None) -> dict[str, Any]:
    cells = found.unwanted if deleted is None else deleted
    return {
        "deleted": deleted is not None,
        "cells": [cell.train_key[:12] for cell in cells],
        "bytes": sum(cell.checkpoint_bytes for cell in cells),
        "details": [asdict(cell) for cell in cells],
        "leftovers": [asdict(left) for left in found.leftovers],
        "kept_sweeps": [_called(record) for record in found.kept],
    }


def _text(found: Collection, deleted: tuple[Unwanted, ...] | None, *, is_asked: bool) -> str:
    cells = found.unwanted if deleted is None else deleted
    state = "deleted" if deleted is not None else "stay" if is_asked else "would be deleted with --delete"
    total = f"{count(len(cells), 'cell')}, {sum(cell.checkpoint_bytes for cell in cells) / MIB:.1f} MiB {state}"
    kept = ", ".join(dict.fromkeys(map(_called, found.kept)))
    lines = _listed(found, cells)
    if found.leftovers:
        total = f"{total}; {_leftover_total(found)} {state}"
    return "\n".join(
        [
            *lines,
            total,
            f"kept: cells of the built-in sweeps{', and of sweeps that were run here: ' * bool(kept)}{kept}",
        ]
    )


def _listed(found: Collection, cells: tuple[Unwanted, ...]) -> list[str]:
    leftovers = [[left.path, left.of, f"{left.size / MIB:.1f} MiB"] for left in found.leftovers]
    tables = [_table(cells)] if cells else []
    return tables + ([columns(leftovers, header=["leftover", "of", "size"], right=(2,))] if leftovers else [])


def _leftover_total(found: Collection) -> str:
    return f"{count(len(found.leftovers), 'leftover')}, {found.leftover_bytes / MIB:.1f} MiB"


def _table(cells: tuple[Unwanted, ...]) -> str:
    rows = [
        [
            cell.train_key[:12],
            cell.row,
            cell.sweep,
            "-" if cell.seed is None else str(cell.seed),
            "-" if cell.recorded_at is None else f"{datetime.fromtimestamp(cell.recorded_at):%Y-%m-%d %H:%M}",
            f"{cell.checkpoint_bytes / MIB:.1f} MiB",
        ]
        for cell in cells
    ]
    return columns(rows, header=["cell", "row", "sweep", "seed", "recorded", "size"], right=(3, 5))


def _called(record: Any) -> str:
    changed = ", ".join(record.overrides)
    return f"{record_label(record)} ({changed})" if changed else record_label(record)
