"""Compile every kernel once, so that no training step pays for it: `python -m augment.warm`.

Each kernel module lists its own warm-up calls in `WARM_UP`: functions without arguments that run its kernels on tiny pictures
with the argument types used in production.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import Final

from augment.compiled import cache_folder, compile_lock

KERNEL_MODULES: Final[tuple[str, ...]] = ("augment.counters",)
"""Modules of this package with a `WARM_UP` tuple."""


def warm(modules: Iterable[str] = KERNEL_MODULES, *, tell: Callable[[str], None] | None = None) -> float:
    """Run every warm-up call of the modules under the compile lock and return the seconds it took."""
    started = time.monotonic()
    with compile_lock():
        for name in modules:
            before = time.monotonic()
            for call in importlib.import_module(name).WARM_UP:
                call()
            if tell is not None and time.monotonic() - before > 1.0:
                tell(f"compiled the kernels of {name} in {time.monotonic() - before:.1f} s")
    return time.monotonic() - started


if __name__ == "__main__":
    seconds = warm(tell=lambda line: sys.stderr.write(line + "\n"))
    sys.stderr.write(f"kernels are ready in {cache_folder()} ({seconds:.1f} s)\n")
