"""The variables by which Ray is told how to run are set back, whatever became of the connection."""

from __future__ import annotations

import os

import pytest
import ray

from clusters.connect import connect
from clusters.errors import ClusterError
from clusters.ray_api.environment import QUIET_ENVIRONMENT, private_environment, set_environment


def test_a_variable_that_is_set_keeps_its_value_where_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_DEDUP_LOGS", "1")
    monkeypatch.delenv("RAY_OTHER", raising=False)

    before = set_environment({"RAY_DEDUP_LOGS": "0", "RAY_OTHER": "0"})

    assert before == {"RAY_OTHER": None}
    assert (os.environ.pop("RAY_OTHER"), os.environ["RAY_DEDUP_LOGS"]) == ("0", "1")


def test_every_private_ray_of_a_process_has_its_token_and_none_of_the_given_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", {"RAY_AUTH_TOKEN": "of a cluster", "PATH": ""})

    before = private_environment()
    token = os.environ["RAY_AUTH_TOKEN"]
    private_environment()

    assert before["RAY_AUTH_TOKEN"] == "of a cluster"
    assert token != "of a cluster"
    assert os.environ["RAY_AUTH_TOKEN"] == token


def test_without_a_private_folder_the_variables_are_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(kind: str) -> None:
        raise ClusterError(f"no folder for {kind}")

    monkeypatch.setattr("clusters.connect.make_folder", refused)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # another test may have left this process connected
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    before = {name: os.environ.get(name) for name in QUIET_ENVIRONMENT}

    with pytest.raises(ClusterError, match="no folder for ray"):
        connect()
    assert {name: os.environ.get(name) for name in QUIET_ENVIRONMENT} == before
