"""Encoder and decoder of your own style transfer: train them on any images, and stylise a folder with them.

    python -m augment.networks.style.training train --images photos --styles paintings --out style
    python -m augment.networks.style.training stylise --images train --styles paintings --encoder style/encoder.pt \\
        --decoder style/decoder.pt --out stylised

`train` makes the two files that the method `sin` takes as `encoder` and `decoder`, laid out like the published ones; both
networks learn together, from the images alone, since there is no classifier to take an encoder from. `stylise` redraws every
image of a folder in the style of one random image of another and keeps the names: the folder that `sin` takes as
`stored_copy`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from augment.errors import AugmentError
from augment.files.decode import middle_square
from augment.files.reading import WholeImages
from augment.files.walk import images_in
from augment.files.whole import whole_file
from augment.kernels.counters import SampleKeys, StepKeys, integers, step_uniforms
from augment.kernels.step_draws import shard_generator
from augment.networks.style.adain import adaptive_instance_norm, style_loss
from augment.networks.style.network import PublishedStyleNetwork, decoder_of, encoder_of, style_network
from augment.networks.weights import Convolution, reset_convolutions

WIDTHS: Final = (16, 32, 64)
BATCH: Final = 16


def new_network(widths: Sequence[int], generator: torch.Generator) -> PublishedStyleNetwork:
    """Return an untrained encoder with so many channels at each resolution, and its decoder; RGB in [0, 1]."""
    down = [(3, widths[0]), (widths[0], widths[0])]
    for narrow, wide in itertools.pairwise(widths):
        down += [(narrow, wide), (wide, wide)]
    down = down[:-1]  # the encoder ends at its first convolution of the last width
    up = [(made, given) for given, made in reversed(down[1:])] + [(widths[0], 3)]
    encoder, decoder = encoder_of(_blank(down)), decoder_of(_blank(up))
    for part in (encoder, decoder):
        reset_convolutions(part, generator)
    return PublishedStyleNetwork(encoder, decoder, 3)


def train_style_network(
    images: NDArray[np.uint8],
    styles: NDArray[np.uint8],
    *,
    steps: int,
    seed: int = 0,
    widths: Sequence[int] = WIDTHS,
) -> PublishedStyleNetwork:
    """Train encoder and decoder: images must come back, and stylised ones must keep the features they were drawn from.

    Args:
        images: (N, S, S, 3) uint8.
        styles: (M, S, S, 3) uint8.
        steps: Steps of Adam on 16 images each.
        seed: Seed of the weights and of the batches.
        widths: Channels at each resolution; each is twice the one before.
    """
    network = new_network(widths, shard_generator(StepKeys(seed, 0, 0), "style-training-weights"))
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for step in range(steps):
        draws = step_uniforms(StepKeys(seed, step, 0), 2 * BATCH, stream="style-training")
        loss = style_loss(network, _batch(images, draws[:BATCH]), _batch(styles, draws[BATCH:]))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return network.eval()


def save(network: PublishedStyleNetwork, folder: Path) -> None:
    """Write encoder.pt and decoder.pt."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(network.encoder.state_dict(), folder / "encoder.pt")
    torch.save(network.decoder.state_dict(), folder / "decoder.pt")


def stylise_folder(
    network: PublishedStyleNetwork, images: Path, styles: Path, out: Path, *, side: int, seed: int = 0
) -> int:
    """Redraw every image of a folder, middle square, as a PNG of the same name in `out`; return their number.

    Images that are there already are left alone, so an interrupted run goes on. What cannot be decoded has no copy.
    """
    names, paintings = images_in(images, "stylising").names, _files(styles)
    files = _files(images)
    chosen = integers(SampleKeys(seed, 0, np.arange(len(names))), 1, len(paintings), stream="stylise")[:, 0]
    count = 0
    for index, (name, number) in enumerate(zip(names, chosen, strict=True)):
        target = (out / name).with_suffix(".png")
        if not target.exists():
            image, found = files.image(index)
            if found != index:
                continue
            content = network.encode(_tensor(middle_square(image, side)))
            style = network.encode(_tensor(middle_square(paintings.image(int(number))[0], side)))
            drawn = network.decode(adaptive_instance_norm(content, style), side, side)[0].clamp(0.0, 1.0)
            target.parent.mkdir(parents=True, exist_ok=True)
            pixels = drawn.mul(255).round().byte().permute(1, 2, 0).numpy()
            with whole_file(target) as partial:
                Image.fromarray(pixels).save(partial, format="PNG")
        count += 1
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; see the module's first lines."""
    options = _parser().parse_args(arguments)
    try:
        if options.verb == "train":
            images, styles = (_squares(_files(folder), options.side) for folder in (options.images, options.styles))
            save(train_style_network(images, styles, steps=options.steps, seed=options.seed), options.out)
            line = f"encoder.pt and decoder.pt are in {options.out}"
        else:
            network = style_network(options.encoder, options.decoder, 3).eval()
            with torch.no_grad():
                count = stylise_folder(
                    network, options.images, options.styles, options.out, side=options.side, seed=options.seed
                )
            line = f"{count} stylised images are in {options.out}"
    except AugmentError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(line + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m augment.networks.style.training",
        description="Train style-transfer networks, or write a stylised copy of a folder.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    train, stylise = verbs.add_parser("train"), verbs.add_parser("stylise")
    for verb in (train, stylise):
        verb.add_argument("--images", type=Path, required=True, help="folder of images, searched recursively")
        verb.add_argument("--styles", type=Path, required=True, help="folder of style images")
        verb.add_argument("--out", type=Path, required=True, help="folder to write to")
        verb.add_argument("--seed", type=int, default=0)
    train.add_argument("--side", type=int, default=64, help="side of the training images, in pixels")
    train.add_argument("--steps", type=int, default=2000)
    stylise.add_argument("--side", type=int, default=224, help="side of the output images, in pixels")
    stylise.add_argument("--encoder", type=Path, required=True)
    stylise.add_argument("--decoder", type=Path, required=True)
    return parser


def _files(folder: Path) -> WholeImages:
    found = images_in(folder, "style transfer")
    return WholeImages(found.root, found.names, found.unread)


def _squares(files: WholeImages, side: int) -> NDArray[np.uint8]:
    """Return the middle squares of the files that can be decoded, (N, side, side, 3) uint8."""
    read = [(index, *files.image(index)) for index in range(len(files))]
    return np.stack([middle_square(image, side) for index, image, found in read if found == index])


def _blank(widths: Sequence[tuple[int, int]]) -> list[Convolution]:
    return [Convolution(torch.zeros(made, given, 3, 3), torch.zeros(made)) for given, made in widths]


def _batch(images: NDArray[np.uint8], draws: NDArray[np.float64]) -> Tensor:
    return torch.cat([_tensor(images[int(draw * len(images))]) for draw in draws])


def _tensor(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float() / 255.0


if __name__ == "__main__":
    sys.exit(main())
