"""How busy the machine is: real readings, kept over a resume, absent from what earlier versions wrote."""

from __future__ import annotations

import time

from trainers.job import MACHINE_USE, MachineUse, use_in
from trainers.training.machine_use import MachineWatch
from trainers.training.progress import Progress


def test_a_busy_process_shows_and_memory_is_a_plausible_number() -> None:
    watch = MachineWatch()
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass

    use = watch.take(3)

    assert use.epoch == 3
    assert 0.0 < use.cpu_busy <= 1.0
    assert 10.0 < use.memory_mib < 1e8


def test_what_is_read_goes_through_a_resume() -> None:
    progress = Progress(machine=[MachineUse(epoch=0, cpu_busy=0.5, memory_mib=7.0)])
    state = progress.state_dict()

    assert Progress.from_state(state).machine == progress.machine
    del state["machine"]
    assert Progress.from_state(state).machine == []


def test_an_environment_of_an_earlier_version_says_nothing_of_it() -> None:
    assert use_in({"torch": "2.14"}) == []
    assert use_in({MACHINE_USE: [{"epoch": 1, "cpu_busy": 0.5, "memory_mib": 2.0}]}) == [
        MachineUse(epoch=1, cpu_busy=0.5, memory_mib=2.0)
    ]
