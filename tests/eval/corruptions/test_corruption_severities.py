"""The parameter tables and the rule between scales."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from eval.corruptions.c.registry import CORRUPTIONS
from eval.corruptions.contract import SCALES, SEVERITIES, nearest_scale
from eval.corruptions.families import FAMILIES


@pytest.mark.parametrize(
    ("side", "scale"),
    [
        (8, 28),
        (28, 28),
        (30, 32),
        (32, 32),
        (45, 32),
        (46, 64),
        (64, 64),
        (96, 64),
        (119, 64),
        (120, 224),
        (224, 224),
        (600, 224),
    ],
)
def test_the_nearest_scale_in_log_decides(side: int, scale: int) -> None:
    assert nearest_scale(side) == scale


@pytest.mark.parametrize("scale", SCALES)
def test_every_corruption_has_five_severities_of_equal_arity_at_every_scale(scale: int) -> None:
    for kind, corruption in CORRUPTIONS.items():
        assert {len(rows) for rows in corruption.parameters.values()} == {5}, kind
        assert len({len(corruption.at(severity, scale)) for severity in SEVERITIES}) == 1, kind


def test_an_entry_bears_the_name_that_its_family_lists_it_by() -> None:
    for family in FAMILIES.values():
        assert [each.name for each in family.kinds.values()] == list(family.kinds)


def test_some_published_values() -> None:
    at = FAMILIES["c"].at
    assert at("gaussian_noise", 5, 32) == (32, (0.10,))
    assert at("gaussian_noise", 5, 224) == (224, (0.38,))
    assert at("jpeg_compression", 1, 64) == (64, (65,))
    assert at("snow", 5, 64)[1][-1] == 0.6
    assert at("snow", 5, 32)[1][-1] == 0.8
    assert at("elastic_transform", 2, 224)[1] == (2, 0.08, 0.2)


def test_zoom_factors_keep_the_extra_steps_of_floating_point_ranges() -> None:
    from eval.corruptions.c.blur import zoom_factors

    counts = [[len(zoom_factors(*row)) for row in CORRUPTIONS["zoom_blur"].parameters[scale]] for scale in (32, 224)]
    assert counts == [[7, 12, 16, 21, 26], [12, 16, 11, 13, 11]]
    assert np.isclose(zoom_factors(1.16, 0.01)[-1], 1.15)


def test_registries_import_no_heavy_library() -> None:
    code = (
        "import sys, eval.corruptions.families, eval.outliers.sets;"
        "heavy = {'numba', 'scipy', 'torch', 'pandas', 'torchvision'} & sys.modules.keys(); sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).returncode == 0
