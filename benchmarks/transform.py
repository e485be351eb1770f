"""`dreamgrid.PixMix` as a transform beside the published transform: seconds of one core an image, without crop and normalisation.

    python -m benchmarks.transform [--quick] [--json] [--reference DIR]

`--reference` takes a checkout of andyzoujm/pixmix, whose operations and mixings then run in the peer; without it the peer is the
same pipeline written from its description. The peer takes Pillow images, one at a time, and its mixing images are decoded and
resized beforehand. Ours takes the same Pillow images, or batches of bytes as tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image

from augment.kernels.compiled import warm
from augment.methods.pixmix.pixmix import PIXMIX
from benchmarks.augment import Singles
from benchmarks.harness import MIN_ROUNDS, Case, Report, measure, parser, show
from benchmarks.pixmix_peer import derived_peer, published_peer, structured_images
from dreamgrid import PixMix
from trainers.worker.process import hold_memory

SUMMARY: Final = "Time PixMix as a transform against the published transform."
SIZES: Final = ((32, 36, 128, 96), (224, 252, 16, 12))
"""Side of the images, side of the mixing images, images of a batch, single images of a round."""


def cases_of(size: int, mixing_size: int, batch: int, singles: int, reference: Path | None) -> list[Case]:
    """Return ours in batches and ours image by image, against the published transform."""
    peer = published_peer(reference, size) if reference else derived_peer(size)
    images, mixing = structured_images(batch, size, seed=1), structured_images(16, mixing_size, seed=2)
    decoded, ready = [Image.fromarray(image) for image in images], [Image.fromarray(image) for image in mixing]
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    transform = PixMix(mixing)

    def published(index: int) -> object:
        mixing_image = ready[int(peer.source.integers(len(ready)))]
        return peer.sample(decoded[index % batch], mixing_image, beta=3.0, severity=3.0, crop=False)

    common: dict[str, Any] = {"peer": Singles(published, singles), "peer_name": peer.name, "peer_units": singles}
    single = Singles(lambda index: transform(decoded[index % batch]), singles)
    return [
        Case(name=f"{size} px, batches of {batch}", ours=lambda: transform(tensors), ours_units=batch, **common),
        Case(name=f"{size} px, single Pillow images", ours=single, ours_units=singles, **common),
    ]


def run(*, quick: bool, reference: Path | None) -> Report:
    """Run all cases and return the report."""
    torch.set_num_threads(1)
    hold_memory()
    warm(PIXMIX.kernels)
    cases = [case for sizes in SIZES for case in cases_of(*sizes, reference)]
    found = measure(cases, rounds=MIN_ROUNDS if quick else 9, min_round_s=0.02 if quick else 0.2)
    notes = ["seconds are CPU time per image on one core, medians over interleaved rounds"]
    return Report(benchmark="transform", measurements=found, notes=notes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    options = parser("transform", SUMMARY).parse_args(arguments)
    show(run(quick=options.quick, reference=options.reference), as_json=options.json)


if __name__ == "__main__":
    main()
