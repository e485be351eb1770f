"""Tracking that others host: Databricks workspaces and SageMaker, checked before anything starts and without MLflow."""

from __future__ import annotations

import configparser
import os
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from orchestration.errors import EnvironmentRefused
from orchestration.tracking.addresses import databricks_profile, is_databricks, is_sagemaker
from orchestration.tracking.secrets import scrubbed

SAGEMAKER_PACKAGE: Final = "sagemaker-mlflow"
DATABRICKS_PACKAGE: Final = "databricks-sdk"
_STORES: Final = "mlflow.tracking_store"
"""Where packages say which tracking addresses they add to MLflow."""
_AMBIENT: Final = ("DATABRICKS_TOKEN", "DATABRICKS_CLIENT_ID", "DATABRICKS_AUTH_TYPE", "DATABRICKS_RUNTIME_VERSION")
"""Any of these says that Databricks' own library finds out who asks, in ways of its own."""


def check_hosted(uri: str, prefix: str) -> None:
    """Check an address of Databricks or SageMaker.

    Args:
        prefix: What the names of experiments begin with.

    Raises:
        EnvironmentRefused: If a package, a profile or an absolute prefix is missing.
    """
    if is_databricks(uri):
        _check_databricks(uri, prefix)
    elif is_sagemaker(uri):
        _check_sagemaker(uri)


def _check_databricks(uri: str, prefix: str) -> None:
    if not prefix.startswith("/"):
        raise EnvironmentRefused(
            f"Databricks demands experiment names that are paths of the workspace, but the prefix is '{prefix}'; "
            "give --experiment-prefix /Users/YOU/, or set DREAMGRID_EXPERIMENT_PREFIX"
        )
    if find_spec("databricks") is None or find_spec("databricks.sdk") is None:
        raise _lacks(uri, DATABRICKS_PACKAGE)
    if ":" in urlsplit(uri).netloc:  # a scope and key prefix of Databricks' secrets
        return
    profile = databricks_profile(uri) or os.environ.get("DATABRICKS_CONFIG_PROFILE", "")
    has_host = bool(os.environ.get("DATABRICKS_HOST"))
    if not profile and (has_host or any(os.environ.get(name) for name in _AMBIENT)):
        return
    file = Path(os.environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()
    known = _profiles(file)
    if (profile or "DEFAULT") in known:
        return
    if profile:
        raise EnvironmentRefused(
            f"a Databricks profile must be in '{file}', but '{profile}' is not (profiles there: "
            f"{', '.join(sorted(known)) or 'none'}); write it with: databricks auth login --profile {profile}"
        )
    raise EnvironmentRefused(
        "Databricks must know who asks, but neither DATABRICKS_HOST with DATABRICKS_TOKEN nor a profile in "
        f"'{file}' says so; set them, or write a profile with: databricks auth login"
    )


def _profiles(file: Path) -> set[str]:
    """Return the profiles that have a host; "DEFAULT" is one of them where it has."""
    found = configparser.ConfigParser(interpolation=None)
    try:
        found.read(file, encoding="utf-8")
    except (configparser.Error, ValueError, OSError) as error:
        raise EnvironmentRefused(f"the profiles of Databricks in '{file}' cannot be read ({error}); mend it") from error
    default = {"DEFAULT"} if found.defaults().get("host") else set()
    return default | {name for name in found.sections() if found[name].get("host")}


def _check_sagemaker(uri: str) -> None:
    parts = uri.split(":", 5)
    if len(parts) < 6 or parts[2] != "sagemaker" or not parts[5].startswith(("mlflow-tracking-server/", "mlflow-app/")):
        raise EnvironmentRefused(
            f"a tracking server of SageMaker has an address like "
            f"arn:aws:sagemaker:REGION:ACCOUNT:mlflow-tracking-server/NAME, but this is '{scrubbed(uri)}'; "
            "the console of SageMaker shows it"
        )
    if not entry_points(group=_STORES, name="arn"):
        raise _lacks(uri, SAGEMAKER_PACKAGE)


def _lacks(uri: str, package: str) -> EnvironmentRefused:
    return EnvironmentRefused(
        f"the tracking address '{scrubbed(uri)}' needs the package {package}, which is not installed; "
        f"install it: pip install {package}"
    )
