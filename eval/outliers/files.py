"""Whether the folders of outlier sets are there and can be read, and what identifies them: their content."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from augment.files.content import content_of
from augment.files.published import Identified, absent, given, own
from augment.files.trial import refuse_undecodable
from augment.files.walk import ImageFolderError
from eval.errors import EvalError
from eval.outliers.sets import FOLDER_PREFIX, UnreadableSetError, outlier_files, outlier_folder

logger = logging.getLogger(__name__)


def unusable_sets(names: Sequence[str], data_root: Path) -> list[str]:
    """Return a line for each folder of outliers that is missing, empty, or has too many images that cannot be read."""
    lines = []
    for name in names:
        try:
            refuse_undecodable(outlier_files(name, data_root))
        except EvalError as error:
            lines.append(str(error))
        except ImageFolderError as error:
            lines.append(f"outlier set {name!r}: {error}")
    return lines


def missing_sets(names: Sequence[str], data_root: Path) -> list[str]:
    """Return a line for each folder of outliers that is missing or empty; one that cannot be read is left out of a run alone."""
    lines = []
    for name in names:
        try:
            outlier_files(name, data_root)
        except UnreadableSetError:
            continue
        except EvalError as error:
            lines.append(str(error))
    return lines


def identities_of_sets(names: Sequence[str], data_root: Path | None) -> dict[str, Identified]:
    """Return what identifies folders of outliers, by set.

    A copy in another folder is a set of its own, as its user wants it; the log names it.

    Raises:
        EvalError: If two sets are one folder: it would weigh twice in the means.
    """
    sets = {name: _identity(name, data_root) for name in names}
    folders = {name: outlier_folder(name, data_root) for name in sets} if data_root is not None else {}
    places = {name: folder.resolve() for name, folder in folders.items() if folder is not None}
    wrong = [f"{name!r} is the folder of {known!r}" for known, name in _repeated(places)]
    if wrong:
        raise EvalError(f"each outlier set must be named once, but {'; '.join(wrong)}; leave one of each out")
    for known, name in _repeated({name: each.content for name, each in sets.items() if each.content}):
        _note_copy(known, name)
    return sets


def _identity(name: str, data_root: Path | None) -> Identified:
    folder = None if data_root is None else outlier_folder(name, data_root)
    content = "" if folder is None else content_of(folder, ".")
    if not content:
        return absent("")
    return given(content) if name.startswith(FOLDER_PREFIX) else own(content, f"no checksum of {name} is published")


def _repeated(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return pairs of names with one value: the first of it, and each later one."""
    first: dict[object, str] = {}
    pairs = [(first.setdefault(value, name), name) for name, value in values.items()]
    return [(known, name) for known, name in pairs if known != name]


@cache
def _note_copy(known: str, name: str) -> None:
    logger.warning("outlier set %r has the same images as %r, so they count twice in means over sets", name, known)
