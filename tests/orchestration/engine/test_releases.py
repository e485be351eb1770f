"""A Ray that is older than what an engine was tried on is refused in one line, before anything is started."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from orchestration.doctor.machine import examine
from orchestration.engine import releases as module
from orchestration.engine import run as run_module
from orchestration.engine.options import Engine
from orchestration.engine.releases import TRIED, check_release
from orchestration.engine.run import execute
from orchestration.errors import EnvironmentRefused, SweepError
from orchestration.settings import Settings
from orchestration.store.files import MemoryStore

PROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"


def test_what_was_tried_is_what_the_project_requires() -> None:
    wanted = tomllib.loads(PROJECT.read_text())["project"]["dependencies"]

    assert TRIED in [each.replace("[default,tune,train]", "") for each in wanted]


@pytest.mark.parametrize("release", ["2.60.0", "2.61.1", "2.62.0", "2.100.0", "3.0.0.dev0"])
def test_both_engines_run_on_what_was_tried_and_on_what_is_newer(release: str) -> None:
    check_release("warm", release)
    check_release("plain", release)


def test_the_warm_engine_names_its_range_and_the_plain_one_on_an_older_ray() -> None:
    check_release("plain", "2.50.1")

    with pytest.raises(EnvironmentRefused) as caught:
        check_release("warm", "2.57.1")

    text = str(caught.value)
    assert text.startswith(f"--engine warm must have Ray 2.60 or later (tried: {TRIED}), but Ray 2.57.1 is installed; ")
    assert "add --engine plain, which runs on Ray from 2.50 on" in text
    assert "\n" not in text


@pytest.mark.parametrize("engine", ["warm", "plain"])
def test_no_engine_is_offered_on_a_ray_on_which_none_runs(engine: Engine) -> None:
    with pytest.raises(EnvironmentRefused, match=r"Ray 2\.49\.2 is installed; install the locked environment"):
        check_release(engine, "2.49.2")


def test_a_run_on_an_older_ray_ends_before_ray_starts(
    planned: Any, plan_of: Any, options: Any, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "version", lambda _: "2.57.1")
    monkeypatch.setattr(run_module, "connect", lambda *_, **__: pytest.fail("Ray was started"))

    with pytest.raises(EnvironmentRefused, match="--engine plain"):
        execute(plan_of(planned(0)), store=MemoryStore(), options=options(), observer=listener)


def test_the_doctor_reports_an_older_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "version", lambda _: "2.57.1")
    settings = Settings(storage=str(tmp_path / "storage"), data_root=tmp_path, cache_dir=tmp_path, tracking_uri="")

    found = [one for one in examine(settings) if one.what == "ray"]

    assert found[0].state == "broken"
    assert "--engine plain" in found[0].fix


def test_warm_groups_are_refused_by_the_plain_engine(planned: Any, plan_of: Any, options: Any, listener: Any) -> None:
    pool: Any = object()

    with pytest.raises(SweepError, match="a pool of warm groups must be used by engine='warm', but got engine='plain'"):
        execute(plan_of(planned(0)), store=MemoryStore(), options=options(engine="plain"), observer=listener, pool=pool)
