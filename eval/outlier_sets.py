"""The generated outlier sets by name. Light: the generators are in `eval.outliers`.

Source: Hendrycks, Mazeika and Dietterich, "Deep Anomaly Detection with Outlier Exposure", ICLR 2019, and its test scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierSet:
    """One kind of picture that belongs to no class.

    Attributes:
        name: Key in `OUTLIER_SETS`.
        semantics: Raised by hand whenever the pictures change.
        what: One sentence for tables and cards.
    """

    name: str
    semantics: int
    what: str


OUTLIER_SETS: Final[Mapping[str, OutlierSet]] = {
    "gaussian": OutlierSet(
        name="gaussian", semantics=1, what="independent normal values around mid-grey with sigma 1/4, clipped"
    ),
    "rademacher": OutlierSet(
        name="rademacher", semantics=1, what="independent values, black or white with equal chance"
    ),
    "blobs": OutlierSet(
        name="blobs", semantics=1, what="blurred coin flips above a threshold: amorphous bright shapes"
    ),
}
"""Noise that no network should be sure about; the published names, in the published order."""
