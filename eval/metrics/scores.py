"""The anomaly scores by name, how the detail of a column names one, and the published ratio of test images to outliers. Light."""

from __future__ import annotations

from typing import Final, Literal, get_args

ScoreName = Literal["msp", "xent", "max-logit", "energy"]
SCORES: Final[tuple[ScoreName, ...]] = get_args(ScoreName)
OOD_SHARE: Final = 5
"""In-distribution test images per OOD image."""


def detail_parts(detail: str) -> tuple[str, str]:
    """Return the fine row and the anomaly score that a detail names ("svhn:energy"; "" where it names no score).

    An outlier set may have a colon in its own name (`folder:PATH`): only a score that is known is cut off.
    """
    name, _, last = detail.rpartition(":")
    return (name, last) if name and name != "folder" and last in SCORES else (detail, "")
