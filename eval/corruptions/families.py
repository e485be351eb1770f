"""The generated benchmarks of single images by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from augment.lookup.parameters import nearest
from eval.corruptions.c.registry import CORRUPTIONS
from eval.corruptions.cbar.registry import CBAR_CORRUPTIONS
from eval.corruptions.contract import SEVERITIES, Corruption, Parameters, check_side, nearest_scale
from eval.corruptions.mnist.registry import MNIST_CORRUPTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A set of corruptions with their severities.

    Attributes:
        name: Key in `FAMILIES`.
        kinds: The corruptions by name.
        severities: The severities that exist.
    """

    name: str
    kinds: Mapping[str, Corruption]
    severities: tuple[int, ...]

    def corruption(self, kind: str) -> Corruption:
        """Return a corruption by name.

        Raises:
            ValueError: If it is unknown; names the nearest known one.
        """
        if kind not in self.kinds:
            raise ValueError(f"unknown corruption {kind!r} of {self.name!r}{nearest(kind, self.kinds)}")
        return self.kinds[kind]

    def at(self, kind: str, severity: int, side: int) -> tuple[int, Parameters]:
        """Return the scale and the parameters for an image with this shorter side.

        Raises:
            ValueError: If the severity does not exist.
        """
        if severity not in self.severities:
            known = ", ".join(map(str, self.severities))
            raise ValueError(f"the severity of '{kind}' must be one of {known}, but got {severity}")
        scale = nearest_scale(side)
        return scale, self.kinds[kind].at(severity, scale)

    def without_effect(
        self, kinds: Sequence[str], severities: Sequence[int], *, side: int, channels: int
    ) -> dict[str, tuple[int, ...]]:
        """Return the severities at which a kind leaves every image of this shorter side as it is, for kinds that have such.

        Raises:
            ValueError: If a kind or a severity does not exist.
        """
        idle = {
            kind: tuple(
                level
                for level in severities
                if not self.corruption(kind).changes(self.at(kind, level, side)[1], channels)
            )
            for kind in kinds
        }
        return {kind: levels for kind, levels in idle.items() if levels}


FAMILIES: Final[Mapping[str, Family]] = {
    "c": Family(name="c", kinds=CORRUPTIONS, severities=SEVERITIES),
    "cbar": Family(name="cbar", kinds=CBAR_CORRUPTIONS, severities=SEVERITIES),
    "mnist-c": Family(name="mnist-c", kinds=MNIST_CORRUPTIONS, severities=(1,)),
}


def check_effect(family: str, kinds: Sequence[str], severities: Sequence[int], *, side: int, channels: int) -> None:
    """Refuse corruptions that leave every image of this shorter side and number of channels as it is, and too small images.

    Raises:
        ValueError: With each such corruption and its severities; or if a name is unknown.
    """
    check_side(side)
    idle = family_named(family).without_effect(kinds, severities, side=side, channels=channels)
    if idle:
        named = "; ".join(f"{kind} at severities {', '.join(map(str, levels))}" for kind, levels in idle.items())
        what = "grey images" if channels == 1 else f"images of {side} px"
        raise ValueError(f"these corruptions do not change {what}: {named}; leave them out")


def family_named(name: str) -> Family:
    """Return a family.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in FAMILIES:
        raise ValueError(f"unknown family of corruptions '{name}'; known: {', '.join(sorted(FAMILIES))}")
    return FAMILIES[name]
