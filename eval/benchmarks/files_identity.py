"""What identifies the files that a benchmark reads besides the dataset: their content, whatever they are called. Light.

Files under a published name are compared with the checksums that are published: of each file for CIFAR-10-C and CIFAR-100-C, of
the archive for ImageNet-C, ImageNet-R, Tiny-ImageNet-C and MNIST-C (`augment.files.published`), of nothing for the others. What
does not match has a key of its own and is called "own files".
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from augment.files.content import file_hash
from augment.files.looks import content_of
from augment.files.published import Identified, absent, by_proof, given, joined, own, published
from augment.files.walk import ImageFolderError
from eval.benchmarks.presence import READERS, folder_sets, is_there, needed_parts
from eval.benchmarks.registry import benchmark_for
from eval.errors import EvalError
from eval.outliers.sets import FOLDER_PREFIX, outlier_folder
from eval.published_files.layout import ARCHIVE_MD5, FILE_MD5, FOLDERS, FROST_FILES, PACKED

logger = logging.getLogger(__name__)
FROST: Final = "frost"
BASELINES: Final = "baselines"
NORMALISED: Final = frozenset({"c", "c-generated", "p", "p-generated"})
"""The benchmarks whose metrics are divided by those of a baseline network, which may be a file of the user's."""


def files_identity(
    benchmark: str, params: Mapping[str, object], dataset: str, data_root: Path | None
) -> dict[str, Identified]:
    """Return what identifies the files that a benchmark reads besides the dataset, by collection; empty where it reads none.

    Args:
        benchmark: Name of the benchmark.
        params: Its parameters that differ from the defaults, or all of them.
        dataset: The dataset whose networks are evaluated.
        data_root: Folder of datasets and published benchmarks; None where nothing is looked at.

    Raises:
        EvalError: If the benchmark or a parameter is unknown, or files are there that cannot be read.
    """
    if benchmark not in READERS | NORMALISED:
        return {}
    config: Any = benchmark_for(benchmark).config_of(params)
    try:
        found = _collections(benchmark, config, dataset, data_root)
    except ImageFolderError as error:
        raise EvalError(str(error)) from error
    if data_root is not None:
        found |= _baseline(benchmark, config, dataset, data_root)
    return found


def _collections(benchmark: str, config: Any, dataset: str, data_root: Path | None) -> dict[str, Identified]:
    if benchmark == "ood":
        return _once_each({name: _outlier_set(name, data_root) for name in folder_sets(config)}, data_root)
    if getattr(config, "frost", "") == "pictures" and "frost" in config.kinds:
        return {FROST: _frost(data_root)}
    folder = FOLDERS.get((dataset, benchmark))
    return {} if folder is None else {folder: _published(folder, needed_parts(benchmark, config, dataset), data_root)}


def _published(name: str, parts: Sequence[str], data_root: Path | None) -> Identified:
    declared = _declared(name, parts)
    if data_root is None or not all(is_there(data_root / name / part) for part in parts):
        return absent(declared)
    if name in FILE_MD5:
        return _by_md5(name, parts, data_root, declared)
    contents = {part: content_of(data_root / name, part) for part in parts}
    if "" in contents.values():
        return absent(declared)
    if name in PACKED:
        return by_proof(declared, name, contents, data_root)
    return own(joined(contents), f"no checksum of {name} is published")


def _by_md5(name: str, parts: Sequence[str], data_root: Path, declared: str) -> Identified:
    folder = data_root / name
    found = {part: file_hash(folder / part, algorithm="md5") for part in parts}
    wrong = [part for part in parts if found[part] != FILE_MD5[name].get(part.removesuffix(".npy"))]
    if not wrong:
        return published(declared, joined(found), "the MD5 of every file is the published one")
    contents = {part: content_of(folder, part) for part in parts}
    more = f" and of {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return own(joined(contents), f"the MD5 of {wrong[0]}{more} is not the published one")


def _outlier_set(name: str, data_root: Path | None) -> Identified:
    folder = None if data_root is None else outlier_folder(name, data_root)
    content = "" if folder is None else content_of(folder, ".")
    if not content:
        return absent("")
    return given(content) if name.startswith(FOLDER_PREFIX) else own(content, f"no checksum of {name} is published")


def _once_each(sets: dict[str, Identified], data_root: Path | None) -> dict[str, Identified]:
    """Return outlier sets, none of which is another one under a second name: it would weigh twice in the means.

    A copy in another folder is a set of its own, as its user wants it; the log says so.
    """
    folders = {name: outlier_folder(name, data_root) for name in sets} if data_root is not None else {}
    places = {name: folder.resolve() for name, folder in folders.items() if folder is not None}
    wrong = [f"{name!r} is the folder of {known!r}" for known, name in _repeated(places)]
    if wrong:
        raise EvalError(f"each outlier set must be named once, but {'; '.join(wrong)}; leave one of each out")
    for known, name in _repeated({name: each.content for name, each in sets.items() if each.content}):
        _note_copy(known, name)
    return sets


def _repeated(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return pairs of names with one value: the first of it, and each further one."""
    first: dict[object, str] = {}
    pairs = [(first.setdefault(value, name), name) for name, value in values.items()]
    return [(known, name) for known, name in pairs if known != name]


@cache
def _note_copy(known: str, name: str) -> None:
    logger.warning("outlier set %r has the same images as %r, so they weigh twice in means over sets", name, known)


def _frost(data_root: Path | None) -> Identified:
    folder = None if data_root is None else data_root / FROST
    if folder is None or any(not (folder / name).is_file() for name in FROST_FILES):
        return absent("")
    return given(joined({name: file_hash(folder / name) for name in FROST_FILES}))


def _baseline(benchmark: str, config: Any, dataset: str, data_root: Path) -> dict[str, Identified]:
    """Return what identifies the user's own baseline that a benchmark is normalised by; nothing for a published one."""
    if benchmark not in NORMALISED or not (data_root / BASELINES).is_dir():
        return {}
    from eval.benchmarks.baselines import baseline_for, baseline_name, own_baseline

    name = baseline_name(benchmark, config, dataset, data_root)
    path = None if name is None else own_baseline(name, data_root)
    if name is None or path is None:
        return {}
    baseline_for(name, data_root)  # refuses a file with other numbers than fractions while planning
    return {f"{BASELINES}/{name}": given(file_hash(path))}


def _declared(name: str, parts: Sequence[str]) -> str:
    """Return what stands for published files in keys: their checksums, or "" where there are none."""
    if name in FILE_MD5:
        known = FILE_MD5[name]
        return "md5:" + _digest([f"{part} {known[part.removesuffix('.npy')]}" for part in sorted(parts)])
    if name in PACKED:
        return "md5-of-archives:" + _digest([f"{each} {ARCHIVE_MD5[each]}" for each in PACKED[name]])
    return ""


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
