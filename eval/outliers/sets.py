"""Outlier sets that are folders of images, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from augment.files.walk import ImageFolder, ImageFolderError, NoImagesError, images_in
from eval.errors import EvalError


class UnreadableSetError(EvalError):
    """An outlier set of which too many images cannot be read: whoever evaluates several sets goes on without it."""


FOLDER_PREFIX: Final = "folder:"
"""`folder:PATH` names any folder of images, absolute or in the data root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Images of other things, kept as a folder of image files in the data root.

    Attributes:
        folders: Where archives unpack it, the first that exists counts; every image in it belongs to the set.
        what: One sentence for tables, and where it comes from.
    """

    folders: tuple[str, ...]
    what: str


IMAGE_SETS: Final[Mapping[str, ImageSet]] = {
    "textures": ImageSet(
        folders=("dtd/images", "dtd/dtd/images", "textures"),
        what="Describable Textures Dataset, 5,640 images of 47 textures; robots.ox.ac.uk/~vgg/data/dtd",
    ),
    "lsun": ImageSet(
        folders=("LSUN/test", "lsun/test", "LSUN_test", "lsun"),
        what="the 10,000 test images of LSUN, exported from their database as image files",
    ),
    "places69": ImageSet(
        folders=("places69", "Places69", "places69_256"),
        what="the 69 scene classes that are not in Places365, at 256 px; places2.csail.mit.edu",
    ),
    "isun": ImageSet(folders=("iSUN", "isun"), what="iSUN, 8,925 images of scenes"),
    "imagenet-o": ImageSet(
        folders=("imagenet-o",), what="ImageNet-O, 2,000 natural adversarial outliers of 200 classes"
    ),
    "notmnist": ImageSet(folders=("notMNIST_small", "notMNIST"), what="letters A to J in odd fonts; Zenodo 8274268"),
}
"""Name -> the set; every dataset's own test split is an outlier set too."""


def outlier_folder(name: str, data_root: Path) -> Path | None:
    """Return the folder of an image set or of `folder:PATH`, or None where there is none."""
    if name.startswith(FOLDER_PREFIX):
        folder = data_root / Path(name.removeprefix(FOLDER_PREFIX)).expanduser()
        return folder if folder.is_dir() else None
    return next((data_root / each for each in IMAGE_SETS[name].folders if (data_root / each).is_dir()), None)


def outlier_files(name: str, data_root: Path) -> ImageFolder:
    """Return the images in the folder of an outlier set, by their names alone.

    Args:
        name: Key of `IMAGE_SETS`, or "folder:PATH".
        data_root: Folder that relative ones are in.

    Raises:
        UnreadableSetError: If too many of its images cannot be read.
        EvalError: If the folder is missing, cannot be listed, or has no images.
    """
    folder = outlier_folder(name, data_root)
    if folder is None:
        where = data_root / (IMAGE_SETS[name].folders[0] if name in IMAGE_SETS else name.partition(":")[2])
        state = "is not a folder" if where.exists() else "does not exist"
        more = f" ({IMAGE_SETS[name].what})" if name in IMAGE_SETS else ""
        raise EvalError(f"outlier set {name!r} needs the folder {where}, which {state}; put its images there{more}")
    try:
        return images_in(folder, f"outlier set {name!r}")
    except NoImagesError as error:
        raise EvalError(str(error)) from error
    except ImageFolderError as error:
        raise UnreadableSetError(f"outlier set {name!r}: {error}") from error
