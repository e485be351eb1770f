"""Where things lie, from options, the environment and defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.settings import read_settings


def test_an_option_comes_before_the_environment_and_that_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"DREAMGRID_STORAGE": "s3://bucket/grid"}

    assert read_settings(storage="here", environment=given).storage == str(tmp_path / "here")
    assert read_settings(environment=given).storage == "s3://bucket/grid"
    assert read_settings(environment={}).storage == str(tmp_path / "dreamgrid-storage")


def test_results_of_a_submitted_job_do_not_lie_in_its_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = tmp_path / "runtime_resources" / "working_dir_files" / "_ray_pkg_0"
    upload.mkdir(parents=True)
    monkeypatch.chdir(upload)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    assert read_settings(environment={}).storage == str(tmp_path / "home" / "dreamgrid-storage")
    assert read_settings(storage="/shared/grid", environment={}).storage == "/shared/grid"
