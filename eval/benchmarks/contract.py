"""The contract between a benchmark and the suite that runs it.

A `Benchmark` is a light description (name, axis, metrics, defaults, semantics); its implementation is imported when it runs.
Importing this module imports neither NumPy nor torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from augment.lookup.parameters import build_config
from eval.errors import EvalError
from eval.report import OWN_FILES

if TYPE_CHECKING:
    from eval.inference.subject import Subject
    from eval.report import BenchmarkOutcome

SafetyAxis = Literal["accuracy", "corruption", "consistency", "adversaries", "calibration", "anomaly"]
Origin = Literal["published", "generated", "none"]
"""Where the images come from: published files, our generators, or the dataset's own test split."""


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
        run: Evaluates a subject; imports its implementation when called.
        source: Paper and reference code of the protocol.
        details: Field of its fine rows that a column can name ("corruption": `c/error/fog`), or None.
        check_images: Refuses, by a ValueError, parameters that do not fit images of a shorter side in pixels and a number of
            channels; None where all fit.
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
    check_images: Callable[[Any, int, int], None] | None = None
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
    """

    name: str
    params: Mapping[str, object]
    key: str
    code: str = ""
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own_files: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown_name(self) -> str:
        """Name of the benchmark in columns."""
        return self.name + OWN_FILES * self.is_own

    @property
    def is_own(self) -> bool:
        """Whether its values must not stand in the column of the published files."""
        return bool(self.own_files)
