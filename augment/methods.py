"""The methods: every training-time treatment by name, light to import, built on demand.

Importing this module imports neither NumPy nor Numba nor torch: planning needs names, defaults and semantics only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augment.treatment import Stage

if TYPE_CHECKING:
    from augment.treatment import Treatment, TreatmentContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A training-time treatment, described.

    Attributes:
        name: Key in `METHODS`, as written in sweeps.
        title: Row label in tables.
        semantics: Raised by hand whenever the output for the same input changes.
        config: Frozen dataclass of the hyper-parameters; its defaults are the published ones.
        defaults: Hyper-parameters that a dataset changes: dataset name -> field -> value.
        stages: The stages that the treatment uses.
        needs_mixing_set: Whether a mixing set must be named.
        needs_outliers: Whether an outlier stream must be named.
        build: Makes the treatment; imports its implementation when called.
        what: One sentence for the method card.
        source: Paper and reference code.
    """

    name: str
    title: str
    semantics: int
    config: type
    stages: frozenset[Stage]
    build: Callable[[Any, TreatmentContext], Treatment]
    what: str
    source: str
    defaults: Mapping[str, Mapping[str, object]]
    needs_mixing_set: bool = False
    needs_outliers: bool = False
