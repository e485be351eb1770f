"""Method cards: what a method does, where it acts, its hyper-parameters per dataset, its source and its liberties.

python -m augment.methods.cards > docs/methods.md
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from augment.registry import METHODS, Method

INTRODUCTION: Final = """# Methods

Every training-time treatment, as `method:` of a sweep's cells; `params:` sets hyper-parameters, `+` joins methods
("pixmix+cutmix"). This page is written by `python -m augment.methods.cards > docs/methods.md`.

What needs third-party weights takes them from files below the data root, and trains a substitute on the images at hand where
none are given. Files are read as plain tensors; nothing in them is run. The hash of their content is part of a cell's identity, a
missing file is named before anything starts, and a file that changed since then is refused:

```yaml
axes:
  cells:
    - {row: SIN, method: sin, mixing_set: folder, mixing_set_params: {folder: paintings},
       params: {encoder: adain/vgg_normalised.pth, decoder: adain/decoder.pth}}
    - {row: SIN (stored), method: sin, params: {stored_copy: stylised-imagenet/train}}
    - {row: EDSR, method: edsr, params: {weights: edsr_baseline_x4.pt}}
```

A stored copy holds one changed image for each training image: of a dataset in folders under the same names (suffixes may
differ), of any other in the order of their names. An image is shown clean or from the copy, each in every second epoch, so two
epochs are one of the published union of both. `python -m augment.networks.style.training train` makes an encoder and decoder of
one's own from a folder of images and one of styles; `python -m augment.networks.style.training stylise` makes a stored copy
with them.
"""

STAGE_TEXTS: Final[Mapping[str, str]] = {
    "sample": "images, on the host",
    "batch": "batches, on the device",
    "loss": "the loss",
    "extra": "a second stream of images",
}


def card_for(method: Method) -> str:
    """Return the card of a single method as Markdown."""
    acts = [text for stage, text in STAGE_TEXTS.items() if stage in method.stages]
    config = method.config()
    lines = [
        f"### {method.title} (`{method.name}`)",
        "",
        method.what,
        "",
        f"- acts on: {', '.join(acts) or 'nothing'}",
    ]
    of_files = {*method.files, *method.files.values()}
    given = [
        f"{item.name} = {_value(getattr(config, item.name))}" for item in fields(config) if item.name not in of_files
    ]
    lines.append(f"- hyper-parameters: {', '.join(given) or 'none'}")
    for dataset, changes in method.defaults.items():
        lines.append(f"- on {dataset}: {_changes(changes)}")
    for dataset, changes in method.recipe.items():
        where = "any dataset" if dataset == "*" else dataset
        lines.append(f"- recipe on {where}: {_changes(changes)}")
    if method.passes != 1.0:
        lines.append(f"- network passes: {method.passes:g} times the baseline's")
    if method.starts_from:
        lines.append(f"- starts from: the trained network of `{method.starts_from}`")
    needs = [name for name, is_needed in _needs(method).items() if is_needed]
    if needs:
        lines.append(f"- needs: {', '.join(needs)}")
    if method.files:
        lines.append(f"- files below the data root, if given: {', '.join(f'`{name}`' for name in method.files)}")
    lines.append(f"- source: {method.source}")
    if method.unstated:
        lines.append(f"- unstated by the sources: {method.unstated}")
    if method.note:
        lines.append(f"- note: {method.note}")
    return "\n".join(lines) + "\n"


def all_cards() -> str:
    """Return the cards of all built-in methods as one Markdown text."""
    return "\n".join(card_for(method) for method in METHODS.values())


def document() -> str:
    """Return the page of all methods."""
    return f"{INTRODUCTION}\n{all_cards()}"


def _needs(method: Method) -> dict[str, bool]:
    return {"a mixing set": method.needs_mixing_set, "an outlier stream": method.needs_outliers}


def _changes(changes: Mapping[str, object]) -> str:
    return ", ".join(f"{key} = {_value(value)}" for key, value in changes.items())


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.stdout.write(document())
