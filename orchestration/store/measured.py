"""What measured cells and short runs teach of others of their kind: device-seconds per image, seconds per forward pass.

    calibrations/<machine>/<digest of the hardware>.json

has what a short run measured, one file for each machine of the price file and each hardware. Calibrations are no results: one
that is not whole is left out, and all of them can be deleted.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from clusters.storage.contract import MissingObjectError, Storage
from eval.inference.precision import DEFAULT_PRECISION
from orchestration.cells.evaluated_in import evaluated_in
from orchestration.store.contract import CellResult, CorruptRecordError, Kind, MeasuredSeconds, Measurements, OnDamage
from orchestration.store.format.documents import Document, record_names, seal, unseal
from orchestration.store.parallel import each
from trainers.config import JobConfig, RecipeConfig
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import DATASETS

NOTHING_MEASURED: Final = MeasuredSeconds()
_VERSION: Final = 3
_FIX: Final = "measure again with `plan --calibrate`, or remove that file"


class _Calibration(Document, frozen=True):
    machine: str
    hardware: str
    at: float
    training: list[tuple[str, str, str, str, float]]
    evaluation: list[tuple[str, str, str, str, float]]


class _SecondCalibration(Document, frozen=True):
    """As version 2 wrote it: without precisions."""

    machine: str
    hardware: str
    at: float
    training: list[tuple[str, str, str, float]]
    evaluation: list[tuple[str, str, str, float]]

    def with_precisions(self) -> _Calibration:
        """Return it as what was measured then nearly always: in the precisions that count where none is named."""
        trained_in, evaluated_in = RecipeConfig().precision, DEFAULT_PRECISION
        return _Calibration(
            machine=self.machine,
            hardware=self.hardware,
            at=self.at,
            training=[(a, b, c, trained_in, seconds) for a, b, c, seconds in self.training],
            evaluation=[(a, b, c, evaluated_in, seconds) for a, b, c, seconds in self.evaluation],
        )


class _FirstCalibration(_SecondCalibration, frozen=True, rename={"evaluation": "judging"}):
    """As version 1 wrote it."""

    evaluation: list[tuple[str, str, str, float]]


_EARLIER: Final[Mapping[int, type[_SecondCalibration]]] = {1: _FirstCalibration, 2: _SecondCalibration}


class FileMeasurements(Measurements):
    """Calibrations in a storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def record_calibration(self, machine: str, hardware: str, measured: MeasuredSeconds) -> None:
        path = f"{_folder(machine)}/{hashlib.sha256(hardware.encode()).hexdigest()[:16]}.json"
        try:
            before = _newest([_read(self.storage, path)])
        except (MissingObjectError, CorruptRecordError):
            before = NOTHING_MEASURED
        body = {
            "machine": machine,
            "hardware": hardware,
            "at": time.time(),
            "training": _rows({**before.training, **measured.training}),
            "evaluation": _rows({**before.evaluation, **measured.evaluation}),
        }
        self.storage.write_bytes(path, seal("calibration", _VERSION, body), durable=False)

    def calibrated(self, machine: str, on_damage: OnDamage) -> MeasuredSeconds:
        def read(name: str) -> _Calibration | None:
            try:
                return _read(self.storage, f"{_folder(machine)}/{name}")
            except MissingObjectError:  # removed since it was listed
                return None
            except CorruptRecordError as error:
                on_damage(error)
                return None

        names = record_names(self.storage.names(_folder(machine)))
        return _newest([found for found in each(self.storage, names, read) if found is not None])


def _read(storage: Storage, path: str) -> _Calibration:
    data, where = storage.read_bytes(path), f"{storage.uri}/{path}"
    try:
        for version, kind in _EARLIER.items():
            if data.startswith(b'{"format":"dreamgrid/calibration","version":%d,' % version):
                return unseal(data, "calibration", version, where, kind).with_precisions()
        return unseal(data, "calibration", _VERSION, where, _Calibration)
    except CorruptRecordError as error:
        raise CorruptRecordError(error.fault, _FIX) from error


def _folder(machine: str) -> str:
    return f"calibrations/{quote(machine, safe='')}"


def _rows(seconds: Mapping[Kind, float]) -> list[tuple[str, str, str, str, float]]:
    return [(*kind, value) for kind, value in seconds.items()]


def _newest(found: Sequence[_Calibration]) -> MeasuredSeconds:
    """Return what calibrations teach; of two that measured the same kind the newer one counts."""
    by_age = sorted(found, key=lambda calibration: calibration.at)
    return MeasuredSeconds(
        training={(a, b, c, d): seconds for each in by_age for a, b, c, d, seconds in each.training},
        evaluation={(a, b, c, d): seconds for each in by_age for a, b, c, d, seconds in each.evaluation},
        hardware=tuple(dict.fromkeys(each.hardware for each in found)),
    )


def measured_seconds_of(results: Iterable[CellResult]) -> MeasuredSeconds:
    """Return what some results teach: the median of each kind."""
    training: dict[Kind, list[float]] = {}
    evaluation: dict[Kind, list[float]] = {}
    for result in results:
        config = result.training.provenance.config
        dataset, model, method = (str(config.get(name, "")) for name in ("dataset", "model", "method"))
        images = images_seen(config)
        if images and result.training.summary.device_s > 0:
            seconds = result.training.summary.device_s / images
            training.setdefault((dataset, model, method, _trained_in(config)), []).append(seconds)
        for report in result.reports.values():
            outcome = report.outcome
            if outcome is not None and outcome.forward_passes and report.wall_s > 0:
                kind = (dataset, model, report.benchmark, evaluated_in(outcome.notes, config))
                evaluation.setdefault(kind, []).append(report.wall_s / outcome.forward_passes)
    return MeasuredSeconds(training=_medians(training), evaluation=_medians(evaluation))


def _trained_in(config: Mapping[str, Any]) -> str:
    """Return the precision that a recorded recipe asks for; those from before the choice stand for fp32."""
    recipe = config.get("recipe")
    return str(recipe.get("precision") or "fp32") if isinstance(recipe, Mapping) else ""


def training_images(config: JobConfig, dataset: DatasetSpec) -> float:
    """Return how many images a training will see, epochs counted."""
    return float(config.recipe.epochs * (config.recipe.train_images or dataset.num_train))


def images_seen(config: Mapping[str, Any]) -> float:
    """Return how many images a recorded training saw, epochs counted; 0 where its configuration does not say."""
    recipe = config.get("recipe")
    dataset = DATASETS.get(str(config.get("dataset", "")))
    if not isinstance(recipe, Mapping) or dataset is None:
        return 0.0
    return float(recipe.get("epochs", 0)) * float(recipe.get("train_images") or dataset.num_train)


def _medians(values: Mapping[Kind, list[float]]) -> dict[Kind, float]:
    return {kind: sorted(found)[len(found) // 2] for kind, found in values.items()}
