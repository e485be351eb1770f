"""Check a Slurm script that starts a Ray cluster inside an allocation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from clusters.cluster_files.contract import Finding
from clusters.cluster_files.gpus import job_faults, start_faults
from clusters.cluster_files.places import unfilled_in

_OPTION: Final = "#SBATCH"
_ASKS_FOR_GPUS: Final = re.compile(r"^#SBATCH\s+(--gpus\b|--gpus-per-|--gres=\S*gpu|-G\b)")
_MIXED: Final = "#SBATCH hetjob"


def is_slurm_script(text: str) -> bool:
    """Return whether a text is a script with options of Slurm."""
    return text.startswith("#!") and any(line.startswith(_OPTION) for line in text.splitlines())


def slurm_findings(text: str) -> Iterator[Finding]:
    """Return what is wrong with a script, in no order."""
    lines = text.splitlines()
    has_gpus = any(_ASKS_FOR_GPUS.match(line) for line in lines)
    # In an allocation of several kinds of node the head may be on one without GPUs.
    is_mixed = any(line.startswith(_MIXED) for line in lines)
    for number, command in _commands(lines):
        yield from unfilled_in(command, number)
        if "ray start" in command:
            yield from _start(number, command, text)
        if has_gpus:
            is_apart = is_mixed and "--head" in command
            faults = [*job_faults(command), *(start_faults(command) if "ray start" in command and not is_apart else ())]
            for rule, value, fix in dict.fromkeys(faults):
                yield Finding(line=number, rule=rule, value=value, fix=fix)


def _start(number: int, command: str, text: str) -> Iterator[Finding]:
    if "RAY_AUTH_MODE=token" not in text:
        yield Finding(
            line=number,
            rule="Ray must start with token authentication",
            value="the script does not ask for it",
            fix="export RAY_AUTH_MODE=token before it",
        )
    if re.search(r"--dashboard-host[= ]0\.0\.0\.0", command):
        yield Finding(
            line=number,
            rule="the dashboard must not be public",
            value="it listens on 0.0.0.0",
            fix="use --dashboard-host=127.0.0.1",
        )


def _commands(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Return the line and text of each command and of Slurm's options; lines that continue one are joined, comments left out."""
    first, command = 0, ""
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("#") and not line.startswith(_OPTION):
            continue
        first = first if command else number
        command += line.rstrip("\\")
        if not line.endswith("\\"):
            yield first, command
            command = ""
    if command:
        yield first, command
