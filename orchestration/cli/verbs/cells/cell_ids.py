"""How a cell is named on the command line: by its id, or by any unique beginning of its train key."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from orchestration.errors import InputError, Mistake, command
from orchestration.store.files import FileStore

CellId = Annotated[str, typer.Argument(metavar="CELL", help="Cell id, or any unique prefix of a train key.")]
MIN_DIGITS: Final = 4


def find_cell(prefix: str, store: FileStore) -> str:
    """Return the one train key that begins so."""
    wanted = prefix.strip().lower()
    found = [key for key in store.train_keys() if key.startswith(wanted)] if len(wanted) >= MIN_DIGITS else []
    if len(found) == 1:
        return found[0]
    if len(wanted) < MIN_DIGITS:
        text = f"give at least {MIN_DIGITS} digits of the cell id, but got '{prefix}'"
    elif found:
        text = f"'{prefix}' fits {len(found)} cells ({', '.join(key[:16] for key in found[:5])}); give more digits"
    else:
        text = f"nothing is recorded of a cell '{prefix}'; `{command('cells list')}` shows what is"
    raise InputError("cell", [Mistake(where="", text=text)])
