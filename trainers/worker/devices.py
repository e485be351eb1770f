"""Which device a worker computes on, and why a GPU that it reserved cannot be used."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from augment.heavy import pynvml, torch
from augment.lookup.parameters import first_line
from trainers.errors import UnusableDevice
from trainers.worker.gpu_share import GPUS_OPTION, limit_memory

DEVICE_VARIABLE: Final = "DREAMGRID_WORKER_DEVICE"
"""Set to "cpu", workers compute on the CPU whatever they reserved: for a Ray that is given GPUs which do not exist."""

DRIVER_FILE: Final = Path("/proc/driver/nvidia/version")
_DRIVER: Final = re.compile(r"\b\d{3,}\.\d+(?:\.\d+)?\b")
_ARCHITECTURE: Final = re.compile(r"^(?P<kind>sm|compute)_(?P<number>\d+)(?P<suffix>[af]?)$")
_OLDEST_DRIVERS: Final = {13: 580, 12: 525}
"""Major version of CUDA -> of the oldest NVIDIA driver for it (release notes of CUDA, minor version compatibility)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """The installed build of torch.

    Attributes:
        cuda: The CUDA version that it was built for, or "" for a CPU-only build.
        architectures: What its kernels were compiled for, as torch names them: "sm_75", "compute_120".
    """

    version: str
    cuda: str
    architectures: tuple[str, ...]

    def __str__(self) -> str:
        return f"torch {self.version} ({f'built for CUDA {self.cuda}' if self.cuda else 'a CPU-only build'})"

    def runs_on(self, capability: tuple[int, int]) -> bool:
        """Return whether kernels for a GPU of a compute capability are in it; also where it names no such architecture (ROCm)."""
        found = [match for name in self.architectures if (match := _ARCHITECTURE.match(name))]
        return not found or any(_runs_on(match, capability) for match in found)


def worker_device(gpus_per_worker: float, option: str = GPUS_OPTION) -> torch.device:
    """Return the device of a worker, which has been tried and whose memory is limited to the worker's share.

    Args:
        gpus_per_worker: GPUs that the worker reserved; 0 is the CPU.
        option: What sets that number on the command line, for errors.

    Raises:
        UnusableDevice: If a GPU was reserved that torch cannot use, or too small a share of one; says the versions and the fix.
    """
    chosen = os.environ.get(DEVICE_VARIABLE, "")
    if chosen not in ("", "cpu"):
        raise UnusableDevice(
            f"{DEVICE_VARIABLE} must be 'cpu' or unset, but is {chosen!r}; set it to 'cpu', or unset it"
        )
    if chosen or gpus_per_worker <= 0:
        return torch.device("cpu")
    # Before Ray is asked, which counts on the GPU to be there.
    if not torch.cuda.is_available():
        raise unusable(installed_wheel(), driver_version(), "torch sees no GPU", option)
    device = _reserved()
    try_device(device, option)
    limit_memory(device, gpus_per_worker, option)
    return device


def try_device(device: torch.device, option: str = GPUS_OPTION) -> None:
    """Compute something small on a GPU.

    Raises:
        UnusableDevice: If the installed torch has no kernels for it, or it does not work.
    """
    wheel = installed_wheel()
    if (device.index or 0) >= torch.cuda.device_count():
        raise unusable(wheel, driver_version(), f"torch sees {torch.cuda.device_count()} GPUs and no {device}", option)
    capability = torch.cuda.get_device_capability(device)
    if not wheel.runs_on(capability):
        raise too_old(wheel, torch.cuda.get_device_name(device), capability, option)
    try:
        torch.cuda.set_device(device)
        torch.ones(1, device=device).add_(1).item()
    except RuntimeError as error:
        raise unusable(wheel, driver_version(), f"{device} does not work: {first_line(error)}", option) from error


def unusable(wheel: Wheel, driver: str, why: str, option: str = GPUS_OPTION) -> UnusableDevice:
    """Return the error of a reserved GPU that torch cannot use."""
    return UnusableDevice(
        f"a worker on {platform.node()} reserved a GPU, but {why}; {versions(wheel, driver)}; {fix_of(wheel, driver, option)}"
    )


def too_old(wheel: Wheel, name: str, capability: tuple[int, int], option: str = GPUS_OPTION) -> UnusableDevice:
    """Return the error of a GPU that the installed torch has no kernels for."""
    return UnusableDevice(
        f"a worker on {platform.node()} reserved a GPU ({name}, compute capability {capability[0]}.{capability[1]}) for which "
        "torch has no kernels; "
        f"{versions(wheel, driver_version())}, for {', '.join(wheel.architectures)}; {newer_gpu_fix(option)}"
    )


def versions(wheel: Wheel, driver: str) -> str:
    """Return the versions that decide whether torch can use a GPU."""
    return f"NVIDIA driver: {driver or 'no driver found'}, {wheel}"


def installed_wheel() -> Wheel:
    """Return what is installed."""
    return Wheel(
        version=str(torch.__version__),
        cuda=torch.version.cuda or "",
        architectures=tuple(torch.cuda.get_arch_list()),
    )


def driver_version() -> str:
    """Return the version of this machine's NVIDIA driver, or "" where none is found."""
    try:
        found = _DRIVER.search(DRIVER_FILE.read_text(encoding="utf-8", errors="replace"))
        if found:
            return found[0]
    except OSError:
        pass
    # Without that file (as in WSL) the driver's own library knows.
    try:
        pynvml.nvmlInit()
        try:
            return str(pynvml.nvmlSystemGetDriverVersion())
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return ""


def newer_gpu_fix(option: str = GPUS_OPTION) -> str:
    """Return what to do where torch has no kernels for a GPU."""
    return f"use a GPU that is among them, install a build of torch for this one, {_on_cpus(option)}"


def fix_of(wheel: Wheel, driver: str, option: str = GPUS_OPTION) -> str:
    """Return what to do where torch sees no GPU, or one does not work."""
    otherwise = _on_cpus(option)
    if not wheel.cuda:
        return f"install a build of torch for CUDA, {otherwise}"
    wanted = _OLDEST_DRIVERS.get(int(wheel.cuda.split(".")[0]), 0)
    if not driver or int(driver.split(".")[0]) < wanted:
        return f"install an NVIDIA driver{f' >= {wanted}' if wanted else ''} on the node, {otherwise}"
    return f"check the node with nvidia-smi (and that its containers may use GPUs), {otherwise}"


def _on_cpus(option: str) -> str:
    return f"or give {option} 0 to train on CPUs"


def _reserved() -> torch.device:
    """Return the device that Ray reserved for this worker, however CUDA_VISIBLE_DEVICES numbers it."""
    from ray.train.torch import get_device  # imports torch, which the controller of the workers does without

    try:
        device: torch.device = get_device()
    except (RuntimeError, ValueError) as error:
        shown = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        raise UnusableDevice(
            f"CUDA_VISIBLE_DEVICES must contain the GPU that Ray reserved for a worker, but is {shown!r} ({error}); leave it "
            "to Ray: do not set it in the job"
        ) from error
    return device


def _runs_on(found: re.Match[str], capability: tuple[int, int]) -> bool:
    """Return whether code for an architecture runs on a GPU of a compute capability.

    Machine code ("sm") runs on the same major version with the same or a higher minor one; intermediate code ("compute") is
    translated for anything newer. With a suffix it is for that GPU ("a") or its family ("f") only.
    """
    own = divmod(int(found["number"]), 10)
    if found["suffix"] == "a":
        return own == capability
    if found["kind"] == "compute" and not found["suffix"]:
        return own <= capability
    return own[0] == capability[0] and own[1] <= capability[1]
