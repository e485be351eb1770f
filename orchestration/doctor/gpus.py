"""The GPUs of a machine or node: which ones torch can use, and what is wrong with the others.

`python -m orchestration.doctor.gpus` prints the report of the machine it runs on as JSON, in a process that sees all its GPUs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from augment.heavy import torch
from clusters.probe import present_gpus
from orchestration.doctor.contract import Finding
from trainers.worker.devices import (
    DEVICE_VARIABLE,
    Wheel,
    driver_version,
    fix_of,
    installed_wheel,
    newer_gpu_fix,
    versions,
)


def gpu_report() -> dict[str, Any]:
    """Return what is here, as plain values.

    Returns:
        "present": GPUs of NVIDIA that the system has; "driver", "torch", "cuda": versions, "" where there is none;
        "architectures": what torch was compiled for; "seen": name and compute capability of each GPU that torch sees;
        "variable": value of DREAMGRID_WORKER_DEVICE.
    """
    wheel = installed_wheel()
    seen = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return {
        "present": present_gpus(),
        "driver": driver_version(),
        "torch": wheel.version,
        "cuda": wheel.cuda,
        "architectures": list(wheel.architectures),
        "seen": [[torch.cuda.get_device_name(each), list(torch.cuda.get_device_capability(each))] for each in seen],
        "variable": os.environ.get(DEVICE_VARIABLE, ""),
    }


def gpu_findings(report: Mapping[str, Any], *, node: str = "", offered: float | None = None) -> list[Finding]:
    """Return what a report amounts to.

    Args:
        report: See `gpu_report`; or only "error"; or nothing, for a node without GPUs.
        node: Name of the node, "" for this machine.
        offered: GPUs that Ray gives to workers there; None where no Ray is asked.
    """
    if not report:
        return []
    prefix = f"{node}: " if node else ""
    if report.get("error"):
        fix = "use one image for all nodes, built from requirements.lock"
        return [Finding(what="GPUs", state="broken", detail=f"{prefix}cannot be checked: {report['error']}", fix=fix)]
    if report["variable"] and offered:
        detail = f"{prefix}workers compute on the CPU: {DEVICE_VARIABLE}={report['variable']}"
        return [Finding(what="GPUs", state="note", detail=detail, fix=f"unset {DEVICE_VARIABLE} to train on GPUs")]
    wheel = Wheel(version=report["torch"], cuda=report["cuda"], architectures=tuple(report["architectures"]))
    driver, seen = report["driver"], [(name, tuple(capability)) for name, capability in report["seen"]]
    what_is_there = versions(wheel, driver)
    wanted = report["present"] if offered is None else offered
    found = []
    if len(seen) < wanted:
        has = "has" if offered is None else "offers"
        detail = f"{prefix}{has} {wanted:g} GPUs, but torch sees {len(seen) or 'none'}; {what_is_there}"
        found.append(Finding(what="GPUs", state="broken", detail=detail, fix=fix_of(wheel, driver)))
    for name, (major, minor) in dict.fromkeys(seen):
        if not wheel.runs_on((major, minor)):
            detail = (
                f"{prefix}torch has no kernels for {name} (compute capability {major}.{minor}); {what_is_there}, for "
                f"{', '.join(wheel.architectures)}"
            )
            found.append(Finding(what="GPUs", state="broken", detail=detail, fix=newer_gpu_fix()))
    if offered == 0 and report["present"]:
        detail = f"{prefix}{report['present']} GPUs that Ray was not given: cells train on the CPUs there"
        fix = f"start the node with `ray start --num-gpus={report['present']}`, or give its pod or node type the GPUs"
        found.append(Finding(what="GPUs", state="note", detail=detail, fix=fix))
    if seen and not found:
        names = ", ".join(
            f"{[name for name, _ in seen].count(name)} x {name}" for name in dict.fromkeys(name for name, _ in seen)
        )
        found.append(Finding(what="GPUs", state="fine", detail=f"{prefix}{names}; {what_is_there}"))
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(gpu_report()) + "\n")
