"""A soak test: many cells without training over several groups of workers, a random fault every few seconds, bounded in time.

`python -m tests.faults.soak --minutes 20 --seed 3` prints how the memory and the file handles of the driver grow, and
what was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from tests.faults.harness import processes
from tests.faults.harness.driver import Driver
from tests.faults.harness.recorded import plan_of
from tests.faults.harness.scene import Scene, new_scene
from tests.faults.harness.workloads import no_ops

KINDS = ("worker", "worker", "controller", "trial", "writer")
SIGNALS = ("SIGKILL", "SIGKILL", "SIGSTOP")
HELD_S = 2.0
SAMPLE_S = 1.0
WARM_UP_S = 60.0
"""So long the driver may grow: libraries are loaded and caches filled."""
MIB = 2**20
SLOPE_LIMIT = {"memory": 1.0, "handles": 1.0}
"""MiB, and handles, a minute: above that something grows with each fault."""


@dataclass
class Watched:
    """What was seen of a driver.

    Attributes:
        samples: Seconds since the start, MiB of resident memory, open handles.
        struck: Signal and kind of each fault.
    """

    samples: list[tuple[float, float, int]] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)

    def slope(self, column: int) -> float:
        """Return the growth a minute of a column of the samples after the warm-up, by least squares."""
        kept = [sample for sample in self.samples if sample[0] >= min(WARM_UP_S, self.samples[-1][0] / 2)]
        middle = sum(sample[0] for sample in kept) / len(kept)
        mean = sum(sample[column] for sample in kept) / len(kept)
        spread = sum((sample[0] - middle) ** 2 for sample in kept)
        shared = sum((sample[0] - middle) * (sample[column] - mean) for sample in kept)
        return 60 * shared / spread if spread else 0.0


def watch(driver: Driver, chance: random.Random, *, seconds: float, every_s: float) -> Watched:
    """Hit a driver's helpers until it ends or the time is over, and measure it meanwhile."""
    seen, began, next_fault = Watched(), time.monotonic(), time.monotonic() + every_s
    while driver.is_running and time.monotonic() - began < seconds:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(driver.pid)
            sample = (time.monotonic() - began, process.memory_info().rss / MIB, process.num_fds())
            seen.samples.append(sample)
        if time.monotonic() >= next_fault and driver.events("state"):
            next_fault += every_s
            _strike(driver, chance, seen)
        time.sleep(SAMPLE_S)
    return seen


def _strike(driver: Driver, chance: random.Random, seen: Watched) -> None:
    kind, name = chance.choice(KINDS), chance.choice(SIGNALS)
    with contextlib.suppress(psutil.Error):
        found = processes.find(driver.pid, kind)
        if not found:
            return
        victim = chance.choice(found)
        seen.struck.append(f"{name} to {kind}")
        if name == "SIGKILL":
            victim.kill()
            return
        victim.suspend()
        time.sleep(HELD_S)
        victim.resume()


def report(scene: Scene, seen: Watched, code: int | None) -> tuple[list[str], bool]:
    """Return the summary, and whether everything held."""
    plan, store = plan_of(scene.sweep, scene.storage)
    results = store.results(cell.train_key for cell in plan.cells)
    done = sum(cell.is_done for cell in plan.cells)
    failed = [cell for cell in plan.cells if cell.failed and not cell.is_done]
    doubled = sum(len(store.storage.names(f"results/{key}")) != 1 for key in results)
    lost = len(plan.cells) - done - len(failed) if code == 0 else 0
    slopes = {"memory": seen.slope(1), "handles": seen.slope(2)}
    last = seen.samples[-1]
    lines = [
        f"exit code {code}; {done} of {len(plan.cells)} cells done in {last[0]:.0f} s, {len(failed)} failed, "
        f"lost {lost}, doubled {doubled}",
        f"{len(seen.struck)} faults: "
        + ", ".join(f"{seen.struck.count(name)} {name}" for name in sorted(set(seen.struck))),
        f"memory of the driver: {seen.samples[0][1]:.0f} to {last[1]:.0f} MiB, slope {slopes['memory']:+.2f} MiB a minute",
        f"handles of the driver: {seen.samples[0][2]} to {last[2]}, slope {slopes['handles']:+.2f} a minute",
        *(f"failed: {cell.cell_id}: {cell.failed}" for cell in failed[:5]),
    ]
    is_flat = all(slopes[name] <= limit for name, limit in SLOPE_LIMIT.items())
    return lines, is_flat and not (lost or doubled or failed) and code in (0, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak test; return 1 if something was lost or doubled, or grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="after this the driver is asked to stop")
    parser.add_argument("--seed", type=int, default=0, help="what is drawn")
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two faults")
    options = parser.parse_args(arguments)
    scene = new_scene(no_ops(options.cells, options.groups))
    try:
        scene.prepare()
        driver = scene.run()
        seen = watch(driver, random.Random(options.seed), seconds=60 * options.minutes, every_s=options.every)
        if driver.is_running:
            driver.signal(signal.SIGTERM)
        code = driver.end(120.0)
        lines, is_held = report(scene, seen, code)
        left = processes.remaining(scene.mark)
        lines += [f"still running: {processes.described(process)}" for process in left]
        lines += driver.tail(15).splitlines() if not is_held else []
    finally:
        scene.close()
    sys.stdout.write("\n".join([f"seed {options.seed}, at most {options.minutes:g} minutes", *lines]) + "\n")
    return int(not is_held or bool(left))


if __name__ == "__main__":
    sys.exit(main())
