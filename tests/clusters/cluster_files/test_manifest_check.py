"""Cluster files are checked offline, with line, rule and way out."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from clusters.cluster_files.check import check_manifest
from clusters.errors import ClusterError

MANIFESTS = Path(__file__).resolve().parents[3] / "clusters" / "manifests"
YAML_FILES = sorted(MANIFESTS.glob("*.yaml"))


def altered(tmp_path: Path, name: str, old: str, new: str) -> Path:
    text = (MANIFESTS / name).read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / name
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.stem)
def test_the_files_that_are_shipped_pass(path: Path) -> None:
    assert check_manifest(path) == ()


def test_every_kind_of_cluster_has_a_file() -> None:
    names = {path.stem for path in YAML_FILES}

    clouds = {"aws", "gcp", "kuberay-cluster", "kuberay-job"}
    assert names == {*clouds, "mlflow-compose", "mlflow-kubernetes", "redis-kubernetes"}


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("aws.yaml", "max_workers: 16", "max_wokers: 16", "max_wokers"),
        ("aws.yaml", "resources: {CPU: 0}", "resources: {CPU: 8}", "the head must offer no CPUs"),
        ("aws.yaml", "idle_timeout_minutes: 12", "idle_timeout_minutes: 1", "it is 60 s"),
        (
            "aws.yaml",
            "--dashboard-host=127.0.0.1",
            "--dashboard-host=0.0.0.0",
            "the dashboard must not be public",
        ),
        ("gcp.yaml", "RAY_AUTH_MODE=token ray start --address", "ray start --address", "token authentication"),
        (
            "gcp.yaml",
            "min_workers: 0\n    max_workers: 12",
            "min_workers: 2\n    max_workers: 12",
            "workers must start from zero",
        ),
        ("kuberay-cluster.yaml", "minReplicas: 0", "minReplicas: zero", "'zero' is not of type 'integer'"),
        ("kuberay-cluster.yaml", "groupName: gpu-spot", "grupName: gpu-spot", "grupName"),
        ("kuberay-job.yaml", "mode: token", "mode: disabled", "authOptions.mode is not token"),
        ("kuberay-job.yaml", "idleTimeoutSeconds: 720", "idleTimeoutSeconds: 60", "it is 60 s"),
        ("mlflow-compose.yaml", "127.0.0.1:5000:5000", "5000:5000", "bound to loopback"),
        (
            "mlflow-compose.yaml",
            "${MLFLOW_ADMIN_PASSWORD:?set it in .env}",
            "hunter2hunter2",
            "secrets must come from the environment",
        ),
        ("mlflow-kubernetes.yaml", "kind: Namespace", "kind: Secret", "secrets must not be in a manifest"),
    ],
)
def test_a_mistake_is_found(tmp_path: Path, name: str, old: str, new: str, expected: str) -> None:
    findings = check_manifest(altered(tmp_path, name, old, new))

    assert any(expected in str(finding) for finding in findings), findings


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    version: v2", "    version: v2\n    command: [ray]\n    args: [monitor]"),
        (
            "  rayVersion: 2.60.0",
            "  rayVersion: 2.60.0\n  upgradeStrategy: {type: Recreate}\n  historyServerOptions: {}",
        ),
    ],
)
def test_every_field_of_the_operator_may_be_given(tmp_path: Path, old: str, new: str) -> None:
    assert check_manifest(altered(tmp_path, "kuberay-cluster.yaml", old, new)) == check_manifest(
        MANIFESTS / "kuberay-cluster.yaml"
    )


def test_a_finding_names_the_line(tmp_path: Path) -> None:
    path = altered(tmp_path, "aws.yaml", "idle_timeout_minutes: 12", "idle_timeout_minutes: 1")
    expected = path.read_text(encoding="utf-8").splitlines().index("idle_timeout_minutes: 1") + 1

    assert [finding.line for finding in check_manifest(path)] == [expected]


def test_a_planted_key_is_found_whatever_the_file_is(tmp_path: Path) -> None:
    path = altered(tmp_path, "gcp.yaml", "project_id: <project>", "project_id: " + "AK" + "IA" + "ABCDEFGHIJKLMNOP")

    assert any("credentials must not be in" in str(finding) for finding in check_manifest(path))


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("a: 1\n", encoding="utf-8")

    with pytest.raises(ClusterError, match="must be a Ray launcher file, a compose file or a Kubernetes manifest"):
        check_manifest(path)


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("a: [1\n", encoding="utf-8")

    with pytest.raises(ClusterError, match="must be YAML"):
        check_manifest(path)


def test_the_control_store_of_kubernetes_is_the_redis_that_is_shipped() -> None:
    cluster = yaml.safe_load((MANIFESTS / "kuberay-cluster.yaml").read_text(encoding="utf-8"))
    objects = {
        one["kind"]: one
        for one in yaml.safe_load_all((MANIFESTS / "redis-kubernetes.yaml").read_text(encoding="utf-8"))
    }
    options = cluster["spec"]["gcsFaultToleranceOptions"]
    service = objects["Service"]
    (container,) = objects["StatefulSet"]["spec"]["template"]["spec"]["containers"]

    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    assert options["redisAddress"] == f"{name}.{namespace}.svc.cluster.local:{service['spec']['ports'][0]['port']}"
    assert options["redisPassword"]["valueFrom"] == container["env"][0]["valueFrom"]
    assert "NetworkPolicy" in objects


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="the Debian package redis-server is needed")
def test_the_command_of_the_shipped_redis_asks_for_the_password(tmp_path: Path) -> None:
    documents = yaml.safe_load_all((MANIFESTS / "redis-kubernetes.yaml").read_text(encoding="utf-8"))
    (stateful,) = [one for one in documents if one["kind"] == "StatefulSet"]
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = (
        container["command"][2]
        .replace("/data", str(tmp_path))
        .replace("appendonly yes", f"appendonly yes\\nport {port}\\nbind 127.0.0.1")
    )
    server = subprocess.Popen(
        ["sh", "-c", script],
        env={**os.environ, "REDIS_PASSWORD": "w" * 16},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert said_by_redis(port, "PING").startswith(b"-NOAUTH")
        assert said_by_redis(port, f"AUTH {'w' * 16}") == b"+OK\r\n"
        assert b"w" * 16 not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # the shell and the server that it pipes into
        server.wait(30)


def said_by_redis(port: int, command: str) -> bytes:
    for attempts_left in reversed(range(100)):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(1000)
        except OSError:
            if not attempts_left:
                raise
            time.sleep(0.1)
    raise AssertionError("the last attempt returns or raises")


def test_the_slurm_script_is_a_script_and_asks_for_a_token() -> None:
    path = MANIFESTS / "slurm.sh"
    text = path.read_text(encoding="utf-8")

    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    assert "RAY_AUTH_MODE=token" in text
    assert "--dashboard-host=127.0.0.1" in text
    assert "DREAMGRID_STORAGE:?" in text
    assert "0.0.0.0" not in text


def test_the_image_has_a_stage_for_each_kind_of_node_and_no_root() -> None:
    lines = (MANIFESTS / "Dockerfile").read_text(encoding="utf-8").splitlines()
    stages = [line.split()[-1] for line in lines if line.startswith("FROM ")]

    assert stages == ["build", "runtime", "cpu", "gpu"]
    assert [line for line in lines if line.startswith("USER ")] == ["USER dreamgrid"]
    assert "requirements.lock" in "".join(line for line in lines if line.startswith("COPY "))
    assert not [line for line in lines if "ADD http" in line or "curl" in line]
