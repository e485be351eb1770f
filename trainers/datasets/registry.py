"""The datasets by name: sizes, published checksums and normalisation; light to import.

Files lie below the data root in torchvision's own layouts. `trainers.datasets.load` reads them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from augment.plugins import code_of, installed
from trainers.datasets.folders.user_folder import user_folder
from trainers.datasets.spec import DataFile as DataFile
from trainers.datasets.spec import DatasetSpec as DatasetSpec
from trainers.errors import UnknownName, unknown_name

ENTRY_POINT_GROUP: Final = "dreamgrid.datasets"
READER_GROUP: Final = "dreamgrid.datasets.read"


def _idx_files(
    folder: str, sha256: tuple[str, str, str, str], packed_md5: tuple[str, str, str, str]
) -> tuple[DataFile, ...]:
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    splits: tuple[Literal["train", "test"], ...] = ("train", "train", "test", "test")
    return tuple(
        DataFile(path=f"{folder}/raw/{name}", split=split, md5=md5, sha256=sha)
        for name, split, sha, md5 in zip(names, splits, sha256, packed_md5, strict=True)
    )


_IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
_IMAGENET_STD: Final = (0.229, 0.224, 0.225)
_HALF_1: Final = (0.5,)
_HALF_3: Final = (0.5, 0.5, 0.5)

DATASETS: Final[Mapping[str, DatasetSpec]] = {
    "digits": DatasetSpec(
        name="digits",
        title="Digits",
        image_size=32,
        num_channels=1,
        num_classes=10,
        num_train=1442,
        num_test=355,
        identity="sha256:46e722fd18cf092bce1b5c814e0e613e7b8696161cc04247a24091adcd844409",
        mean=_HALF_1,
        std=_HALF_1,
        layout="digits",
        source="handwritten digits that ship inside scikit-learn (UCI, Alpaydin and Kaynak 1998), 8x8 resized to 32x32",
    ),
    "mnist": DatasetSpec(
        name="mnist",
        title="MNIST",
        image_size=28,
        num_channels=1,
        num_classes=10,
        num_train=60_000,
        num_test=10_000,
        identity="sha256:09d9c50106a93c14b1c99b45352fb39f965a05109c94a632c226bc377bfa50e7",
        mean=_HALF_1,
        std=_HALF_1,
        layout="idx",
        torchvision="MNIST",
        source="LeCun, Cortes, Burges: The MNIST database of handwritten digits",
        files=_idx_files(
            "MNIST",
            (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
            (
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "d53e105ee54ea40749a09fcbcd1e9432",
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
        ),
    ),
    "fashion-mnist": DatasetSpec(
        name="fashion-mnist",
        title="Fashion-MNIST",
        image_size=28,
        num_channels=1,
        num_classes=10,
        num_train=60_000,
        num_test=10_000,
        identity="sha256:daf9de4cf12669ecda2c289b235db8654ca1a41e08fab265b0fc64c56f960be8",
        mean=_HALF_1,
        std=_HALF_1,
        layout="idx",
        torchvision="FashionMNIST",
        source="Xiao, Rasul, Vollgraf 2017: Fashion-MNIST",
        files=_idx_files(
            "FashionMNIST",
            (
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
            (
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "25c81989df183df01b3e8a0aad5dffbe",
                "bef4ecab320f06d8554ea6380940ec79",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
        ),
    ),
    "kmnist": DatasetSpec(
        name="kmnist",
        title="KMNIST",
        image_size=28,
        num_channels=1,
        num_classes=10,
        num_train=60_000,
        num_test=10_000,
        identity="md5-of-archives:6afdc9e944d934934d59c1b20f8dffb68e4655e666238b573a59685d15afdf04",
        mean=_HALF_1,
        std=_HALF_1,
        layout="idx",
        torchvision="KMNIST",
        source="Clanuwat et al. 2018: Deep Learning for Classical Japanese Literature",
        files=_idx_files(
            "KMNIST",
            ("", "", "", ""),
            (
                "bdb82020997e1d708af4cf47b453dcf7",
                "e144d726b3acfaa3e44228e80efcd344",
                "5c965bf0a639b31b8f53240b1b52f4d7",
                "7320c461ea6c1c855c0b718fb2a4b134",
            ),
        ),
    ),
    "cifar-10": DatasetSpec(
        name="cifar-10",
        title="CIFAR-10",
        image_size=32,
        num_channels=3,
        num_classes=10,
        num_train=50_000,
        num_test=10_000,
        identity="md5:d8ae88150aa4e61d545420901487eaa9444a4e420e00dd34c63dd249a0cee83b",
        mean=_HALF_3,
        std=_HALF_3,
        layout="cifar",
        torchvision="CIFAR10",
        source="Krizhevsky 2009: Learning Multiple Layers of Features from Tiny Images",
        files=(
            DataFile(path="cifar-10-batches-py/data_batch_1", split="train", md5="c99cafc152244af753f735de768cd75f"),
            DataFile(path="cifar-10-batches-py/data_batch_2", split="train", md5="d4bba439e000b95fd0a9bffe97cbabec"),
            DataFile(path="cifar-10-batches-py/data_batch_3", split="train", md5="54ebc095f3ab1f0389bbae665268c751"),
            DataFile(path="cifar-10-batches-py/data_batch_4", split="train", md5="634d18415352ddfa80567beed471001a"),
            DataFile(path="cifar-10-batches-py/data_batch_5", split="train", md5="482c414d41f54cd18b22e5b47cb7c3cb"),
            DataFile(path="cifar-10-batches-py/test_batch", split="test", md5="40351d587109b95175f43aff81a1287e"),
            DataFile(path="cifar-10-batches-py/batches.meta", split="both", md5="5ff9c542aee3614f3951f8cda6e48888"),
        ),
    ),
    "cifar-100": DatasetSpec(
        name="cifar-100",
        title="CIFAR-100",
        image_size=32,
        num_channels=3,
        num_classes=100,
        num_train=50_000,
        num_test=10_000,
        identity="md5:6a652a46873d7e84a72119f1ec63c53225d99d6cf49f9ee7e91cbab6dec80392",
        mean=_HALF_3,
        std=_HALF_3,
        layout="cifar",
        torchvision="CIFAR100",
        source="Krizhevsky 2009: Learning Multiple Layers of Features from Tiny Images",
        files=(
            DataFile(path="cifar-100-python/train", split="train", md5="16019d7e3df5f24257cddd939b257f8d"),
            DataFile(path="cifar-100-python/test", split="test", md5="f0ef6b0ae62326f3e7ffdfab6717acfc"),
            DataFile(path="cifar-100-python/meta", split="both", md5="7973b15100ade9c7d40fb424638fde48"),
        ),
    ),
    "svhn": DatasetSpec(
        name="svhn",
        title="SVHN",
        image_size=32,
        num_channels=3,
        num_classes=10,
        num_train=73_257,
        num_test=26_032,
        identity="md5:ceb38531ebeff7ad4593d9d733966d26e97b8bfadedf50fd4643687a9cb82a52",
        mean=_HALF_3,
        std=_HALF_3,
        layout="svhn",
        torchvision="SVHN",
        source="Netzer et al. 2011: Reading Digits in Natural Images with Unsupervised Feature Learning",
        files=(
            DataFile(path="train_32x32.mat", split="train", md5="e26dedcc434d2e4c54c9b2d4a06d8373"),
            DataFile(path="test_32x32.mat", split="test", md5="eb5a983be6a315427106f1b164d9cef3"),
        ),
    ),
    "imagenet": DatasetSpec(
        name="imagenet",
        title="ImageNet",
        image_size=224,
        num_channels=3,
        num_classes=1000,
        num_train=1_281_167,
        num_test=50_000,
        identity="md5-of-archives:1d675b47d978889d74fa0da5fadfb00e+29b22e2961454d5413ddabcf34fc5622",
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        layout="folders",
        source="Russakovsky et al. 2015: ImageNet Large Scale Visual Recognition Challenge",
        folders=("imagenet/train", "imagenet/val"),
        resize=256,
        is_resident=False,
        how_to_get="register with ImageNet, unpack both archives to DIR/imagenet/{train,val}/<class>/, as torchvision does",
    ),
    "tiny-imagenet": DatasetSpec(
        name="tiny-imagenet",
        title="Tiny ImageNet",
        image_size=64,
        num_channels=3,
        num_classes=200,
        num_train=100_000,
        num_test=10_000,
        identity="md5-of-archives:90528d7ca1a48142e341f4ef8d21d0de",
        mean=_HALF_3,
        std=_HALF_3,
        layout="folders",
        source="Stanford CS231n: Tiny ImageNet, 200 classes of ImageNet at 64 px",
        folders=("tiny-imagenet-200/train", "tiny-imagenet-200/val"),
        resize=64,
        how_to_get="unpack tiny-imagenet-200.zip below DIR (val stays flat: val_annotations.txt names the classes)",
    ),
    "places365": DatasetSpec(
        name="places365",
        title="Places365",
        image_size=224,
        num_channels=3,
        num_classes=365,
        num_train=1_803_460,
        num_test=36_500,
        identity="md5-of-archives:53ca1c756c3d1e7809517cc47c5561c5+e27b17d8d44f4af9a78502beb927f808",
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        layout="folders",
        source="Zhou et al. 2017: Places, a 10 Million Image Database for Scene Recognition; 256 px standard set",
        folders=("places365_standard/train", "places365_standard/val"),
        resize=256,
        is_resident=False,
        how_to_get="unpack places365standard_easyformat.tar below DIR, which gives DIR/places365_standard/{train,val}/<class>/",
    ),
}


def dataset_for(name: str) -> DatasetSpec:
    """Return a dataset's description: built in, a user's "folder:PATH[@SIZE]", or installed under the entry point group.

    Raises:
        UnknownName: If nobody knows the name; says the nearest known one.
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
    """Return the datasets of installed packages; the code that describes and reads one is part of its identity.

    Raises:
        UnknownName: If an entry point is no `DatasetSpec` or bears a taken name.
    """
    found = {}
    for name, spec in installed(ENTRY_POINT_GROUP, DatasetSpec, taken=DATASETS, error=UnknownName).items():
        assert spec.code is not None
        codes = [dict(spec.code), *(code_of(point, None, UnknownName) for point in readers_of(name))]
        digest = hashlib.sha256(json.dumps(codes, sort_keys=True).encode()).hexdigest()
        found[name] = dataclasses.replace(spec, identity=f"{spec.identity}+code:{digest}")
    return found


def readers_of(name: str) -> list[Any]:
    """Return the entry points that read an installed dataset of the layout "entry-point": one, or none for other layouts."""
    from importlib import metadata  # takes 40 ms, which only installed datasets are worth

    return list(metadata.entry_points(group=READER_GROUP, name=name))


def missing_data(names: list[str], data_root: str | Path) -> list[str]:
    """Return one line per dataset that is not below the data root; looks at names of files only.

    Args:
        names: Keys of `DATASETS`.
        data_root: Folder of datasets in torchvision's layouts.
    """
    return _missing(names, data_root, "both")


def missing_test_images(names: Sequence[str], data_root: str | Path) -> list[str]:
    """Return such lines for datasets of which test images alone are wanted."""
    return _missing(names, data_root, "test")


def _missing(names: Sequence[str], data_root: str | Path, split: Literal["test", "both"]) -> list[str]:
    specs = [dataset_for(name) for name in dict.fromkeys(names)]
    found = [(spec, absent_paths(spec, data_root, split)) for spec in specs]
    return [missing_line(spec, data_root, absent) for spec, absent in found if absent]


def absent_paths(
    spec: DatasetSpec, data_root: str | Path, split: Literal["train", "test", "both"] = "both"
) -> list[str]:
    """Return the files and folders of a dataset, or of one split, that are not below the data root."""
    files = [file.path for file in spec.files if split in (file.split, "both") or file.split == "both"]
    folders = (
        []
        if spec.folders is None
        else [f for f, of in zip(spec.folders, ("train", "test"), strict=True) if split in (of, "both")]
    )
    root = Path(data_root)
    return [path for path in files if not (root / path).is_file()] + [
        path for path in folders if not (root / path).is_dir()
    ]


def missing_line(spec: DatasetSpec, data_root: str | Path, absent: list[str]) -> str:
    """Return the one sentence that says what is missing and how to get it."""
    more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
    command = spec.fetch_hint(Path(data_root))
    return (
        f"dataset {spec.name!r} is not complete below {data_root}: {absent[0]}{more} is missing; get it with: {command}"
    )
