"""What is used of Ray beyond its public interface: it is there in this release, and its absence is survived and reported."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.connect import connect
from clusters.errors import ClusterError
from clusters.ray_api import private
from orchestration.doctor.machine import examine
from orchestration.settings import Settings

pytestmark = pytest.mark.ray

ABSENT = {
    "module": lambda: __import__("ray_of_another_release"),
    "symbol": lambda: SimpleNamespace(),
}


def test_this_ray_has_every_symbol() -> None:
    assert private.missing_symbols() == {}
    assert len(private.SYMBOLS) <= 3


@pytest.mark.parametrize("absent", ABSENT.values(), ids=ABSENT)
def test_doctor_reports_each_symbol_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, absent: Any
) -> None:
    settings = Settings(storage=str(tmp_path / "storage"), data_root=tmp_path, cache_dir=tmp_path, tracking_uri="")
    before = [one for one in examine(settings) if one.what == "ray"]
    symbols = {name: (absent, consequence) for name, (_, consequence) in private.SYMBOLS.items()}
    monkeypatch.setattr(private, "SYMBOLS", symbols)
    after = [one for one in examine(settings) if one.what == "ray"]

    assert [one.state for one in before] == ["fine"]
    assert [one.state for one in after] == ["note"] * len(symbols)
    assert all(any(f"without {name}: " in one.detail for one in after) for name in symbols)


@pytest.mark.parametrize("absent", ABSENT.values(), ids=ABSENT)
def test_without_the_symbol_no_node_is_known_to_leave(monkeypatch: pytest.MonkeyPatch, absent: Any) -> None:
    monkeypatch.setattr(private, "_draining_state", absent)

    assert private.draining_nodes() == frozenset()


@pytest.mark.parametrize("absent", ABSENT.values(), ids=ABSENT)
def test_without_the_symbol_credentials_may_be_copied(monkeypatch: pytest.MonkeyPatch, absent: Any) -> None:
    monkeypatch.setattr(private, "_trial_environment", absent)

    assert private.keep_credentials_out_of_trials() is False


@pytest.mark.parametrize("absent", ABSENT.values(), ids=ABSENT)
def test_without_the_symbol_a_private_ray_starts_all_the_same(monkeypatch: pytest.MonkeyPatch, absent: Any) -> None:
    monkeypatch.setattr(private, "_constants", absent)

    with private.nodes_on_loopback():
        pass


def test_a_node_takes_loopback_for_its_address_though_ray_was_imported_before(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import services

    monkeypatch.setattr(services, "node_ip_address_from_perspective", lambda address: "10.9.8.7")
    with private.nodes_on_loopback():
        inside = services.get_node_ip_address()

    assert (inside, services.get_node_ip_address()) == ("127.0.0.1", "10.9.8.7")


def test_trials_carry_no_credentials_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.tune.execution import class_cache

    carried: list[dict[str, str]] = []

    def remote(*, runtime_env: dict[str, dict[str, str]]) -> object:
        carried.append(runtime_env["env_vars"])
        return lambda trainable: trainable

    names = {*class_cache.ENV_VARS_TO_PROPAGATE, "AWS_SECRET_ACCESS_KEY"}  # a run before in this process took it out
    monkeypatch.setattr(class_cache, "ENV_VARS_TO_PROPAGATE", names)
    monkeypatch.setattr(class_cache.ray, "remote", remote)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")

    class_cache._ActorClassCache().get(object)
    assert private.keep_credentials_out_of_trials()
    class_cache._ActorClassCache().get(object)

    before, after = carried
    assert before["AWS_SECRET_ACCESS_KEY"] == "a-secret"
    assert after == {name: value for name, value in before.items() if name != "AWS_SECRET_ACCESS_KEY"}


def test_a_node_is_idle_when_nothing_on_it_is_reserved() -> None:
    with connect(num_cpus=1) as connection:
        from ray.util.placement_group import placement_group, remove_placement_group

        here = connection.here()
        assert connection.leaving() == frozenset()
        assert connection.wait_until_idle(here, deadline_s=5.0)
        group = placement_group([{"CPU": 1}])
        assert group.wait(30)
        assert not connection.wait_until_idle(here, deadline_s=0.5)
        remove_placement_group(group)
        assert connection.wait_until_idle(here, deadline_s=20.0)
        with pytest.raises(ClusterError, match=r"could not be drained: .*; its cells go on from their last checkpoint"):
            connection.drain("f" * 56, deadline_s=10.0)
