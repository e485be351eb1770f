"""Check a cluster file offline: Ray's launcher files, KubeRay objects, scripts for Slurm, compose files and Kubernetes manifests.

Each finding names the line, the rule and the fix. Beyond the schemas, the rules of this product are checked: a head that runs
no training, GPU nodes whose GPUs are used, workers from zero, an idle timeout longer than a node's start, tokens on, loopback
dashboards, no credentials inside, nothing left to fill in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft7Validator

from clusters.cluster_files.contract import Finding, Problem, Where, read_manifest
from clusters.cluster_files.documents import listed, mapping, read_documents, shortened
from clusters.cluster_files.gpus import kuberay_gpus, launcher_gpus
from clusters.cluster_files.places import unfilled
from clusters.cluster_files.slurm import is_slurm_script, slurm_findings
from clusters.errors import ManifestError

MIN_IDLE_TIMEOUT_S: Final = 300
_SECRET: Final = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|(?i:secret_access_key|aws_session_token)\s*[:=]\s*\S{8,}"
)

_KUBERAY: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("kuberay.json").read_text(encoding="utf-8"))
"""JSON Schemas of what KubeRay's objects may say, by their kind; the file names their source."""


def check_manifest(path: Path) -> tuple[Finding, ...]:
    """Return everything that is wrong with a cluster file, in the order of its lines.

    Raises:
        ManifestError: If the file cannot be read, is neither YAML nor a script for Slurm, or is of no known kind.
    """
    text = read_manifest(path)
    findings = list(_secrets(text))
    if is_slurm_script(text):
        return _in_order([*findings, *slurm_findings(text)])
    documents = read_documents(text, path)
    findings += unfilled([node for node, _ in documents])
    for node, document in documents:
        findings += [
            Finding(line=_line(node, where), rule=rule, value=value, fix=fix)
            for where, rule, value, fix in _problems(document, path)
        ]
    return _in_order(findings)


def _in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.line))


def _problems(document: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(document, Mapping):
        raise ManifestError(
            f"a cluster file must contain mappings, but {path} contains {type(document).__name__}; see clusters/manifests"
        )
    if "available_node_types" in document or "cluster_name" in document:
        yield from _launcher_schema(document)
        yield from _launcher_rules(document)
        yield from launcher_gpus(document)
    elif document.get("kind") in ("RayCluster", "RayJob"):
        yield from _ray_object(document)
    elif "services" in document:
        yield from _compose_rules(document)
    elif "apiVersion" in document and "kind" in document:
        yield from _kubernetes_rules(document)
    else:
        raise ManifestError(
            "a cluster file must be a Ray launcher file, a script for Slurm, a compose file or a Kubernetes manifest, but "
            f"{path} has the keys {shortened(', '.join(sorted(document)))}; start from a file of clusters/manifests"
        )


def _launcher_schema(document: Mapping[str, Any]) -> Iterator[Problem]:
    schema = json.loads(_ray_file("autoscaler/ray-schema.json").read_text(encoding="utf-8"))
    for error in Draft7Validator(schema).iter_errors(document):
        where = tuple(error.absolute_path)
        yield (
            where,
            "a launcher file must follow Ray's schema",
            shortened(error.message),
            "correct the field or remove it",
        )


def _ray_file(name: str) -> Path:
    """Return a file of the installed Ray, which is not imported for it."""
    found = find_spec("ray")
    assert found is not None
    return Path(*(found.submodule_search_locations or ())[:1], name)


def _launcher_rules(document: Mapping[str, Any]) -> Iterator[Problem]:
    types = mapping(document.get("available_node_types"))
    head = str(document.get("head_node_type"))
    if head not in types:
        rule = (
            f"head_node_type must be one of available_node_types ({', '.join(map(str, types)) or 'no type is given'})"
        )
        yield ("head_node_type",), rule, f"it is {shortened(head)!r}", "name the head's type"
    for name, node_type in ((name, mapping(value)) for name, value in types.items()):
        where: Where = ("available_node_types", name)
        if name == head:
            if mapping(node_type.get("resources")).get("CPU") != 0:
                yield (
                    where,
                    "the head must offer no CPUs, so that it runs no training",
                    "it offers some",
                    "set resources: {CPU: 0}",
                )
        elif node_type.get("min_workers", 0) != 0:
            value = f"min_workers is {shortened(str(node_type['min_workers']))}"
            yield (*where, "min_workers"), "workers must start from zero", value, "set it to 0"
    minutes = document.get("idle_timeout_minutes")
    if isinstance(minutes, int | float) and minutes * 60 < MIN_IDLE_TIMEOUT_S:
        yield ("idle_timeout_minutes",), *_idle(minutes * 60)
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        for index, command in enumerate(map(str, listed(document.get(key)))):
            if "ray start" in command:
                yield from _start_command((key, index), command)


def _start_command(where: Where, command: str) -> Iterator[Problem]:
    if "RAY_AUTH_MODE=token" not in command:
        yield (
            where,
            "Ray must start with token authentication",
            "the command does not ask for it",
            "put RAY_AUTH_MODE=token before it",
        )
    if "--dashboard-host=0.0.0.0" in command or "--dashboard-host 0.0.0.0" in command:
        fix = "use --dashboard-host=127.0.0.1 and `ray dashboard`"
        yield where, "the dashboard must not be public", "it listens on 0.0.0.0", fix


def _idle(seconds: float) -> tuple[str, str, str]:
    rule = f"the idle timeout must be longer than a node takes to start ({MIN_IDLE_TIMEOUT_S} s)"
    return rule, f"it is {seconds:g} s", "raise it: a shorter one ends nodes between two cells"


def _ray_object(document: Mapping[str, Any]) -> Iterator[Problem]:
    spec = document.get("spec") or {}
    for error in Draft7Validator({"$ref": f"#/{document['kind']}", **_KUBERAY}).iter_errors(spec):
        where = ("spec", *error.absolute_path)
        yield (
            where,
            f"a {document['kind']} must follow its schema",
            shortened(error.message),
            "correct the field or remove it",
        )
    base: Where = ("spec", "rayClusterSpec") if document["kind"] == "RayJob" else ("spec",)
    cluster = mapping(spec)
    if document["kind"] == "RayJob":
        cluster = mapping(cluster.get("rayClusterSpec"))
    yield from _ray_cluster_rules(cluster, base)
    yield from kuberay_gpus(document, cluster, base)


def _ray_cluster_rules(cluster: Mapping[str, Any], base: Where) -> Iterator[Problem]:
    if mapping(cluster.get("authOptions")).get("mode") != "token":
        yield (
            base,
            "Ray must run with token authentication",
            "authOptions.mode is not token",
            "set authOptions: {mode: token}",
        )
    seconds = mapping(cluster.get("autoscalerOptions")).get("idleTimeoutSeconds", 60)
    if isinstance(seconds, int | float) and seconds < MIN_IDLE_TIMEOUT_S:
        yield (*base, "autoscalerOptions"), *_idle(seconds)
    if mapping(mapping(cluster.get("headGroupSpec")).get("rayStartParams")).get("num-cpus") != "0":
        where = (*base, "headGroupSpec")
        fix = 'set rayStartParams: {num-cpus: "0"}'
        yield where, "the head must offer no CPUs, so that it runs no training", "it offers some", fix
    for index, group in enumerate(listed(cluster.get("workerGroupSpecs"))):
        least = mapping(group).get("minReplicas")
        if least not in (0, None):
            where = (*base, "workerGroupSpecs", index)
            value = f"minReplicas is {shortened(str(least))}"
            yield where, "worker groups must start from zero", value, "set it to 0"


def _compose_rules(document: Mapping[str, Any]) -> Iterator[Problem]:
    services = document["services"]
    wrong = [("services", name) for name, value in mapping(services).items() if not isinstance(value, Mapping)]
    for where in wrong if isinstance(services, Mapping) else [("services",)]:
        rule = "services must be a mapping of names to mappings"
        yield where, rule, "it is of another type", "write `services: {NAME: {image: ...}}`"
    for name, service in mapping(services).items():
        for index, port in enumerate(listed(mapping(service).get("ports"))):
            if not str(port).startswith("127.0.0.1:"):
                yield (
                    ("services", name, "ports", index),
                    "published ports must be bound to loopback",
                    f"the port is {shortened(repr(port))}",
                    "write 127.0.0.1:PORT:PORT",
                )
        for variable, value in _environment(mapping(service)):
            if re.search(r"PASSWORD|SECRET|TOKEN", variable) and value and "${" not in value:
                yield (
                    ("services", name, "environment"),
                    "secrets must come from the environment",
                    f"{shortened(variable)} is written out",
                    f"write ${{{shortened(variable)}}}",
                )


def _environment(service: Mapping[str, Any]) -> list[tuple[str, str]]:
    environment = service.get("environment")
    if isinstance(environment, list):
        return [(line.partition("=")[0], line.partition("=")[2]) for line in map(str, environment)]
    return [(name, str(value)) for name, value in mapping(environment).items()]


def _kubernetes_rules(document: Mapping[str, Any]) -> Iterator[Problem]:
    if document["kind"] == "Secret":
        yield (), "secrets must not be in a manifest", "it contains a Secret", "make it with `kubectl create secret`"
    if not mapping(document.get("metadata")).get("name"):
        yield (), "an object must have a name", "metadata.name is missing", "add it"
    kind = mapping(document.get("spec")).get("type")
    if document["kind"] == "Service" and kind in ("LoadBalancer", "NodePort"):
        value = f"type is {kind}"
        yield (
            ("spec", "type"),
            "services must stay inside the cluster",
            value,
            "remove it and use a port-forward or an ingress with TLS",
        )


def _secrets(text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        if _SECRET.search(line):
            rule = "credentials must not be in a cluster file"
            yield Finding(
                line=number,
                rule=rule,
                value="this line contains one",
                fix="use an instance role, the environment or a secret",
            )


def _line(node: yaml.Node, where: Where) -> int:
    for part in where:
        child = _child(node, part)
        if child is None:
            break
        node = child
    return int(node.start_mark.line) + 1


def _child(node: yaml.Node, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        child: yaml.Node = node.value[part]
        return child
    return None
