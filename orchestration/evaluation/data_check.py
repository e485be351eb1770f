"""Checking what is in a data root: every collection gets its line, whatever the others are like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augment.files.published import Identified
from augment.files.trial import tried_images_in
from augment.lookup.parameters import nearest
from augment.lookup.wording import count
from augment.mixing_sets.from_files.published import PIXMIX_FOLDER, PixMixImagesConfig, pixmix_files, pixmix_images
from augment.mixing_sets.from_files.random_images import RANDOM_IMAGES_FILE, random_images_file
from eval.benchmarks.suite.files import files_identity
from eval.corruptions.cache import kept_sets, verify_set
from eval.outliers.sets import IMAGE_SETS, outlier_folder
from eval.published_files.layout import COLLECTIONS
from eval.published_files.verify import verify_folder
from orchestration.errors import InputError, Mistake
from orchestration.evaluation.published_archives import compare_collection
from orchestration.settings import Settings
from trainers.datasets.content import contradiction, dataset_content
from trainers.datasets.folders.listing import list_split
from trainers.datasets.load import load_split, shared_split
from trainers.datasets.outliers import random_images
from trainers.datasets.registry import DATASETS, dataset_for, missing_data
from trainers.errors import DataError, TrainingError
from trainers.models.released.registry import CHECKPOINTS, checkpoint_for, missing_checkpoints
from trainers.models.weights.reading import read_contents

GENERATED = "generated"
WHOLE, OWN, BROKEN, MISSING = "whole", "own files", "broken", "missing"
Line = dict[str, str]


def check_data(names: Sequence[str] | None, settings: Settings) -> Iterator[Line]:
    """Read datasets, published files and generated sets whole; yield name, state and detail of each.

    A state is "whole" for files that are the published ones, "own files" for those that can be read and that nothing shows to be
    the published ones, "broken" (also where a part of a dataset is missing), or "missing".

    Args:
        names: What is checked; None for all that is there.

    Raises:
        InputError: If a name is unknown.
    """
    root, folders = settings.data_root, list(COLLECTIONS)
    checked: dict[str, Callable[[str, Settings], Line]] = {
        **dict.fromkeys(DATASETS, _dataset),
        **dict.fromkeys(folders, _benchmark),
        PIXMIX_FOLDER: _mixing_images,
        RANDOM_IMAGES_FILE: _random_images,
        **dict.fromkeys(IMAGE_SETS, _outlier_set),
        **dict.fromkeys(CHECKPOINTS, _released),
    }
    _refuse_unknown(names or (), (*checked, GENERATED))
    places: dict[str, Path | None] = {name: root / name for name in (*folders, PIXMIX_FOLDER, RANDOM_IMAGES_FILE)}
    places |= {name: outlier_folder(name, root) for name in IMAGE_SETS}
    places |= {name: each.path(root) for name, each in CHECKPOINTS.items()}
    present = [name for name in checked if name in DATASETS or ((place := places[name]) is not None and place.exists())]
    for name in present if not names else [name for name in names if name != GENERATED]:
        yield _guarded(checked.get(name, _dataset), name, settings)
    if not names or GENERATED in names:
        yield from _generated(settings)


def _refuse_unknown(names: Sequence[str], known: Sequence[str]) -> None:
    mistakes = []
    for name in names:
        try:
            if name not in known:
                dataset_for(name)
        except DataError:
            continue  # a folder of the user's that is absent or broken gets its line
        except TrainingError:
            mistakes.append(Mistake(where="", text=f"unknown data '{name}'{nearest(name, known)}"))
    if mistakes:
        raise InputError("options", mistakes)


def _guarded(check: Callable[[str, Settings], Line], name: str, settings: Settings) -> Line:
    try:
        return check(name, settings)
    except (
        Exception
    ) as error:  # readers answer to broken bytes with nearly any exception, and the others are still to be checked
        return {"name": name, "state": BROKEN, "detail": str(error) or type(error).__name__}


def _dataset(name: str, settings: Settings) -> Line:
    spec = dataset_for(name)
    missing = missing_data([name], settings.data_root)
    if missing:
        parts = [*(file.path for file in spec.files), *(spec.folders or ())]
        is_begun = len(spec.absent_paths(settings.data_root)) < len(parts)
        return {"name": name, "state": BROKEN if is_begun else MISSING, "detail": missing[0]}
    wrong = contradiction(spec, settings.data_root)
    if wrong:
        return {"name": name, "state": BROKEN, "detail": wrong}
    detail = _sizes(name, settings)
    compared = _compared(name, settings.data_root)
    return _line(name, detail, compared, dataset_content(spec, settings.data_root))


def _sizes(name: str, settings: Settings) -> str:
    spec = dataset_for(name)
    sizes = []
    for split in ("train", "test"):
        if spec.folders is None:
            number = len(load_split(name, split, settings.data_root))
        else:
            number = len(list_split(spec, split, settings.data_root, settings.cache_dir))
        sizes.append(f"{split} {number}")
    return ", ".join(sizes)


def _benchmark(name: str, settings: Settings) -> Line:
    root = settings.data_root
    if not (root / name).is_dir():
        return {"name": name, "state": MISSING, "detail": f"not in {root}; {COLLECTIONS[name].how_to_get(root)}"}
    detail = verify_folder(name, root, lambda dataset: labels_or_none(dataset, settings))
    return _line(name, detail, _compared(name, root), _identified(name, root))


def _identified(name: str, root: Path) -> Identified:
    """Return what identifies a folder of published files: with the benchmark's own parameters, as tables show it."""
    return files_identity(COLLECTIONS[name].family, {}, COLLECTIONS[name].dataset, root)[name]


def _mixing_images(name: str, settings: Settings) -> Line:
    config, root = PixMixImagesConfig(), settings.data_root
    if not (root / name).is_dir():
        return {"name": name, "state": MISSING, "detail": f"not in {root}: unpack {name}.tar there"}
    detail = count(len(pixmix_images(config, root)), "image")
    return _line(name, detail, _compared(name, root), pixmix_files(config, root))


def _random_images(name: str, settings: Settings) -> Line:
    return _line(
        name, count(len(random_images(settings.data_root)), "image"), "", random_images_file(settings.data_root)
    )


def _outlier_set(name: str, settings: Settings) -> Line:
    folder = outlier_folder(name, settings.data_root)
    if folder is None:
        what = f"not in {settings.data_root}: {IMAGE_SETS[name].folders[0]} ({IMAGE_SETS[name].what})"
        return {"name": name, "state": MISSING, "detail": what}
    number = len(tried_images_in(folder, f"outlier set {name!r}").files)
    return _line(
        name, count(number, "image"), "", files_identity("ood", {"sets": [name]}, "", settings.data_root)[name]
    )


def _released(name: str, settings: Settings) -> Line:
    missing = missing_checkpoints([name], settings.data_root)
    if missing:
        return {"name": name, "state": MISSING, "detail": missing[0]}
    released = checkpoint_for(name)
    found = released.content(settings.data_root)
    if found.is_own and (released.sha256 or released.md5):
        return {
            "name": name,
            "state": BROKEN,
            "detail": f"{released.path(settings.data_root)}: {found.reason}; download it again",
        }
    return _line(name, count(len(read_contents(released.path(settings.data_root)).tensors), "tensor"), "", found)


def _compared(name: str, root: Path) -> str:
    return compare_collection(name, root)


def _line(name: str, detail: str, compared: str, found: Identified) -> Line:
    state = WHOLE if found.state in ("published", "given") else MISSING if found.state == "absent" else OWN
    return {
        "name": name,
        "state": state,
        "detail": "; ".join(part for part in (detail, compared, found.reason) if part),
    }


def labels_or_none(dataset: str, settings: Settings) -> NDArray[np.int64] | None:
    """Return the test labels of a dataset, or None where it is missing or broken: its own line says so."""
    if missing_data([dataset], settings.data_root):
        return None
    try:
        return shared_split(dataset, "test", settings.data_root, settings.cache_dir).labels
    except Exception:  # see `_guarded`
        return None


def _generated(settings: Settings) -> Iterator[Line]:
    """Compare the bytes of all generated sets in the cache with their records."""
    for key in kept_sets(settings.cache_dir):
        try:
            detail = f"sha256 {verify_set(key, settings.cache_dir)[:16]} as recorded"
            yield {"name": f"generated/{key.name}", "state": WHOLE, "detail": detail}
        except Exception as error:  # see `_guarded`
            yield {"name": f"generated/{key.name}", "state": BROKEN, "detail": str(error)}
