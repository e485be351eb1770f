"""Shell completion by Typer's own protocol, without a verb's file: what the verbs take is in `completion.json`.

Importing a verb takes half a second, which nobody waits for at every Tab. The file is written by
`python -m benchmarks.completion_file`, and a test compares it with the verbs. Sweeps, rows and cells are looked up here.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from orchestration.cli.verb_list import VERBS, VerbGroup
from orchestration.errors import PROGRAM

FILE: Final = Path(__file__).with_name("completion.json")
_BUILTIN: Final = Path(__file__).parents[1] / "sweeps" / "builtin"
_MOST: Final = 500
"""Cells that are offered: a shell shows no more."""

_PLAIN: Final = re.compile(r"([^\w@%+=:,./-])")

Described = Mapping[str, Any]


def completion_app() -> typer.Typer:
    """Return the command line as far as the words so far need it: every verb by name, and the options of the named one."""
    described = _file()["verbs"]
    words = (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split()
    named = next((word for word in words[1:] if word in VERBS), None)
    app = typer.Typer(name=PROGRAM, cls=VerbGroup, rich_markup_mode=None, callback=_root)
    for name, listed in VERBS.items():
        found = described.get(name, {"params": ()})  # one that was added after the file was written
        if name != named:
            app.command(name, help=listed.text)(lambda: None)
        elif "verbs" in found:
            group = typer.Typer(rich_markup_mode=None, help=listed.text)
            for verb, each in found["verbs"].items():
                group.command(verb, help=each["help"])(_command(each["params"]))
            app.add_typer(group, name=name)
        else:
            app.command(name, help=listed.text)(_command(found["params"]))
    return app


@functools.cache
def _file() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def _root() -> None:
    """Without a callback, Typer takes the only verb of an app for the app itself."""


def _command(params: Sequence[Described]) -> Callable[..., None]:
    def command(**_: Any) -> None:
        """Is never called."""

    made = [_parameter(each) for each in params]
    command.__annotations__ = {each.name: each.annotation for each in made}
    command.__signature__ = inspect.Signature(made)  # type: ignore[attr-defined]
    return command


def _parameter(described: Described) -> inspect.Parameter:
    """Return a parameter as Typer reads it."""
    hint: Any = bool if described.get("is_flag") else list[str] if described.get("is_repeated") else str
    names = described.get("names", ())
    found = typer.Option if names else typer.Argument
    info = found(*names, help=described.get("help", ""), autocompletion=_values(described))
    return inspect.Parameter(
        described["name"], inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[hint | None, info], default=None
    )


def _values(described: Described) -> Callable[[typer.Context, str], list[str]] | None:
    kind = described.get("values")
    if not kind:
        return None
    look_up: Callable[[typer.Context], Iterator[str]] | None = LOOK_UPS.get(kind) if isinstance(kind, str) else None

    def values(ctx: typer.Context, incomplete: str) -> list[str]:
        found = kind if look_up is None else itertools.islice(look_up(ctx), _MOST)
        listed = [*incomplete.split(",")[:-1]] if described.get("is_list") else []
        prefix = "".join(f"{each}," for each in listed)
        return [_word(f"{prefix}{value}", incomplete) for value in found if value not in listed]

    return values


def _word(value: str, incomplete: str) -> str:
    """Return a value as bash takes it: a space in it is escaped, unless what was typed is in quotes; other shells do that."""
    escaped = _PLAIN.sub(r"\\\1", value)
    return escaped if "COMP_WORDS" in os.environ and escaped.startswith(incomplete) else value


def sweeps(_: typer.Context) -> Iterator[str]:
    """Yield the built-in sweeps, and the YAML files in this folder."""
    yield from sorted(path.stem for path in _BUILTIN.glob("*.yaml"))
    yield from sorted(str(path) for path in Path().glob("*.y*ml"))


def rows(ctx: typer.Context) -> Iterator[str]:
    """Yield the rows of the sweep that was named, as far as its file names them."""
    # Words before an option that lacks its value are not parsed yet.
    given = ctx.params.get("sweep") or next(iter(ctx.args), None)
    built_in = _file()["rows"]
    if given in built_in:
        yield from built_in[given]
    elif isinstance(given, str):
        yield from dict.fromkeys(_rows_of(Path(given)))


def prioritised_rows(ctx: typer.Context) -> Iterator[str]:
    """Yield the rows as `--priority ROW=N` names them."""
    yield from (f"{row}=" for row in rows(ctx))


def cells(ctx: typer.Context) -> Iterator[str]:
    """Yield the ids of the cells in a storage that is a folder."""
    storage = Path(str(ctx.params.get("storage") or os.environ.get("DREAMGRID_STORAGE") or "dreamgrid-storage"))
    keys = {path.name for folder in ("results", "attempts") for path in storage.glob(f"{folder}/*/")}
    yield from sorted(key[:12] for key in keys)


LOOK_UPS: Final[Mapping[str, Callable[[typer.Context], Iterator[str]]]] = {
    "sweeps": sweeps,
    "rows": rows,
    "prioritised rows": prioritised_rows,
    "cells": cells,
}
"""Kind of value in `completion.json` -> what looks it up when a shell asks; other values are listed there."""


def _rows_of(path: Path) -> Iterator[str]:
    try:
        file = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        axes = file.get("axes") or {}
        for part in file.get("include") or ():
            yield from _file()["rows"].get(part, ())
        titles = _file()["titles"]
        labels = (cell.get("row") or titles.get(cell.get("method")) for cell in axes.get("cells") or ())
        yield from (str(label) for label in labels if label)
        grid, label = axes.get("grid") or {}, str(axes.get("row") or "")
        for values in itertools.product(*grid.values()) if label else ():
            yield _labelled(label, dict(zip(grid, values, strict=True)))
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError):
        return  # a file that is being written offers nothing


def _labelled(label: str, values: Mapping[str, Any]) -> str:
    for name, value in values.items():
        label = label.replace(f"{{{name}}}", str(value))
    return label
