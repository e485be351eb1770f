"""A perturbation's output may change only with its semantics version.

`perturbation_semantics.json` keeps three frames of a fixed image per kind and semantics version. After raising a version (or
adding a kind) run it with DREAMGRID_WRITE_DIGESTS=1; it never overwrites an entry. Entries of version 2 are the output of the
published script (hendrycks/robustness, make_cifar_p; OpenCV 5.0, ImageMagick 6.9.11, SciPy 1.17, scikit-image 0.26), given our
random numbers: ours agree with them in every value.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from eval.perturbations.frames import perturb
from eval.perturbations.p.registry import PERTURBATIONS

RECORD = Path(__file__).with_name("perturbation_semantics.json")


def entry_name(kind: str) -> str:
    return f"{kind}@{PERTURBATIONS[kind].semantics}"


def fixed_output(kind: str) -> np.ndarray:
    rows, columns, colours = np.mgrid[:20, :20, :3]
    image = (rows * 9 + columns * (4 + 3 * colours) + 40 * ((rows // 5 + columns // 4) % 2)) % 256
    frames = perturb(image[None].astype(np.uint8), kind, fingerprint="fixed", indices=np.array([7]))[0]
    return frames[[0, 1, len(frames) - 1]]


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_the_output_changes_only_with_the_semantics_version(kind: str) -> None:
    record = json.loads(RECORD.read_text())
    name = entry_name(kind)
    output = fixed_output(kind)
    if os.environ.get("DREAMGRID_WRITE_DIGESTS") and name not in record:
        packed = base64.b64encode(zlib.compress(output.tobytes(), 9)).decode()
        record[name] = {"sha256": hashlib.sha256(output.tobytes()).hexdigest(), "bytes": packed}
        RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    assert name in record, f"'{name}' is not recorded; run this test with DREAMGRID_WRITE_DIGESTS=1"
    if hashlib.sha256(output.tobytes()).hexdigest() == record[name]["sha256"]:
        return
    before = np.frombuffer(zlib.decompress(base64.b64decode(record[name]["bytes"])), dtype=np.uint8).reshape(
        output.shape
    )
    gap = np.abs(output.astype(int) - before)
    rule = f"'{name}' changed in {(gap > 0).mean():.2%} of values by up to {gap.max()}: raise its semantics version"
    thresholded = kind in ("snow", "spatter")
    assert (gap > 0).mean() <= (0.02 if thresholded else 0.002), rule
    assert gap.max() <= 1 or thresholded, rule
