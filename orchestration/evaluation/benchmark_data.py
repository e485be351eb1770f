"""Benchmarks as data: make them for a dataset, check them, measure baselines on them, compare generated with published ones."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from augment.kernels.cpus import available_cpus
from augment.lookup.parameters import nearest
from eval.benchmarks.registry import benchmark_for
from eval.benchmarks.suite.measure_baseline import measure_baseline, store_baseline
from eval.corruptions.cache import read_record, set_path
from eval.corruptions.cbar.registry import cbar_kinds
from eval.corruptions.contract import FrostImages
from eval.corruptions.families import FAMILIES, check_effect, family_named
from eval.corruptions.generate import CorruptedSet, corrupt
from eval.corruptions.ice import frost_from_folder
from eval.corruptions.match import match_sets
from eval.corruptions.mnist.registry import MNIST_CORRUPTIONS
from eval.perturbations.contact_sheets import corruption_sheet, sequence_sheet
from eval.perturbations.p.registry import PERTURBATIONS
from eval.published_files.verify import published_corruptions
from orchestration.errors import InputError, Mistake
from orchestration.evaluation.checkpoints import Reading, subject_of, tried
from orchestration.evaluation.evaluate import TORCHVISION, open_network
from orchestration.settings import Settings
from orchestration.store.provenance import code_version, library_versions
from trainers.datasets.contract import Split
from trainers.datasets.load import shared_split
from trainers.models.registry import MODELS
from trainers.models.weights.assumption import assumption_lines

FAMILY_OF: Final[Mapping[str, str]] = {"c": "c", "cbar": "cbar", "mnist-c": "mnist-c"}
STREAMED: Final = ("p", "ood")
"""What is never held whole: sequences and drawn outliers are made while they are evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which generated sets: a family, its corruptions, severities, frost, seed.

    Attributes:
        family: "c", "cbar" or "mnist-c", with or without "-generated".
        kinds: Corruptions; empty for those of the benchmark.
        severities: Severities; empty for all that the family has.
        frost: "procedural" or "images".
    """

    family: str
    kinds: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    frost: str = "procedural"
    seed: int = 0

    def resolved(self, side: int, channels: int) -> Choice:
        """Return the choice with every kind and severity named.

        Args:
            side: Shorter side of the images in pixels.
            channels: Their channels, 1 or 3.

        Raises:
            InputError: With every name that is unknown, and every kind that leaves such images as they are.
        """
        name = self.family.removesuffix("-generated")
        if name in STREAMED:
            text = f"'{name}' is generated during evaluation and never stored; run the benchmark '{name}-generated'"
            raise InputError("options", [Mistake(where="--benchmark", text=text)])
        if name not in FAMILY_OF:
            text = f"unknown benchmark '{self.family}'{nearest(name, list(FAMILY_OF))}"
            raise InputError("options", [Mistake(where="--benchmark", text=text)])
        family = FAMILIES[name]
        standard = cbar_kinds(side) if name == "cbar" else tuple(benchmark_for(f"{name}-generated").config().kinds)
        wrong = [
            Mistake(where="--kinds", text=f"unknown corruption '{kind}'{nearest(kind, list(family.kinds))}")
            for kind in self.kinds
            if kind not in family.kinds
        ]
        wrong += [
            Mistake(
                where="--severities", text=f"'{name}' has the severities {list(family.severities)}, but got {level}"
            )
            for level in self.severities
            if level not in family.severities
        ]
        if self.frost not in ("procedural", "images"):
            wrong.append(Mistake(where="--frost", text=f"must be 'procedural' or 'images', but got '{self.frost}'"))
        if wrong:
            raise InputError("options", wrong)
        kinds, severities = self.kinds or standard, self.severities or tuple(family.severities)
        try:
            check_effect(name, kinds, severities, side=side, channels=channels)
        except ValueError as error:
            raise InputError("options", [Mistake(where="--kinds", text=str(error))]) from error
        return Choice(family=name, kinds=kinds, severities=severities, frost=self.frost, seed=self.seed)


def generate(
    dataset: str, choice: Choice, settings: Settings, *, threads: int | None = None
) -> Iterator[dict[str, Any]]:
    """Make generated sets of a dataset's test images in the cache, or find them there; yields one record per set.

    Args:
        threads: Threads that make them; None takes one for each CPU of this process.

    Raises:
        InputError: If the choice is wrong.
        DataError: If the dataset is missing or broken.
        EvalError: If photographs of frost are asked for and missing.
    """
    split = _test_split(dataset, settings)
    chosen = choice.resolved(min(split.images.shape[1:3]), split.images.shape[3])
    frost = _frost(chosen, settings)
    for kind in chosen.kinds:
        for severity in chosen.severities:
            made = CorruptedSet(
                images=split.images,
                kind=kind,
                severity=severity,
                fingerprint=split.fingerprint,
                seed=chosen.seed,
                family=chosen.family,
                frost=frost,
            )
            path = set_path(made.key, settings.cache_dir)
            was_there = path.is_file()
            array = made.whole(settings.cache_dir, threads=threads or available_cpus())
            record = read_record(made.key, settings.cache_dir)
            yield {
                "label": record["label"],
                "dataset": dataset,
                "corruption": kind,
                "severity": severity,
                "images": len(array),
                "made": not was_there,
                "sha256": record["sha256"],
                "notes": record["notes"],
                "path": str(path),
            }


def match(dataset: str, choice: Choice, settings: Settings, *, images: int) -> Iterator[dict[str, Any]]:
    """Compare generated images with the published ones of the same clean images; yields a verdict per set.

    Raises:
        InputError: If the choice is wrong.
        DataError: If the dataset is missing or broken.
        EvalError: If the published files are missing or broken, or there are too few images.
    """
    split = _test_split(dataset, settings)
    chosen = choice.resolved(min(split.images.shape[1:3]), split.images.shape[3])
    frost, family = _frost(chosen, settings), family_named(chosen.family)
    indices = np.arange(min(images, len(split.images)))
    clean = np.ascontiguousarray(split.images[: len(indices)])
    for theirs in published_corruptions(
        chosen.family, dataset, split.labels, settings.data_root, kinds=chosen.kinds, severities=chosen.severities
    ):
        kind, severity = str(theirs.fields["corruption"]), int(theirs.fields["severity"])
        ours = corrupt(
            clean,
            kind,
            severity,
            fingerprint=split.fingerprint,
            indices=indices,
            seed=chosen.seed,
            family=chosen.family,
            frost=frost,
        )
        found = match_sets(ours, theirs.load(0, len(indices)), clean, is_random=family.corruption(kind).is_random)
        yield {
            "corruption": kind,
            "severity": severity,
            "images": len(indices),
            "is_match": found.is_match,
            "within_one_level": found.within_one_level,
            "differences": list(found.differences()),
        }


def measure(
    name: str,
    model: str,
    dataset: str,
    benchmarks: Sequence[str],
    settings: Settings,
    *,
    weights: Path | None,
    reading: Reading | None = None,
    max_images: int | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Measure a baseline network on the user's files and store it in the data root; return its file and its content.

    Args:
        name: Name under which benchmarks ask for it.
        model: A network; without `weights` one of torchvision, with its ImageNet weights.
        benchmarks: Of corruptions ("c", "c-generated") and perturbations ("p", "p-generated").
        weights: File of weights, or None.
        max_images: Use at most this many images; the file records the limit.

    Raises:
        InputError: If a name is unknown, or the weights do not fit.
        EvalError: If a benchmark cannot be measured, or a baseline of that name is there.
        TrainingError: If published weights cannot be had.
    """
    known = model if model in MODELS or model.startswith(TORCHVISION) else TORCHVISION + model
    source = known if weights is None else str(weights)
    network = open_network(source, model=None if weights is None else known, dataset=dataset, reading=reading)
    assumed = tried(network, settings)
    params: dict[str, Mapping[str, object]] = {
        each: {} if max_images is None else {"max_images": max_images} for each in benchmarks
    }
    limit = "" if max_images is None else f", limited to {max_images} images"
    what = f"{known}, weights {source} (sha256 {network.sha256[:16]}), on {', '.join(benchmarks)} of {dataset}{limit}"
    what += "".join(f"; {line}" for line in assumption_lines(assumed)) if assumed else ""
    document = measure_baseline(subject_of(network, settings), params, what=what, source=_measured_now())
    return store_baseline(document, name, settings.data_root), document


def _measured_now() -> str:
    versions = library_versions()
    shown = ", ".join(f"{name} {versions[name]}" for name in ("torch", "torchvision", "numpy") if name in versions)
    commit, is_dirty = code_version()
    date = time.strftime("%Y-%m-%d", time.gmtime())
    return f"measured on {date} with {shown}, commit {commit[:12] or 'unknown'}{' (dirty)' * is_dirty}"


def _test_split(dataset: str, settings: Settings) -> Split:
    return shared_split(dataset, "test", settings.data_root, settings.cache_dir)


def _frost(choice: Choice, settings: Settings) -> FrostImages | None:
    return frost_from_folder(settings.data_root / "frost") if choice.frost == "images" else None


def sheets(dataset: str, settings: Settings, *, output: Path, index: int, frost: str) -> Iterator[Path]:
    """Write contact sheets of one test image as PNG files: C, C-bar, P and, for grey images of 28 px, MNIST-C.

    Raises:
        InputError: If there is no such image, or frost is neither "procedural" nor "images".
        DataError: If the dataset is missing or broken.
        EvalError: If photographs of frost are asked for and missing.
    """
    split = _test_split(dataset, settings)
    if index >= len(split.images):
        text = f"{dataset} has {len(split.images)} test images, numbered from 0, but got {index}"
        raise InputError("options", [Mistake(where="--index", text=text)])
    image, side = split.images[index], min(split.images.shape[1:3])
    ice = _frost(Choice(family="c", frost=frost).resolved(side, image.shape[2]), settings)
    made = {
        "c": corruption_sheet(image, "c", tuple(FAMILIES["c"].kinds), frost=ice),
        "cbar": corruption_sheet(image, "cbar", Choice(family="cbar").resolved(side, image.shape[2]).kinds),
        "p": sequence_sheet(image, tuple(PERTURBATIONS)),
    }
    if image.shape == (28, 28, 1):
        made["mnist-c"] = corruption_sheet(image, "mnist-c", tuple(MNIST_CORRUPTIONS))
    output.mkdir(parents=True, exist_ok=True)
    for family, sheet in made.items():
        path = output / f"{dataset}-{index}-{family}.png"
        Image.fromarray(sheet).save(path, format="PNG")
        yield path
