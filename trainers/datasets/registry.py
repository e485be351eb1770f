"""The datasets by name; light to import. Adding one: its file, and a line here.

Files are in the data root in torchvision's own layouts. `trainers.datasets.load` reads them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

from augment.lookup.kinds import Kind
from augment.lookup.plugin_code import code_of
from trainers.datasets.cifar import CIFAR_10, CIFAR_100
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.digits import DIGITS
from trainers.datasets.image_folders import IMAGENET, PLACES365, TINY_IMAGENET
from trainers.datasets.mnist import FASHION_MNIST, KMNIST, MNIST
from trainers.datasets.svhn import SVHN
from trainers.datasets.user_folder import user_folder
from trainers.errors import UnknownName, unknown_name

READER_GROUP: Final = "dreamgrid.datasets.read"

DATASETS: Final[Mapping[str, DatasetSpec]] = {
    "digits": DIGITS,
    "mnist": MNIST,
    "fashion-mnist": FASHION_MNIST,
    "kmnist": KMNIST,
    "cifar-10": CIFAR_10,
    "cifar-100": CIFAR_100,
    "svhn": SVHN,
    "imagenet": IMAGENET,
    "tiny-imagenet": TINY_IMAGENET,
    "places365": PLACES365,
}

DATASET_KIND: Final = Kind(
    what="dataset", group="dreamgrid.datasets", type=DatasetSpec, builtin=DATASETS, error=UnknownName
)


def dataset_for(name: str) -> DatasetSpec:
    """Return a dataset's description: built in, a user's "folder:PATH[@SIZE]", or installed under the entry point group.

    Raises:
        UnknownName: If the name is no dataset's; names the nearest known one.
        DataError: If a user's folder is absent, or its splits do not fit each other.
    """
    if name in DATASETS:
        return DATASETS[name]
    own = user_folder(name)
    if own is not None:
        return own
    added = added_datasets()
    if name in added:
        return added[name]
    raise unknown_name("dataset", name, [*DATASETS, *added])


def added_datasets() -> dict[str, DatasetSpec]:
    """Return the datasets of installed packages; the code that describes and reads one is part of its identity."""
    found = {}
    for name, spec in DATASET_KIND.added().items():
        assert spec.code is not None
        codes = [dict(spec.code), *(code_of(point, None, UnknownName) for point in readers_of(name))]
        digest = hashlib.sha256(json.dumps(codes, sort_keys=True).encode()).hexdigest()
        found[name] = dataclasses.replace(spec, identity=f"{spec.identity}+code:{digest}")
    return found


def readers_of(name: str) -> list[Any]:
    """Return the entry points that read an installed dataset of the layout "entry-point": one, or none for other layouts."""
    return list(metadata.entry_points(group=READER_GROUP, name=name))


def missing_data(
    names: Sequence[str], data_root: str | Path, split: Literal["train", "test", "both"] = "both"
) -> list[str]:
    """Return one line per dataset that is not in the data root, or whose split is not; looks at names of files only."""
    specs = [dataset_for(name) for name in dict.fromkeys(names)]
    return [spec.missing_line(data_root, absent) for spec in specs if (absent := spec.absent_paths(data_root, split))]
