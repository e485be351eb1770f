"""Compile every kernel once, so that no training step pays for it: `python -m trainers.worker.warm_kernels`."""

from __future__ import annotations

import sys
from typing import Final

from augment.kernels import counters, geometry, mixings, operations
from augment.kernels.compiled import WarmUp, num_compiled, warm, warm_ups_of
from augment.kernels.sources import cache_root
from augment.mixing_sets.registry import MIXING_SET_KERNELS
from augment.registry import METHODS
from eval.corruptions.kernels import CORRUPTION_KERNELS
from eval.perturbations.p.registry import PERTURBATIONS

KERNELS: Final[tuple[WarmUp, ...]] = (
    *(call for module in (counters, operations, mixings, geometry) for call in module.WARM_UP),
    *dict.fromkeys(call for method in METHODS.values() for call in method.kernels),
    *MIXING_SET_KERNELS,
    *CORRUPTION_KERNELS,
    *warm_ups_of(each.run for each in PERTURBATIONS.values()),
)
"""All that there are, which a test checks."""


def main() -> None:
    """Compile what is not compiled yet, with a line on stderr for each module that was."""
    seconds = warm(KERNELS, report=lambda line: print(line, file=sys.stderr))  # noqa: T201 - a command's own messages
    sys.stderr.write(f"kernels are ready in {cache_root()} ({seconds:.1f} s, {num_compiled()} compiled)\n")


if __name__ == "__main__":
    main()
