"""Keys: the same for the same meaning, in any process; different for anything else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.cells.keys import canonical_json, digest, digest_of_plain, plain
from trainers.config import RecipeConfig

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def reordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return tuple(reordered(item) for item in value)
    return value


@given(values)
def test_order_of_keys_and_kind_of_sequence_do_not_matter(value: object) -> None:
    assert canonical_json(value) == canonical_json(reordered(value))


@given(values)
def test_canonical_form_is_a_fixed_point(value: object) -> None:
    assert plain(plain(value)) == plain(value)
    assert digest_of_plain(plain(value)) == digest(value)


@given(st.integers(min_value=-(2**53), max_value=2**53))
def test_whole_floats_equal_integers(number: int) -> None:
    assert digest(float(number)) == digest(number)


def test_known_text_of_a_known_value() -> None:
    assert (
        canonical_json({"b": [1.0, 0.1, -0.0], "a": (True, None, "é")}) == '{"a":[true,null,"\\u00e9"],"b":[1,0.1,0]}'
    )


def test_true_is_not_one() -> None:
    assert digest({"a": True}) != digest({"a": 1})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused_with_their_place(number: float) -> None:
    with pytest.raises(ValueError, match=r"value\.lr\[1\].*finite"):
        canonical_json({"lr": [1, number]})


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", {1: "a"}])
def test_values_without_a_canonical_form_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


def test_a_dataclass_is_the_mapping_of_its_fields() -> None:
    recipe = RecipeConfig()

    assert digest(recipe) == digest({name: getattr(recipe, name) for name in RecipeConfig.__dataclass_fields__})


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_keys_are_the_same_in_every_process(hash_seed: str) -> None:
    value = {"method": "pixmix", "params": {"beta": 3.0, "max_rounds": 4}, "seeds": [0, 1], "x": 1e-6}
    code = f"from orchestration.cells.keys import digest; print(digest({value!r}))"

    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.strip() == digest(value)
