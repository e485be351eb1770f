"""The page of mixing sets: how they are made, kept and looked at, then a card for each with its parameters."""

from __future__ import annotations

from typing import Final

from augment.mixing_sets.contract import MixingSet
from augment.mixing_sets.registry import MIXING_SETS
from benchmarks.pages.markdown import GENERATED, code, parameter_table, prose, table

INTRODUCTION: Final = f"""# Mixing sets

The images that PixMix mixes into training images. In a sweep: `mixing_set: fractals`, and `mixing_set_params:` for
`num_images`,
`image_size`, `seed` and the parameters below. {GENERATED}

A set is one uint8 array at the size that the dataset needs. Each node makes it once, in parallel; an interrupted build is
resumed; the array is verified on load and mapped into memory by all workers. A set is identified by its generator's
configuration and version, the train keys of the networks it visualises, or the content of its files, never by a path.

```sh
dreamgrid mixing-set list                                              # all sets and their parameters
dreamgrid mixing-set generate fractals --images 14230 --side 256     # build one in advance
dreamgrid mixing-set preview fractals --images 25 --side 60          # look at one: a PNG
dreamgrid mixing-set preview fvis --set parents=[0123456789ab]         # features of a trained cell, by its id
dreamgrid mixing-set preview fractals --on digits --zoom 2             # training images mixed with it
dreamgrid mixing-set preview folder --set folder=paintings
```

[Extending](../guides/extending.md) says how to add your own.

![Fractals](../pictures/fractals.png)

The published fractals were selected by hand and have no generator; `fractals` replaces them. Instead of selection by hand,
a filter on a 64-pixel preview redraws images with too little entropy, one dominant colour, or hardly any edges.

Features are visualised as in lucid (Fourier parametrisation, decorrelated colour, random shifts, scales and rotations).
The objective is the mean of a channel's rectified response minus its response to a grey image. Layers are read before
their activation function, where the plain mean would be largest for a flat black or white image.

Training images (first column) and the output of PixMix in seven epochs:

![PixMix on digits](../pictures/pixmix-digits.png)

![PixMix on Fashion-MNIST](../pictures/pixmix-fashion-mnist.png)

```sh
dreamgrid mixing-set preview fractals --on digits --zoom 2 --images 256 -o docs/pictures/pixmix-digits.png
dreamgrid mixing-set preview fractals --on fashion-mnist --zoom 2 --images 256 -o docs/pictures/pixmix-fashion-mnist.png
dreamgrid mixing-set preview fractals --images 25 --side 60 -o docs/pictures/fractals.png
```

## Speed

`python -m benchmarks.augment --reference DIR` (a checkout of andyzoujm/pixmix; without one, a pipeline written from its
description) measures every speed claim: PixMix at 32 and 224 pixels, AugMix, AutoAugment and Cutout against per-image
pipelines, crop and flip against a plain copy, two threads against one, and the CPU time of 14,230 fractals at 256 pixels.
Kernels are compiled once per processor, at installation (`make`) or with `python -m trainers.worker.warm_kernels`, and
cached under the hash of their sources. A job loads them before its first step and says so if it has to compile them.

## All sets
"""

_HEAD: Final = ("name", "images", "origin", "content")
_ORIGINS: Final = {
    "procedural": "rendered from numbers, without data",
    "files": "read from files in the data root",
    "trained": "made with trained networks",
}


def document() -> str:
    """Return the page."""
    rows = [
        (f"[{code(each.name)}](#{each.name})", f"{each.num_images:,}", each.origin, prose(each.what))
        for each in MIXING_SETS.values()
    ]
    return "\n".join([INTRODUCTION, table(_HEAD, rows), *map(card_for, MIXING_SETS.values())])


def card_for(each: MixingSet) -> str:
    """Return the card of a mixing set as Markdown."""
    lines = [
        f"### `{each.name}`",
        "",
        prose(each.what),
        "",
        f"- label in tables: {each.title}",
        f"- images: {each.num_images:,} where a sweep gives no `num_images`",
        f"- origin: {_ORIGINS[each.origin]}",
        f"- source: {prose(each.source)}",
    ]
    if each.unstated:
        lines.append(f"- unstated by the sources: {each.unstated}")
    return "\n".join([*lines, "", parameter_table(each.config)])
