"""What is wrong with a cluster, as its driver sees it; every node is asked, and each finding has its remedy."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from augment.lookup.parameters import first_line
from augment.lookup.wording import count
from clusters import probe as module
from clusters.connect import connect
from clusters.errors import ClusterError
from clusters.probe import ProbeRequest, probe
from clusters.ray_api.address import cluster_token
from clusters.storage.contract import StorageError
from clusters.storage.open import open_storage
from orchestration.doctor.contract import Finding
from orchestration.doctor.gpus import gpu_findings
from orchestration.doctor.machine import LIBRARIES, LOW_DISK_GIB
from orchestration.settings import Settings

ANSWER_S: Final = 120.0
CLOCK_S: Final = 5.0
"""Clocks that differ by more confuse leases, whose expiry is a time of day."""

SHIPPED: Final = (*LIBRARIES, "boto3", "dreamgrid")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswer:
    """What a node said.

    Attributes:
        report: What `clusters.probe.probe` returned there; None when it did not answer.
        clock_s: Seconds by which its clock is ahead of the driver's.
        gpus: GPUs that Ray gives to workers there.
    """

    name: str
    report: Mapping[str, Any] | None
    clock_s: float = 0.0
    error: str = ""
    gpus: float = 0.0


def examine_cluster(settings: Settings, address: str) -> list[Finding]:
    """Return what is found of a cluster; never raises."""
    findings = token_findings(has_token=bool(cluster_token()), mode=os.environ.get("RAY_AUTH_MODE", ""))
    request = _request(settings)
    storage = open_storage(settings.storage)
    try:
        storage.write_bytes(request.marker, request.content)
        with connect(address):
            answers = _ask_all(request)
    except (ClusterError, StorageError) as error:
        return [*findings, Finding(what="cluster", state="broken", detail=address, fix=str(error))]
    finally:
        _forget(settings.storage, request.marker)
    return findings + evaluate(answers, here=_here(request), settings=settings)


def token_findings(*, has_token: bool, mode: str) -> list[Finding]:
    """Evaluate whether this driver has a token for the cluster."""
    if has_token and mode != "disabled":
        return [Finding(what="token", state="fine", detail="at hand")]
    detail = "authentication is off" if mode == "disabled" else "none at hand"
    fix = (
        "anyone who reaches a cluster without a token can run code on it: ray get-auth-token --generate, chmod 600 "
        "~/.ray/auth_token, RAY_AUTH_MODE=token for every node and driver"
    )
    return [Finding(what="token", state="note", detail=detail, fix=fix)]


def evaluate(answers: Sequence[NodeAnswer], *, here: Mapping[str, Any], settings: Settings) -> list[Finding]:
    """Return the findings that the nodes' answers amount to, compared with what the driver itself has (`here`)."""
    findings = [
        Finding(
            what="node", state="broken", detail=f"{answer.name} does not answer: {answer.error}",
            fix="check the node's logs, or end the node: ray.nodes() still counts it",
        )
        for answer in answers
        if answer.report is None
    ]  # fmt: skip
    heard = [(answer, answer.report) for answer in answers if answer.report is not None]
    findings += _version_findings(heard, here)
    findings += _each(heard, "storage", settings.storage, _storage_fix(settings.storage))
    findings += _each(heard, "tracking", settings.tracking, _TRACKING_WAY_OUT)
    findings += [
        Finding(
            what="clock", state="broken", detail=f"{answer.name} is {answer.clock_s:+.1f} s off",
            fix="set the clocks by NTP: leases expire at a wall-clock time",
        )
        for answer, _ in heard
        if abs(answer.clock_s) > CLOCK_S
    ]  # fmt: skip
    findings += [
        Finding(
            what="disk", state="note", detail=f"{free:.1f} GiB free for {folder} on {answer.name}",
            fix="give the nodes larger disks, or name another folder in DREAMGRID_CACHE",
        )
        for answer, report in heard
        for folder, free in report["free_gib"].items()
        if free < LOW_DISK_GIB
    ]  # fmt: skip
    gpus = [
        finding
        for answer, report in heard
        for finding in gpu_findings(report["gpus"], node=answer.name, offered=answer.gpus)
    ]
    findings += [finding for finding in gpus if finding.state != "fine"]
    if not findings:
        names = ", ".join(answer.name for answer in answers)
        findings.append(Finding(what="cluster", state="fine", detail=f"{count(len(answers), 'node')} checked: {names}"))
    return findings + [finding for finding in gpus if finding.state == "fine"]


_TRACKING_WAY_OUT: Final = (
    "start the server with --host, name it in --allowed-hosts as the nodes call it, and open the network policy to them"
)


def _storage_fix(storage: str) -> str:
    if "://" in storage:
        return "give the nodes a role, or AWS_* variables and AWS_ENDPOINT_URL, that reach the bucket"
    return "mount the folder on every node under the same path, or use an s3:// storage"


def _version_findings(heard: Sequence[tuple[NodeAnswer, Mapping[str, Any]]], here: Mapping[str, Any]) -> list[Finding]:
    fix = "use one image for all nodes, built from requirements.lock"
    findings = []
    for answer, report in heard:
        theirs = {"python": report["python"], **report["versions"]}
        ours = {"python": here["python"], **here["versions"]}
        missing = sorted(name for name, version in theirs.items() if not version and ours.get(name))
        skewed = [
            f"{name} {version} (here {ours[name]})"
            for name, version in sorted(theirs.items())
            if version and ours.get(name) and version != ours[name]
        ]
        for what, names in (("missing packages", missing), ("version skew", skewed)):
            if names:
                detail = f"{answer.name}: {', '.join(names)}"
                findings.append(Finding(what=what, state="broken", detail=detail, fix=fix))
    return findings


def _each(heard: Sequence[tuple[NodeAnswer, Mapping[str, Any]]], what: str, where: str, fix: str) -> list[Finding]:
    """Return one finding for each thing that is wrong, with the nodes that see it."""
    nodes: dict[str, list[str]] = {}
    for answer, report in heard:
        if report[what]:
            nodes.setdefault(report[what], []).append(answer.name)
    return [
        Finding(what=what, state="broken", detail=f"{where} {text} (on {', '.join(names)})", fix=fix)
        for text, names in nodes.items()
    ]


def _request(settings: Settings) -> ProbeRequest:
    tracking = settings.tracking if settings.tracking.startswith(("http://", "https://")) else ""
    folders = [str(settings.cache_dir)] + ([] if settings.is_remote else [settings.storage])
    return ProbeRequest(
        libraries=SHIPPED,
        folders=tuple(folders),
        storage=settings.storage,
        marker=f"doctor/{os.getpid()}-{os.urandom(4).hex()}",
        content=os.urandom(16),
        tracking_uri=tracking,
        gpu_module="orchestration.doctor.gpus",
    )


def _here(request: ProbeRequest) -> Mapping[str, Any]:
    return probe(replace(request, tracking_uri="", gpu_module=""))


def _ask_all(request: ProbeRequest) -> list[NodeAnswer]:
    """Ask every node that is up; the probe travels by value, for nodes that lack these packages."""
    import ray
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(module)
    try:
        task = ray.remote(module.probe)
        asked = []
        for one in ray.nodes():
            if one["Alive"]:
                name, gpus = f"{one['NodeManagerHostname']}/{one['NodeID'][:6]}", one["Resources"].get("GPU", 0.0)
                options = {"num_cpus": 0, "max_retries": 0, "label_selector": {"ray.io/node-id": one["NodeID"]}}
                question = replace(request, offers_gpus=gpus > 0)
                asked.append((name, gpus, task.options(**options).remote(question)))
        asked_at, deadline = time.time(), time.monotonic() + ANSWER_S
        answers = [(_answer(name, reference, asked_at, deadline), gpus) for name, gpus, reference in asked]
        return [replace(answer, gpus=gpus) for answer, gpus in answers]
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _answer(name: str, reference: Any, asked_at: float, deadline: float) -> NodeAnswer:
    import ray

    try:
        report = ray.get(reference, timeout=max(0.1, deadline - time.monotonic()))
    except Exception as error:  # Ray's many ways to say that a node is not there
        text = first_line(error)
        return NodeAnswer(name=name, report=None, error=f"{type(error).__name__}: {text}")
    return NodeAnswer(name=name, report=report, clock_s=clock_difference_s(report["time"], asked_at, time.time()))


def clock_difference_s(theirs: float, asked_at: float, heard_at: float) -> float:
    """Return by how much a clock is surely ahead (or, below 0, behind): its time must be between question and answer."""
    return max(0.0, theirs - heard_at) + min(0.0, theirs - asked_at)


def _forget(storage: str, marker: str) -> None:
    try:
        open_storage(storage).delete(marker)
    except StorageError:
        return
