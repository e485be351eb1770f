"""What a plan will cost: device-hours, wall time, disk, money.

Seconds come from recorded cells of the same kind, else from a calibration on the plan's machine, else from counted operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from eval.benchmarks.contract import BenchmarkRequest
from orchestration.cells.catalogue import Catalogue
from orchestration.cells.cell import Plan, PlannedCell
from orchestration.errors import InputError, Mistake
from orchestration.planning.costs.machines import Machine, read_machine
from orchestration.planning.costs.operations import CostModel, unknown_line, weights_of
from orchestration.planning.lookup import whole_results
from orchestration.planning.workers import possible_workers
from orchestration.store.contract import CorruptRecordError, MeasuredSeconds, OnDamage, ResultsStore
from orchestration.store.measured import measured_seconds_of, training_images
from orchestration.sweeps.model import Workers
from trainers.config import JobConfig
from trainers.datasets.contract import DatasetSpec

BYTES_PER_WEIGHT: Final = 4
CHECKPOINT_OVERHEAD: Final = 65_536
READ_AT_MOST: Final = 2_000
"""Recorded cells that are read to learn from; more would cost more than they teach."""

TRAIN_STAGE: Final = "train"
Source = Literal["recorded", "calibration", "operations", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCost:
    """What one cell will take; parts of unknown cost are left out, so that every number is at least what it will be.

    Attributes:
        train_s: Device-seconds of training that are left.
        evaluation_s: Device-seconds of benchmarks that are left.
        disk_bytes: Bytes of its final checkpoint, where it is still to be written.
        sources: Where the seconds come from.
        stages: Device-seconds of "train" and of each benchmark that is left.
        workers: Most workers that it may be spread over.
        unknown: Its network, where its operations are unknown and something of it was not measured; "" otherwise.
    """

    train_key: str
    train_s: float
    evaluation_s: float
    disk_bytes: float
    sources: frozenset[Source]
    stages: Mapping[str, float]
    workers: int = 1
    unknown: str = ""

    @property
    def seconds(self) -> float:
        """Device-seconds of all that is left."""
        return self.train_s + self.evaluation_s


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCost:
    """What a plan will take on a machine.

    Attributes:
        devices: Devices that cells run on at once, in machines of this kind.
        calibrated_on: Hardware that calibrations of this machine were measured on.
        not_whole: What is wrong with each record or calibration that it was therefore made without.
    """

    machine: Machine
    cells: tuple[CellCost, ...]
    devices: int
    calibrated_on: tuple[str, ...] = ()
    not_whole: tuple[str, ...] = ()

    @property
    def device_hours(self) -> float:
        """Hours times devices."""
        return sum(cell.seconds for cell in self.cells) / 3600

    @property
    def wall_hours(self) -> float:
        """Hours with all devices busy; never less than any cell takes on the most workers that it may be spread over."""
        longest = max((cell.seconds / cell.workers for cell in self.cells), default=0.0) / 3600
        return max(self.device_hours / self.devices, longest)

    @property
    def money(self) -> float:
        """Price of the device-hours; idle devices are not counted."""
        return self.device_hours / self.machine.devices * self.machine.price_per_hour

    @property
    def disk_bytes(self) -> float:
        """Bytes of all final checkpoints."""
        return sum(cell.disk_bytes for cell in self.cells)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Why the totals are only lower bounds: a line for each network whose operations are unknown."""
        return tuple(unknown_line(name) for name in dict.fromkeys(cell.unknown for cell in self.cells if cell.unknown))

    def by_source(self) -> dict[Source, int]:
        """Return how many cells are estimated from what."""
        counts: dict[Source, int] = {}
        for cell in self.cells:
            for source in sorted(cell.sources):  # a set of texts has another order in each process
                counts[source] = counts.get(source, 0) + 1
        return counts


def estimate(
    plan: Plan,
    *,
    store: ResultsStore,
    catalogue: Catalogue,
    machine: Machine,
    devices: int | None = None,
    workers: Workers = 1,
) -> PlanCost:
    """Return what the cells to run of a plan will cost.

    Args:
        devices: Devices at once, in machines of that kind; None for those of one machine.
        workers: Workers of a cell as they were asked for.

    Raises:
        InputError: If there is less than one device.
    """
    if devices is not None and devices < 1:
        raise InputError("options", [Mistake(where="--devices", text=f"must be at least 1, but got {devices}")])
    to_run, at_once = plan.to_run, devices or machine.devices
    if not to_run:
        return PlanCost(machine=machine, cells=(), devices=at_once)
    damaged: list[CorruptRecordError] = []
    calibrated = store.calibrated(machine.name, damaged.append)
    estimator = _Estimator(
        known={"recorded": recorded_seconds(plan, store, damaged.append), "calibration": calibrated},
        catalogue=catalogue,
        machine=machine,
        model=CostModel(catalogue.data_root),
        workers=workers,
        devices=at_once,
    )
    return PlanCost(
        machine=machine,
        cells=tuple(estimator.cell(cell) for cell in to_run),
        devices=at_once,
        calibrated_on=calibrated.hardware,
        not_whole=tuple(dict.fromkeys(map(str, damaged))),
    )


def schedule_stages(plan: Plan, *, store: ResultsStore, catalogue: Catalogue) -> dict[str, Mapping[str, float]]:
    """Return train key -> stage -> seconds of each cell to run, for their order; only ratios between them count.

    Measured seconds count where every kind of cell was measured. Else all are counted in operations: on which machine the cells
    run is not known here, so that measured and counted seconds cannot be compared. A cell of unknown cost is taken for the
    longest, so that it starts early.
    """
    damaged: list[CorruptRecordError] = []
    known: dict[Source, MeasuredSeconds] = {"recorded": recorded_seconds(plan, store, damaged.append)}
    estimator = _Estimator(
        known=known, catalogue=catalogue, machine=read_machine(), model=CostModel(catalogue.data_root)
    )
    costs = [estimator.cell(cell) for cell in plan.to_run]
    if any(cost.sources - {"recorded"} for cost in costs):
        estimator.known = {}
        costs = [estimator.cell(cell) for cell in plan.to_run]
    longest = max((cost.seconds for cost in costs), default=0.0)
    return {cost.train_key: _evenly(cost, longest) if cost.unknown else cost.stages for cost in costs}


def _evenly(cost: CellCost, seconds: float) -> Mapping[str, float]:
    return dict.fromkeys(cost.stages, seconds / max(1, len(cost.stages)))


def recorded_seconds(plan: Plan, store: ResultsStore, on_damage: OnDamage) -> MeasuredSeconds:
    """Return what recorded cells teach, without those that are not whole; of a large store only those of the plan are read."""
    keys = store.train_keys()
    if len(keys) > READ_AT_MOST:
        keys = tuple(cell.train_key for cell in plan.cells if cell.trained)[:READ_AT_MOST]
    return measured_seconds_of(whole_results(keys, store, on_damage).values())


@dataclass(slots=True)
class _Estimator:
    """Estimates cell by cell.

    Args:
        known: Source -> measured, the most trusted first.
        machine: Whose rates count for kinds that nothing is known of.
    """

    known: Mapping[Source, MeasuredSeconds]
    catalogue: Catalogue
    machine: Machine
    model: CostModel
    workers: Workers = 1
    devices: int = 1

    def cell(self, cell: PlannedCell) -> CellCost:
        """Return what a cell takes."""
        dataset = self.catalogue.dataset(cell.config.dataset)
        evaluated = [self._evaluation(request, cell.config, dataset) for request in cell.missing]
        trained = [] if cell.trained else [self._training(cell.config, dataset)]
        sources = frozenset(source for _, source in (*trained, *evaluated))
        weights = None if cell.trained else weights_of(cell.config.model, dataset)
        return CellCost(
            train_key=cell.train_key,
            train_s=sum(seconds for seconds, _ in trained),
            evaluation_s=sum(seconds for seconds, _ in evaluated),
            disk_bytes=0.0 if weights is None else weights * BYTES_PER_WEIGHT + CHECKPOINT_OVERHEAD,
            sources=sources,
            stages={
                **({TRAIN_STAGE: trained[0][0]} if trained else {}),
                **{request.name: seconds for request, (seconds, _) in zip(cell.missing, evaluated, strict=True)},
            },
            workers=min(self.devices, possible_workers(cell.config.recipe, self.workers, most=self.devices)[-1]),
            unknown=cell.config.model if "unknown" in sources else "",
        )

    def _training(self, config: JobConfig, dataset: DatasetSpec) -> tuple[float, Source]:
        kind = (config.dataset, config.model, config.method, config.recipe.precision)
        for source, measured in self.known.items():
            if kind in measured.training:
                return measured.training[kind] * training_images(config, dataset), source
        return self._counted(self.model.training(config, dataset), config.recipe.precision)

    def _evaluation(self, request: BenchmarkRequest, config: JobConfig, dataset: DatasetSpec) -> tuple[float, Source]:
        kind = (config.dataset, config.model, request.name, request.precision)
        for source, measured in self.known.items():
            if kind in measured.evaluation:
                return measured.evaluation[kind] * self.model.forward_passes(request, dataset), source
        return self._counted(self.model.evaluation(request, config, dataset), request.precision)

    def _counted(self, flops: float | None, precision: str) -> tuple[float, Source]:
        seconds = self.machine.seconds(flops, precision)
        return (0.0, "unknown") if seconds is None else (seconds, "operations")
