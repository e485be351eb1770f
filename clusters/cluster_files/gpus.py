"""Rules against a cluster that rents GPUs and trains on its CPUs: GPU nodes must offer their GPUs, and jobs must use them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from clusters.cluster_files.contract import Problem, Where
from clusters.cluster_files.documents import listed, mapping

_INSTANCES: Final[Mapping[str, re.Pattern[str]]] = {
    "InstanceType": re.compile(r"^(g|p)[a-z]*\d\w*[.-]"),
    "machineType": re.compile(r"^(?:.*/)?(a2|a3|a4|a4x|g2|g4)-"),
    "vmSize": re.compile(r"^Standard_N[CDGV]"),
}
"""Key of a node's configuration -> its values that have GPUs: AWS, Google Cloud, Azure."""

_ACCELERATOR: Final = "accelerator_type:"
_ON_KUBERNETES: Final = "nvidia.com/gpu"
_NODE_LABELS: Final = ("cloud.google.com/gke-accelerator", "nvidia.com/gpu", "k8s.amazonaws.com/accelerator")
"""Beginnings of labels by which pods choose nodes with GPUs."""

_WORKERS_WITHOUT: Final = re.compile(r"--gpus-per-worker[= ]+0+(?:\.0*)?(?![\w.])")
_NODES_WITHOUT: Final = re.compile(r"--num-gpus[= ]+0+(?![\w.])")
_DEVICE_VARIABLE: Final = re.compile(r"DREAMGRID_WORKER_DEVICE=[\"']?cpu\b")
_GROWTH: Final = re.compile(r"--grow-to[= ]+[\"']?([\w.-]+)=(\d+):(\S+)")
_RUNS: Final = re.compile(r"\b(?:dreamgrid|orchestration\.cli)\s+run\b")

JOB_RULE: Final = "a job on GPU nodes must train on their GPUs"
NODE_RULE: Final = "a node with GPUs must offer them to Ray"
HEAD_RULE: Final = "the head runs no training, so it must have no GPU"


def job_faults(command: str) -> Iterator[tuple[str, str, str]]:
    """Return why a command that runs on GPU nodes trains on CPUs: rule, value, fix."""
    if found := _WORKERS_WITHOUT.search(command):
        yield JOB_RULE, f"it says {found[0]}", "leave --gpus-per-worker out (one GPU a worker is the default)"
    if found := _DEVICE_VARIABLE.search(command):
        yield JOB_RULE, f"it says {found[0]}", "remove the variable: it is for tests with GPUs that do not exist"


def start_faults(command: str) -> Iterator[tuple[str, str, str]]:
    """Return why a `ray start` on a GPU node hides its GPUs, or its workers do not use them: rule, value, fix."""
    if found := _NODES_WITHOUT.search(command):
        yield NODE_RULE, f"`ray start` says {found[0]}", "remove it (Ray counts the GPUs), or give their number"
    if found := _DEVICE_VARIABLE.search(command):
        yield JOB_RULE, f"it says {found[0]}", "remove the variable: it is for tests with GPUs that do not exist"


def launcher_gpus(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Check a launcher file."""
    types = mapping(document.get("available_node_types"))
    head, has_workers = document.get("head_node_type"), False
    for name, node_type in ((name, mapping(value)) for name, value in types.items()):
        where: Where = ("available_node_types", name)
        config, resources = mapping(node_type.get("node_config")), mapping(node_type.get("resources"))
        instance = _gpu_instance(config)
        offered = resources.get("GPU", 0)
        if name == head:
            if instance:
                yield (*where, "node_config"), HEAD_RULE, f"{instance} has one", "choose a machine without GPUs"
            continue
        kind = next((key for key in resources if key.startswith(_ACCELERATOR)), "")
        if (instance or kind) and not offered:
            value = f"resources has {'GPU: 0' if 'GPU' in resources else 'no GPU'} for {instance or kind}"
            yield (*where, "resources"), NODE_RULE, value, "write their number: resources: {CPU: ..., GPU: 1}"
        is_on_gpu = bool(instance or kind or offered)
        has_workers |= is_on_gpu
        if is_on_gpu and "InstanceType" in config and not config.get("ImageId"):
            rule = "a GPU node on AWS must name an image whose NVIDIA driver is recent enough for the wheel of torch"
            value = "it has no ImageId, and Ray's default image is of 2023"
            yield (*where, "node_config"), rule, value, "set ImageId (clusters/manifests/aws.yaml says how to find one)"
    if not has_workers:
        return
    for key in ("worker_start_ray_commands", "worker_setup_commands", "setup_commands"):
        for index, command in enumerate(listed(document.get(key))):
            for fault in start_faults(str(command)):
                yield (key, index), *fault
    yield from _docker(mapping(document.get("docker")))


def _docker(docker: Mapping[str, Any]) -> Iterator[Problem]:
    options = [str(one) for key in ("run_options", "worker_run_options") for one in listed(docker.get(key))]
    if docker.get("disable_automatic_runtime_detection") and not any(
        "--gpus" in one or "--runtime=nvidia" in one for one in options
    ):
        value = "disable_automatic_runtime_detection is set and no option passes them on"
        yield ("docker",), "containers on GPU nodes must see the GPUs", value, "add --gpus all to worker_run_options"


def kuberay_gpus(document: Mapping[str, Any], cluster: Mapping[str, Any], base: Where) -> Iterator[Problem]:
    """Check a RayCluster or RayJob.

    Args:
        cluster: Its description of a cluster, which is at `base` in the document.
    """
    head = cluster.get("headGroupSpec")
    if isinstance(head, Mapping) and any(_gpus(one) for one in _containers(head)):
        yield (*base, "headGroupSpec"), HEAD_RULE, f"its container asks for {_ON_KUBERNETES}", "remove the limit"
    groups = [
        (index, one) for index, one in enumerate(listed(cluster.get("workerGroupSpecs"))) if isinstance(one, Mapping)
    ]
    for index, group in groups:
        for keys, *fault in _worker_group(group):
            yield (*base, "workerGroupSpecs", index, *keys), *fault  # type: ignore[misc]
    if document.get("kind") == "RayJob":
        yield from _job(str(mapping(document.get("spec")).get("entrypoint", "")), [group for _, group in groups])


def _worker_group(group: Mapping[str, Any]) -> Iterator[Problem]:
    containers = _containers(group)
    params = mapping(group.get("rayStartParams"))
    limits = any(_gpus(one) for one in containers)
    signs = [
        sign
        for sign in (_ACCELERATOR in str(params.get("resources", "")) and "its accelerator_type", _node_choice(group))
        if sign
    ]
    if signs and not limits:
        value = f"{signs[0]} is for a GPU node and no container has the limit {_ON_KUBERNETES}"
        yield ("template",), NODE_RULE, value, f'add {_ON_KUBERNETES}: "1" to its requests and limits'
    if not signs and not limits:
        return
    told = {"rayStartParams": params.get("num-gpus"), "resources": mapping(group.get("resources")).get("GPU")}
    for key, number in told.items():
        if number is not None and not _is_positive(number):
            yield (key,), NODE_RULE, f"it says {number!r} GPUs", "remove it: KubeRay takes the number from the limits"
    for container in containers:
        for variable in map(mapping, listed(container.get("env"))):
            text = f"{variable.get('name')}={variable.get('value')}"
            if _DEVICE_VARIABLE.search(text):
                fix = "remove the variable: it is for tests with GPUs that do not exist"
                yield ("template",), JOB_RULE, f"it says {text}", fix


def _job(entrypoint: str, groups: list[Mapping[str, Any]]) -> Iterator[Problem]:
    where: Where = ("spec", "entrypoint")
    with_gpus = {str(one.get("groupName")) for one in groups if any(_gpus(each) for each in _containers(one))}
    if with_gpus:
        for fault in job_faults(entrypoint):
            yield where, *fault
    if not _RUNS.search(entrypoint) or "--cluster-file" in entrypoint:
        return
    grown = {name: offers for name, _, offers in _GROWTH.findall(entrypoint)}
    for group in groups:
        name = str(group.get("groupName"))
        if name in grown and name in with_gpus and not re.search(r"\bgpu=0*[1-9]", grown[name]):
            fix = f"write --grow-to {_growth(group)}"
            yield where, JOB_RULE, f"it counts on no GPU of the nodes of '{name}'", fix
    if groups and not grown:
        rule = "a job on nodes that start from zero must say how many there may be"
        options = " ".join(f"--grow-to {_growth(group)}" for group in groups)
        yield where, rule, "it says nothing", f"add {options}"


def _growth(group: Mapping[str, Any]) -> str:
    """Return how far a group grows, as `--grow-to` takes it."""
    containers = _containers(group)
    limits = ((containers[0].get("resources") or {}).get("limits") or {}) if containers else {}
    gpus = f",gpu={limits[_ON_KUBERNETES]}" if _ON_KUBERNETES in limits else ""
    return f"{group.get('groupName')}={group.get('maxReplicas', 1)}:cpu={limits.get('cpu', 1)}{gpus}"


def _containers(group: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    spec = mapping(mapping(group.get("template")).get("spec"))
    return [one for one in listed(spec.get("containers")) if isinstance(one, Mapping)]


def _gpus(container: Mapping[str, Any]) -> bool:
    limits = mapping(mapping(container.get("resources")).get("limits"))
    return _is_positive(limits.get(_ON_KUBERNETES, 0))


def _node_choice(group: Mapping[str, Any]) -> str:
    """Return by what a group's pods land on nodes with GPUs, or ""."""
    spec = mapping(mapping(group.get("template")).get("spec"))
    for label in mapping(spec.get("nodeSelector")):
        if label.startswith(_NODE_LABELS):
            return f"its nodeSelector {label}"
    tolerated = [one.get("key") for one in listed(spec.get("tolerations")) if isinstance(one, Mapping)]
    return f"its toleration of {_ON_KUBERNETES}" if _ON_KUBERNETES in tolerated else ""


def _gpu_instance(config: Mapping[str, Any]) -> str:
    """Return the machine with GPUs that a node's configuration names, or ""."""
    azure = mapping(config.get("azure_arm_parameters"))
    for key, pattern in _INSTANCES.items():
        name = str(config.get(key) or azure.get(key) or "")
        if pattern.search(name):
            return name
    return "guestAccelerators" if config.get("guestAccelerators") else ""


def _is_positive(number: Any) -> bool:
    try:
        return float(number) > 0
    except (TypeError, ValueError):
        return False
