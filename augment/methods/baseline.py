"""The baseline: nothing beyond the recipe's crop and flip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from augment.method import Method
from augment.treatment import Treatment, TreatmentContext


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    """No hyper-parameters."""


def build(config: NoConfig, context: TreatmentContext) -> Treatment:
    """Make the treatment that changes nothing."""
    return Treatment()


METHOD: Final = Method(
    name="baseline",
    title="Baseline",
    semantics=1,
    config=NoConfig,
    stages=frozenset(),
    build=build,
    accepts_float=True,
    what="Nothing beyond the recipe's crop and flip.",
    source="Hendrycks et al., PixMix (CVPR 2022); andyzoujm/pixmix",
)
