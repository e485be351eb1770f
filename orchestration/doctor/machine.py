"""What a person needs to know of their installation: each finding with its state and the fix."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from augment.kernels.cpus import available_cpus
from augment.kernels.sources import cache_root
from augment.lookup.parameters import first_line
from clusters.code.own_packages import ROOT, foreign_modules
from clusters.ray_api.private import SYMBOLS, missing_symbols
from clusters.storage.contract import StorageError
from clusters.storage.open import check_storage, open_storage
from orchestration.doctor.contract import Finding, State
from orchestration.doctor.gpus import gpu_findings, gpu_report
from orchestration.engine.releases import check_release
from orchestration.errors import EnvironmentRefused, InputError
from orchestration.settings import Settings
from orchestration.tracking.boards.registry import board_version, check_boards
from orchestration.tracking.secrets import scrubbed
from orchestration.tracking.server.check import check_tracking
from trainers.datasets.registry import DATASETS, missing_data

LIBRARIES = ("torch", "torchvision", "ray", "mlflow", "numpy", "numba", "scipy", "pandas", "pydantic")
LOW_DISK_GIB = 5.0


def examine(settings: Settings) -> list[Finding]:
    """Return what is found of versions, devices, storage, tracking, data and compiled kernels; never raises."""
    looks: Sequence[tuple[str, Callable[[Settings], list[Finding]]]] = (
        ("versions", _versions),
        ("packages", _packages),
        ("devices", _devices),
        ("ray", _ray),
        ("storage", _storage),
        ("disk", _disk),
        ("tracking", _tracking),
        ("data", _data),
        ("kernels", _kernels),
    )
    findings: list[Finding] = []
    for what, look in looks:
        try:
            findings += look(settings)
        except Exception as error:  # whatever a look meets is itself a finding
            text = first_line(error)
            detail = f"{type(error).__name__}: {text}"
            findings.append(Finding(what=what, state="broken", detail=detail, fix="see the message"))
    return findings


def _versions(settings: Settings) -> list[Finding]:
    found, missing = [f"python {sys.version.split()[0]}"], []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        fix = "install the locked environment: make install"
        return [Finding(what="versions", state="broken", detail=f"missing: {', '.join(missing)}", fix=fix)]
    return [Finding(what="versions", state="fine", detail=", ".join(found))]


def _packages(settings: Settings) -> list[Finding]:
    foreign = foreign_modules()
    if not foreign:
        return [Finding(what="packages", state="fine", detail=f"imported from {ROOT}")]
    named = ", ".join(map(str, foreign))
    fix = (
        "nothing needs to be done for the command line; rename them to import them from code that imports dreamgrid too"
    )
    detail = f"imported from {ROOT}, though these bear names of DreamGrid's packages: {named}"
    return [Finding(what="packages", state="note", detail=detail, fix=fix)]


def _devices(settings: Settings) -> list[Finding]:
    cpus = available_cpus()
    gpus = gpu_findings(gpu_report())
    if not gpus:
        gpus = [Finding(what="devices", state="note", detail="no GPU: cells train on the CPU")]
    return [Finding(what="devices", state="fine", detail=f"{cpus} CPUs"), *gpus]


def _ray(settings: Settings) -> list[Finding]:
    try:
        check_release("warm")
    except EnvironmentRefused as error:
        detail, _, fix = str(error).partition("; ")
        return [Finding(what="ray", state="broken", detail=detail, fix=fix)]
    missing = missing_symbols()
    if not missing:
        detail = f"has the private names that DreamGrid uses: {', '.join(SYMBOLS)}"
        return [Finding(what="ray", state="fine", detail=detail)]
    fix = "nothing needs to be done; the locked environment has a Ray with it: make install"
    return [
        Finding(what="ray", state="note", detail=f"without {name}: {consequence}", fix=fix)
        for name, consequence in missing.items()
    ]


def _storage(settings: Settings) -> list[Finding]:
    storage = open_storage(settings.storage, is_patient=False)
    is_new = not settings.is_remote and not Path(settings.storage).exists()
    try:
        check_storage(storage)
    except StorageError as error:
        return [Finding(what="storage", state="broken", detail=f"{settings.storage}: {error.detail}", fix=error.fix)]
    if is_new:
        shutil.rmtree(settings.storage)
    known = " and honours conditional writes" * settings.is_remote + " (new)" * is_new
    return [Finding(what="storage", state="fine", detail=f"{settings.storage} can be written{known}")]


def _disk(settings: Settings) -> list[Finding]:
    places = {str(settings.cache_dir)} | (set() if settings.is_remote else {settings.storage})
    findings = []
    for place in sorted(places):
        folder = next(path for path in (Path(place), *Path(place).parents) if path.exists())
        free = shutil.disk_usage(folder).free / 2**30
        is_low = free < LOW_DISK_GIB
        fix = f"free some space, or name another folder instead of {place}" if is_low else ""
        state: State = "note" if is_low else "fine"
        findings.append(Finding(what="disk", state=state, detail=f"{free:.1f} GiB free for {place}", fix=fix))
    return findings


def _tracking(settings: Settings) -> list[Finding]:
    try:
        check_tracking(settings.tracking, prefix=settings.experiment_prefix)
    except EnvironmentRefused as error:
        return [Finding(what="tracking", state="broken", detail=scrubbed(settings.tracking), fix=str(error))]
    return [
        Finding(what="tracking", state="fine", detail=scrubbed(settings.tracking)),
        *(_second_tracker(name) for name in settings.trackers),
    ]


def _second_tracker(name: str) -> Finding:
    try:
        check_boards([name])
    except InputError as error:
        return Finding(what=name, state="broken", detail="not usable", fix="; ".join(map(str, error.mistakes)))
    except EnvironmentRefused as error:
        return Finding(what=name, state="broken", detail=board_version(name), fix=str(error))
    return Finding(what=name, state="fine", detail=board_version(name))


def _data(settings: Settings) -> list[Finding]:
    there = [name for name in DATASETS if not missing_data([name], settings.data_root)]
    absent = [name for name in DATASETS if name not in there]
    findings = [Finding(what="data", state="fine", detail=f"{', '.join(there)} (in {settings.data_root})")]
    if absent:
        hints = [hint for name in absent if (hint := DATASETS[name].fetch_hint(settings.data_root))]
        fix = "; ".join(hints)
        findings.append(Finding(what="data", state="note", detail=f"missing: {', '.join(absent)}", fix=fix))
    return findings


def _kernels(settings: Settings) -> list[Finding]:
    folder = Path(cache_root())
    number = sum(1 for path in folder.rglob("*.nbc")) if folder.exists() else 0
    if number:
        return [Finding(what="kernels", state="fine", detail=f"{number} compiled in {folder}")]
    fix = "compile them now: python -m trainers.worker.warm_kernels (else the first run does)"
    return [Finding(what="kernels", state="note", detail=f"none compiled in {folder}", fix=fix)]
