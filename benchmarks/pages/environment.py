"""The page of environment variables: DreamGrid's own, those of other programs that it reads, and those that it sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from augment.kernels.sources import CACHE_VARIABLE as KERNEL_VARIABLE
from benchmarks.pages.markdown import GENERATED, code, table
from clusters.ray_api.environment import QUIET_ENVIRONMENT
from orchestration.runs.notify import WEBHOOK_VARIABLE
from orchestration.settings import (
    CACHE_VARIABLE,
    DATA_VARIABLE,
    DEFAULT_GENERATED_BYTES,
    DEFAULT_STORAGE,
    GENERATED_VARIABLE,
    GIB,
    PREFIX_VARIABLE,
    STORAGE_VARIABLE,
    TRACKERS_VARIABLE,
    TRACKING_VARIABLE,
)
from orchestration.tracking.boards.wandb_runs import QUIET as QUIET_WANDB
from orchestration.tracking.mlflow_client import QUIET as QUIET_MLFLOW
from trainers.job import SOURCE_VARIABLE
from trainers.worker.devices import DEVICE_VARIABLE
from trainers.worker.preemption import VARIABLE as NOTICE_VARIABLE

INTRODUCTION: Final = f"""# Environment variables

An option on the command line is stronger than a variable; an empty variable counts as unset. None is part of a key.
{GENERATED}
"""

OWN: Final[Mapping[str, tuple[str, str]]] = {
    STORAGE_VARIABLE: (f"./{DEFAULT_STORAGE}", "Folder or s3:// prefix of results and checkpoints (`--storage`)"),
    DATA_VARIABLE: ("./data", "Folder of datasets (`--data-root`)"),
    CACHE_VARIABLE: (
        "~/.cache/dreamgrid",
        "Folder of what can be made again: mixing sets, decoded data, generated images",
    ),
    KERNEL_VARIABLE: ("~/.cache/dreamgrid/kernels", "Folder of compiled kernels"),
    GENERATED_VARIABLE: (
        f"{DEFAULT_GENERATED_BYTES / GIB:g}",
        "GiB that generated images may take in the cache of each node; 0 keeps none",
    ),
    PREFIX_VARIABLE: (
        "",
        "What the names of MLflow experiments begin with (`--experiment-prefix`): /Users/me/ on Databricks",
    ),
    TRACKERS_VARIABLE: ("", "Second trackers next to MLflow, with commas: wandb, tensorboard (`--track`)"),
    WEBHOOK_VARIABLE: ("", "Address that is called at the end of a run (`--notify`)"),
    SOURCE_VARIABLE: ("", "Folder or s3:// prefix of datasets that every node copies into its own cache before a job"),
    DEVICE_VARIABLE: ("", "`cpu`: workers compute on CPUs, also where they reserved a GPU"),
    NOTICE_VARIABLE: (
        "",
        "`module:function` that says whether this machine is about to be reclaimed: `clusters.cloud_notices:aws`, `:gcp`",
    ),
}
"""Variable -> its default and its meaning."""

READ: Final[Mapping[str, Mapping[str, str]]] = {
    "MLflow": {
        TRACKING_VARIABLE: "Tracking server (`--tracking-uri`); a file next to the storage if unset",
        "MLFLOW_TRACKING_USERNAME": "User of the server; also from ~/.mlflow/credentials",
        "MLFLOW_TRACKING_PASSWORD": "Password of the server",
        "MLFLOW_TRACKING_TOKEN": "Token of the server, in place of user and password",
        "MLFLOW_TRACKING_SERVER_CERT_PATH": "Certificate authority of the server (PEM)",
        "REQUESTS_CA_BUNDLE": "The same for every program, if the one above is unset",
        "CURL_CA_BUNDLE": "The same",
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": "Certificate and key that this user shows (PEM)",
        "MLFLOW_TRACKING_INSECURE_TLS": "`true` trusts any certificate; for tests",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "Seconds between two bytes of an answer",
        "MLFLOW_AUTH_ADMIN_PASSWORD": "Password of a server that `dreamgrid ui --host` opens to others, at least 12 characters",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "Secret of the same server",
    },
    "Databricks": {
        "DATABRICKS_CONFIG_PROFILE": "Profile of the configuration file; set from an address databricks://PROFILE",
        "DATABRICKS_CONFIG_FILE": "Configuration file; ~/.databrickscfg if unset",
        "DATABRICKS_HOST": "Workspace, in place of a profile",
        "DATABRICKS_TOKEN": "Token",
        "DATABRICKS_CLIENT_ID": "Client of OAuth",
        "DATABRICKS_AUTH_TYPE": "How Databricks' library signs in",
        "DATABRICKS_RUNTIME_VERSION": "Set inside of Databricks, where nothing else is needed",
    },
    "Weights & Biases": {
        "WANDB_API_KEY": "Key; not needed after `wandb login`",
        "WANDB_MODE": "`offline` writes files only",
        "WANDB_BASE_URL": "Server, if it is not W&B's own",
        "WANDB_PROJECT": "Project; the sweep's name if unset",
        "WANDB_DIR": "Folder of its files; one in the storage if unset",
        "NETRC": "File in which `wandb login` keeps the key",
    },
    "Ray": {
        "RAY_ADDRESS": "Cluster of `run` and `screen` (`--address`); a private Ray on this machine if unset",
        "RAY_API_SERVER_ADDRESS": "Job server of `submit` (`--address`), stronger than RAY_ADDRESS",
        "RAY_AUTH_MODE": "`token`: the cluster asks for a token",
        "RAY_AUTH_TOKEN": "The token",
        "RAY_AUTH_TOKEN_PATH": "File of the token; ~/.ray/auth_token if unset",
        "RAY_USE_TLS": "`1`: the cluster speaks TLS",
        "RAY_TMPDIR": "Folder of Ray's sessions, where the address of a running Ray is found",
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "Seconds for which Ray Train waits for room for a group of workers",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "Seconds that drivers wait for a control store that comes back",
    },
    "Storage and machine": {
        "AWS_ENDPOINT_URL": "Server of s3:// storages, if it is not Amazon's",
        "AWS_SECRET_ACCESS_KEY": "Credentials: boto3 reads all of its variables and files; nodes had better have a role",
        "CUDA_VISIBLE_DEVICES": "GPUs that Ray counts on this machine; left to Ray in workers",
        "NVIDIA_TF32_OVERRIDE": "`0` forbids TF32, and the record says that it was not used",
        "CUBLAS_WORKSPACE_CONFIG": "Set for `deterministic: true`, unless it is set already",
        "GLOO_SOCKET_IFNAME": "Network interface of gloo; that of the node's address if unset",
        "NCCL_SOCKET_IFNAME": "Network interface of NCCL, likewise",
        "TMPDIR": "Folder of temporary files, also of a private Ray; TEMP and TMP likewise",
        "TEMP": "As TMPDIR",
        "XDG_RUNTIME_DIR": "Folder of temporary files where TMPDIR does not allow private ones",
        "COLUMNS": "Width of tables for people, if stdout is not a terminal",
    },
}
"""Program -> variable -> what it does here."""

SET: Final[Mapping[str, str]] = {
    "MASTER_ADDR": "workers: where their process group meets",
    "MASTER_PORT": "workers: likewise",
    "RANK": "workers: number among all workers of a cell",
    "WORLD_SIZE": "workers: how many they are",
    "LOCAL_RANK": "workers: number on their node",
    "LOCAL_WORLD_SIZE": "workers: how many they are on their node",
    "NODE_RANK": "workers: number of their node",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "how often Ray Train asks its workers",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "a private Ray: it listens on loopback only",
    "RAY_enable_metrics_collection": "a private Ray: no exporter of metrics, which asks for no token",
    "RAY_JOB_STOP_WAIT_TIME_S": "`submit`: time for checkpoints when a job is stopped",
    "PYTHONUNBUFFERED": "`submit`: the log follows at once",
    "PYTHONPATH": "the probe that looks at GPUs in a process of its own",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "`ui`: its server runs no jobs of others",
    "DO_NOT_TRACK": "`ui`: its server reports nothing",
    "PYDANTIC_DISABLE_PLUGINS": "the command line: pydantic looks for no plug-ins, which takes a tenth of a small verb's time",
    "DREAMGRID_RESTARTED": "a command that has started itself again after its private Ray died",
    "COMP_WORDS": "shells, while they complete a command",
    "_TYPER_COMPLETE_ARGS": "likewise",
}
"""Variable -> where it is set, and why."""

_QUIET_TEXT: Final = """## Set for quiet

Set before Ray, MLflow and W&B are imported, so that they are quick, print nothing and report nothing to anybody. A value
that is set already is kept.
"""


def variables() -> frozenset[str]:
    """Return all variables of the page."""
    read = {name for group in READ.values() for name in group}
    return frozenset({*OWN, *read, *SET, *_quiet()})


def document() -> str:
    """Return the page."""
    own = table(
        ("variable", "default", "meaning"), ((code(name), code(value), text) for name, (value, text) in OWN.items())
    )
    parts = [INTRODUCTION, f"## DreamGrid's own\n\n{own}"]
    parts += [f"## {title}\n\n{_meanings(group.items())}" for title, group in READ.items()]
    parts.append(f"## Set by DreamGrid\n\nNothing to set yourself.\n\n{_meanings(SET.items())}")
    quiet = table(("variable", "value"), ((code(name), code(value) or "empty") for name, value in _quiet().items()))
    return "\n".join([*parts, f"{_QUIET_TEXT}\n{quiet}"])


def _meanings(rows: Iterable[tuple[str, str]]) -> str:
    return table(("variable", "meaning"), ((code(name), text) for name, text in rows))


def _quiet() -> dict[str, str]:
    return {**QUIET_ENVIRONMENT, **QUIET_MLFLOW, **QUIET_WANDB}
