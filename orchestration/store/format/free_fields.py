"""The free parts of a record (environment, configuration, notes): what readers look at in them, and of which type it must be.

They may contain anything else: jobs, benchmarks and plug-ins write what they have to say. Only a record that was damaged or
written by hand has a known field of another type; its reader would end in an error that names neither the record nor the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from eval.report import AT_ONCE, LEFT_OUT, PRECISION_NOTE, REFUSED_SETS
from orchestration.store.format.documents import corrupt
from trainers.job import MACHINE_USE
from trainers.models.weights.assumption import KEY


class _Assumption(msgspec.Struct, frozen=True):
    mean: list[float]
    std: list[float]
    source: str
    notes: list[Any]
    warning: str | None


class _MachineUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    epoch: int
    cpu_busy: float
    memory_mib: float


ENVIRONMENT: Final[Mapping[str, Any]] = {
    "byte_digests": dict[str, Any],
    "adopted_against": list[Any],
    "weights_sha256": str | None,
    "file_sha256": str | None,
    MACHINE_USE: list[_MachineUse],
    KEY: _Assumption | None,
}
"""Field of the environment of a training -> its type."""

RECIPE: Final[Mapping[str, Any]] = {"epochs": float, "train_images": float | None}
"""Field of a recorded recipe -> its type."""

NOTES: Final[Mapping[str, Any]] = {
    "files": dict[str, dict[str, Any]],
    "limited": dict[str, Any],
    "missing": dict[str, Any],
    "small_sets": dict[str, Any],
    "spreads": dict[str, float | None],
    "taken": dict[str, dict[str, Any]],
    AT_ONCE: dict[str, Any],
    LEFT_OUT: dict[str, Any],
    PRECISION_NOTE: str,
    REFUSED_SETS: dict[str, Any],
}
"""Note of a report -> its type."""


def check_fields(where: str, path: str, values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Check the known ones of some free fields.

    Args:
        where: The record's file.
        path: What the fields are in: "summary.environment".

    Raises:
        CorruptRecordError: If one is of another type; names the file, the field and both types.
    """
    for name in types.keys() & values.keys():
        try:
            msgspec.convert(values[name], types[name])
        except msgspec.ValidationError as error:
            place = f"`$.{path}.{name}`"
            raise corrupt(where, f"a record must follow its format, but: {error} - in {place}") from error
