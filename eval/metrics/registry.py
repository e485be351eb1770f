"""What the metrics mean: label, unit, direction, source of the formula. Light: importing this imports no NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Unit = Literal["fraction", "ratio", "ranks"]
"""fraction: a share in [0, 1]; ratio: relative to a baseline network; ranks: a rank distance. The first two print as percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """A metric, described.

    Attributes:
        name: Key in `METRICS`, second part of a table column.
        label: Column label in tables.
        unit: How the value is to be read.
        lower_is_better: Direction.
        source: Where the formula comes from.
        normalisation: What it is divided by, or "none".
        min_samples: Predictions of one set below which it is undefined.
    """

    name: str
    label: str
    unit: Unit
    lower_is_better: bool
    source: str
    normalisation: str = "none"
    min_samples: int = 1

    @property
    def is_percent(self) -> bool:
        """Whether tables print it times 100."""
        return self.unit != "ranks"


_C = "Hendrycks and Dietterich, ICLR 2019, section 4.1"
_P = "Hendrycks and Dietterich, ICLR 2019, section 4.2"
_OE = "Hendrycks, Mazeika, Dietterich, ICLR 2019, section 4"

METRICS: Final[Mapping[str, MetricSpec]] = MappingProxyType(
    {
        "error": MetricSpec(
            name="error", label="Error", unit="fraction", lower_is_better=True, source="share of wrong top-1 classes"
        ),
        "ce": MetricSpec(
            name="ce",
            label="CE",
            unit="ratio",
            lower_is_better=True,
            source=_C,
            normalisation="a named baseline network's error on the same corruption",
        ),
        "mce": MetricSpec(
            name="mce",
            label="mCE",
            unit="ratio",
            lower_is_better=True,
            source=_C,
            normalisation="a named baseline network's error on the same corruption",
        ),
        "rms": MetricSpec(
            name="rms",
            label="RMS",
            unit="fraction",
            lower_is_better=True,
            source=f"{_OE}.5: bins of 100 predictions, every bin counted",
            min_samples=100,
        ),
        "rms-reference": MetricSpec(
            name="rms-reference",
            label="RMS (reference)",
            unit="fraction",
            lower_is_better=True,
            source="andyzoujm/pixmix, calibration_tools.py: the last bin is left out; undefined below two bins",
            min_samples=200,
        ),
        "ece": MetricSpec(
            name="ece",
            label="ECE",
            unit="fraction",
            lower_is_better=True,
            source="Guo et al., ICML 2017: 15 bins of equal width",
            min_samples=100,
        ),
        "mfr": MetricSpec(name="mfr", label="mFR", unit="fraction", lower_is_better=True, source=_P),
        "mt5d": MetricSpec(name="mt5d", label="mT5D", unit="ranks", lower_is_better=True, source=_P),
        "mfr-normalised": MetricSpec(
            name="mfr-normalised",
            label="mFR (normalised)",
            unit="ratio",
            lower_is_better=True,
            source=_P,
            normalisation="a named baseline network's flip probability on the same perturbation",
        ),
        "mt5d-normalised": MetricSpec(
            name="mt5d-normalised",
            label="mT5D (normalised)",
            unit="ratio",
            lower_is_better=True,
            source=_P,
            normalisation="a named baseline network's top-5 distance on the same perturbation",
        ),
        "auroc": MetricSpec(
            name="auroc",
            label="AUROC",
            unit="fraction",
            lower_is_better=False,
            source=f"{_OE}.1; OOD is the positive class",
        ),
        "aupr": MetricSpec(
            name="aupr",
            label="AUPR",
            unit="fraction",
            lower_is_better=False,
            source=f"{_OE}.1; average precision, OOD positive, one OOD to five ID images",
            normalisation="none; chance level is 1/6",
        ),
        "fpr95": MetricSpec(
            name="fpr95",
            label="FPR95",
            unit="fraction",
            lower_is_better=True,
            source=f"{_OE}.1; share of ID flagged at the recall of OOD nearest to 0.95",
        ),
    }
)
