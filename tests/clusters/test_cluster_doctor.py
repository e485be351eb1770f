"""`doctor --address`: what the nodes of a cluster say becomes findings with remedies."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import ClusterError
from clusters.probe import ProbeRequest, present_gpus, probe
from clusters.ray_api.address import cluster_token
from orchestration.doctor.cluster import NodeAnswer, clock_difference_s, evaluate, examine_cluster, token_findings
from orchestration.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = {"python": "3.11.7", "versions": {"torch": "2.14.1", "ray": "2.60.0", "dreamgrid": "0.1.0"}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings in a local folder, with a server that nodes must reach."""
    return Settings(
        storage=str(tmp_path / "storage"), data_root=tmp_path, cache_dir=tmp_path, tracking_uri="http://mlflow:5000"
    )


def report(**changes: Any) -> dict[str, Any]:
    """What a healthy node says, but for the changes."""
    return {**HERE, "time": 0.0, "free_gib": {"/cache": 100.0}, "storage": "", "tracking": "", "gpus": {}, **changes}


def test_nodes_without_fault_are_one_fine_finding(settings: Settings) -> None:
    (finding,) = evaluate([NodeAnswer(name="a", report=report())], here=HERE, settings=settings)

    assert finding.state == "fine"


@pytest.mark.parametrize(
    ("answer", "what", "detail", "fix"),
    [
        (
            {"report": report(versions={**HERE["versions"], "torch": "2.13.0"})},
            "version skew",
            "a: torch 2.13.0 (here 2.14.1)",
            "one image",
        ),
        ({"report": report(python="3.12.1")}, "version skew", "a: python 3.12.1 (here 3.11.7)", "one image"),
        (
            {"report": report(versions={**HERE["versions"], "dreamgrid": ""})},
            "missing packages",
            "a: dreamgrid",
            "requirements.lock",
        ),
        (
            {"report": report(storage="does not see what the driver writes")},
            "storage",
            "does not see what the driver writes (on a)",
            "mount the folder on every node",
        ),
        ({"report": report(tracking="refuses the host header")}, "tracking", "http://mlflow:5000", "--allowed-hosts"),
        (
            {"report": report(tracking="does not answer: Connection refused")},
            "tracking",
            "Connection refused (on a)",
            "--host",
        ),
        ({"report": report(), "clock_s": -90.0}, "clock", "a is -90.0 s off", "NTP"),
        ({"report": report(free_gib={"/cache": 1.0})}, "disk", "1.0 GiB free for /cache on a", "larger disks"),
        ({"report": None, "error": "GetTimeoutError: "}, "node", "a does not answer: GetTimeoutError", "logs"),
    ],
)
def test_each_fault_has_its_finding_and_its_remedy(
    settings: Settings, answer: dict[str, Any], what: str, detail: str, fix: str
) -> None:
    (finding,) = evaluate([NodeAnswer(name="a", **answer)], here=HERE, settings=settings)

    assert finding.what == what
    assert finding.state in ("broken", "note")
    assert detail in finding.detail
    assert fix in finding.fix


def test_the_same_fault_on_many_nodes_is_one_finding(settings: Settings) -> None:
    answers = [NodeAnswer(name=name, report=report(tracking="answers 500")) for name in "abc"]
    (finding,) = evaluate(answers, here=HERE, settings=settings)

    assert "(on a, b, c)" in finding.detail


@pytest.mark.parametrize(
    ("has", "mode", "state"), [(True, "", "fine"), (False, "", "note"), (True, "disabled", "note")]
)
def test_a_missing_token_is_told(has: bool, mode: str, state: str) -> None:
    (finding,) = token_findings(has_token=has, mode=mode)

    assert finding.state == state
    assert state == "fine" or "ray get-auth-token --generate" in finding.fix


def test_a_token_is_found_where_ray_looks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    absent = {"RAY_AUTH_TOKEN_PATH": str(path)}

    assert not cluster_token(absent)
    path.write_text("t" * 64)
    assert cluster_token(absent)
    assert cluster_token({"RAY_AUTH_TOKEN": "t" * 64, "RAY_AUTH_TOKEN_PATH": "/nowhere"})


def test_a_clock_is_off_only_by_what_the_question_took_at_least() -> None:
    assert clock_difference_s(105.0, 100.0, 110.0) == 0.0
    assert clock_difference_s(200.0, 100.0, 110.0) == 90.0
    assert clock_difference_s(40.0, 100.0, 110.0) == -60.0


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], str]]:
    """Start servers on loopback that answer everything with one status and text."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(status: int, text: bytes) -> str:
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                return

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (200, b"{}", ""),
        (401, b"who are you", ""),
        (403, b"Invalid Host header - possible DNS rebinding attack detected", "refuses the host header"),
        (500, b"broken", "answers 500"),
    ],
)
def test_a_node_says_how_the_tracking_server_answers_it(
    tmp_path: Path, answering: Callable[[int, bytes], str], status: int, text: bytes, expected: str
) -> None:
    (tmp_path / "marker").write_bytes(b"seen")
    said = probe(request_of(tmp_path, tracking_uri=answering(status, text)))

    assert said["tracking"] == expected
    assert said["storage"] == ""
    assert [path.name for path in tmp_path.iterdir()] == ["marker"]


def test_a_node_says_that_it_does_not_see_what_the_driver_wrote(tmp_path: Path) -> None:
    said = probe(request_of(tmp_path, tracking_uri="http://127.0.0.1:9"))

    assert said["storage"] == "does not see what the driver writes"
    assert said["tracking"].startswith("does not answer: ")
    assert said["versions"]["no-such-package"] == ""


def request_of(folder: Path, *, tracking_uri: str) -> ProbeRequest:
    return ProbeRequest(
        libraries=("ray", "no-such-package"),
        folders=(str(folder),),
        storage=str(folder),
        marker="marker",
        content=b"seen",
        tracking_uri=tracking_uri,
    )


def test_a_cluster_that_cannot_be_reached_is_a_finding(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: str) -> None:
        raise ClusterError(f"the cluster at {address} cannot be reached; check the address")

    monkeypatch.setattr("orchestration.doctor.cluster.connect", refuse)
    findings = examine_cluster(settings, "10.0.0.1:6379")

    assert [(finding.state, finding.fix) for finding in findings if finding.what == "cluster"] == [
        ("broken", "the cluster at 10.0.0.1:6379 cannot be reached; check the address")
    ]
    assert not list(Path(settings.storage).rglob("*-*"))


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_real_cluster_is_looked_at(ray_head: Any, tmp_path: Path) -> None:
    ran = ray_head.dreamgrid(
        "doctor", "--address", ray_head.address, "--storage", str(tmp_path / "storage"), "--json",
        "--tracking-uri", "http://127.0.0.1:9",
    )  # fmt: skip
    findings = json.loads(ran.stdout)
    broken = {finding["what"]: finding["detail"] for finding in findings if finding["state"] == "broken"}

    assert ran.returncode == 3
    assert {"what": "token", "state": "fine", "detail": "at hand", "fix": ""} in findings
    assert broken.keys() == {"tracking"}, broken
    assert "does not answer" in broken["tracking"], findings
    assert not list((tmp_path / "storage" / "doctor").iterdir())


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.skipif(present_gpus() > 0, reason="needs a machine whose GPUs are made up")
def test_gpus_that_a_node_offers_and_does_not_have_are_found(clusters_of: Callable[..., Any], tmp_path: Path) -> None:
    cluster = clusters_of(num_cpus=1, arguments=["--num-gpus=2"], environment={"PYTHONPATH": str(REPOSITORY)})
    cluster.start()
    ran = cluster.dreamgrid("doctor", "--address", cluster.address, "--storage", str(tmp_path / "storage"), "--json")
    cluster.stop()
    findings = [finding for finding in json.loads(ran.stdout) if finding["what"] == "GPUs"]

    assert ran.returncode == 3
    (finding,) = findings
    assert finding["state"] == "broken"
    assert "offers 2 GPUs, but torch sees none; NVIDIA driver: no driver found" in finding["detail"]
    assert "--gpus-per-worker 0" in finding["fix"]
