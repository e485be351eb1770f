"""The mixing sets by name: light to import, implementations loaded when a set is built.

`identity` is what a train key hashes of a mixing set: plain values, never bytes of pictures and never paths.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from augment.mixing_sets.dead_leaves import DeadLeavesConfig, build_dead_leaves
from augment.mixing_sets.files import (
    PIXMIX_FOLDER,
    RANDOM_IMAGES_FILE,
    FolderConfig,
    PixMixPicturesConfig,
    RandomImagesConfig,
    build_folder,
    build_pixmix_pictures,
    build_random_images,
    folder_content,
    pixmix_pictures_content,
    random_images_content,
    random_images_side,
)
from augment.mixing_sets.fractaldb import FractalDbConfig, build_fractaldb
from augment.mixing_sets.fractals import FractalsConfig, build_fractals
from augment.mixing_sets.fvis_sets import (
    FractalsFvisConfig,
    FvisSetConfig,
    build_fractals_fvis,
    build_fvis,
    part_semantics,
)
from augment.mixing_sets.source import MixingSetError, PictureSource, SetRequest
from augment.mixing_sets.spectrum import SpectrumConfig, build_spectrum
from augment.mixing_sets.stylegan import StyleGanConfig, build_stylegan

Origin = Literal["procedural", "files", "trained"]
ENTRY_POINTS: Final = "dreamgrid.mixing_sets"
LARGEST_SIDE: Final = 1024


def stored_side_with_crop(training_side: int) -> int:
    """Return 8/7 of a side, rounded down: 32 -> 36, 28 -> 32, 224 -> 256, the published resize before the random crop."""
    return training_side * 8 // 7


def _no_files(config: Any) -> tuple[str, ...]:
    return ()


def _no_content(config: Any, data_root: Path | None) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingSet:
    """A mixing set, described.

    Attributes:
        name: Key in `MIXING_SETS`, as written in sweeps.
        title: Row label in tables.
        semantics: Raised by hand whenever the pictures for the same request change.
        config: Frozen dataclass of the parameters, with the published values as defaults.
        origin: "procedural" (rendered from numbers), "files" (read from disk) or "trained" (needs trained networks).
        num_pictures: Pictures of the published set.
        build: Makes the source of pictures; imports its implementation when called.
        what: One sentence.
        source: Paper and reference code.
        stored_side: Side of the stored pictures for a side of training pictures.
        content: Further plain values of the identity: the hash of files, the semantics of parts.
        hidden: Fields of the config that are no part of the identity (paths).
        files: Names of the files and folders below the data root that it is made from.
    """

    name: str
    title: str
    semantics: int
    config: type
    origin: Origin
    num_pictures: int
    build: Callable[[Any, SetRequest], PictureSource]
    what: str
    source: str
    stored_side: Callable[[int], int] = stored_side_with_crop
    content: Callable[[Any, Path | None], Mapping[str, Any]] = _no_content
    hidden: frozenset[str] = frozenset()
    files: Callable[[Any], tuple[str, ...]] = _no_files


def mixing_set_for(name: str) -> MixingSet:
    """Return a mixing set by name, built in or from the entry points of installed packages.

    Raises:
        MixingSetError: If no set has this name; the message gives the nearest one.
    """
    if name in MIXING_SETS:
        return MIXING_SETS[name]
    extra = _installed()
    if name in extra:
        return extra[name]
    known = sorted({*MIXING_SETS, *extra})
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    raise MixingSetError(f"unknown mixing set {name!r}{hint}; known: {', '.join(known)}")


def config_for(mixing_set: MixingSet, params: Mapping[str, object]) -> Any:
    """Return the set's config with the given fields replaced.

    Raises:
        MixingSetError: If a field is unknown or a value is out of range; all unknown fields are named at once.
    """
    known = [field.name for field in dataclasses.fields(mixing_set.config)]
    unknown = sorted(set(params) - set(known))
    if unknown:
        hints = [difflib.get_close_matches(name, known, n=1) for name in unknown]
        nearest = ", ".join(f"{near[0]!r}" for near in hints if near)
        raise MixingSetError(
            f"mixing set {mixing_set.name!r} has no parameter {', '.join(map(repr, unknown))}"
            f"{f' (did you mean {nearest}?)' if nearest else ''}; known: {', '.join(known) or 'none'}"
        )
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
    try:
        return mixing_set.config(**values)
    except (ValueError, TypeError) as error:
        raise MixingSetError(f"mixing set {mixing_set.name!r}: {error}") from error


def identity(
    name: str,
    num_pictures: int,
    image_size: int,
    num_channels: int,
    seed: int,
    params: Mapping[str, object],
    *,
    data_root: Path | str | None = None,
) -> Mapping[str, Any]:
    """Return everything that can change a set's pictures, as plain values with every default filled in.

    Args:
        name: Key of `MIXING_SETS`.
        num_pictures: Pictures M.
        image_size: Side S in pixels.
        num_channels: 1 or 3.
        seed: Seed of the set.
        params: Fields of its config that differ from the defaults.
        data_root: Where files are looked up for sets whose identity is a content hash; without it they read "pending".

    Raises:
        MixingSetError: If the name, a parameter or a number is invalid.
    """
    mixing_set = mixing_set_for(name)
    _check_numbers(name, num_pictures, image_size, num_channels, seed)
    config = config_for(mixing_set, params)
    fields = {key: value for key, value in dataclasses.asdict(config).items() if key not in mixing_set.hidden}
    return {
        "name": name,
        "semantics": mixing_set.semantics,
        "num_pictures": num_pictures,
        "image_size": image_size,
        "num_channels": num_channels,
        "seed": seed,
        "config": {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()},
        **mixing_set.content(config, None if data_root is None else Path(data_root)),
    }


def identity_digest(facts: Mapping[str, Any]) -> str:
    """Return the hexadecimal SHA-256 of an identity's canonical JSON."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def stored_side(name: str, training_side: int) -> int:
    """Return the side that a set is stored at for square training pictures of a side."""
    return mixing_set_for(name).stored_side(training_side)


def _check_numbers(name: str, num_pictures: int, image_size: int, num_channels: int, seed: int) -> None:
    rules = {
        f"num_pictures must be between 1 and 2**31, but got {num_pictures}": 1 <= num_pictures <= 2**31,
        f"image_size must be between 1 and {LARGEST_SIDE} pixels, but got {image_size}": 1
        <= image_size
        <= LARGEST_SIDE,
        f"num_channels must be 1 (grey) or 3 (RGB), but got {num_channels}": num_channels in (1, 3),
        f"seed must be between 0 and 2**64 - 1, but got {seed}": 0 <= seed < 2**64,
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise MixingSetError(f"mixing set {name!r}: " + "; ".join(broken))


def _installed() -> dict[str, MixingSet]:
    found: dict[str, MixingSet] = {}
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        mixing_set = point.load()
        if not isinstance(mixing_set, MixingSet):
            raise MixingSetError(
                f"entry point {point.name!r} of {ENTRY_POINTS} must be a MixingSet, but is {mixing_set!r}"
            )
        if mixing_set.name in MIXING_SETS or mixing_set.name in found:
            raise MixingSetError(f"mixing set {mixing_set.name!r} of entry point {point.value!r} is taken; rename it")
        found[mixing_set.name] = mixing_set
    return found


MIXING_SETS: Final[Mapping[str, MixingSet]] = {
    "fractals": MixingSet(
        name="fractals",
        title="Fractals",
        semantics=1,
        config=FractalsConfig,
        origin="procedural",
        num_pictures=14_230,
        build=build_fractals,
        what="Colour iterated function systems, fractal flames and escape-time pictures, filtered for structure.",
        source="stands in for the hand-picked pictures of the PixMix paper, which have no generator",
    ),
    "fractaldb": MixingSet(
        name="fractaldb",
        title="FractalDB",
        semantics=1,
        config=FractalDbConfig,
        origin="procedural",
        num_pictures=14_230,
        build=build_fractaldb,
        what="Affine systems found by filling rate, rendered in grey with random 3 x 3 stamps.",
        source="Kataoka et al. (ACCV 2020); hirokatsukataoka16/FractalDB-Pretrained-ResNet-PyTorch, settings of exe.sh",
    ),
    "dead-leaves-squares": MixingSet(
        name="dead-leaves-squares",
        title="Dead Leaves (Squares)",
        semantics=1,
        config=DeadLeavesConfig,
        origin="procedural",
        num_pictures=14_230,
        build=build_dead_leaves,
        what="Squares of random colour and power-law size painted over each other.",
        source="Baradad et al. (NeurIPS 2021); mbaradad/learning_with_noise, dead_leaves",
    ),
    "spectrum-color-wmm": MixingSet(
        name="spectrum-color-wmm",
        title="Spectrum + Color + WMM",
        semantics=1,
        config=SpectrumConfig,
        origin="procedural",
        num_pictures=14_230,
        build=build_spectrum,
        what="Noise shaped in turns to a power-law spectrum, wavelet marginals and a palette.",
        source="Baradad et al. (NeurIPS 2021); mbaradad/learning_with_noise, statistical",
    ),
    "stylegan-oriented": MixingSet(
        name="stylegan-oriented",
        title="StyleGAN (Oriented)",
        semantics=1,
        config=StyleGanConfig,
        origin="procedural",
        num_pictures=14_230,
        build=build_stylegan,
        what="Pictures of untrained StyleGAN2 generators with oriented kernels, 32 channels wide instead of 512.",
        source="Baradad et al. (NeurIPS 2021); mbaradad/learning_with_noise, stylegan",
    ),
    "random-images-300k": MixingSet(
        name="random-images-300k",
        title="300K Random Images",
        semantics=1,
        config=RandomImagesConfig,
        origin="files",
        num_pictures=300_000,
        build=build_random_images,
        what="Real pictures scraped from the web, 32 x 32, kept with a border for the padded crop.",
        source="hendrycks/outlier-exposure README; andyzoujm/pixmix cifar.py for the crop and flip",
        stored_side=random_images_side,
        content=random_images_content,
        files=lambda config: (RANDOM_IMAGES_FILE,),
    ),
    "pixmix-pictures": MixingSet(
        name="pixmix-pictures",
        title="Fractals + FVis (published)",
        semantics=1,
        config=PixMixPicturesConfig,
        origin="files",
        num_pictures=18_930,
        build=build_pixmix_pictures,
        what="The pictures that the PixMix authors released: 14,230 fractals and 4,700 feature visualisations.",
        source="andyzoujm/pixmix README, fractals_and_fvis.tar",
        content=pixmix_pictures_content,
        files=lambda config: (PIXMIX_FOLDER,),
    ),
    "folder": MixingSet(
        name="folder",
        title="Picture folder",
        semantics=1,
        config=FolderConfig,
        origin="files",
        num_pictures=14_230,
        build=build_folder,
        what="The pictures of any folder, identified by their content.",
        source="put pictures there, or set folder=NAME",
        content=folder_content,
        files=lambda config: (config.folder,),
    ),
    "fvis": MixingSet(
        name="fvis",
        title="FVis",
        semantics=2,
        config=FvisSetConfig,
        origin="trained",
        num_pictures=4_700,
        build=build_fvis,
        what="Feature visualisations of the first layers of trained networks, one channel each.",
        source="stands in for the OpenAI Microscope pictures of the PixMix paper; engine as tensorflow/lucid, channel objective",
    ),
    "resnet-fvis": MixingSet(
        name="resnet-fvis",
        title="ResNet only FVis",
        semantics=2,
        config=FvisSetConfig,
        origin="trained",
        num_pictures=4_700,
        build=build_fvis,
        what="Feature visualisations of the first layers of one residual network trained on the same dataset.",
        source="PixMix paper, supplement table 6; engine as tensorflow/lucid, channel objective",
    ),
    "fractals-fvis": MixingSet(
        name="fractals-fvis",
        title="Fractals + FVis",
        semantics=2,
        config=FractalsFvisConfig,
        origin="trained",
        num_pictures=18_930,
        build=build_fractals_fvis,
        what="75.2 % fractals and 24.8 % feature visualisations, the proportion of the published folders.",
        source="andyzoujm/pixmix README (14,230 and 4,700 pictures)",
        content=part_semantics,
    ),
}
