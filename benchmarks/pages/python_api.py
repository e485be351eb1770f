"""The page of the Python API: examples, then every public name with its signature and its description."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import is_dataclass
from typing import Any, Final

import dreamgrid
from benchmarks.pages.markdown import GENERATED
from clusters.code.own_packages import PACKAGES

INTRODUCTION: Final = """# DreamGrid from Python

`import dreamgrid` takes a twentieth of a second: what a name needs (torch, pandas, Ray) is imported when the name is first
used. GENERATED A test runs its examples in this order.

```python
import numpy as np
import torch
from PIL import Image

import dreamgrid

images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
labels = torch.randint(0, 10, (64,))
pillow_image = Image.new("RGB", (32, 32), "teal")
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(32 * 32, 10))  # for grey images of 32 px
```

## The safety suite on any network

In this process, on the device that the network is on, without Ray. Nothing is recorded.

```python
report = dreamgrid.evaluate(
    model,
    dataset="digits",
    benchmarks={"clean": {}, "c-generated": {"kinds": ["fog"], "severities": [3]}},
    max_images=200,
    progress=False,
)
assert 0.0 <= report.metrics["c-generated/error"] <= 1.0
report  # a notebook shows a table
```

## PixMix in your own training loop

A transform of the kind of `torchvision.transforms.v2`, on batches or on single Pillow images:

```python
from torchvision.transforms import v2

transform = dreamgrid.PixMix("fractals", image_size=32, num_images=200, seed=0)
network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 10))
optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
crop = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(32, padding=4)])
for epoch in range(2):
    transform.set_epoch(epoch)
    for start in range(0, len(images), 16):
        batch, targets = transform(crop(images[start : start + 16]), labels[start : start + 16])
        loss = torch.nn.functional.cross_entropy(network(batch), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
```

In existing `Dataset` code it takes the place of `ToTensor`:

```python
from torchvision.datasets import FakeData

dataset = FakeData(8, (3, 32, 32), transform=v2.Compose([crop, transform, v2.Normalize([0.5] * 3, [0.5] * 3)]))
image, label = dataset[0]
assert image.shape == (3, 32, 32)
```

SPEED
## Sweeps

What `dreamgrid run` and `dreamgrid table` do; results are those of the same storage.

```python
sweep = dreamgrid.run("demo", size="smoke", storage="my-results", tracking_uri="none")
sweep.table().to_markdown()
sweep.figure("pareto").savefig("pareto.pdf")  # or radar, severity, reliability, heatmap
frame = sweep.results()  # one line per row, seed, benchmark and metric
again = dreamgrid.load_sweep("demo", size="smoke", storage="my-results")
assert again.results().equals(frame)
```

## Your own modules

DreamGrid's packages have plain names (NAMES). `import dreamgrid`, `python -m dreamgrid` and the command `dreamgrid`
import these from where DreamGrid is installed, on workers too, so a module `eval.py` or a folder `trainers/` of yours in the
working directory does no harm; `dreamgrid doctor` names such modules. A program that imports its own `eval` before `dreamgrid`
gets an error that names it.

## Reference

Examples use the names of the blocks above, and these:

```python
confidence, correct = np.array([0.9, 0.6, 0.8] * 50), np.array([True, False, True] * 50)
scores_of_outliers, scores_of_test_images = np.array([0.3, 0.9]), np.array([0.1, 0.2])
```
"""

SPEED: Final = """Seconds of one core an image, next to the published transform (andyzoujm/pixmix), which works on one image at a
time; on both sides mixing images are decoded beforehand and nothing is cropped
(`python -m benchmarks.transform --reference DIR`):

| images | `dreamgrid.PixMix` | published | times |
|:---|---:|---:|---:|
| 32 px, batches of 128 | 18.5 µs | 0.78 ms | 42 |
| 32 px, single Pillow images | 149 µs | 0.76 ms | 5.1 |
| 224 px, batches of 16 | 0.58 ms | 4.5 ms | 7.7 |
| 224 px, single Pillow images | 0.68 ms | 4.5 ms | 6.8 |

CPU time, medians of 9 interleaved rounds on one of two cores of an AMD EPYC that other programs kept busy, 2026-11-30;
NumPy 2.4.6, Numba 0.68.1, Pillow 13.0.0; spread 3 to 6 %.

"""


def document() -> str:
    """Return the page."""
    parts = [_of(name) for name in dreamgrid.__all__ if name != "metrics"]
    names = ", ".join(f"`{name}`" for name in PACKAGES)
    return (
        INTRODUCTION.replace("SPEED\n", SPEED).replace("NAMES", names).replace("GENERATED", GENERATED)
        + "\n"
        + "\n".join([*parts, _metrics()])
    )


def _of(name: str) -> str:
    """Return the part about a class or a function."""
    value = getattr(dreamgrid, name)
    lines = [f"### `dreamgrid.{name}{_signature(value)}`", "", _described(value)]
    if inspect.isclass(value):
        for member in _members(value):
            found = getattr(value, member)
            lines += [
                "",
                f"- `.{member}{'' if isinstance(found, property) else _signature(found)}`: {_first_line(found)}",
            ]
    return "\n".join(lines).replace("\n\n- `.", "\n- `.").replace("\n- `.", "\n\n- `.", 1) + "\n"


def _metrics() -> str:
    """Return the part about the metrics: a line for each function."""
    lines = [
        f"- `{name}{_signature(getattr(dreamgrid.metrics, name))}`: {_first_line(getattr(dreamgrid.metrics, name))}"
        for name in dreamgrid.metrics.__all__
    ]
    return "\n".join(["### `dreamgrid.metrics`", "", _described(dreamgrid.metrics), "", *lines]) + "\n"


def _members(value: type) -> list[str]:
    """Return the public methods and properties of a class, in the order of its source."""
    return [name for name, found in vars(value).items() if not name.startswith("_") and _is_described(found)]


def _is_described(found: object) -> bool:
    return isinstance(found, property) or inspect.isfunction(found)


def _signature(value: Any) -> str:
    """Return names and defaults: what the types are is told by the description and the code."""
    kinds = inspect.Parameter
    words, is_starred = [], False
    for each in inspect.signature(value).parameters.values():
        if each.name == "self":
            continue
        if each.kind is kinds.KEYWORD_ONLY and not is_starred:
            words.append("*")
        is_starred = is_starred or each.kind in (kinds.KEYWORD_ONLY, kinds.VAR_POSITIONAL)
        mark = "*" if each.kind is kinds.VAR_POSITIONAL else "**" if each.kind is kinds.VAR_KEYWORD else ""
        words.append(f"{mark}{each.name}" + ("" if each.default is kinds.empty else f"={each.default!r}"))
    return f"({', '.join(words)})"


def _first_line(value: Any) -> str:
    return (inspect.getdoc(value) or "").split("\n\n", 1)[0].replace("\n", " ")


def _described(value: Any) -> str:
    """Return a description as Markdown: indented examples as Python, lists of arguments as they are."""
    # A module's is not indented, but its examples are.
    text = (value.__doc__ if inspect.ismodule(value) else inspect.getdoc(value)) or ""
    if inspect.isclass(value) and not is_dataclass(value):
        text += f"\n\n{inspect.getdoc(value.__init__)}"
    parts = []
    for part in text.rstrip().split("\n\n"):
        if part.startswith("    "):
            parts.append(f"```python\n{textwrap.dedent(part)}\n```")
        elif re.match(r"(Args|Attributes|Returns|Raises):", part):
            parts.append(f"```text\n{part}\n```")
        else:
            parts.append(part)
    return "\n\n".join(parts)
