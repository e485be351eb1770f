"""Mixing sets from disk: the published image folder, 300K Random Images, and any folder of images.

Images are resized by their shorter side (bilinear with antialiasing, as Pillow does it) and cropped to the middle square; the
published pipeline crops at random along the longer side too. All pixels are decoded, unless the option `fast_jpeg` is on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from augment.files.content import file_hash
from augment.files.looks import content_of
from augment.files.published import Identified, absent, by_proof, own
from augment.files.trial import tried_images_in
from augment.files.walk import ImageFolder, ImageFolderError, walk_images
from augment.mixing_sets.mixing_set import MixingSet
from augment.mixing_sets.source import MixingSetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from augment.files.reading import WholeImages
    from augment.mixing_sets.source import SetRequest

RANDOM_IMAGES_FILE: Final = "300K_random_images.npy"
RANDOM_IMAGES_SHAPE: Final = (300_000, 32, 32, 3)
PIXMIX_TAR_MD5: Final = "3619fb7e2c76130749d97913fdd3ab27"
FAST_JPEG_SEMANTICS: Final = 1
"""Version of the pixels of `fast_jpeg`; raise it when they change."""

PIXMIX_FOLDER: Final = "fractals_and_fvis"
PIXMIX_FOLDERS: Final = {"fractals/images": 14_230, "first_layers_resized256_onevis/images": 4_700}


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderConfig:
    """Any folder of images.

    Attributes:
        folder: Name of a folder in the data root, for example "paintings" or "art/oil"; searched recursively.
        fast_jpeg: Decode JPEG at the smallest of the scales 1/2, 1/4 and 1/8 that is at least twice the stored side: several
            times faster for large images, and a few grey levels off (up to 8 on smooth ones).
    """

    folder: str = "pictures"
    fast_jpeg: bool = False

    def __post_init__(self) -> None:
        if not self.folder or Path(self.folder).is_absolute() or ".." in Path(self.folder).parts:
            raise ValueError(
                f"folder must be a relative name in the data root, but is {self.folder!r}; move or link it there"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PixMixImagesConfig:
    """The published images, unpacked from fractals_and_fvis.tar to `fractals_and_fvis` in the data root.

    Attributes:
        fast_jpeg: As for a folder.
    """

    fast_jpeg: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomImagesConfig:
    """300K Random Images, stored with a border so that a random crop of the training side is a padded crop.

    Attributes:
        padding: Width of the black border in pixels.
        is_flipped: Whether every second image (at random) is mirrored.
    """

    padding: int = 4
    is_flipped: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.padding <= 64:
            raise ValueError(f"padding must be between 0 and 64 pixels, but got {self.padding}")


def folder_files(config: FolderConfig, data_root: Path | None) -> Identified:
    """Return what identifies the images of the folder, "pending" while it cannot be seen or is empty."""
    content = "" if data_root is None else content_of(data_root, config.folder)
    return Identified(key=content, state="given", content=content) if content else absent("")


def folder_content(config: FolderConfig, data_root: Path | None) -> Mapping[str, Any]:
    """Return the content hash of the folder as part of the identity."""
    return {"content": folder_files(config, data_root).key, **_fast_jpeg(config)}


def pixmix_files(config: PixMixImagesConfig, data_root: Path | None) -> Identified:
    """Return what identifies the published images: the checksum of their archive where they were compared with it."""
    declared = f"md5-of-archives:{PIXMIX_TAR_MD5}"
    if data_root is None:
        return absent(declared)
    found = {name: content_of(data_root / PIXMIX_FOLDER, name) for name in PIXMIX_FOLDERS}
    return by_proof(declared, PIXMIX_FOLDER, found, data_root) if all(found.values()) else absent(declared)


def pixmix_images_content(config: PixMixImagesConfig, data_root: Path | None) -> Mapping[str, Any]:
    """Return what identifies the published images as part of the identity."""
    return {"content": pixmix_files(config, data_root).key, **_fast_jpeg(config)}


def _fast_jpeg(config: FolderConfig | PixMixImagesConfig) -> Mapping[str, Any]:
    return {"fast_jpeg": FAST_JPEG_SEMANTICS} if config.fast_jpeg else {}


def random_images_file(data_root: Path | None) -> Identified:
    """Return what identifies 300K Random Images: their content, since no checksum was published."""
    path = None if data_root is None else data_root / RANDOM_IMAGES_FILE
    if path is None or not path.is_file():
        return absent(f"{RANDOM_IMAGES_FILE} {RANDOM_IMAGES_SHAPE}")
    return own(file_hash(path), f"no checksum of {RANDOM_IMAGES_FILE} is published")


def random_images_content(config: RandomImagesConfig, data_root: Path | None) -> Mapping[str, Any]:
    """Return what identifies the array as part of the identity."""
    return {"content": random_images_file(data_root).key}


def random_images_side(training_side: int) -> int:
    """Return the training side and four pixels of border on each side."""
    return training_side + 8


class FolderSource:
    """Reads image files; the order is a permutation by the seed, repeated where more images are asked than there are.

    The next file of the walk stands in for one that cannot be decoded; more than one in a hundred are refused.
    """

    chunk = 256
    is_threaded = True

    def __init__(self, files: WholeImages, request: SetRequest, *, fast_jpeg: bool) -> None:
        from augment.kernels.counters import permutation

        self._files, self._request = files, request
        self._at_least = 2 * request.image_size if fast_jpeg else None
        self._order = permutation(request.seed, 0, len(self._files), stream="mixing-set/files")

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8.

        Raises:
            MixingSetError: If too many files cannot be decoded, or one cannot be read.
        """
        import numpy as np

        from augment.mixing_sets.decode import middle_square, to_channels

        size = self._request.image_size
        rgb = np.empty((len(indices), size, size, 3), np.uint8)
        try:
            for row, index in zip(rgb, indices, strict=True):
                number = int(self._order[index % len(self._files)])
                row[:] = middle_square(self._files.image(number, at_least=self._at_least)[0], size)
        except ImageFolderError as error:
            raise MixingSetError(str(error)) from error
        except OSError as error:
            raise MixingSetError(f"{error.filename} must be readable, but is not: {error.strerror}") from error
        return to_channels(rgb, self._request.num_channels)


class RandomImagesSource:
    """Reads the published array; resized only where the stored side without border is not its own."""

    chunk = 1024
    is_threaded = True

    def __init__(self, config: RandomImagesConfig, array: NDArray[np.uint8], request: SetRequest) -> None:
        from augment.kernels.counters import permutation

        self._config, self._array, self._request = config, array, request
        self._order = permutation(request.seed, 0, len(array), stream="mixing-set/files")

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""
        import numpy as np

        from augment.kernels.counters import SampleKeys, uniforms
        from augment.mixing_sets.decode import resize_image, to_channels

        size, pad = self._request.image_size, self._config.padding
        draws = uniforms(SampleKeys(self._request.seed, 0, indices), 1, stream="mixing-set/flip")[:, 0]
        rgb = np.zeros((len(indices), size, size, 3), np.uint8)
        mirrored = draws < (0.5 if self._config.is_flipped else 0.0)
        for image, index, is_mirrored in zip(rgb, indices, mirrored, strict=True):
            stored = resize_image(self._array[self._order[index % len(self._array)]], size - 2 * pad)
            image[pad : size - pad, pad : size - pad] = stored[:, ::-1] if is_mirrored else stored
        return to_channels(rgb, self._request.num_channels)


def folder_images(config: FolderConfig, data_root: Path) -> ImageFolder:
    """Return the images of the folder, after trying whether they can be decoded.

    Raises:
        MixingSetError: If the folder is absent, has no image, or too many that cannot be read.
    """
    try:
        return tried_images_in(data_root / config.folder, "mixing set 'folder'")
    except ImageFolderError as error:
        raise MixingSetError(f"{error}; or set folder=NAME") from error


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


def build_folder(config: FolderConfig, request: SetRequest) -> FolderSource:
    """Return the source of a folder's images; raises as `folder_images`."""
    from augment.files.reading import WholeImages

    found = folder_images(config, request.data_root)
    return FolderSource(WholeImages(found.root, found.names, found.unread), request, fast_jpeg=config.fast_jpeg)


def build_pixmix_images(config: PixMixImagesConfig, request: SetRequest) -> FolderSource:
    """Return the source of the published images; raises as `pixmix_images`."""
    from augment.files.reading import WholeImages

    files = WholeImages(request.data_root / PIXMIX_FOLDER, pixmix_images(config, request.data_root))
    return FolderSource(files, request, fast_jpeg=config.fast_jpeg)


def build_random_images(config: RandomImagesConfig, request: SetRequest) -> RandomImagesSource:
    """Return the source of 300K Random Images.

    Raises:
        MixingSetError: If the array is absent, is no array of RGB images, or the border leaves no room.
    """
    import numpy as np

    path = request.data_root / RANDOM_IMAGES_FILE
    if not path.is_file():
        raise MixingSetError(
            f"mixing set 'random-images-300k' needs {path}, which is absent; put the published file there"
        )
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3:
        raise MixingSetError(
            f"{path} must be an (M, H, W, 3) uint8 array, but is {array.dtype} {array.shape}; fetch it again"
        )
    if request.image_size <= 2 * config.padding:
        raise MixingSetError(
            f"image_size must exceed twice the padding of {config.padding} pixels, but is {request.image_size}; lower padding"
        )
    return RandomImagesSource(config, array, request)


ENTRIES: Final = (
    MixingSet(
        name="random-images-300k",
        title="300K Random Images",
        semantics=1,
        config=RandomImagesConfig,
        origin="files",
        num_pictures=300_000,
        build=build_random_images,
        what="Real images scraped from the web, 32 x 32, kept with a border for the padded crop.",
        source="hendrycks/outlier-exposure README; andyzoujm/pixmix cifar.py for the crop and flip",
        stored_side=random_images_side,
        content=random_images_content,
        identified=lambda config, data_root: random_images_file(data_root),
        files=lambda config: (RANDOM_IMAGES_FILE,),
    ),
    MixingSet(
        name="pixmix-pictures",
        title="Fractals + FVis (published)",
        semantics=2,
        config=PixMixImagesConfig,
        origin="files",
        num_pictures=18_930,
        build=build_pixmix_images,
        what="The images that the PixMix authors released: 14,230 fractals and 4,700 feature visualisations.",
        source="andyzoujm/pixmix README, fractals_and_fvis.tar",
        content=pixmix_images_content,
        identified=pixmix_files,
        files=lambda config: (PIXMIX_FOLDER,),
        look=pixmix_images,
    ),
    MixingSet(
        name="folder",
        title="Image folder",
        semantics=2,
        config=FolderConfig,
        origin="files",
        num_pictures=14_230,
        build=build_folder,
        what="The images of any folder, identified by their content.",
        source="put images there, or set folder=NAME",
        content=folder_content,
        identified=folder_files,
        files=lambda config: (config.folder,),
        look=folder_images,
    ),
)
