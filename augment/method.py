"""What a method is: a light description from which a treatment is built on demand, and the checks that hyper-parameters share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from augment.kernels.compiled import WarmUp
from augment.treatment import Stage, Treatment, TreatmentContext

Changes = Mapping[str, Mapping[str, object]]
"""What datasets change: name of the dataset -> field -> value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A training-time treatment, described.

    Attributes:
        name: Key in `METHODS`, as written in sweeps.
        title: Row label in tables.
        semantics: Raised by hand whenever the output for the same input changes.
        config: Frozen dataclass of the hyper-parameters; its defaults are the published ones.
        defaults: Hyper-parameters that a dataset changes.
        stages: The stages that the treatment uses.
        needs_mixing_set: Whether a mixing set must be named.
        needs_outliers: Whether an outlier stream must be named.
        build: Makes the treatment from its hyper-parameters: usually the class itself.
        kernels: Warm-up calls of the kernels that its host stages use, next to the loader's; they run before it is built.
        what: One sentence for the method card.
        source: Paper and reference code.
        accepts_float: Whether its sample stage takes float32 images too, that is, may follow one that returns them.
        returns_float: Whether its sample stage returns float32 images, by default at least.
        num_views: Images per sample that its sample stage returns.
        recipe: What the published results change in the recipe; "*" means any dataset.
        starts_from: Method whose trained network it starts from as published, or None for the recipe's own start.
        passes: Network passes per training image in units of the baseline's, which cost estimates multiply by.
        unstated: What the published sources leave unstated about it, and what was chosen here; "" for nothing.
        note: Where this implementation had to choose or differs, for the method card.
        files: Hyper-parameters that name a file or folder in the data root: name -> the one that holds its content hash,
            which planning fills in (`augment.methods.named_files`). Both are no part of a cell's identity while they are empty.
        spares_mixing_set: One of `files` with which no mixing set is needed, or "".
        parts: The methods that a compound joins, in order; () for a single one.
        code: What identifies the code of a plug-in, filled in by the look-up; None for what is built in.
    """

    name: str
    title: str
    semantics: int
    config: type
    stages: frozenset[Stage]
    build: Callable[[Any, TreatmentContext], Treatment]
    what: str
    source: str
    defaults: Changes = field(default_factory=dict)
    needs_mixing_set: bool = False
    needs_outliers: bool = False
    accepts_float: bool = False
    returns_float: bool = False
    num_views: int = 1
    kernels: tuple[WarmUp, ...] = ()
    recipe: Changes = field(default_factory=dict)
    starts_from: str | None = None
    passes: float = 1.0
    unstated: str = ""
    note: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    spares_mixing_set: str = ""
    parts: tuple[Method, ...] = ()
    code: Mapping[str, str] | None = None

    @property
    def singles(self) -> tuple[Method, ...]:
        """The parts of a compound, or the method itself."""
        return self.parts or (self,)


def require(condition: bool, rule: str, value: object) -> None:
    """Raise ValueError with the rule and the value unless a condition is met."""
    if not condition:
        raise ValueError(f"{rule}, but got {value!r}")


def require_at_least(config: object, **least: float) -> None:
    """Raise ValueError unless each field named is at least its bound."""
    for name, bound in least.items():
        require(getattr(config, name) >= bound, f"{name} must be at least {bound}", getattr(config, name))


def require_above_0(config: object, *names: str) -> None:
    """Raise ValueError unless each field named is above 0."""
    for name in names:
        require(getattr(config, name) > 0, f"{name} must be above 0", getattr(config, name))


def require_fraction(config: object, *names: str) -> None:
    """Raise ValueError unless each field named is in [0, 1]."""
    for name in names:
        require(0.0 <= getattr(config, name) <= 1.0, f"{name} must be between 0 and 1", getattr(config, name))
