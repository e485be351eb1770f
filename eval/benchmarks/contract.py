"""The contract between a benchmark and whoever plans, runs or shows it.

A `Benchmark` is one file: its parameters, its run, and what can be said before it runs (images through the network, files, fine
rows, what speaks against a dataset). Every field after `source` has a default that fits a benchmark without such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from augment.files.published import Identified
from augment.lookup.parameters import build_config
from eval.errors import EvalError
from eval.inference.precision import DEFAULT_PRECISION, EvaluationPrecision
from eval.inference.subject import Subject
from eval.metrics.contract import SafetyAxis
from eval.report import OWN_FILES, BenchmarkOutcome

Origin = Literal["published", "generated", "none"]
"""Where the images come from: published files, our generators, or the dataset's own test split."""


BACKWARD_COST: Final = 1.7
"""A step of an attack costs about 2.7 forward passes: one forward, the rest backward."""


def _no_size(name: str) -> int | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationData:
    """What is known of a test split before anything runs.

    Attributes:
        dataset: Name of the dataset.
        num_images: Its test images.
        num_classes: Its classes.
        side: Shorter side of its images in pixels.
        data_root: Folder of datasets and of the user's own baselines, or None where nothing is looked at.
        is_dataset: Whether a name is that of a dataset.
        set_size: Gives the images of an outlier set by name (a dataset's test split, a folder), or None where it is unknown.
    """

    dataset: str
    num_images: int
    num_classes: int
    side: int
    data_root: Path | None
    is_dataset: Callable[[str], bool]
    set_size: Callable[[str], int | None] = _no_size

    def used(self, config: Any) -> int:
        """Return how many test images a benchmark uses."""
        limit = getattr(config, "max_images", None)
        return self.num_images if limit is None else min(limit, self.num_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """Images that a benchmark puts through the network.

    Attributes:
        forward: Forward passes, as far as they are known.
        backward: Backward passes (attacks only).
        clean: Test images whose predictions it looks at; benchmarks of one evaluation share them, so each number counts once.
        unknown: Sets whose number of images is not known; their passes come on top.
    """

    forward: int
    backward: int = 0
    clean: int = 0
    unknown: tuple[str, ...] = ()

    def in_forward_passes(self) -> float:
        """Return the passes in the unit of one forward pass of one image; a backward pass costs 1.7 of them."""
        return self.forward + BACKWARD_COST * self.backward


def _nothing_missing(data_root: Path) -> list[str]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Files that a benchmark reads besides the dataset.

    Attributes:
        identities: Returns what identifies them, by collection; without a data root nothing is looked at.
        missing: Returns a line for each collection that is not there, or not whole.
        unusable: Returns why the benchmark cannot run at all, where it can leave out what is missing; None for `missing` itself.
    """

    identities: Callable[[Path | None], dict[str, Identified]]
    missing: Callable[[Path], list[str]] = _nothing_missing
    unusable: Callable[[Path], list[str]] | None = None


Arrays = Mapping[str, NDArray[np.generic]]


def _once(config: Any, data: EvaluationData) -> Passes:
    """Each test image goes through the network once."""
    return Passes(forward=data.used(config))


def no_problem(config: Any, data: EvaluationData) -> str | None:
    """Know nothing against a test split."""
    return None


def _no_datasets(config: Any) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A dataset plus a protocol that yields metrics.

    Attributes:
        name: Key in `BENCHMARKS`; published and generated data are different benchmarks, never one column.
        title: Column-group label in tables.
        origin: Where the images come from.
        semantics: Raised by hand whenever the numbers for the same checkpoint change.
        config: Frozen dataclass of the protocol's parameters with published defaults.
        metrics: Names of the metrics that it yields, keys of `METRICS`; a column is `<benchmark>/<metric>`.
        run: Evaluates a subject with its parameters.
        source: Paper and reference code of the protocol.
        details: Field of its fine rows that a column can name ("corruption": `c/error/fog`), or None.
        fine_rows: (parameters, shorter side) -> the names of its fine rows; None where nobody checks them.
        variants: Names of the variants that each fine row is also given in ("msp": `ood/auroc/svhn/msp`).
        check_images: Refuses, by a ValueError, parameters that do not fit images of a shorter side in pixels and a number of
            channels; None where all fit.
        problem: Why it cannot run on a test split, or None.
        passes: Images that it puts through the network.
        files: (parameters, dataset, data root) -> files that it reads besides the dataset; None where it reads none.
        datasets: Other datasets whose test images it needs.
        baseline: (parameters, dataset, data root) -> the baseline network that its metrics are divided by, or None where none is
            known; None where it normalises nothing.
        missing_baseline: (parameters, dataset, data root) -> what is missing where no baseline network is known, for a benchmark
            whose baseline is measured on the user's files.
        recompute: (parameters, arrays, data root, seed) -> the outcome from kept predictions; None where it keeps none.
        keeps_images: Whether what it generates of all test images may be kept on disk.
        code: What identifies the code of a plug-in, filled in by the look-up; None for what is built in.
    """

    name: str
    title: str
    axis: SafetyAxis
    origin: Origin
    semantics: int
    config: type
    metrics: tuple[str, ...]
    run: Callable[[Any, Subject], BenchmarkOutcome]
    source: str
    details: str | None = None
    fine_rows: Callable[[Any, int], Sequence[str]] | None = None
    variants: tuple[str, ...] = ()
    check_images: Callable[[Any, int, int], None] | None = None
    problem: Callable[[Any, EvaluationData], str | None] = no_problem
    passes: Callable[[Any, EvaluationData], Passes] = _once
    files: Callable[[Any, str, Path | None], Sequence[FileSource]] | None = None
    datasets: Callable[[Any], tuple[str, ...]] = _no_datasets
    baseline: Callable[[Any, str, Path | None], str | None] | None = None
    missing_baseline: Callable[[Any, str, Path], str | None] | None = None
    recompute: Callable[[Any, Arrays, Path | None, int], BenchmarkOutcome] | None = None
    keeps_images: bool = False
    code: Mapping[str, str] | None = None

    def config_of(self, params: Mapping[str, object]) -> Any:
        """Return the protocol's parameters from plain values; left-out ones are at their defaults.

        Raises:
            EvalError: If a parameter is unknown or lacking, or a value does not fit; all mistakes at once.
        """
        return build_config(self.config, params, of=f"benchmark {self.name!r}", error=EvalError)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRequest:
    """One benchmark to run.

    Attributes:
        name: Name of the benchmark.
        params: Its full parameters.
        key: The key its result is recorded under.
        code: What identified the source of a plug-in while planning, or "" for what is built in.
        files: Collection of files that it reads -> what identified it while planning (`augment.files.published.as_planned`).
        own_files: Files under a published name, its own or the dataset's, that are not shown to be the published ones -> why.
        precision: In which arithmetic the network is evaluated.
    """

    name: str
    params: Mapping[str, object]
    key: str
    code: str = ""
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own_files: Mapping[str, str] = field(default_factory=dict)
    precision: EvaluationPrecision = DEFAULT_PRECISION

    @property
    def shown_name(self) -> str:
        """Name of the benchmark in columns."""
        return self.name + OWN_FILES * self.is_own

    @property
    def is_own(self) -> bool:
        """Whether its values must not be in the column of the published files."""
        return bool(self.own_files)
