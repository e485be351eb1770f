"""The published generators of corrupted images, run from a user's checkouts so that ours can be timed beside them.

Expected below the reference folder: `robustness` (hendrycks/robustness) and `augmentation-corruption`
(facebookresearch/augmentation-corruption). Their functions are executed as they stand; names that newer libraries dropped
are given back. What needs a library that is not installed (Wand for motion blur and snow, OpenCV for some) is left out by name.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

Generator = Callable[[np.ndarray], object]
"""Takes one image, (H, W, 3) uint8."""

_P_SECTIONS: Final[Mapping[str, str]] = {
    "gaussian_noise": "Gaussian Noise",
    "shot_noise": "Shot Noise",
    "motion_blur": "Motion Blur",
    "zoom_blur": "Zoom Blur",
    "snow": "Snow",
    "brightness": "Brightness",
    "translate": "Translate",
    "rotate": "Rotate",
    "tilt": "Tilt",
    "scale": "Scale",
}


def published_c(reference: Path, side: int, severity: int) -> dict[str, Generator]:
    """Return the corruptions of C that run here, by name."""
    folder = reference / "robustness" / "ImageNet-C" / "create_c"
    namespace = _definitions(folder / ("make_cifar_c.py" if side <= 32 else "make_imagenet_c.py"))
    from eval.corruptions.c.registry import BENCHMARK_KINDS

    def generator(kind: str) -> Generator:
        from PIL import Image

        def run(image: np.ndarray) -> object:
            with contextlib.chdir(folder):  # frost images are opened by relative path
                return namespace[kind](Image.fromarray(image), severity)

        return run

    return _that_run({kind: generator(kind) for kind in BENCHMARK_KINDS if kind in namespace}, side)


def published_bar(reference: Path, side: int) -> dict[str, Generator]:
    """Return the corruptions of C-bar that run here, by name, at their third severity."""
    folder = reference / "augmentation-corruption" / "imagenet_c_bar"
    _give_back_names()
    sys.path.insert(0, str(folder))
    finder = importlib.import_module("transform_finder")
    scale = "cifar" if side <= 32 else "imagenet"
    table = folder / ("cifar10_c_bar.csv" if side <= 32 else "imagenet_c_bar.csv")
    found: dict[str, Generator] = {}
    for line in table.read_text().splitlines():
        name, *severities = line.split(",")
        if name:
            found[name] = finder.build_transform(name=name, severity=float(severities[2]), dataset_type=scale)
    return _that_run(found, side)


def published_p(reference: Path) -> dict[str, Generator]:
    """Return the perturbations of CIFAR-P that run here, by name; each makes one whole sequence."""
    path = reference / "robustness" / "ImageNet-P" / "create_p" / "make_cifar_p.py"
    namespace, source = _definitions(path), path.read_text()
    found = {}
    for name, title in _P_SECTIONS.items():
        section = re.search(rf"/+ {title} Code /+\n(.*?)# /+ End {title} Code", source, re.DOTALL)
        if section:
            found[name] = _sequence(name, section.group(1), namespace)
    return _that_run(found, 32)


def _sequence(name: str, section: str, namespace: dict[str, Any]) -> Generator:
    """Compile the lines of one perturbation, comment signs removed; of the noises only the first level."""
    lines = [re.sub(r"^    # ?", "    ", line) for line in section.splitlines()]
    loops = [number for number, line in enumerate(lines) if line.strip().startswith("for i in")]
    body = lines[: loops[1]] if "noise" in name and len(loops) > 1 else lines
    text = "def make(img):\n    seq = []\n    x = img\n" + textwrap.indent(textwrap.dedent("\n".join(body)), "    ")
    exec(compile(text + "\n    return seq\n", name, "exec"), namespace)
    made: Generator = namespace["make"]
    return made


def _that_run(generators: Mapping[str, Generator], side: int) -> dict[str, Generator]:
    """Return those that give an image on this machine."""
    image = (np.arange(side * side * 3) % 251).astype(np.uint8).reshape(side, side, 3)
    running = {}
    for name, generator in generators.items():
        with contextlib.suppress(Exception):
            generator(image.copy())
            running[name] = generator
    return running


def _definitions(path: Path) -> dict[str, Any]:
    """Return the imports and definitions of a script, without running the rest of it."""
    _give_back_names()
    namespace: dict[str, Any] = {"__name__": "published"}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
            code = compile(ast.Module(body=[node], type_ignores=[]), str(path), "exec")
            with contextlib.suppress(Exception):
                exec(code, namespace)
    namespace.update(_shims(namespace))
    return namespace


def _give_back_names() -> None:
    for name, kind in (("float_", np.float64), ("int", int), ("float", float)):
        if name not in vars(np):
            setattr(np, name, kind)
    np.fromstring = np.frombuffer  # type: ignore[assignment]  # its binary mode is gone


def _shims(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    from scipy.ndimage import map_coordinates
    from skimage.filters import gaussian

    def old_gaussian(image: Any, *args: Any, multichannel: bool = False, **options: Any) -> Any:
        return gaussian(image, *args, channel_axis=-1 if multichannel else None, **options)

    yield "gaussian", old_gaussian
    yield "map_coordinates", map_coordinates
    functional = namespace.get("trn_F")
    if functional is not None:
        yield "trn_F", _OldFunctional(functional)


class _OldFunctional:
    """torchvision's functional module with the old name of one argument."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def affine(self, *args: Any, resample: Any = 0, **options: Any) -> Any:
        """Move an image; `resample` has become `interpolation`."""
        from torchvision.transforms import InterpolationMode

        mode = InterpolationMode.BILINEAR if resample else InterpolationMode.NEAREST
        arguments = {"shear": [options.pop("shear", 0.0)], **options}
        return self._module.affine(*args, interpolation=mode, **arguments)


def reference_complaint(reference: Path) -> str | None:
    """Return what a reference folder lacks, or None."""
    needed = ("robustness/ImageNet-C/create_c/make_cifar_c.py", "augmentation-corruption/imagenet_c_bar/corrupt.py")
    lacking = [name for name in needed if not os.path.exists(reference / name)]
    return f"the reference folder {reference} lacks {', '.join(lacking)}" if lacking else None
