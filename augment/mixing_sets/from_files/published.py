"""The images that the PixMix authors released, unpacked from fractals_and_fvis.tar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from augment.files.content import content_of
from augment.files.published import Identified, absent, by_proof
from augment.files.reading import WholeImages
from augment.files.walk import walk_images
from augment.mixing_sets.contract import MixingSet, MixingSetError, SetRequest
from augment.mixing_sets.from_files.folder import FolderSource, fast_jpeg_content

PIXMIX_TAR_MD5: Final = "3619fb7e2c76130749d97913fdd3ab27"
PIXMIX_FOLDER: Final = "fractals_and_fvis"
PIXMIX_FOLDERS: Final = {"fractals/images": 14_230, "first_layers_resized256_onevis/images": 4_700}


@dataclass(frozen=True, slots=True, kw_only=True)
class PixMixImagesConfig:
    """The published images, unpacked from fractals_and_fvis.tar to `fractals_and_fvis` in the data root.

    Attributes:
        fast_jpeg: As for a folder.
    """

    fast_jpeg: bool = False


def pixmix_files(config: PixMixImagesConfig, data_root: Path | None) -> Identified:
    """Return what identifies the published images: the checksum of their archive where they were compared with it."""
    declared = f"md5-of-archives:{PIXMIX_TAR_MD5}"
    if data_root is None:
        return absent(declared)
    found = {name: content_of(data_root / PIXMIX_FOLDER, name) for name in PIXMIX_FOLDERS}
    return by_proof(declared, PIXMIX_FOLDER, found, data_root) if all(found.values()) else absent(declared)


def pixmix_images_content(config: PixMixImagesConfig, data_root: Path | None) -> Mapping[str, Any]:
    """Return what identifies the published images as part of the identity."""
    return {"content": pixmix_files(config, data_root).key, **fast_jpeg_content(config.fast_jpeg)}


def pixmix_images(config: PixMixImagesConfig, data_root: Path) -> list[str]:
    """Return the names of the published images, in the order of `PIXMIX_FOLDERS`.

    Raises:
        MixingSetError: If a folder is absent or does not have the published number of images.
    """
    folder = data_root / PIXMIX_FOLDER
    names: list[str] = []
    for name, published in PIXMIX_FOLDERS.items():
        found = walk_images(folder, (name,)).names if (folder / name).is_dir() else ()
        if len(found) != published:
            raise MixingSetError(
                f"the published mixing images have {published} files in {name}, but {folder / name} has {len(found)}; unpack "
                "fractals_and_fvis.tar in the data root, or use the mixing set 'folder' for other images"
            )
        names += found
    return names


def build_pixmix_images(config: PixMixImagesConfig, request: SetRequest) -> FolderSource:
    """Return the source of the published images; raises as `pixmix_images`."""
    files = WholeImages(request.data_root / PIXMIX_FOLDER, pixmix_images(config, request.data_root))
    return FolderSource(files, request, fast_jpeg=config.fast_jpeg)


PIXMIX_IMAGES: Final = MixingSet(
    name="pixmix-images",
    title="Fractals + FVis (published)",
    semantics=2,
    config=PixMixImagesConfig,
    origin="files",
    num_images=18_930,
    build=build_pixmix_images,
    what="The images that the PixMix authors released: 14,230 fractals and 4,700 feature visualisations.",
    source="andyzoujm/pixmix README, fractals_and_fvis.tar",
    content=pixmix_images_content,
    identified=pixmix_files,
    files=lambda config: (PIXMIX_FOLDER,),
    look=pixmix_images,
)
