"""Renamed settings: keys keep their first spelling, and the old name is answered with the new one."""

from __future__ import annotations

import pytest

from augment.lookup.key_spellings import MIXING_SET, RECIPE, in_keys
from augment.lookup.parameters import nearest
from augment.mixing_sets.identity import identity
from augment.mixing_sets.registry import MIXING_SETS


@pytest.mark.parametrize(
    ("owner", "settings", "keyed"),
    [
        (MIXING_SET, {"num_images": 3, "seed": 0}, {"num_pictures": 3, "seed": 0}),
        (MIXING_SET, {"name": "pixmix-images"}, {"name": "pixmix-pictures"}),
        ("pixmix-iterative", {"images": 4}, {"pictures": 4}),
        ("pixmix", {"beta": 3.0, "rounding": "none"}, {"beta": 3.0}),
        ("mix-aug", {"rounding": "uint8"}, {"rounding": "uint8"}),
        (RECIPE, {"precision": "tf32", "deterministic": False}, {"precision": "fp32"}),
        (RECIPE, {"precision": "fp32", "deterministic": True}, {"precision": "ieee-fp32", "deterministic": True}),
        (RECIPE, {"precision": "bf16"}, {"precision": "bf16"}),
        (RECIPE, {"gradient_compression": "none"}, {}),
        (RECIPE, {"gradient_compression": "bf16"}, {"gradient_compression": "bf16"}),
        ("a-package", {"precision": "fp32", "deterministic": False}, {"precision": "fp32", "deterministic": False}),
        ("a-package", {"images": 4, "num_images": 2}, {"images": 4, "num_images": 2}),
        ("c-generated", {"frost": "images", "kinds": ["fog"]}, {"frost": "pictures", "kinds": ["fog"]}),
    ],
)
def test_keys_keep_the_first_spelling(owner: str, settings: dict[str, object], keyed: dict[str, object]) -> None:
    assert in_keys(owner, settings) == keyed


def test_a_mixing_set_is_identified_by_the_first_spelling_of_its_settings() -> None:
    facts = identity(MIXING_SETS["stylegan-oriented"], 5, 32, 3, 0, {"images_per_network": 7})

    assert facts["num_pictures"] == 5
    assert facts["config"]["pictures_per_network"] == 7
    assert identity(MIXING_SETS["pixmix-images"], 5, 32, 3, 0, {})["name"] == "pixmix-pictures"


@pytest.mark.parametrize(("old", "new"), [("num_pictures", "num_images"), ("pixmix-pictures", "pixmix-images")])
def test_a_name_of_before_is_answered_with_the_one_of_today(old: str, new: str) -> None:
    assert nearest(old, ["seed"]).startswith(f" (it is now '{new}')")
