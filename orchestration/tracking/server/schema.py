"""Revisions of MLflow's database schema, read from its package without importing it: the only file that knows its inner layout.

Where a release of MLflow has them elsewhere, nothing is known of them, and MLflow itself says what it thinks of a database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_MIGRATIONS: Final = "store/db_migrations/versions"
_REVISION: Final = re.compile(r"""^revision(?:\s*:\s*\w+)?\s*=\s*["']([0-9a-z]+)["']""", re.MULTILINE)
_BEFORE: Final = re.compile(r"^down_revision[^=\n]*=\s*(.+)$", re.MULTILINE)
_ID: Final = re.compile(r"""["']([0-9a-z]+)["']""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What the installed MLflow knows of schemas.

    Attributes:
        known: Revisions that it can upgrade from, its own included; none where that could not be found out.
        head: The revision that it works with; "" where that could not be found out.
    """

    known: frozenset[str]
    head: str


@cache
def installed_schema() -> Schema:
    """Return the schema of the installed MLflow."""
    spec = find_spec("mlflow")
    if spec is None or not spec.origin:
        return Schema(known=frozenset(), head="")
    return schema_in(Path(spec.origin).parent / _MIGRATIONS)


def schema_in(folder: Path) -> Schema:
    """Return the schema that a folder of migrations comes to: its head is what no other migration follows."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.py"))]
    known = {found[1] for text in texts if (found := _REVISION.search(text))}
    followed = {each for text in texts if (before := _BEFORE.search(text)) for each in _ID.findall(before[1])}
    heads = known - followed
    return Schema(known=frozenset(known), head=heads.pop() if len(heads) == 1 else "")
