"""Which device a worker takes, and what it says of a GPU that it reserved and cannot use."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import ray.train.torch
import torch

from trainers.errors import UnusableDevice
from trainers.worker import devices
from trainers.worker.devices import DEVICE_VARIABLE, Wheel, too_old, unusable, worker_device

CUDA_13 = Wheel(
    version="2.14.1+cu130",
    cuda="13.0",
    architectures=("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"),
)
NO_FIXES = "or give --gpus-per-worker 0 to train on CPUs"


LIMITS: list[tuple[float, torch.device]] = []
"""What processes were told of a GPU's memory: share, GPU."""


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEVICE_VARIABLE, raising=False)
    LIMITS.clear()


def a_machine_with(monkeypatch: pytest.MonkeyPatch, *, gpus: int, capability: tuple[int, int] = (8, 9)) -> None:
    """Let torch see GPUs; what is computed on them is computed on none."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=24_000 * 2**20))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *given: LIMITS.append(given))
    monkeypatch.setattr(devices, "installed_wheel", lambda: CUDA_13)


def test_without_gpus_a_worker_computes_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    a_machine_with(monkeypatch, gpus=4)

    assert worker_device(0) == torch.device("cpu")


@pytest.mark.parametrize("gpus_per_worker", [1.0, 0.25, 2.0])
def test_the_device_is_the_one_that_ray_reserved(monkeypatch: pytest.MonkeyPatch, gpus_per_worker: float) -> None:
    a_machine_with(monkeypatch, gpus=4)
    monkeypatch.setattr(ray.train.torch, "get_device", lambda: torch.device("cuda:2"))
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda size, device: ones(size))

    assert worker_device(gpus_per_worker) == torch.device("cuda:2")
    # Of a shared GPU its share without the context of CUDA; else all of it.
    share = 1.0 if gpus_per_worker >= 1 else gpus_per_worker - 600 / 24_000
    assert [(pytest.approx(share), torch.device("cuda:2"))] == LIMITS


def test_a_share_without_room_for_a_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    a_machine_with(monkeypatch, gpus=1)
    monkeypatch.setattr(ray.train.torch, "get_device", lambda: torch.device("cuda:0"))
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda size, device: ones(size))

    with pytest.raises(UnusableDevice, match=r"more than the 600 MiB .* 0\.02 of 24000 MiB has 480 MiB; reserve more"):
        worker_device(0.02)


@pytest.mark.parametrize("option", ["--gpus-per-worker", "--gpus"])
def test_errors_name_the_option_of_the_verb_that_runs(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setattr(ray.train.torch, "get_device", lambda: torch.device("cuda:0"))
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda size, device: ones(size))

    texts = []
    for gpus, capability, share in ((0, (8, 9), 1.0), (1, (7, 0), 1.0), (1, (8, 9), 0.02)):
        a_machine_with(monkeypatch, gpus=gpus, capability=capability)
        with pytest.raises(UnusableDevice) as caught:
            worker_device(share, option)
        texts.append(str(caught.value))

    no_gpu, no_kernels, no_room = texts
    assert no_gpu.endswith(f"or give {option} 0 to train on CPUs")
    assert no_kernels.endswith(f"or give {option} 0 to train on CPUs")
    assert no_room.endswith(f"reserve more with {option}")


def test_a_variable_replaces_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEVICE_VARIABLE, "cpu")
    assert worker_device(1) == torch.device("cpu")

    monkeypatch.setenv(DEVICE_VARIABLE, "cuda:0")
    with pytest.raises(UnusableDevice, match="must be 'cpu' or unset"):
        worker_device(1)


def test_a_reserved_gpu_that_torch_does_not_see_is_an_error_with_versions_and_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_machine_with(monkeypatch, gpus=0)
    monkeypatch.setattr(devices, "driver_version", lambda: "535.104.05")

    with pytest.raises(UnusableDevice) as caught:
        worker_device(1)

    assert str(caught.value) == (
        f"a worker on {platform.node()} reserved a GPU, but torch sees no GPU; NVIDIA driver: 535.104.05, torch 2.14.1+cu130 "
        f"(built for CUDA 13.0); install an NVIDIA driver >= 580 on the node, {NO_FIXES}"
    )
    assert caught.value.error_class == "unusable-device"


@pytest.mark.parametrize(
    ("wheel", "driver", "expected"),
    [
        (CUDA_13, "", "install an NVIDIA driver >= 580 on the node"),
        (CUDA_13, "580.95.05", "check the node with nvidia-smi"),
        (Wheel(version="2.14.1+cpu", cuda="", architectures=()), "580.95.05", "install a build of torch for CUDA"),
        (Wheel(version="2.9.0+cu128", cuda="12.8", architectures=("sm_70",)), "470.1", "an NVIDIA driver >= 525"),
    ],
)
def test_the_fix_is_what_is_missing(wheel: Wheel, driver: str, expected: str) -> None:
    text = str(unusable(wheel, driver, "torch sees no GPU"))

    assert expected in text
    assert (driver or "no driver found") in text
    assert text.endswith(NO_FIXES)


def test_a_number_that_torch_does_not_have_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    a_machine_with(monkeypatch, gpus=1)
    monkeypatch.setattr(ray.train.torch, "get_device", lambda: torch.device("cuda:1"))

    with pytest.raises(UnusableDevice, match="torch sees 1 GPUs and no cuda:1"):
        worker_device(1)


def test_a_variable_that_hides_the_reserved_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_device() -> torch.device:
        raise ValueError("'3' is not in list")

    a_machine_with(monkeypatch, gpus=1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(ray.train.torch, "get_device", get_device)

    with pytest.raises(UnusableDevice, match=r"CUDA_VISIBLE_DEVICES must contain .* is '0'"):
        worker_device(1)


def test_a_gpu_without_kernels_is_the_same_kind_of_error(monkeypatch: pytest.MonkeyPatch) -> None:
    a_machine_with(monkeypatch, gpus=1, capability=(7, 0))
    monkeypatch.setattr(ray.train.torch, "get_device", lambda: torch.device("cuda:0"))

    with pytest.raises(UnusableDevice, match=r"Tesla V100, compute capability 7\.0.*no kernels.*, for sm_75, sm_80"):
        worker_device(1)
    assert "build of torch for this one" in str(too_old(CUDA_13, "Tesla V100", (7, 0)))


@pytest.mark.parametrize(
    ("capability", "is_run"),
    [
        ((7, 0), False),
        ((7, 5), True),
        ((8, 9), True),
        ((9, 0), True),
        ((10, 3), True),
        ((11, 0), False),
        ((12, 1), True),
        ((13, 0), True),
    ],
)
def test_kernels_run_on_their_major_version_and_translated_on_newer_ones(
    capability: tuple[int, int], is_run: bool
) -> None:
    assert CUDA_13.runs_on(capability) is is_run


def test_kernels_with_a_suffix_run_on_that_gpu_or_its_family() -> None:
    wheel = Wheel(version="2", cuda="13.0", architectures=("sm_90a", "sm_100f"))

    assert [wheel.runs_on(one) for one in ((9, 0), (9, 1), (10, 0), (10, 3), (12, 0))] == [
        True,
        False,
        True,
        True,
        False,
    ]


def test_a_build_for_other_hardware_is_left_to_try() -> None:
    assert Wheel(version="2+rocm", cuda="", architectures=("gfx90a",)).runs_on((9, 0))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n", "535.104.05"),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95  Release Build\nGCC version: 13.2.0",
            "580.95",
        ),
    ],
)
def test_the_driver_is_read_from_the_kernel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, version: str
) -> None:
    (tmp_path / "version").write_text(text)
    monkeypatch.setattr(devices, "DRIVER_FILE", tmp_path / "version")

    assert devices.driver_version() == version


class FakeNvml(ModuleType):
    """A driver's library that is there, or cannot be loaded."""

    class NVMLError(Exception):
        pass

    def __init__(self, version: str = "") -> None:
        super().__init__("pynvml")
        self.version = version
        self.num_open = 0

    def nvmlInit(self) -> None:
        if not self.version:
            raise self.NVMLError("NVML Shared Library Not Found")
        self.num_open += 1

    def nvmlSystemGetDriverVersion(self) -> str:
        assert self.num_open
        return self.version

    def nvmlShutdown(self) -> None:
        self.num_open -= 1


@pytest.mark.parametrize("version", ["560.94", ""])
def test_without_the_file_of_the_kernel_the_version_is_what_the_drivers_library_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    nvml = FakeNvml(version)
    monkeypatch.setattr(devices, "DRIVER_FILE", tmp_path / "version")
    monkeypatch.setitem(sys.modules, "pynvml", nvml)

    assert devices.driver_version() == version
    assert nvml.num_open == 0
