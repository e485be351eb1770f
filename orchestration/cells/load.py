"""Finding and reading sweep files: the built-in ones by name, a user's own by path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from augment.files.given import MIB, read_given_text
from augment.lookup.parameters import nearest
from augment.registry import METHODS
from eval.benchmarks.registry import BENCHMARKS
from eval.tables.published.tables import published_tables
from orchestration.cells.catalogue import Catalogue, builtin_catalogue
from orchestration.cells.resolve import resolve_sweep, try_resolve_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.errors import InputError, Mistake
from orchestration.sweeps.expand import expand
from orchestration.sweeps.model import SIZES, Overrides, Size, Sweep, union_of
from orchestration.sweeps.schema import parse_document
from orchestration.sweeps.sweep_file import SweepFile
from orchestration.sweeps.yaml_reader import Document, mistake_in, parse_yaml

SWEEP_FOLDER: Final = Path(__file__).parent.parent / "sweeps" / "builtin"


def _table_number(path: Path) -> tuple[str, int]:
    head, _, number = path.stem.rpartition("-")
    return (head, int(number)) if number.isdigit() else (path.stem, 0)


SWEEPS: Final[Mapping[str, Path]] = {path.stem: path for path in sorted(SWEEP_FOLDER.glob("*.yaml"), key=_table_number)}
"""The packaged sweep files by name, in the order of their table numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFile:
    """A sweep file that was read: its shape, its lines, and the mistakes of shape."""

    subject: str
    document: Document
    file: SweepFile | None
    mistakes: tuple[Mistake, ...]


def sweep_path(name_or_path: str) -> Path:
    """Return the file of a built-in sweep, or the path of a user's own."""
    if name_or_path in SWEEPS:
        return SWEEPS[name_or_path]
    path = Path(os.path.expanduser(name_or_path))
    if path.suffix in (".yaml", ".yml") or "/" in name_or_path:
        if path.is_file():
            return path
        raise _unknown(f"no sweep file '{name_or_path}': the path must name a readable YAML file")
    raise _unknown(
        f"unknown sweep '{name_or_path}'{nearest(name_or_path, list(SWEEPS))}; or give the path of a YAML file"
    )


def read_sweep_file(name_or_path: str) -> LoadedFile:
    """Read a sweep file and check its shape."""
    path = sweep_path(name_or_path)
    subject = f"sweep file {path.name}"
    try:
        text = read_given_text(path, 16 * MIB)
    except (OSError, UnicodeDecodeError) as error:
        raise _unknown(f"sweep file '{path}' must be readable UTF-8 text: {error}") from error
    return _parse(text, subject)


@lru_cache(maxsize=64)
def _parse(text: str, subject: str) -> LoadedFile:
    """Parse one text once a process: a union reads its parts, and the list of sweeps each part several times."""
    # Cached by the text, not by the path: an edited file is read again.
    document, mistakes = parse_yaml(text, subject=subject)
    file, more = parse_document(document)
    # A value that YAML could not give is missing for the schema too: one mistake a place.
    found = [*mistakes, *(each for each in more if each.where not in {mistake.where for mistake in mistakes})]
    return LoadedFile(subject=subject, document=document, file=file, mistakes=tuple(found))


def load_sweep_file(name_or_path: str) -> SweepFile:
    """Read a sweep file and return its shape.

    Raises:
        InputError: With every mistake of shape.
    """
    loaded = read_sweep_file(name_or_path)
    if loaded.file is None or loaded.mistakes:
        raise InputError(loaded.subject, loaded.mistakes)
    return loaded.file


def load_sweep(
    name_or_path: str, *, size: Size = "full", overrides: Overrides | None = None, catalogue: Catalogue | None = None
) -> ResolvedSweep:
    """Load a sweep in one of its sizes, its cells resolved and checked.

    Args:
        catalogue: What cells may name; None for the built-in registries without a folder of data.

    Raises:
        InputError: With all mistakes of the file and of its cells at once.
    """
    catalogue = catalogue or builtin_catalogue()
    sweep = read_sweep(name_or_path, size=size, overrides=overrides, catalogue=catalogue)
    return resolve_sweep(sweep, catalogue, source=name_or_path)


def full_size(resolved: ResolvedSweep) -> ResolvedSweep:
    """Return the sweep whose recipes and evaluations are the published ones: the same one in its full size without options.

    A file of the user's that names a published table is compared with the built-in sweep of that table.

    Raises:
        InputError: If its file is gone or mistaken.
    """
    table = resolved.sweep.table
    if table is not None and table.published is not None and resolved.source not in SWEEPS:
        return load_sweep(_sweep_of_published(table.published), catalogue=resolved.catalogue)
    if resolved.sweep.size == "full" and not resolved.sweep.overrides:
        return resolved
    return load_sweep(resolved.source, catalogue=resolved.catalogue)


def _sweep_of_published(published: str) -> str:
    """Return the built-in sweep that rebuilds a published table."""
    candidates = (published, *SWEEPS) if published in SWEEPS else SWEEPS
    tables = ((name, built_in_sweep(name).table) for name in candidates)
    return next(name for name, table in tables if table is not None and table.published == published)


def read_sweep(
    name_or_path: str, *, size: Size = "full", overrides: Overrides | None = None, catalogue: Catalogue | None = None
) -> Sweep:
    """Read a sweep in one of its sizes without resolving its cells, for what only shows its rows and columns.

    Args:
        catalogue: What cells may name; where it is given, mistakes of names and types are reported together with those of shape.

    Raises:
        InputError: With all mistakes of the file at once.
    """
    loaded = read_sweep_file(name_or_path)
    is_checked = name_or_path in SWEEPS  # of the built-in ones the tests expand every size
    return _sweep_of(loaded, size, overrides, catalogue, is_checked=is_checked)


def read_sweep_texts(
    name: str, files: Mapping[str, str], *, size: Size, overrides: Overrides, catalogue: Catalogue
) -> Sweep:
    """Read a sweep from the texts of its files, as they were when it was run, in one of its sizes.

    Args:
        files: Name -> text of its YAML file, and of those of its parts where it is a union.

    Raises:
        InputError: With all mistakes of the files, or that one is not there.
    """
    if name not in files:
        raise _unknown(f"the text of sweep '{name}' must be recorded with it, but is not")
    loaded = _parse(files[name], f"sweep file '{name}' as it was run")
    return _sweep_of(loaded, size, overrides, catalogue, is_checked=True, files=files)


def _sweep_of(
    loaded: LoadedFile,
    size: Size,
    overrides: Overrides | None,
    catalogue: Catalogue | None,
    *,
    is_checked: bool,
    files: Mapping[str, str] | None = None,
) -> Sweep:
    mistakes = list(loaded.mistakes)
    if loaded.file is None:
        raise InputError(loaded.subject, mistakes)
    if loaded.file.include and not mistakes:
        return _load_union(loaded.file, loaded.document, size, overrides, catalogue, files)
    if loaded.file.include:
        raise InputError(loaded.subject, mistakes)
    # What is mistaken in shape is left out from here on, so that one call reports every other mistake too.
    broken = frozenset(mistake.where for mistake in mistakes)
    sweep, more = expand(loaded.file, loaded.document, size=size, overrides=overrides, broken=broken)
    mistakes += more
    if not is_checked:
        others = [other for other in loaded.file.sizes if other != size]
        mistakes += [
            each for other in others for each in expand(loaded.file, loaded.document, size=other, broken=broken)[1]
        ]
        mistakes += _published_mistakes(loaded)
    if catalogue is not None and mistakes:
        mistakes += try_resolve_sweep(sweep, catalogue, found=mistakes)[1]
    if mistakes:
        raise InputError(loaded.subject, list(dict.fromkeys(mistakes)))
    return sweep


def _published_mistakes(loaded: LoadedFile) -> list[Mistake]:
    """Return a mistake where a file names a published table that is not known."""
    name = loaded.file.table.published if loaded.file is not None and loaded.file.table is not None else None
    if name is None:
        return []

    known = list(published_tables())
    text = f"unknown published table '{name}'{nearest(name, known)}"
    return [] if name in known else [mistake_in(loaded.document, ("table", "published"), text)]


def _load_union(
    file: SweepFile,
    document: Document,
    size: Size,
    overrides: Overrides | None,
    catalogue: Catalogue | None,
    files: Mapping[str, str] | None,
) -> Sweep:
    known = list(files) if files is not None else [name for name in SWEEPS if not load_sweep_file(name).include]
    mistakes = [
        mistake_in(
            document, ("include", index), f"'{name}' is no built-in sweep with a table of its own{nearest(name, known)}"
        )
        for index, name in enumerate(file.include)
        if name not in known
    ]
    parts = []
    for name in file.include if not mistakes else ():
        try:
            # Only the plain sweep is the same for all callers, so that only it is cached.
            if files is not None and catalogue is not None:
                given = overrides or Overrides()
                parts.append(read_sweep_texts(name, files, size=size, overrides=given, catalogue=catalogue))
            elif overrides is None and catalogue is None:
                parts.append(built_in_sweep(name, size))
            else:
                parts.append(read_sweep(name, size=size, overrides=overrides, catalogue=catalogue))
        except InputError as error:
            mistakes += [replace(each, where=f"{name}: {each.where}") for each in error.mistakes]
    if mistakes:
        raise InputError(f"sweep '{file.name}'", mistakes)
    return union_of(file.name, file.title, file.description.strip(), parts, document=document)


@lru_cache(maxsize=64)
def built_in_sweep(name: str, size: Size = "full") -> Sweep:
    """Read a built-in sweep as it is, once a process: the list of sweeps meets each in several unions."""
    return read_sweep(name, size=size)


def sizes_of(file: SweepFile) -> tuple[Size, ...]:
    """Return the sizes that a sweep file can be run in; a union has those that all its parts have."""
    if not file.include:
        return ("full", *file.sizes)
    shared = [set(sizes_of(load_sweep_file(name))) for name in file.include]
    return tuple(size for size in SIZES if all(size in each for each in shared))


def sweep_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of sweep files for editors, which offer the built-in names for completion."""
    schema = SweepFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "DreamGrid sweep"
    for model in ("PointPatch", "NamedPoint"):
        schema["$defs"][model]["properties"]["method"]["examples"] = sorted(METHODS)
    schema["properties"]["benchmarks"]["propertyNames"] = {"enum": sorted(BENCHMARKS)}
    return schema


def _unknown(text: str) -> InputError:
    return InputError("sweep", [Mistake(where="", text=text)])
