"""What NVML says of the GPUs of a training: averaged, matched by UUID, and never in the way."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from trainers.training import gpu_use as module
from trainers.training.gpu_use import NO_USE, GpuUse, GpuWatch, gpu_use_of, mean_use
from trainers.training.group import OneWorker
from trainers.training.progress import EpochSums, Progress, memory_mib

CUDA = torch.device("cuda", 0)
UUID = "3b0c1e2f-0000-4444-8888-0123456789ab"
MIB = 2**20


class FakeNvml:
    """A driver with some GPUs; a reading that is an exception is raised."""

    class NVMLError(Exception):
        """As NVML raises it."""

    def __init__(self, *uuids: str, **readings: Any) -> None:
        self.uuids = uuids
        self.readings: dict[str, Any] = {"busy": 93, "memory": 2048 * MIB, "power": 250_000, "init": None, **readings}
        self.asked: list[str] = []
        self.num_open = 0

    def nvmlInit(self) -> None:
        self._reading("init")
        self.num_open += 1

    def nvmlShutdown(self) -> None:
        self.num_open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid not in self.uuids:
            raise self.NVMLError(f"not found: {uuid}")
        self.asked.append(uuid)
        return uuid

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:
        return SimpleNamespace(gpu=self._reading("busy"))

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:
        return SimpleNamespace(used=self._reading("memory"))

    def nvmlDeviceGetPowerUsage(self, handle: str) -> Any:
        return self._reading("power")

    def _reading(self, name: str) -> Any:
        found = self.readings[name]
        found = next(found) if isinstance(found, Iterator) else found
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(autouse=True)
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=UUID))
    monkeypatch.setattr(module, "SAMPLE_EVERY_S", 0.01)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeNvml], FakeNvml]:
    def install(nvml: FakeNvml) -> FakeNvml:
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        return nvml

    return install


def taken(watch: GpuWatch) -> GpuUse:
    """Wait for readings and return their mean."""
    end = time.monotonic() + 20
    while (use := watch.take()) == NO_USE and time.monotonic() < end:
        time.sleep(0.01)
    return use


@pytest.mark.parametrize("named", ["GPU-" + UUID, "MIG-" + UUID])
def test_the_gpu_is_found_by_its_uuid_and_the_driver_is_let_go(
    driver: Callable[[FakeNvml], FakeNvml], named: str
) -> None:
    nvml = driver(FakeNvml("GPU-of-somebody-else", named))

    with GpuWatch(CUDA) as watch:
        assert taken(watch) == GpuUse(busy=0.93, memory_mib=2048.0, power_w=250.0)

    assert nvml.asked == [named]
    assert nvml.num_open == 0


def test_the_use_of_an_epoch_is_the_mean_of_its_readings(driver: Callable[[FakeNvml], FakeNvml]) -> None:
    asked_again, go_on = threading.Event(), threading.Event()

    def busy() -> Iterator[int]:
        yield from (100, 50)
        asked_again.set()
        go_on.wait(20)
        yield from [0] * 10_000

    driver(FakeNvml("GPU-" + UUID, busy=busy()))
    with GpuWatch(CUDA) as watch:
        assert asked_again.wait(20)
        assert watch.take().busy == 0.75
        # Of an epoch that was over before the next reading.
        assert watch.take().busy == 0.5
        go_on.set()


def test_what_a_slice_of_a_gpu_does_not_say_is_left_out_and_told_once(
    driver: Callable[[FakeNvml], FakeNvml], caplog: pytest.LogCaptureFixture
) -> None:
    nvml = driver(FakeNvml("MIG-" + UUID))
    nvml.readings |= {"busy": nvml.NVMLError("Not Supported"), "power": OSError("no such call")}

    with caplog.at_level(logging.WARNING), GpuWatch(CUDA) as watch:
        assert taken(watch) == GpuUse(memory_mib=2048.0)
        time.sleep(0.1)

    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "NVML does not report busy time, so it is left out: Not Supported",
        "NVML does not report power, so it is left out: no such call",
    ]


@pytest.mark.parametrize(
    "nvml",
    [
        FakeNvml("GPU-" + UUID, init=OSError("NVML Shared Library Not Found")),
        FakeNvml("GPU-of-somebody-else"),
        None,
    ],
)
def test_without_a_driver_there_is_no_use(
    nvml: FakeNvml | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    with caplog.at_level(logging.WARNING), gpu_use_of(OneWorker(CUDA)) as use:
        time.sleep(0.1)
        assert use() == NO_USE
    assert len(caplog.records) == 1
    assert "NVML does not report any use of the GPU, so it is left out" in caplog.text


def test_a_driver_that_does_not_answer_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    nvml = FakeNvml("GPU-" + UUID)
    monkeypatch.setattr(nvml, "nvmlInit", answer.wait)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)

    started = time.monotonic()
    with GpuWatch(CUDA) as watch:
        assert watch.take() == NO_USE
        assert time.monotonic() - started < 1.5
    answer.set()


def test_several_workers_report_their_mean() -> None:
    found = [GpuUse(busy=1.0, memory_mib=100.0), GpuUse(busy=0.5, memory_mib=300.0, power_w=70.0), NO_USE]

    assert mean_use(found) == GpuUse(busy=0.75, memory_mib=200.0, power_w=70.0)
    assert mean_use([]) == NO_USE


def test_cpus_are_not_watched_and_no_worker_waits_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    group = OneWorker(torch.device("cpu"))
    monkeypatch.setattr(group, "gather", lambda value: pytest.fail("no worker may be asked"))

    with gpu_use_of(group) as use:
        assert use() == NO_USE


def test_the_row_of_an_epoch_says_what_the_gpus_did() -> None:
    cpu = torch.device("cpu")
    progress = Progress(step=1, sums=EpochSums(samples=1))

    row = progress.end_epoch(lr=0.1, device=cpu, gpu=GpuUse(busy=0.9, memory_mib=3.0, power_w=70.0))

    assert (row.gpu_busy, row.gpu_memory_mib, row.gpu_power_w) == (0.9, 3.0, 70.0)
    state = progress.state_dict()
    assert Progress.from_state(state).rows == [row]
    # Rows of checkpoints from before there were such fields.
    for name in ("gpu_busy", "gpu_memory_mib", "gpu_power_w"):
        del state["rows"][0][name]
    assert Progress.from_state(state).rows[0].gpu_busy is None


def test_memory_of_a_gpu_is_what_the_process_keeps_others_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 2 * MIB)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 3 * MIB)

    assert memory_mib(CUDA) == 3.0
