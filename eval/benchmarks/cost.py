"""What an evaluation costs, before it runs: images put through the network, counted from the parameters. Light.

Tests hold this equal to what the suite counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eval.benchmarks.registry import benchmark_for
from eval.metrics.scores import OOD_SHARE

if TYPE_CHECKING:
    from eval.benchmarks.contract import BenchmarkRequest

BACKWARD_COST: Final = 1.7
"""A step of an attack costs about 2.7 forward passes: one forward, the rest backward."""

IMAGE_SET_SIZE: Final = 10_000
"""Assumed images of an outlier set whose size is not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Images put through a network.

    Attributes:
        forward: Forward passes.
        backward: Backward passes (attacks only).
    """

    forward: int
    backward: int = 0

    def in_forward_passes(self) -> float:
        """Return the cost in the unit of one forward pass of one image."""
        return self.forward + BACKWARD_COST * self.backward


def benchmark_cost(
    name: str, params: Mapping[str, object], *, num_images: int, side: int, set_sizes: Mapping[str, int] | None = None
) -> Cost:
    """Return the cost of one benchmark, without the clean predictions that it shares with others.

    Args:
        name: Name of the benchmark.
        params: Its parameters.
        num_images: Images of the test split.
        side: Shorter side of the images in pixels.
        set_sizes: Images of outlier sets by name, where known.

    Raises:
        EvalError: If the benchmark or a parameter is unknown.
    """
    config: Any = benchmark_for(name).config_of(params)
    limit = getattr(config, "max_images", None)
    used = num_images if limit is None else min(limit, num_images)
    if name.startswith("pgd"):
        rounds = used * getattr(config, "restarts", 1)
        return Cost(forward=rounds * (config.steps + 1), backward=rounds * config.steps)
    if name.startswith("ood"):
        return Cost(forward=_outlier_images(config, used, set_sizes or {}))
    if name in ("p", "p-generated"):
        from eval.perturbations.p.registry import num_frames

        return Cost(forward=used * sum(num_frames(kind, side) for kind in config.chosen))
    return Cost(forward=used * _num_sets(name, config))


def shares_clean(name: str) -> bool:
    """Return whether a benchmark looks at the clean predictions, which are made once per evaluation and limit."""
    return name == "clean" or name.startswith("ood")


def suite_cost(
    requests: Sequence[BenchmarkRequest], *, num_images: int, side: int, set_sizes: Mapping[str, int] | None = None
) -> Cost:
    """Return the cost of several benchmarks in one evaluation.

    Raises:
        EvalError: If a benchmark or a parameter is unknown.
    """
    forward, backward, limits = 0, 0, set()
    for request in requests:
        cost = benchmark_cost(request.name, request.params, num_images=num_images, side=side, set_sizes=set_sizes)
        forward, backward = forward + cost.forward, backward + cost.backward
        if shares_clean(request.name):
            limit = request.params.get("max_images")
            limits.add(min(limit, num_images) if isinstance(limit, int) else num_images)
    return Cost(forward=forward + sum(limits), backward=backward)


def _num_sets(name: str, config: Any) -> int:
    """Return over how many versions of the test images a benchmark runs, clean ones shared with others left out."""
    if name == "clean":
        return 0
    if name in ("c", "c-generated"):
        return len(config.kinds) * len(config.severities)
    if name in ("cbar", "cbar-generated"):
        return (10 if config.kinds is None else len(config.kinds)) * len(config.severities)
    if name in ("mnist-c", "mnist-c-generated"):
        return len(config.kinds)
    return 1


def _outlier_images(config: Any, used: int, set_sizes: Mapping[str, int]) -> int:
    from eval.outliers.sets import OUTLIER_SETS

    drawn = max(1, used // OOD_SHARE) * config.repeats
    return sum(drawn if name in OUTLIER_SETS else set_sizes.get(name, IMAGE_SET_SIZE) for name in config.sets)
