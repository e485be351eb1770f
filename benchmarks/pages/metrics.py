"""The page of metrics: what each says, its unit and direction, its formula and where that comes from."""

from __future__ import annotations

from typing import Final

from benchmarks.pages.markdown import GENERATED, table
from eval.metrics.contract import MetricSpec
from eval.metrics.registry import METRICS

INTRODUCTION: Final = f"""# Metrics

All metrics, named by the second part of a column (`clean/rms`). [Your own metric](../guides/own-metric.md) joins them.
{GENERATED}
"""

NOTATION: Final = r"""
## Formulas

$[\cdot]$ is 1 where a statement is true and 0 elsewhere. The superscript 0 marks the value of the baseline network.

- Of $N$ images, image $i$ has the label $y_i$ and the most probable class $\hat{y}_i$; $E$ is the error, $E_{c,s}$ that on
  corruption $c$ of $C$ at severity $s$.
- Bin $b$ of $B$ has $n_b$ images, a share $a_b$ of them right, and the mean confidence $p_b$. Bins of RMS have 100 images
  in the order of confidence, the last one also what is left; those of ECE have equal widths.
- Perturbation $p$ of $P$ has $S$ sequences of $T$ frames. A frame is compared with the one $d$ frames before
  (`difficulty`; 1 by default), for noises with the first frame. $\sigma_{j,t}(i)$ is the rank in frame $t$ of the class that
  had rank $i$ in the frame that it is compared with.
- $s_+$ is the score of an outlier and $s_-$ that of a test image, of which there are $N_-$. At the $k$-th threshold from
  the highest score down, $\mathrm{TP}_k$ outliers and $\mathrm{FP}_k$ test images have at least that score, and $R_k$ is
  the share of outliers.
"""

HEAD: Final = ("name", "column", "axis", "unit", "better", "says", "source")


def row_for(spec: MetricSpec) -> tuple[str, ...]:
    """Return the row of a metric in the table of all of them."""
    better = "lower" if spec.lower_is_better else "higher"
    axis, source = spec.axis or "of the benchmark", spec.source
    if spec.normalisation != "none":
        source += f"; divided by: {spec.normalisation}"
    if spec.min_samples > 1:
        source += f"; needs {spec.min_samples} predictions in each set"
    return f"`{spec.name}`", spec.label, axis, spec.unit, better, spec.description, source


def document() -> str:
    """Return the page of all built-in metrics."""
    formulas = "\n".join(f"### `{spec.name}`\n\n$$\n{spec.formula}\n$$\n" for spec in METRICS.values() if spec.formula)
    return f"{INTRODUCTION}\n{table(HEAD, map(row_for, METRICS.values()))}{NOTATION}\n{formulas}"
