"""Plain values become typed fields in one way for every kind, and a wrong name is answered with the nearest one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from augment.lookup.parameters import NO_FIT, AtMost, build_config, coerce, first_line, nearest, spelled, typed_values


@dataclass(frozen=True, kw_only=True)
class Config:
    radius: float
    steps: int = 1
    norm: Literal["l2", "linf"] = "l2"
    kinds: tuple[str, ...] = ()
    limit: int | None = None
    is_on: bool = False
    sizes: tuple[int, int] = field(default=(1, 2))

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, but got {self.steps}")


class OwnError(Exception):
    pass


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (3, float, 3.0),
        ("2/255", float, 2 / 255),
        (4.0, int, 4),
        (["a", "b"], tuple[str, ...], ("a", "b")),
        ([1, 2], tuple[int, int], (1, 2)),
        (None, int | None, None),
        (1, float | None, 1.0),
        ("1/2", float | str, "1/2"),
        ("l2", Literal["l2", "linf"], "l2"),
        ({"a": 1}, Any, {"a": 1}),
    ],
)
def test_a_value_that_fits_gets_the_type_of_its_field(value: object, hint: Any, expected: object) -> None:
    found = coerce(value, hint)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, float),
        (True, int),
        (1, bool),
        (2.5, int),
        ("many", int),
        ("1/0", float),
        ("1e400", float),
        ("fog", tuple[str, ...]),
        ([1, 2, 3], tuple[int, int]),
        (True, Literal[1]),
        (None, int),
        ("x", int | None),
    ],
)
def test_a_value_that_does_not_fit_is_refused(value: object, hint: Any) -> None:
    with pytest.raises(NO_FIT):
        coerce(value, hint)


def test_all_mistakes_are_reported_at_once_with_rule_value_and_fix() -> None:
    with pytest.raises(OwnError) as refused:
        build_config(
            Config, {"stepz": 1, "norm": "l3", "kinds": "fog", "limit": 1.5}, of="benchmark 'pgd'", error=OwnError
        )

    assert str(refused.value).split("; ") == [
        "parameter 'radius' of benchmark 'pgd' must be given",
        "unknown parameter 'stepz' of benchmark 'pgd' (did you mean 'steps'?)",
        "known: is_on, kinds, limit, norm, radius, sizes, steps",
        "norm of benchmark 'pgd' must be one of 'l2', 'linf', but got 'l3' (did you mean 'l2'?)",
        "kinds of benchmark 'pgd' must be a list of texts, but got 'fog'",
        "write [fog]",
        "limit of benchmark 'pgd' must be a whole number or null, but got 1.5",
    ]


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({"radius": "1e400"}, "radius must be a number, but got '1e400'"),
        ({"kinds": 5}, "kinds must be a list of texts, but got 5"),
        ({"kinds": ""}, "kinds must be a list of texts, but got ''"),
    ],
)
def test_a_list_is_proposed_only_where_the_value_fits_in_it(given: dict[str, object], reported: str) -> None:
    with pytest.raises(OwnError, match=f"^{re.escape(reported)}$"):
        typed_values(Config, given, error=OwnError)


def test_what_the_dataclass_refuses_names_the_owner() -> None:
    with pytest.raises(OwnError, match=r"^benchmark 'pgd': steps must be at least 1, but got 0$"):
        build_config(Config, {"radius": 1, "steps": 0}, of="benchmark 'pgd'", error=OwnError)


def test_fields_may_be_left_out_where_only_changes_are_typed() -> None:
    assert typed_values(Config, {"steps": 2.0}) == {"steps": 2}


def test_types_are_spelled_in_words() -> None:
    assert spelled(tuple[float, ...] | None) == "a list of numbers or null"


def test_the_nearest_name_is_found_in_any_case_and_long_lists_are_cut() -> None:
    assert nearest("DENSITY", ["density", "share"]) == " (did you mean 'density'?); known: density, share"
    assert nearest("zzz", []) == "; known: none"
    assert nearest("q", [f"n{number:02}" for number in range(40)]).endswith("n28, n29, ...")


@dataclass(frozen=True, kw_only=True)
class Bounded:
    steps: Annotated[int, AtMost(100)] = 1
    sizes: tuple[int, ...] = ()
    limit: int | None = None
    share: float = 0.0


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({"steps": 101}, "steps must be a whole number of at most 100, but got 101"),
        ({"steps": 10**400}, "steps must be a whole number of at most 100, but got 1000000000"),
        ({"limit": 10**9 + 1}, "limit must be a whole number or null of at most 1,000,000,000, but got 1000000001"),
        (
            {"limit": -(10**9) - 1},
            "limit must be a whole number or null of at least -1,000,000,000, but got -1000000001",
        ),
        ({"sizes": [1, 10**10]}, "sizes must be a list of whole numbers, but got [1, 10000000000]"),
        ({"share": "1e300"}, "share must be a number, but got '1e300'"),
        ({"share": float("nan")}, "share must be a number, but got nan"),
        ({"steps": "x" * 5000}, "steps must be a whole number, but got 'xxx"),
    ],
)
def test_a_number_beyond_its_bound_is_refused_in_a_short_line(given: dict[str, object], reported: str) -> None:
    with pytest.raises(OwnError, match=f"^{re.escape(reported)}") as refused:
        typed_values(Bounded, given, error=OwnError)
    assert len(str(refused.value)) < 400


def test_numbers_within_their_bounds_are_taken() -> None:
    given = {"steps": 100.0, "sizes": [10**9], "limit": 10**9, "share": -(10**9)}
    assert typed_values(Bounded, given) == {"steps": 100, "sizes": (10**9,), "limit": 10**9, "share": -1e9}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("out of memory\nat line 3", "out of memory"),
        ("\n  late\n", "late"),
        ("", ""),
        (RuntimeError(), ""),
        (" \n", ""),
    ],
)
def test_of_what_a_library_says_the_first_line_is_shown_where_there_is_one(text: object, line: str) -> None:
    assert first_line(text) == line
