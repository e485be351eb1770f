"""What a model is: name, options, how it is built, how much it computes; light to import."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from augment.heavy import torch
from trainers.errors import ImpossibleJob, unknown_name

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInput:
    """What a network is built for: images of one size and number of channels, and K classes."""

    image_size: int
    num_channels: int
    num_classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A network, described.

    Attributes:
        name: As written in sweeps ("wrn-40-4").
        title: Label in tables.
        semantics: Raised by hand whenever the initial weights or the function computed change.
        min_image_size: Smallest side of an image in pixels that it takes.
        params: Options with their defaults.
        choices: Option -> allowed values, for those that have a closed list.
        build: Makes the network without normalisation from options and input; imports its implementation when called.
        layers: The convolutions and linear layers of the network for an input, in groups: number of weights (without biases), and
            how many positions of the output each weight is used at. None where no formula is known: the network is then built
            once to be counted (`trainers.models.counting`).
        published_name: From the name of a weight in published code to ours, or None where names are taken as they are.
        source: Paper and reference code.
        code: What identifies the code of a plug-in, filled in by the look-up; None for what is built in.
    """

    name: str
    title: str
    semantics: int
    min_image_size: int
    build: Callable[[Params, ModelInput], torch.nn.Module]
    source: str
    params: Params = field(default_factory=dict)
    choices: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    layers: Callable[[ModelInput], Iterable[tuple[int, int]]] | None = None
    published_name: Callable[[str], str] | None = None
    code: Mapping[str, str] | None = None

    def resolve(self, given: Params) -> dict[str, Any]:
        """Return all options: the defaults, overridden by those given.

        Raises:
            UnknownName: If an option is not one of this model's.
            ImpossibleJob: If a value is not allowed.
        """
        for option, value in given.items():
            if option not in self.params:
                raise unknown_name(f"option of model {self.name!r}", option, self.params)
            self._check(option, value)
        return {**self.params, **given}

    def _check(self, option: str, value: object) -> None:
        allowed = self.choices.get(option)
        if allowed is not None and value not in allowed:
            listed = ", ".join(repr(choice) for choice in allowed)
            raise ImpossibleJob(f"option {option!r} of model {self.name!r} must be one of {listed}, but got {value!r}")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if option == "dropout" and not (is_number and 0.0 <= value < 1.0):  # type: ignore[operator]
            raise ImpossibleJob(f"option 'dropout' of model {self.name!r} must be in [0, 1), but got {value!r}")


def renamed(name: str, heads: Mapping[str, str]) -> str:
    """Return the name of a weight with its first word replaced by what a mapping has for it."""
    first, dot, rest = name.partition(".")
    return f"{heads.get(first, first)}{dot}{rest}"
