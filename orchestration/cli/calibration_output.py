"""What `plan --calibrate` does before it plans: measure, keep, say what could not be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.cli.output import tell, tell_damage

if TYPE_CHECKING:
    from orchestration.cells.cell import Plan
    from orchestration.planning.costs.estimate import Machine
    from orchestration.settings import Settings
    from orchestration.store.contract import ResultsStore


def calibrated_first(made: Plan, *, store: ResultsStore, settings: Settings, machine: Machine) -> None:
    """Measure every kind of cell of a plan that nothing recorded tells of, and keep that in the store.

    Raises:
        InputError: If this process computes on another type of device than the machine has.
    """
    from orchestration.evaluation.calibrate import calibrate
    from orchestration.planning.costs.estimate import recorded_experience

    found = calibrate(
        made.to_run, known=recorded_experience(made, store, tell_damage), machine=machine, settings=settings, tell=tell
    )
    for kind, reason in found.skipped.items():
        tell(f"not calibrated: {kind}: {reason}")
    if found.measured.training or found.measured.evaluation:
        store.record_calibration(machine.name, found.hardware, found.measured)
        tell(f"measured on {found.hardware} and kept as machine '{machine.name}' for later plans on this storage")
    elif not found.skipped:
        tell("nothing to calibrate: recorded cells tell of every kind, or nothing is to run")
