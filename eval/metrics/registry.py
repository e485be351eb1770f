"""The metrics by name: built in, one safety axis a file, and those that installed packages add."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from augment.lookup.kinds import Kind
from eval.errors import EvalError
from eval.metrics import anomaly, calibration, consistency, corruption, error
from eval.metrics.contract import MetricSpec

METRICS: Final[Mapping[str, MetricSpec]] = MappingProxyType(
    {
        "error": error.ERROR,
        "ce": corruption.CE,
        "mce": corruption.MCE,
        "rms": calibration.RMS,
        "rms-reference": calibration.RMS_REFERENCE,
        "ece": calibration.ECE,
        "mfr": consistency.MFR,
        "mt5d": consistency.MT5D,
        "mfr-normalised": consistency.MFR_NORMALISED,
        "mt5d-normalised": consistency.MT5D_NORMALISED,
        "auroc": anomaly.AUROC,
        "aupr": anomaly.AUPR,
        "fpr95": anomaly.FPR95,
    }
)
"""The built-in metrics."""

METRIC_KIND: Final = Kind(what="metric", group="dreamgrid.metrics", type=MetricSpec, builtin=METRICS, error=EvalError)


def metric_for(name: str) -> MetricSpec:
    """Return a metric by name.

    Raises:
        EvalError: If there is none of that name, or an installed package takes a name of ours.
    """
    return METRICS[name] if name in METRICS else own_metrics().get(name) or METRIC_KIND.find(name)


@cache
def own_metrics() -> Mapping[str, MetricSpec]:
    """Return the metrics that give `compute`: built-in ones, and those that installed packages add; looked for once in a process.

    Raises:
        EvalError: If an entry point cannot be loaded, is no `MetricSpec`, gives no `compute`, or bears a name that is taken.
    """
    found = METRIC_KIND.added()
    lacking = [name for name, spec in found.items() if spec.compute is None]
    if lacking:
        raise EvalError(f"metric {lacking[0]!r} of an installed package must give `compute`; add it there")
    return {name: spec for name, spec in METRICS.items() if spec.compute is not None} | found
