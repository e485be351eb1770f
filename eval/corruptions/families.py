"""The generated benchmarks of single pictures by name. Light: imports no NumPy."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from eval.corruptions.cbar import CBAR_CORRUPTIONS, cbar_parameters
from eval.corruptions.mnist_c import MNIST_CORRUPTIONS, mnist_parameters
from eval.corruptions.registry import CORRUPTIONS, Corruption
from eval.corruptions.severities import SEVERITIES, TABLES, nearest_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A set of corruptions with their severities.

    Attributes:
        name: Key in `FAMILIES`.
        kinds: The corruptions by name.
        severities: The severities that exist.
        parameters: (kind, severity, scale) -> parameters.
    """

    name: str
    kinds: Mapping[str, Corruption]
    severities: tuple[int, ...]
    parameters: Callable[[str, int, int], tuple[float, ...]]

    def corruption(self, kind: str) -> Corruption:
        """Return a corruption by name.

        Raises:
            ValueError: If it is unknown; names the nearest known one.
        """
        if kind not in self.kinds:
            near = difflib.get_close_matches(kind, self.kinds, n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise ValueError(
                f"unknown corruption '{kind}' of '{self.name}'{hint}; known: {', '.join(sorted(self.kinds))}"
            )
        return self.kinds[kind]

    def at(self, kind: str, severity: int, side: int) -> tuple[int, tuple[float, ...]]:
        """Return the scale and the parameters for a picture with this shorter side.

        Raises:
            ValueError: If the severity does not exist.
        """
        if severity not in self.severities:
            known = ", ".join(map(str, self.severities))
            raise ValueError(f"the severity of '{kind}' must be one of {known}, but got {severity}")
        scale = nearest_scale(side)
        return scale, self.parameters(kind, severity, scale)


def _c_parameters(kind: str, severity: int, scale: int) -> tuple[float, ...]:
    return TABLES[scale][kind][severity - 1]


FAMILIES: Final[Mapping[str, Family]] = {
    "c": Family(name="c", kinds=CORRUPTIONS, severities=SEVERITIES, parameters=_c_parameters),
    "cbar": Family(name="cbar", kinds=CBAR_CORRUPTIONS, severities=SEVERITIES, parameters=cbar_parameters),
    "mnist-c": Family(name="mnist-c", kinds=MNIST_CORRUPTIONS, severities=(1,), parameters=mnist_parameters),
}


def family_named(name: str) -> Family:
    """Return a family.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in FAMILIES:
        raise ValueError(f"unknown family of corruptions '{name}'; known: {', '.join(sorted(FAMILIES))}")
    return FAMILIES[name]
