"""How a plan is run, and what came of it: plain values that the command line builds and prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from clusters.growth import NodeGroup
from clusters.placement import Node
from orchestration.engine.observer import RunStatus
from orchestration.engine.resources import Resources, derive_resources
from orchestration.errors import SweepError
from orchestration.sweeps.model import Workers
from trainers.job import JobPaths

Engine = Literal["warm", "plain"]
ENGINES: Final[tuple[str, ...]] = get_args(Engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimings:
    """Seconds between the heartbeats of held leases, and between looks at cells that another driver holds."""

    heartbeat_s: float = 10.0
    poll_s: float = 2.0

    def __post_init__(self) -> None:
        if self.heartbeat_s <= 0 or self.poll_s <= 0:
            raise SweepError(f"lease timings must be positive seconds, but got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Where and how a plan is run. Nothing here is part of a key.

    Attributes:
        workers: Workers per cell; a cell gets the largest number up to this that divides its batch shards. "auto": one, or the
            power of two that keeps workers from being idle. None: "auto" on GPUs, `cpu_workers` on CPUs.
        cpu_workers: Workers per cell on CPUs where `workers` does not say.
        min_workers: Fewest workers that a cell may run on where its own number does not fit now (elastic); None for no fewer.
        accelerator: Kind of GPU that workers insist on, as Ray names it ("L4"), or "" for any.
        growth: Node groups that a cluster starts on demand; groups are asked for as if all their nodes were up.
        cpus_per_worker: CPUs that a worker reserves, and its threads; None for what follows from the nodes (see `resources`).
        gpus_per_worker: GPUs that a worker reserves; a fraction lets single workers share one, 0 leaves GPUs alone. None for one
            where there are any.
        address: Address of a running Ray, or None for a private one on this machine.
        num_cpus: CPUs of the private Ray, or None for those of the machine.
        num_gpus: GPUs of the private Ray, or None for those of the machine.
        expected_nodes: The nodes of the cluster, where they are known beforehand.
        max_concurrent: Most cells at once, or None for what the resources hold.
        fail_fast: Whether the first cell that is given up ends the run.
        canary: Whether cells run one at a time until the first proves itself (an epoch or a result).
        engine: "warm" runs cells on worker groups that stay; "plain" makes one Ray Train run per attempt at a cell, in a trial of
            Ray Tune of its own, as Ray's guide shows it.
        mode: "warm" keeps worker groups from cell to cell; "cold" gives each cell its own.
        max_attempts: Attempts at a cell before it is set aside.
        cells_per_group: Cells after which a warm group is replaced.
        group_growth_mib: Resident memory that a worker may gain over its first cell before its group is replaced.
        group_idle_s: Seconds after which a group without work ends, so that its node can be released.
        health_check_s: Seconds between health checks of a group; a dead worker is noticed within about two of them.
        group_start_s: Seconds that a group may take to start before it is asked for again (nodes may have to boot).
        stop_grace_s: Seconds that running cells get to write a checkpoint when the run is stopped.
        priorities: Train key -> priority; higher first, 0 for the rest.
        estimates_s: Train key -> estimated seconds; only ratios between them count, and the rest are taken for the longest.
        share_gpus: Whether single-worker cells share GPUs once one of their kind has shown how much memory it needs. Without
            NVIDIA's MPS such cells take turns on the GPU, and no gain has been measured.
        checkpoint_every_s: Seconds between checkpoints inside an epoch.
        scratch: Folder or URI that all nodes reach, for Ray's own disposable files; None for a local temporary folder.
        log_file: Where the noise of Ray goes, or None for a log of this process (`clusters.temporary`).
        job: What a worker runs, as "module:function"; it must be importable on the workers.
    """

    paths: JobPaths
    workers: Workers | None = None
    cpu_workers: int = 1
    cpus_per_worker: float | None = None
    gpus_per_worker: float | None = None
    address: str | None = None
    num_cpus: int | None = None
    num_gpus: int | None = None
    expected_nodes: tuple[Node, ...] = ()
    growth: tuple[NodeGroup, ...] = ()
    min_workers: int | None = None
    accelerator: str = ""
    max_concurrent: int | None = None
    fail_fast: bool = False
    canary: bool = True
    engine: Engine = "warm"
    mode: Literal["warm", "cold"] = "warm"
    max_attempts: int = 3
    cells_per_group: int = 500
    group_growth_mib: float = 2048.0
    group_idle_s: float = 120.0
    health_check_s: float = 0.5
    group_start_s: float = 600.0
    stop_grace_s: float = 20.0
    leases: LeaseTimings = field(default_factory=LeaseTimings)
    priorities: Mapping[str, int] = field(default_factory=dict)
    estimates_s: Mapping[str, float] = field(default_factory=dict)
    share_gpus: bool = False
    checkpoint_every_s: float = 60.0
    scratch: str | None = None
    log_file: str | None = None
    job: str = "trainers.worker.run_job:run_job"

    def __post_init__(self) -> None:
        number = self.workers if isinstance(self.workers, int) else None
        mistakes = [
            f"{name} must be {rule}, but got {getattr(self, name)}"
            for name, rule, is_right in (
                ("workers", "at least 1, or 'auto'", number is None or number >= 1),
                (
                    "min_workers",
                    "at least 1" if number is None else f"1 to {number}",
                    self.min_workers is None or 1 <= self.min_workers <= (number or self.min_workers),
                ),
                ("cpus_per_worker", "above 0", self.cpus_per_worker is None or self.cpus_per_worker > 0),
                ("gpus_per_worker", "0 or more", self.gpus_per_worker is None or self.gpus_per_worker >= 0),
                ("max_concurrent", "at least 1", self.max_concurrent is None or self.max_concurrent >= 1),
                ("max_attempts", "at least 1", self.max_attempts >= 1),
                ("cells_per_group", "at least 1", self.cells_per_group >= 1),
                ("group_idle_s", "above 0", self.group_idle_s > 0),
                ("health_check_s", "above 0", self.health_check_s > 0),
                ("engine", " or ".join(ENGINES), self.engine in ENGINES),
                ("job", "written as 'module:function'", self.job.count(":") == 1),
            )
            if not is_right
        ]
        if number is not None and number > 1 and self.gpus_per_worker is not None and 0 < self.gpus_per_worker < 1:
            mistakes.append(
                f"two workers of one cell cannot share a GPU, but got workers={number} with "
                f"gpus_per_worker={self.gpus_per_worker}; give whole GPUs or one worker"
            )
        if self.accelerator and self.gpus_per_worker == 0:
            mistakes.append(f"a kind of GPU needs GPUs, but got accelerator={self.accelerator} with gpus_per_worker=0")
        if mistakes:
            raise SweepError("; ".join(mistakes))

    @property
    def jobs_per_group(self) -> int:
        """Jobs after which a worker group is replaced."""
        return 1 if self.mode == "cold" or self.engine == "plain" else self.cells_per_group

    def resources(self, nodes: Sequence[Node]) -> Resources:
        """Return what each worker reserves on these nodes: what was asked for, else what follows from them."""
        return derive_resources(
            nodes,
            cpus_per_worker=self.cpus_per_worker,
            gpus_per_worker=self.gpus_per_worker,
            accelerator=self.accelerator,
            grows=bool(self.growth),
        )

    def workers_on(self, resources: Resources) -> Workers:
        """Return the workers of a cell where workers reserve so much."""
        if self.workers is not None:
            return self.workers
        return "auto" if resources.gpus_per_worker else self.cpu_workers


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What came of a run.

    Attributes:
        status: "complete" if every cell is done, "failed" if some were given up, "stopped" on request from the store,
            "interrupted" by a signal.
        is_ctrl_c: Whether that signal was SIGINT.
        failed: Train key -> reason, of cells that were given up or left out.
        unfinished: Train keys that were neither, in the order of the plan.
        computed: Train keys that this run completed itself (not found recorded, not computed by another driver).
        reason: Why the run ended before every cell was tried, or "".
        log_file: Where the noise of Ray went, or None when Ray was not needed.
        resources: What each worker reserved, or None when Ray was not needed.
    """

    status: RunStatus
    done: tuple[str, ...]
    failed: Mapping[str, str]
    unfinished: tuple[str, ...]
    computed: tuple[str, ...] = ()
    reason: str = ""
    attempts: int = 0
    wall_s: float = 0.0
    log_file: str | None = None
    resources: Resources | None = None
    is_ctrl_c: bool = False
