"""What `doctor` says of the GPUs of a machine and of the nodes of a cluster; reports stand in for GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clusters.probe import ProbeRequest, present_gpus, probe
from orchestration.doctor import machine
from orchestration.doctor.cluster import NodeAnswer, evaluate
from orchestration.doctor.gpus import gpu_findings, gpu_report
from orchestration.settings import Settings
from trainers.worker.devices import Wheel, fix_of, unusable

CUDA_13 = Wheel(version="2.14.1", cuda="13.0", architectures=("sm_75", "sm_90"))
L4 = ["NVIDIA L4", [8, 9]]
V100 = ["Tesla V100", [7, 0]]


def report(**changes: Any) -> dict[str, Any]:
    """What a node with one working L4 reports, but for the changes."""
    return {
        "present": 1, "driver": "580.95.05", "torch": "2.14.1", "cuda": "13.0", "architectures": ["sm_75", "sm_80"],
        "seen": [L4], "variable": "", **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "offered", "state", "detail", "fix"),
    [
        ({}, None, "fine", "1 x NVIDIA L4; NVIDIA driver: 580.95.05, torch 2.14.1 (built for CUDA 13.0)", ""),
        ({"seen": [L4, L4], "present": 2}, 2.0, "fine", "a: 2 x NVIDIA L4", ""),
        (
            {"seen": [], "driver": "535.1"},
            None,
            "broken",
            "has 1 GPUs, but torch sees none; NVIDIA driver: 535.1",
            ">= 580",
        ),
        ({"seen": []}, None, "broken", "torch sees none", "nvidia-smi"),
        ({"seen": [], "cuda": "", "architectures": []}, 1.0, "broken", "a: offers 1 GPUs", "build of torch for CUDA"),
        ({"seen": [], "present": 0, "driver": ""}, 1.0, "broken", "NVIDIA driver: no driver found", ">= 580"),
        ({}, 4.0, "broken", "a: offers 4 GPUs, but torch sees 1", "nvidia-smi"),
        (
            {"seen": [V100]},
            1.0,
            "broken",
            "no kernels for Tesla V100 (compute capability 7.0)",
            "use a GPU that is among",
        ),
        ({"seen": [V100]}, None, "broken", "for sm_75, sm_80", "use a GPU that is among"),
        ({}, 0.0, "note", "a: 1 GPUs that Ray was not given: cells train on the CPUs", "--num-gpus=1"),
        ({"seen": [], "present": 0, "variable": "cpu"}, 2.0, "note", "workers compute on the CPU", "unset"),
        ({"error": "No module named 'orchestration'"}, 1.0, "broken", "a: cannot be checked: No module", "one image"),
    ],
)
def test_each_fault_of_a_gpu_has_its_finding_and_its_fix(
    changes: dict[str, Any], offered: float | None, state: str, detail: str, fix: str
) -> None:
    (finding,) = gpu_findings(report(**changes), node="" if offered is None else "a", offered=offered)

    assert (finding.what, finding.state) == ("GPUs", state)
    assert detail in finding.detail
    assert fix in finding.fix
    assert bool(finding.fix) == (state != "fine")


def test_a_node_without_gpus_has_no_finding() -> None:
    assert gpu_findings({}, node="a", offered=0.0) == []
    assert gpu_findings(report(present=0, seen=[], driver=""), offered=None) == []


def test_doctor_and_a_worker_name_the_same_versions_and_the_same_fix() -> None:
    (finding,) = gpu_findings(report(seen=[], driver="535.1"), offered=None)
    error = str(unusable(CUDA_13, "535.1", "torch sees no GPU"))

    assert finding.fix == fix_of(CUDA_13, "535.1")
    assert finding.fix in error
    assert finding.detail.partition("; ")[2] in error


def test_gpus_are_counted_by_their_device_files(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia11", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()

    assert present_gpus(tmp_path) == 2


def test_the_report_of_this_machine_is_json_that_findings_read() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "orchestration.doctor.gpus"], capture_output=True, text=True, check=True, env=os.environ
    )

    assert json.loads(ran.stdout) == gpu_report()
    assert all(finding.state in ("fine", "note", "broken") for finding in gpu_findings(json.loads(ran.stdout)))


def test_a_node_that_offers_gpus_is_asked_in_a_process_that_sees_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "says.py").write_text("import json, os; print('noise'); print(json.dumps(dict(os.environ)))")
    (tmp_path / "fails.py").write_text("raise SystemExit('no such library')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    assert "CUDA_VISIBLE_DEVICES" not in asked(tmp_path, gpu_module="says", offers_gpus=True)
    assert asked(tmp_path, gpu_module="fails", offers_gpus=True) == {"error": "no such library"}
    assert "No module named" in asked(tmp_path, gpu_module="no_such_module", offers_gpus=True)["error"]
    assert asked(tmp_path, gpu_module="", offers_gpus=True) == {}
    if not present_gpus():
        assert asked(tmp_path, gpu_module="says", offers_gpus=False) == {}


def test_the_gpus_are_asked_by_our_module_whatever_the_working_directory_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("orchestration", "dreamgrid", "trainers"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the module of the working directory was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    found = asked(tmp_path, gpu_module="orchestration.doctor.gpus", offers_gpus=True)

    assert found["torch"] == gpu_report()["torch"], found


def asked(folder: Path, **changes: Any) -> dict[str, Any]:
    request = ProbeRequest(
        libraries=(), folders=(), storage=str(folder), marker="m", content=b"", tracking_uri="", **changes
    )
    found: dict[str, Any] = probe(request)["gpus"]
    return found


def test_the_nodes_of_a_cluster_are_judged_by_what_ray_gives_them(tmp_path: Path) -> None:
    settings = Settings(
        storage=str(tmp_path), data_root=tmp_path, cache_dir=tmp_path, tracking_uri="http://mlflow:5000"
    )
    here = {"python": "3.11.7", "versions": {}}
    healthy = {**here, "time": 0.0, "free_gib": {}, "storage": "", "tracking": ""}
    answers = [
        NodeAnswer(name="head", report={**healthy, "gpus": {}}),
        NodeAnswer(name="fine", report={**healthy, "gpus": report()}, gpus=1.0),
        NodeAnswer(name="blind", report={**healthy, "gpus": report(seen=[])}, gpus=1.0),
        NodeAnswer(name="idle", report={**healthy, "gpus": report()}, gpus=0.0),
    ]

    found = [
        (finding.state, finding.detail.partition(":")[0]) for finding in evaluate(answers, here=here, settings=settings)
    ]

    assert found == [("broken", "blind"), ("note", "idle"), ("fine", "fine")]


def test_a_machine_says_what_is_wrong_with_its_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(storage=str(tmp_path / "s"), data_root=tmp_path, cache_dir=tmp_path, tracking_uri="")
    monkeypatch.setattr(machine, "gpu_report", lambda: report(seen=[], driver="535.1"))

    broken = [finding for finding in machine.examine(settings) if finding.what == "GPUs"]

    assert [finding.state for finding in broken] == ["broken"]
