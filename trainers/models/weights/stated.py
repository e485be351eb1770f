"""The normalisation that a file of weights states: tensors or numbers in pairs called mean and std, mu and sigma and so on."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from torch import Tensor

from trainers.models.weights.contents import Contents
from trainers.models.weights.normalisation import Channels, Normalisation, spread

_PAIRS: Final[Mapping[str, tuple[str, ...]]] = {
    "mean": ("std", "sd", "stddev"),
    "mu": ("sigma", "std"),
    "new_mean": ("new_std",),
    "image_mean": ("image_std",),
    "pixel_mean": ("pixel_std",),
    "norm_mean": ("norm_std",),
    "data_mean": ("data_std",),
    "input_mean": ("input_std",),
    "normalize_mean": ("normalize_std",),
}
"""Names of a mean -> names of the standard deviation next to it; leading underscores do not count."""
_MOST: Final = 4
"""Channels that images have at most."""


def stated_normalisations(contents: Contents, path: str, num_channels: int) -> list[Normalisation]:
    """Return the normalisations that a file states of a network's images, each pair of values once, the one to take first.

    Tensors next to the network's weights come before settings; of several pairs the one that is nearest to the weights counts.
    Values above 1 are those of pixels of 0 to 255, and are divided by 255.

    Args:
        path: What the names of the network's weights begin with, "" or ending with a dot.
    """
    stated: dict[str, Normalisation] = {}
    for values in (contents.tensors, contents.record):
        found = [each for each in _pairs(values) if _fits(values, each, num_channels)]
        found.sort(key=lambda pair: (-_shared(pair[0], path), len(pair[0])))
        for mean, std in found:
            made = _made(_numbers(values[mean]), _numbers(values[std]), num_channels, f"{mean}, {std}")
            if made is not None:
                stated.setdefault(made.values, made)
    return list(stated.values())


def normalises_itself(names: Collection[str]) -> str:
    """Return the names of a network's own mean and std, or "" where it has none among its weights."""
    return next((f"{mean}, {std}" for mean, std in _pairs(dict.fromkeys(names))), "")


def unread_means(contents: Contents) -> list[str]:
    """Return what a file calls a mean of images, by the words of `_PAIRS`: several values, or one with a deviation next to it."""
    found = []
    for values in (contents.tensors, contents.record):
        paired = {mean for mean, _ in _pairs(values)}
        for path, value in values.items():
            is_named = path.rpartition(".")[2].lstrip("_").lower() in _PAIRS
            several = isinstance(value, list | tuple) or (isinstance(value, Tensor) and 1 < value.numel() <= _MOST)
            if is_named and (several or (path in paired and "." not in path)):
                found.append(path)
    return found


def is_normaliser(name: str, names: Collection[str]) -> bool:
    """Whether a name is one of a pair."""
    return any(name in pair for pair in _pairs(dict.fromkeys(names)))


def _shared(name: str, path: str) -> int:
    """Return how many of their first parts a name and a path have in common."""
    pairs = zip(name.split("."), path.split("."), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _pairs(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path in values:
        head, dot, last = path.rpartition(".")
        bare = last.lstrip("_").lower()
        lead = last[: len(last) - len(last.lstrip("_"))]
        for partner in _PAIRS.get(bare, ()):
            spelled = dict.fromkeys((partner, partner.upper(), partner.capitalize()))
            yield from ((path, std) for each in spelled if (std := f"{head}{dot}{lead}{each}") in values)


def _fits(values: Mapping[str, Any], pair: tuple[str, str], num_channels: int) -> bool:
    """Whether both are one value, or one for each channel; a setting that is a single number must name its purpose."""
    counts = [_count(values[path]) for path in pair]
    if not all(count in (1, num_channels) for count in counts):
        return False
    is_plain = isinstance(values[pair[0]], Tensor) or max(counts) > 1 or "." not in pair[0]
    return is_plain or any(word in pair[0].lower() for word in ("norm", "cfg", "preproc", "transform"))


def _count(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() if sum(side > 1 for side in value.shape) <= 1 else 0
    if isinstance(value, str | bool):
        return 0
    return len(value) if isinstance(value, Sequence) else 1


def _numbers(value: Any) -> Channels:
    items = value.flatten().tolist() if isinstance(value, Tensor) else value
    return tuple(float(item) for item in (items if isinstance(items, Sequence) else [items]))


def _made(mean: Channels, std: Channels, num_channels: int, names: str) -> Normalisation | None:
    """Return the normalisation of a pair of values, or None where they cannot be one."""
    scale = 255.0 if max(*mean, *std) > 1 else 1.0
    mean, std = (tuple(value / scale for value in spread(values, num_channels)) for values in (mean, std))
    if (
        not all(math.isfinite(value) for value in (*mean, *std))
        or min(std) <= 0
        or min(mean) < 0
        or max(*mean, *std) > 1
    ):
        return None
    of = " (of 0 to 255)" if scale > 1 else ""
    return Normalisation(mean=mean, std=std, source=f"from the file: {names}{of}")
