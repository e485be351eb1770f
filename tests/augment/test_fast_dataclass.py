"""The fast dataclass against the standard library's, on the same class bodies."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.configs import CutoutConfig
from augment.fast_dataclass import dataclass

KEYWORDS = {"frozen": True, "slots": True, "kw_only": True}


def _classes(options: dict[str, bool], decorator: Callable[..., Any]) -> tuple[type, type, type]:
    @decorator(**options)
    class Sized:
        """Fields of every kind."""

        name: str
        size: int = 3
        parts: list[int] = field(default_factory=list)
        note: str = field(default="-", repr=False, compare=False)

        def __post_init__(self) -> None:
            if self.size < 0:
                raise ValueError(f"size must be at least 0, but got {self.size}")

        @property
        def label(self) -> str:
            return f"{self.name}:{self.size}"

    @decorator(**options)
    class Empty:
        """No field."""

    @decorator(**KEYWORDS)
    class Extended(Sized):
        """One field more."""

        extra: bool = False

        def __repr__(self) -> str:
            return "shown as it likes"

    return Sized, Empty, Extended


OPTIONS = [KEYWORDS, {"frozen": True, "slots": True}]


@pytest.fixture(params=OPTIONS, ids=["keywords", "positions"])
def pair(request: pytest.FixtureRequest) -> tuple[tuple[type, type, type], tuple[type, type, type]]:
    return _classes(request.param, dataclass), _classes(request.param, dataclasses.dataclass)


def _outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize(
    "call",
    [
        lambda cls: repr(cls(name="a")),
        lambda cls: repr(cls(name="a", size=4, parts=[1], note="n")),
        lambda cls: cls(name="a").label,
        lambda cls: cls(name="a", size=-1),
        lambda cls: cls(),
        lambda cls: cls(name="a", sise=4),
        lambda cls: repr(cls("a")),
        lambda cls: cls("a", 1, [], "n", 5),
        lambda cls: setattr(cls(name="a"), "size", 5),
        lambda cls: delattr(cls(name="a"), "size"),
        lambda cls: hash(cls(name="a")),
        lambda cls: cls(name="a").__dict__,
        lambda cls: cls(name="a") == cls(name="a", note="other"),
        lambda cls: cls(name="a") == cls(name="b"),
        lambda cls: cls(name="a") == ("a", 3, []),
        lambda cls: cls(name="a").parts is cls(name="a").parts,
        lambda cls: repr(dataclasses.replace(cls(name="a"), size=7)),
        lambda cls: dataclasses.replace(cls(name="a"), size=-7),
        lambda cls: dataclasses.asdict(cls(name="a", parts=[2])),
        lambda cls: dataclasses.astuple(cls(name="a")),
        lambda cls: [(each.name, each.type, each.kw_only) for each in dataclasses.fields(cls)],
        lambda cls: repr(copy.copy(cls(name="a", size=9))),
        lambda cls: repr(copy.deepcopy(cls(name="a", parts=[1]))),
        lambda cls: cls.__match_args__,
        lambda cls: cls.__init__.__qualname__ if cls(name="a") else None,
        lambda cls: cls.__dataclass_params__,
    ],
)
def test_it_behaves_as_the_standard_one(pair: Any, call: Callable[[type], Any]) -> None:
    ours, standard = pair

    assert str(_outcome(lambda: call(ours[0]))) == str(_outcome(lambda: call(standard[0])))


def test_a_class_without_fields_and_one_that_extends_another_behave_as_standard_ones(pair: Any) -> None:
    (_, empty, extended), (_, standard_empty, standard_extended) = pair

    assert empty() == empty()
    assert empty() != standard_empty()
    assert repr(empty()) == repr(standard_empty())
    assert len({empty(), empty()}) == 1
    value, standard = extended(name="a", extra=True), standard_extended(name="a", extra=True)
    assert repr(value) == repr(standard) == "shown as it likes"
    assert dataclasses.asdict(value) == dataclasses.asdict(standard)
    assert value != extended(name="a")
    assert value == extended(name="a", extra=True, note="other")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'extra'"):
        value.extra = False
    with pytest.raises(ValueError, match="at least 0"):
        extended(name="a", size=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A value that crosses between processes."""

    key: str
    values: tuple[float, ...] = ()


@given(st.text(), st.lists(st.floats(allow_nan=False)).map(tuple))
def test_a_value_survives_the_way_to_another_process(key: str, values: tuple[float, ...]) -> None:
    value = Sent(key=key, values=values)

    again = pickle.loads(pickle.dumps(value))

    assert again == value
    assert hash(again) == hash(value)
    assert (value == Sent(key=key + "x", values=values)) is False


def test_the_first_value_of_a_process_may_come_by_pickle() -> None:
    """`__init__` is compiled on demand, and unpickling never asks for it."""
    sent = pickle.dumps(CutoutConfig(side_fraction=0.25))
    code = f"import pickle; value = pickle.loads({sent!r}); print(value, value == type(value)(side_fraction=0.25))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == f"{CutoutConfig(side_fraction=0.25)!r} True\n"


def test_other_options_are_the_standard_librarys() -> None:
    @dataclass
    class Plain:
        size: int = 1

    @dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        size: int = 1

    plain = Plain()
    plain.size = 2
    assert plain == Plain(size=2)
    assert Ordered(1) < Ordered(2)
    assert not hasattr(Plain, "__compared__")
    assert not hasattr(Ordered, "__compared__")
