"""Compile every kernel once, so that no training step pays for it: `python -m augment.kernels.warm`.

Each kernel module lists its own warm-up calls in `WARM_UP`: functions without arguments that run its kernels on tiny images
with the argument types used in production. Whoever needs a kernel soon (a treatment that is being built, a worker that
starts) calls `warm` with its modules; where the machine code is on disk already this only loads it.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import Final

from augment.kernels.compiled import cache_root, compile_lock, num_compiled

KERNEL_MODULES: Final[tuple[str, ...]] = (
    "augment.kernels.counters",
    "augment.kernels.operations",
    "augment.kernels.mixings",
    "augment.methods.pixmix.kernel",
    "augment.kernels.geometry",
    "augment.methods.cutout",
    "augment.methods.policies.kernel",
    "augment.methods.augmix",
    "augment.methods.noise",
    "augment.mixing_sets.procedural.pixels",
    "augment.mixing_sets.procedural.fractals.flames",
    "augment.mixing_sets.procedural.fractals.escape_time",
    "augment.mixing_sets.procedural.dead_leaves",
    "augment.mixing_sets.procedural.fractaldb",
    "eval.corruptions.fields",
    "eval.corruptions.c.noise",
    "eval.corruptions.gaussian",
    "eval.corruptions.operators",
    "eval.corruptions.taps",
    "eval.corruptions.c.glass",
    "eval.corruptions.c.colour",
    "eval.corruptions.c.weather",
    "eval.corruptions.c.elastic",
    "eval.corruptions.c.edges",
    "eval.corruptions.mnist.thin_edges",
    "eval.corruptions.cbar.warps",
    "eval.corruptions.cbar.marks",
    "eval.corruptions.cbar.waves",
    "eval.perturbations.p.geometric",
)
"""Modules with a `WARM_UP` tuple, by name: those of `eval` too, which is why nothing here imports them before it must."""

LOADER_KERNELS: Final[tuple[str, ...]] = ("augment.kernels.counters", "augment.kernels.geometry")
"""What preparing a batch calls whatever the treatment is: random numbers, crop and flip. Treatments warm their own kernels."""

_warmed: set[str] = set()


def warm(modules: Iterable[str] = KERNEL_MODULES, *, tell: Callable[[str], None] | None = None) -> float:
    """Run every warm-up call of the modules under the compile lock and return the seconds it took.

    Modules that this process has warmed before cost nothing.

    Args:
        modules: Names of kernel modules.
        tell: Called with a line for each module that had kernels to compile.
    """
    waiting = [name for name in modules if name not in _warmed]
    started = time.monotonic()
    if waiting:
        with compile_lock():
            for name in waiting:
                _warm_module(name, tell)
                _warmed.add(name)
    return time.monotonic() - started


def _warm_module(name: str, tell: Callable[[str], None] | None) -> None:
    started, before = time.monotonic(), num_compiled()
    for call in importlib.import_module(name).WARM_UP:
        call()
    compiled = num_compiled() - before
    if tell is not None and compiled:
        tell(f"compiled {compiled} kernels of {name} in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    seconds = warm(tell=lambda line: print(line, file=sys.stderr))  # noqa: T201 - a command's own messages
    sys.stderr.write(f"kernels are ready in {cache_root()} ({seconds:.1f} s, {num_compiled()} compiled)\n")
