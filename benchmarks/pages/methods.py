"""The page of methods: a card for each, with where it acts, its hyper-parameters per dataset, its source and its choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from augment.method import Method
from augment.registry import METHODS
from benchmarks.pages.markdown import GENERATED, changes, parameter_table

INTRODUCTION: Final = f"""# Methods

All training methods, named by `method:` in a sweep's cells; `params:` sets hyper-parameters, `+` combines methods
("pixmix+cutmix"). {GENERATED}

Methods that need third-party weights read them from files in the data root; without a file they train a substitute on the
training images. Files are read as plain tensors, and no code in them runs. The hash of their content is part of a cell's key, a
missing file is named before anything starts, and a file that changes after that is refused:

```yaml
axes:
  cells:
    - {{row: SIN, method: sin, mixing_set: folder, mixing_set_params: {{folder: paintings}},
       params: {{encoder: adain/vgg_normalised.pth, decoder: adain/decoder.pth}}}}
    - {{row: SIN (stored), method: sin, params: {{stored_copy: stylised-imagenet/train}}}}
    - {{row: EDSR, method: edsr, params: {{weights: edsr_baseline_x4.pt}}}}
```

A stored copy contains one changed image for each training image: under the same names for a dataset in folders (suffixes may
differ), in the order of the names for any other. An image is shown clean or from the copy, each in every second epoch, so two
epochs equal one of the published union of both. `python -m augment.networks.style.training train` makes your own encoder and
decoder from a folder of images and a folder of styles; `python -m augment.networks.style.training stylise` makes a stored copy
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
    lines = [
        f"## {method.title} (`{method.name}`)",
        "",
        method.what,
        "",
        f"- acts on: {', '.join(acts) or 'nothing'}",
    ]
    for dataset, given in method.defaults.items():
        lines.append(f"- on {dataset}: {changes(given)}")
    for dataset, given in method.recipe.items():
        where = "any dataset" if dataset == "*" else dataset
        lines.append(f"- recipe on {where}: {changes(given)}")
    if method.passes != 1.0:
        lines.append(f"- network passes: {method.passes:g} times the baseline's")
    if method.starts_from:
        lines.append(f"- starts from: the trained network of `{method.starts_from}`")
    needs = [name for name, is_needed in _needs(method).items() if is_needed]
    if needs:
        lines.append(f"- needs: {', '.join(needs)}")
    if method.files:
        lines.append(f"- files in the data root, if given: {', '.join(f'`{name}`' for name in method.files)}")
    lines.append(f"- source: {method.source}")
    if method.unstated:
        lines.append(f"- unstated by the sources: {method.unstated}")
    if method.note:
        lines.append(f"- note: {method.note}")
    hidden = method.files.values()  # what is in the files, which nobody writes
    return "\n".join([*lines, "", parameter_table(method.config, hidden=hidden)])


def all_cards() -> str:
    """Return the cards of all built-in methods as one Markdown text."""
    return "\n".join(card_for(method) for method in METHODS.values())


def document() -> str:
    """Return the page of all methods."""
    return f"{INTRODUCTION}\n{all_cards()}"


def _needs(method: Method) -> dict[str, bool]:
    return {"a mixing set": method.needs_mixing_set, "an outlier stream": method.needs_outliers}
