"""What a job is given and what it returns: the values that cross between `orchestration` and the workers.

All of them are frozen, picklable and free of torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from eval.benchmarks.contract import BenchmarkRequest
from eval.report import MetricReport
from trainers.config import JobConfig

SOURCE_VARIABLE: Final = "DREAMGRID_DATA_SOURCE"
"""Environment variable of the driver that names the data source of its jobs."""


MACHINE_USE: Final = "machine_use"
"""Field of the environment of a training: how busy the machine was in each epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPaths:
    """Where a job reads and writes. Nothing here is part of a key.

    Attributes:
        checkpoints: URI of the folder of all checkpoints (`file` path or s3://); a job writes in `<checkpoints>/<train_key>/`.
        cache_dir: Local folder of mixing sets, generated benchmarks and staged files, shared by the workers of a node.
        data_source: Folder or s3:// prefix that mirrors `data_root` and that missing datasets are copied from, or "".
        generated_bytes: Bytes that generated benchmarks may take in `cache_dir`; more are made again in each evaluation.
    """

    checkpoints: str
    data_root: str
    cache_dir: str
    data_source: str = ""
    generated_bytes: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """Bring a train key to its last epoch, then fill in the missing benchmarks.

    Fresh training, resume and evaluation only are this one request.

    Attributes:
        train_key: Identity of the weights, full hexadecimal hash.
        benchmarks: Benchmarks still missing for this cell.
        dataset_identity: Declared checksum of the dataset, checked on load.
        checkpoint_every_s: Seconds between checkpoints inside an epoch; one is written at the end of each epoch in any case.
        threads: CPU threads of one worker (augmentation plus torch), or None for the CPUs of the worker.
        sources: What identified the code of the plug-ins that it uses while it was planned (`trainers.sources`), checked by
            the worker.
        eras: Train key -> how often it was invalidated, of this cell and of those whose checkpoints it reads; 0 where left out.
        recorded_weights: Hashes under which reports on this cell's weights are recorded; empty where none are.
        recorded_benchmarks: Wanted benchmarks that are recorded under them; run again should the weights come out as others.
        files: What identified the files that it is trained on while it was planned, checked likewise.
    """

    train_key: str
    config: JobConfig
    benchmarks: tuple[BenchmarkRequest, ...]
    paths: JobPaths
    dataset_identity: str = ""
    checkpoint_every_s: float = 60.0
    threads: int | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    eras: Mapping[str, int] = field(default_factory=dict)
    recorded_weights: frozenset[str] = frozenset()
    recorded_benchmarks: tuple[BenchmarkRequest, ...] = ()
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def cell_id(self) -> str:
        """The first 12 hexadecimal digits of the train key."""
        return self.train_key[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A job on its way to a group: the request, and the number that distinguishes attempts at one cell.

    Attributes:
        orders: Orders that its group was given before the job was posted: those are not for it.
    """

    job: int
    request: JobRequest
    orders: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """What one epoch reports: mean loss, accuracy on the training images as seen, speed, and what it waited for.

    Where images are held out, also loss and accuracy on those, untouched by any augmentation; else None.
    Of GPUs, what NVML reports, a mean over the epoch and the workers: the share of the time in which a kernel ran (0 to 1), the
    memory in use on the GPU by all processes in MiB, the power in watts; None where it reports nothing.
    """

    epoch: int
    step: int
    loss: float
    accuracy: float
    lr: float
    images_per_s: float
    data_wait_share: float
    memory_mib: float
    time: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    gpu_busy: float | None = None
    gpu_memory_mib: float | None = None
    gpu_power_w: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineUse:
    """What the machine of rank 0 did in an epoch: all its processes, not the training alone.

    It is recorded in the environment of a training and not as columns of its epochs: those are closed, and another version of
    this project that works on the same storage would take the record for a damaged one.

    Attributes:
        cpu_busy: Share of the time of all its CPUs in which they worked, 0 to 1.
        memory_mib: Memory in use at the end of the epoch, in MiB.
    """

    epoch: int
    cpu_busy: float
    memory_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerUse:
    """How busy a worker of a running job is now; nothing of it is kept once the job is over.

    Attributes:
        node: Name of its machine.
        cpu_busy: Share of the time in which the CPUs of that machine worked, 0 to 1, those of other processes included.
        gpu_busy: Share of the time in which a kernel ran on its GPU; None without a GPU, and where NVML does not say it.
    """

    node: str
    rank: int
    cpu_busy: float
    gpu_busy: float | None = None


def use_in(environment: Mapping[str, Any]) -> list[MachineUse]:
    """Return what the environment of a training says of the machine; nothing for records of earlier versions."""
    return [MachineUse(**each) for each in environment.get(MACHINE_USE, ())]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSummary:
    """The outcome of training.

    Attributes:
        checkpoint_sha256: Hash of the final weights: the identity that results are recorded under. Records of earlier versions
            have that of the checkpoint file here, and that of the weights in `environment`.
        epochs: One row per epoch of the whole training, also of epochs before a resume.
        resumed_from_step: Optimiser step that the last attempt continued from, or None for a fresh start.
        wall_s: Seconds of training, summed over attempts.
        device_s: Wall seconds times workers.
    """

    checkpoint_sha256: str
    checkpoint_uri: str
    epochs: tuple[EpochRow, ...]
    resumed_from_step: int | None
    wall_s: float
    device_s: float
    environment: Mapping[str, Any]

    @property
    def weights(self) -> frozenset[str]:
        """The hashes that name these weights: the recorded one, that of the weights, that of an earlier version's file."""
        named = (self.environment.get(name) for name in ("weights_sha256", "file_sha256"))
        return frozenset({self.checkpoint_sha256, *(str(each) for each in named if each)})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """A finished job.

    Attributes:
        training: The outcome of training.
        reports: A report on each requested benchmark (failed ones with their reason).
        gpu_peak_mib: The most memory of a GPU that the process of rank 0 reserved, evaluation included; 0 on CPUs.
    """

    train_key: str
    training: TrainSummary
    reports: tuple[MetricReport, ...] = field(default=())
    gpu_peak_mib: float = 0.0


class JobSink(Protocol):
    """Where rank 0 reports while a job runs. Calls must return at once; what is reported is kept even if the job dies later."""

    def epoch(self, train_key: str, row: EpochRow) -> None:
        """An epoch ended."""

    def progress(self, train_key: str, stage: str, done: int, total: int) -> None:
        """Something moved: steps of training, or images of a benchmark."""

    def trained(self, train_key: str, summary: TrainSummary) -> None:
        """The final checkpoint is written and hashed."""

    def benchmark(self, train_key: str, checkpoint_sha256: str, report: MetricReport) -> None:
        """A benchmark ended, well or badly."""
