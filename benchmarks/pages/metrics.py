"""The page of metrics: what each says, its unit and direction, its formula and where that comes from."""

from __future__ import annotations

from typing import Final

from benchmarks.pages.markdown import GENERATED, table
from eval.metrics.contract import MetricSpec
from eval.metrics.registry import METRICS

INTRODUCTION: Final = f"""# Metrics

All metrics, named by the second part of a column (`clean/rms`). {GENERATED}
"""

OWN: Final = """
## Your own metrics

A metric is a pure function of the predictions that are kept of an evaluation, with a `MetricSpec`. An installed package
adds one under the entry points `dreamgrid.metrics`:

```python
# mine/metrics.py
import numpy as np
from benchmarks.pages.markdown import GENERATED, table
from eval.metrics.contract import MetricSpec


def brier(predictions):  # an eval.predictions.Predictions: one set of labelled images
    return float(np.mean((1.0 - predictions.true_probability) ** 2))


BRIER = MetricSpec(
    name="brier",
    label="Brier",
    unit="fraction",
    lower_is_better=True,
    axis="calibration",
    compute=brier,
    description="Mean squared gap of the true class's probability.",
    source="Brier, 1950",
)
```

```toml
# pyproject.toml
[project.entry-points."dreamgrid.metrics"]
brier = "mine.metrics:BRIER"
```

`columns: [clean/brier, c/brier, c/brier/fog]` then shows it in a sweep's table. It is computed from the predictions in the
storage, so nothing is evaluated again, and `dreamgrid evaluate` lists it. `of` says what `compute` takes: `images` (one set of
labelled images: `clean`, `c`, `cbar`, `mnist-c`, `r`), `outliers` (an outlier set, and the test images that it is compared
with: `ood`) or `sequences` (ranked classes of frames, and whether a frame is compared with the previous or the first one: `p`).
A fine row is the mean over its sets, a benchmark the mean over its fine rows. If no predictions are kept, the entry is
"undefined" and a footnote says why. A name of a built-in metric is refused, so no column mixes two definitions; the package,
its version and the hash of its code are below the table.
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
    return f"{INTRODUCTION}\n{table(HEAD, map(row_for, METRICS.values()))}{NOTATION}\n{formulas}{OWN}"
