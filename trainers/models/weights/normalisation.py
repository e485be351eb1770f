"""How images were normalised for a network that somebody else trained; light to import.

A value x of a channel in [0, 1] becomes (x - mean) / std. A file of weights rarely states it, so that it is an assumption,
which every report of such weights prints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

Channels = tuple[float, ...]

USUAL: Final[Mapping[str, tuple[Channels, Channels]]] = MappingProxyType(
    {
        "none": ((0.0,), (1.0,)),
        "half": ((0.5,), (0.5,)),
        "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        "cifar-10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        "cifar-100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
        "svhn": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
        "mnist": ((0.1307,), (0.3081,)),
        "fashion-mnist": ((0.2860,), (0.3530,)),
        "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        "bytes": ((0.0,), (1 / 255,)),
    }
)
"""Name -> mean and standard deviation, of each channel or of all; "bytes" is for networks that are given 0 to 255 as they are.

Sources: torchvision's references (imagenet), OpenAI's CLIP, and the statistics of the training images of each dataset, as the
usual training scripts round them."""

HOW: Final = (
    f"write a name ({', '.join(USUAL)}), or MEAN STD of pixels in [0, 1]: "
    "0.5 0.5, or 0.485,0.456,0.406 0.229,0.224,0.225"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """How images are normalised, and the source of that.

    Attributes:
        mean: What is subtracted, per channel, of pixels in [0, 1].
        std: What is then divided by, per channel; above 0.
        source: Where it comes from, as the end of a sentence ("from the file: mu, sigma").
    """

    mean: Channels
    std: Channels
    source: str

    def __str__(self) -> str:
        return f"{self.values}, {self.source}"

    @property
    def values(self) -> str:
        """Mean and standard deviation as text, with the name that they go by."""
        name = next((f" ({name})" for name in USUAL if self.equals(name)), "")
        return f"mean {_shown(self.mean)}, std {_shown(self.std)}{name}"

    @property
    def option(self) -> str:
        """What is written behind `--normalize` for these values."""
        for name in USUAL:
            if self.equals(name):
                return name
        return f"{_joined(self.mean)} {_joined(self.std)}"

    def equals(self, name: str) -> bool:
        """Whether these are the values of a name."""
        mean, std = USUAL[name]
        pairs = ((self.mean, mean), (self.std, std))
        return all(tuple(own) == spread(values, len(own)) for own, values in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the usual normalisations come to.

    Attributes:
        error: Error rate with the one in use, a fraction.
        errors: Name of each usual one -> error rate, a fraction.
        better: Name of the one that is clearly better, or None.
    """

    in_use: Normalisation
    num_images: int
    error: float
    errors: Mapping[str, float]
    better: str | None

    @property
    def warning(self) -> str | None:
        """One sentence that names the better one, or None."""
        if self.better is None:
            return None
        return (
            f"with images normalised by {self.better!r} this network makes {100 * self.errors[self.better]:.1f} % errors over "
            f"{self.num_images} test images, with {self.in_use.values} as assumed {100 * self.error:.1f} %; "
            f"if it was trained so, use --normalize {self.better} (in a released row, normalize: {self.better})"
        )


_OF_ALL: Final = ("none", "half", "bytes")
_TRIED: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {1: ("none", "half", "mnist", "fashion-mnist", "bytes"), 3: ("none", "half", "imagenet", "cifar-10", "bytes")}
)
"""Channels -> those of `USUAL` that differ enough for 500 images to distinguish them."""


def usual(num_channels: int) -> dict[str, Normalisation]:
    """Return the usual normalisations that are tried on images with so many channels, by name."""
    found = {}
    for name in _TRIED.get(num_channels, _OF_ALL):
        mean, std = (spread(values, num_channels) for values in USUAL[name])
        found[name] = Normalisation(mean=mean, std=std, source="one of the usual")
    return found


def spread(values: Channels, num_channels: int) -> Channels:
    """Return one value for each channel; a single one is that of all."""
    return tuple(values) * num_channels if len(values) == 1 else tuple(values)


def parse_normalisation(given: object, num_channels: int, *, source: str) -> Normalisation:
    """Read what a person asks for.

    Args:
        given: A name of `USUAL`; a text "MEAN STD", each one number or one for each channel, with commas; or a list of both.

    Raises:
        ValueError: If it names nothing, or has the wrong count of values, or values that no pixels in [0, 1] need.
    """
    mean, std = _two(given)
    wrong = [values for values in (mean, std) if len(values) not in (1, num_channels)]
    if wrong:
        raise ValueError(
            f"mean and std must have 1 value or one for each of {num_channels} channel{'s' * (num_channels > 1)}, "
            f"but got {len(wrong[0])}: {_shown(wrong[0])}; {HOW}"
        )
    if not all(0 <= value <= 1 for value in mean) or not all(0 < value <= 1 for value in std):
        raise ValueError(
            f"means must be in [0, 1] and stds above 0 and at most 1, since pixels are in [0, 1], but got mean {_shown(mean)}, "
            f"std {_shown(std)}; divide values for pixels of 0 to 255 by 255"
        )
    return Normalisation(mean=spread(mean, num_channels), std=spread(std, num_channels), source=source)


def _two(given: object) -> tuple[Channels, Channels]:
    if isinstance(given, str) and given.strip() in USUAL:
        return USUAL[given.strip()]
    parts: object = given
    if isinstance(given, str):
        bare = re.sub(r"[\[\]()]", "", given)
        parts = [part.strip(",").split(",") for part in re.sub(r"\s*,\s*", ",", bare).split()]
        if len(parts) > 2 and len(parts) % 2 == 0 and all(len(part) == 1 for part in parts):
            half = len(parts) // 2  # "0.4 0.5 0.6 0.1 0.2 0.3": all means, then all stds
            parts = [[part[0] for part in parts[:half]], [part[0] for part in parts[half:]]]
    if not isinstance(parts, Sequence) or isinstance(parts, str) or len(parts) != 2:
        raise ValueError(f"a normalisation is a mean and a std, or the name of a usual one, but got {given!r}; {HOW}")
    return _numbers(parts[0], given), _numbers(parts[1], given)


def _numbers(part: object, given: object) -> Channels:
    values: Sequence[Any] = part if isinstance(part, Sequence) and not isinstance(part, str) else [part]
    try:
        if any(isinstance(value, bool) for value in values) or not values:
            raise ValueError
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise ValueError(f"mean and std must be numbers, but got {given!r}; {HOW}") from None


def _shown(values: Sequence[float]) -> str:
    return f"{values[0]:.4g}" if len(set(values)) == 1 else " ".join(f"{value:.4g}" for value in values)


def _joined(values: Sequence[float]) -> str:
    return f"{values[0]:.6g}" if len(set(values)) == 1 else ",".join(f"{value:.6g}" for value in values)
