"""A corruption's output may change only with its semantics version.

`corruption_semantics.json` keeps, per kind and semantics version, what a fixed image became: a digest, and the bytes for
machines whose rounding differs. After raising a version (or adding a kind) run this file with DREAMGRID_WRITE_DIGESTS=1; it never
overwrites.
Entries of version 2 are the output of the published functions (hendrycks/robustness, google-research/mnist-c; OpenCV 5.0,
ImageMagick 6.9.11, SciPy 1.17, scikit-image 0.26), given our random numbers: ours agree with them in every value.
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

from eval.corruptions.families import FAMILIES
from eval.corruptions.generate import corrupt

RECORD = Path(__file__).with_name("corruption_semantics.json")
KINDS = [(family.name, kind) for family in FAMILIES.values() for kind in family.kinds]


def entry_name(family: str, kind: str) -> str:
    return f"{family}/{kind}@{FAMILIES[family].kinds[kind].semantics}"


def fixed_output(family: str, kind: str) -> np.ndarray:
    rows, columns, colours = np.mgrid[:20, :20, :3]
    image = (rows * 9 + columns * (4 + 3 * colours) + 40 * ((rows // 5 + columns // 4) % 2)) % 256
    levels = FAMILIES[family].severities
    made = [
        corrupt(image[None].astype(np.uint8), kind, level, fingerprint="fixed", indices=np.array([7]), family=family)
        for level in sorted({levels[0], levels[-1]})
    ]
    return np.concatenate(made)


@pytest.mark.parametrize(("family", "kind"), KINDS, ids=[f"{family}-{kind}" for family, kind in KINDS])
def test_the_output_changes_only_with_the_semantics_version(family: str, kind: str) -> None:
    record = json.loads(RECORD.read_text())
    name = entry_name(family, kind)
    output = fixed_output(family, kind)
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
    moved = (gap > 0).mean()
    allowed = 0.02 if FAMILIES[family].kinds[kind].is_thresholded else 0.002
    rule = f"'{name}' changed in {moved:.2%} of values by up to {gap.max()}: raise its semantics version"
    assert moved <= allowed, rule
    assert gap.max() <= 1 or FAMILIES[family].kinds[kind].is_thresholded, rule
