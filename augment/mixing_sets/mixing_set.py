"""What a mixing set is: a light description from which its source of images is built on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from augment.files.published import Identified

if TYPE_CHECKING:
    from augment.mixing_sets.source import ImageSource, SetRequest

Origin = Literal["procedural", "files", "trained"]


def stored_side_with_crop(training_side: int) -> int:
    """Return 8/7 of a side, rounded down: 32 -> 36, 28 -> 32, 224 -> 256, the published resize before the random crop."""
    return training_side * 8 // 7


def _no_files(config: Any) -> tuple[str, ...]:
    return ()


def _no_content(config: Any, data_root: Path | None) -> Mapping[str, Any]:
    return {}


def _not_from_files(config: Any, data_root: Path | None) -> Identified | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingSet:
    """A mixing set, described.

    Attributes:
        name: Key in `MIXING_SETS`, as written in sweeps.
        title: Row label in tables.
        semantics: Raised by hand whenever the images for the same request change.
        config: Frozen dataclass of the parameters, with the published values as defaults.
        origin: "procedural" (rendered from numbers), "files" (read from disk) or "trained" (needs trained networks).
        num_pictures: Images of the published set.
        build: Makes the source of images; imports its implementation when called.
        what: One sentence.
        source: Paper and reference code.
        stored_side: Side of the stored images for a side of training images.
        content: Further plain values of the identity: the hash of files, the semantics of parts.
        identified: What identifies its files, or None for a set that is made from none.
        hidden: Fields of the config that are no part of the identity (paths).
        files: Names of the files and folders in the data root that it is made from.
        look: Looks at the names of those files while planning and raises what building would raise; None where it is enough
            that they are there.
        code: What identifies the code of a plug-in, filled in by the look-up; None for what is built in.
    """

    name: str
    title: str
    semantics: int
    config: type
    origin: Origin
    num_pictures: int
    build: Callable[[Any, SetRequest], ImageSource]
    what: str
    source: str
    stored_side: Callable[[int], int] = stored_side_with_crop
    content: Callable[[Any, Path | None], Mapping[str, Any]] = _no_content
    identified: Callable[[Any, Path | None], Identified | None] = _not_from_files
    hidden: frozenset[str] = frozenset()
    files: Callable[[Any], tuple[str, ...]] = _no_files
    look: Callable[[Any, Path], object] | None = None
    code: Mapping[str, str] | None = None
