"""No option of a number is without a bound: of methods, mixing sets, benchmarks, recipes and models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest

from augment.lookup.parameters import typed_values
from augment.mixing_sets.registry import MIXING_SETS
from augment.registry import METHODS
from eval.benchmarks.registry import BENCHMARKS
from trainers.config import RecipeConfig
from trainers.errors import ImpossibleJob
from trainers.models.registry import MODELS

BEYOND = 2 * 10**9


def numeric_options() -> Iterator[tuple[type, str]]:
    described = (*METHODS.values(), *MIXING_SETS.values(), *BENCHMARKS.values())
    for config in dict.fromkeys([RecipeConfig, *(each.config for each in described)]):
        hints = get_type_hints(config)
        for field in fields(config) if is_dataclass(config) else ():
            if {int, float} & {hints[field.name], *get_args(hints[field.name])}:
                yield config, field.name


@pytest.mark.parametrize(
    ("config", "name"), list(numeric_options()), ids=lambda value: getattr(value, "__name__", value)
)
def test_a_number_that_no_option_has_is_refused_where_it_is_parsed(config: type, name: str) -> None:
    hint = get_type_hints(config)[name]
    value: Any = [BEYOND] if Ellipsis in get_args(hint) else BEYOND
    with pytest.raises(ValueError, match=f"^{name} must be "):
        typed_values(config, {name: value})


def test_there_are_such_options_of_every_kind() -> None:
    assert len(list(numeric_options())) > 60


@pytest.mark.parametrize("name", [name for name, spec in MODELS.items() if "dropout" in spec.params])
def test_a_number_that_no_option_of_a_model_has_is_refused(name: str) -> None:
    with pytest.raises(ImpossibleJob, match=r"must be in \[0, 1\)"):
        MODELS[name].resolve({"dropout": BEYOND})
