"""What a plan will cost: device-hours, wall time, disk, money; from recorded cells of the same kind, else from operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from orchestration.errors import InputError, Mistake, nearest
from orchestration.sweep_yaml import read_yaml
from orchestration.workload import judging_flops, parameters_of, passes_of, training_flops

if TYPE_CHECKING:
    from eval.benchmark import BenchmarkRequest
    from orchestration.catalogue import Catalogue
    from orchestration.cells import Plan, PlannedCell
    from orchestration.store.base import CellResult, ResultsStore
    from trainers.config import JobConfig

PRICE_FILE: Final = Path(__file__).parent / "prices.yaml"
DEFAULT_MACHINE: Final = "cpu-core"
BYTES_PER_WEIGHT: Final = 4
CHECKPOINT_OVERHEAD: Final = 65_536
READ_AT_MOST: Final = 2_000
"""Recorded cells that are read to learn from; more would cost more than they teach."""

Source = Literal["recorded", "operations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine: devices, price per hour, sustained rate of a device in TFLOP/s."""

    name: str
    devices: int
    price_per_hour: float
    tflops: float
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCost:
    """What one cell will take.

    Attributes:
        train_key: The cell.
        train_s: Device-seconds of training that are left.
        judge_s: Device-seconds of benchmarks that are left.
        disk_bytes: Bytes of its final checkpoint, where it is still to be written.
        sources: Where the seconds come from.
    """

    train_key: str
    train_s: float
    judge_s: float
    disk_bytes: float
    sources: frozenset[Source]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCost:
    """What a plan will take on a machine."""

    machine: Machine
    cells: tuple[CellCost, ...]

    @property
    def device_hours(self) -> float:
        """Hours times devices."""
        return sum(cell.train_s + cell.judge_s for cell in self.cells) / 3600

    @property
    def wall_hours(self) -> float:
        """Hours on one such machine with all its devices busy; never less than the longest cell on one device."""
        longest = max((cell.train_s + cell.judge_s for cell in self.cells), default=0.0) / 3600
        return max(self.device_hours / self.machine.devices, longest / self.machine.devices)

    @property
    def money(self) -> float:
        """Price of the machine for that time."""
        return self.device_hours / self.machine.devices * self.machine.price_per_hour

    @property
    def disk_bytes(self) -> float:
        """Bytes of all final checkpoints."""
        return sum(cell.disk_bytes for cell in self.cells)

    def by_source(self) -> dict[Source, int]:
        """Return how many cells are estimated from what."""
        counts: dict[Source, int] = {}
        for cell in self.cells:
            for source in cell.sources:
                counts[source] = counts.get(source, 0) + 1
        return counts


def read_machine(name: str = DEFAULT_MACHINE, prices: Path = PRICE_FILE) -> Machine:
    """Return a machine of a price file.

    Raises:
        InputError: If the file cannot be read, has no such machine, or describes it wrongly.
    """
    try:
        value = read_yaml(prices.read_text(encoding="utf-8"), subject=f"price file {prices.name}").value
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(prices, f"the price file must be readable: {error}") from error
    machines = value.get("machines") if isinstance(value, dict) else None
    if not isinstance(machines, dict):
        raise _refused(prices, "a price file must have `machines`, each with devices, price_per_hour and tflops")
    if name not in machines:
        raise _refused(prices, f"unknown machine '{name}'{nearest(name, list(machines))}")
    entry = machines[name]
    if not isinstance(entry, dict) or not all(
        _is_number(entry.get(key)) for key in ("devices", "price_per_hour", "tflops")
    ):
        raise _refused(prices, f"machine '{name}' needs the numbers devices, price_per_hour and tflops, got {entry!r}")
    if entry["devices"] < 1 or entry["tflops"] <= 0 or entry["price_per_hour"] < 0:
        raise _refused(prices, f"machine '{name}' needs devices >= 1, tflops > 0, price_per_hour >= 0, got {entry!r}")
    return Machine(
        name=name,
        devices=int(entry["devices"]),
        price_per_hour=float(entry["price_per_hour"]),
        tflops=float(entry["tflops"]),
        currency=str(value.get("currency", "")),
    )


def estimate(plan: Plan, *, store: ResultsStore, catalogue: Catalogue, machine: Machine) -> PlanCost:
    """Return what the cells to run of a plan will cost on a machine."""
    experience = Experience.of(_recorded(plan, store).values())
    return PlanCost(
        machine=machine, cells=tuple(_cell_cost(cell, experience, catalogue, machine) for cell in plan.to_run)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What recorded cells teach: device-seconds per picture and epoch, and seconds per pass, each by kind.

    Kinds: (dataset, model, method) for training, (dataset, model, benchmark) for judging.
    """

    training: Mapping[tuple[str, str, str], float]
    judging: Mapping[tuple[str, str, str], float]

    @classmethod
    def of(cls, results: Iterable[CellResult]) -> Experience:
        """Return what some results teach."""
        training: dict[tuple[str, str, str], list[float]] = {}
        judging: dict[tuple[str, str, str], list[float]] = {}
        for result in results:
            config = result.training.provenance.config
            dataset, model, method = (str(config.get(name, "")) for name in ("dataset", "model", "method"))
            pictures = pictures_seen(config)
            if pictures and result.training.summary.device_s > 0:
                seconds = result.training.summary.device_s / pictures
                training.setdefault((dataset, model, method), []).append(seconds)
            for report in result.reports.values():
                passes = report.outcome.forward_passes if report.outcome is not None else 0
                if passes and report.wall_s > 0:
                    judging.setdefault((dataset, model, report.benchmark), []).append(report.wall_s / passes)
        return cls(training=_medians(training), judging=_medians(judging))


def _recorded(plan: Plan, store: ResultsStore) -> Mapping[str, CellResult]:
    keys = store.train_keys()
    if len(keys) > READ_AT_MOST:
        keys = tuple(cell.train_key for cell in plan.cells if cell.trained)[:READ_AT_MOST]
    return store.results(keys)


def _cell_cost(cell: PlannedCell, experience: Experience, catalogue: Catalogue, machine: Machine) -> CellCost:
    config, rate = cell.config, machine.tflops * 1e12
    dataset = catalogue.dataset(config.dataset)
    sources: set[Source] = set()
    train_s = 0.0
    if not cell.trained:
        known = experience.training.get((config.dataset, config.model, config.method))
        pictures = config.recipe.epochs * (config.recipe.train_images or dataset.num_train)
        train_s = known * pictures if known is not None else training_flops(config, dataset) / rate
        sources.add("operations" if known is None else "recorded")
    judge_s = 0.0
    for request in cell.missing:
        seconds, source = _judge_cost(request, config, dataset, experience, rate)
        judge_s += seconds
        sources.add(source)
    weights = parameters_of(config.model, dataset.num_channels)
    disk = 0.0 if cell.trained else weights * BYTES_PER_WEIGHT + CHECKPOINT_OVERHEAD
    return CellCost(
        train_key=cell.train_key, train_s=train_s, judge_s=judge_s, disk_bytes=disk, sources=frozenset(sources)
    )


def _judge_cost(
    request: BenchmarkRequest, config: JobConfig, dataset: Any, experience: Experience, rate: float
) -> tuple[float, Source]:
    known = experience.judging.get((config.dataset, config.model, request.name))
    if known is None:
        return judging_flops(request, config, dataset) / rate, "operations"
    limit = request.params.get("max_images")
    pictures = min(dataset.num_test, limit) if isinstance(limit, int) else dataset.num_test
    return known * pictures * passes_of(request), "recorded"


def pictures_seen(config: Mapping[str, Any]) -> float:
    """Return how many pictures a recorded training saw, epochs counted; 0 where its configuration does not tell."""
    from trainers.datasets.registry import DATASETS

    recipe = config.get("recipe")
    dataset = DATASETS.get(str(config.get("dataset", "")))
    if not isinstance(recipe, Mapping) or dataset is None:
        return 0.0
    return float(recipe.get("epochs", 0)) * float(recipe.get("train_images") or dataset.num_train)


def _medians(values: Mapping[tuple[str, str, str], list[float]]) -> dict[tuple[str, str, str], float]:
    return {kind: sorted(found)[len(found) // 2] for kind, found in values.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(path: Path, text: str) -> InputError:
    return InputError(f"price file {path}", [Mistake(where="", text=text)])
