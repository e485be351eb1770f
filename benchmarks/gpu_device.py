"""What the benchmarks of a GPU share: the device, what is recorded of it, and how busy it was.

They run on a CPU too, at tiny sizes: that proves the code and measures nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch

from benchmarks import harness
from eval.inference.products import Precision
from trainers.errors import UnusableDevice
from trainers.models.contract import ModelInput
from trainers.models.normalize import Classifier, Normalize
from trainers.models.registry import model_for
from trainers.training.gpu_use import GpuUse, GpuWatch
from trainers.worker.devices import driver_version, try_device


class ReportOn(Protocol):
    """Measures on a device."""

    def __call__(self, device: torch.device, *, quick: bool) -> harness.Report:
        """Return what was measured."""


def show_on(name: str, report: ReportOn, options: Any) -> None:
    """Measure on the device "cpu", or "cuda" for the first GPU, and print; exit with 3 where torch cannot use that GPU.

    Args:
        options: Of `harness.parser`.
    """
    device = torch.device("cpu")
    if name == "cuda":
        device = torch.device("cuda", 0)
        try:
            try_device(device)
        except UnusableDevice as error:
            sys.stderr.write(f"{error}\n")
            raise SystemExit(3) from None
    harness.show(report(device, quick=options.quick), as_json=options.json)


def main_on_a_device(name: str, title: str, report: ReportOn) -> None:
    """Read the command line of a benchmark, measure on the device that it names, and print."""
    parser = harness.parser(name, title)
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cuda", help="cpu: proves the code, measures nothing"
    )
    options: Any = parser.parse_args()
    show_on(options.device, report, options)


def untrained(name: str, side: int, precision: Precision) -> Classifier:
    """Return a network as a job has it, with random weights."""
    spec = model_for(name)
    params = {"weights": "none"} if "weights" in spec.params else {}
    network = spec.build(spec.resolve(params), ModelInput(image_size=side, num_channels=3, num_classes=10))
    return Classifier(Normalize((0.5,) * 3, (0.5,) * 3), network, precision=precision)


def environment_on(device: torch.device) -> dict[str, Any]:
    """Return what a number depends on, the GPU and its driver included."""
    found = harness.environment()
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        major, minor = torch.cuda.get_device_capability(device)
        found["gpu"] = (
            f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, compute capability {major}.{minor}"
        )
        found["driver"] = driver_version()
        found["cuda"] = torch.version.cuda
    return found


@contextmanager
def watched(device: torch.device) -> Iterator[Callable[[], str]]:
    """Watch a GPU; the function that is given says how busy it was since its last call, "" on a CPU."""
    if device.type != "cuda":
        yield lambda: ""
        return
    with GpuWatch(device) as watch:
        yield lambda: use_text(watch.take())


def use_text(use: GpuUse) -> str:
    """Say what NVML reports, and no more."""
    known = [
        text
        for value, text in (
            (use.busy, f"GPU busy {100 * (use.busy or 0):.0f} %"),
            (use.memory_mib, f"{use.memory_mib or 0:.0f} MiB in use"),
            (use.power_w, f"{use.power_w or 0:.0f} W"),
        )
        if value is not None
    ]
    return ", ".join(known) or "NVML reports nothing"


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
