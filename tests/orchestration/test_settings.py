"""Where things are, from options, the environment and defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.storage.contract import StorageError
from clusters.storage.open import open_storage
from orchestration.errors import InputError
from orchestration.settings import read_settings, sqlite_address
from orchestration.tracking.addresses import folder_address, sqlite_database, sqlite_file


def test_an_option_comes_before_the_environment_and_that_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"DREAMGRID_STORAGE": "s3://bucket/grid"}

    assert read_settings(storage="here", environment=given).storage == str(tmp_path / "here")
    assert read_settings(environment=given).storage == "s3://bucket/grid"
    assert read_settings(environment={}).storage == str(tmp_path / "dreamgrid-storage")


@pytest.mark.parametrize(("text", "gib"), [(None, 50), ("", 50), ("0", 0), ("1.5", 1.5), ("600", 600)])
def test_the_budget_of_generated_images_is_in_gib(text: str | None, gib: float) -> None:
    given = {} if text is None else {"DREAMGRID_GENERATED_BUDGET": text}
    assert read_settings(environment=given).generated_bytes == gib * 2**30


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf", "50GiB"])
def test_another_budget_than_a_number_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"DREAMGRID_GENERATED_BUDGET.* must be a number of GiB from 0 on, but is"):
        read_settings(environment={"DREAMGRID_GENERATED_BUDGET": text})


def test_results_of_a_submitted_job_do_not_lie_in_its_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = tmp_path / "runtime_resources" / "working_dir_files" / "_ray_pkg_0"
    upload.mkdir(parents=True)
    monkeypatch.chdir(upload)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    assert read_settings(environment={}).storage == str(tmp_path / "home" / "dreamgrid-storage")
    assert read_settings(storage="/shared/grid", environment={}).storage == "/shared/grid"


ODD = ["res%20x", "a?b", "a#b", "with space", "ergebnisse-ü", "50%", "a%2Fb", "x&y=1"]


@pytest.mark.parametrize("name", ODD)
def test_a_storage_of_any_name_has_its_database_in_itself(name: str, tmp_path: Path) -> None:
    settings = read_settings(storage=str(tmp_path / name), environment={})

    assert sqlite_file(settings.tracking) == tmp_path / name / "mlflow.db"
    assert sqlite_file(sqlite_database(settings.tracking)) == tmp_path / name / "mlflow.db"
    assert "?" not in settings.tracking
    assert read_settings(storage=(tmp_path / name).as_uri(), environment={}) == settings
    assert open_storage((tmp_path / name).as_uri()).uri == open_storage(tmp_path / name).uri == settings.storage
    assert folder_address(tmp_path / name) == (tmp_path / name).as_uri()


@pytest.mark.parametrize("name", ODD)
def test_the_database_is_the_one_that_sqlalchemy_opens(name: str, tmp_path: Path) -> None:
    from sqlalchemy import make_url

    file = tmp_path / name / "mlflow.db"

    address = sqlite_database(sqlite_address(file))

    assert make_url(address).database == str(file)
    assert "/" not in address.removeprefix("sqlite:///") or address == f"sqlite:///{file}", "MLflow would make folders"


def test_plain_addresses_stay_as_they_are_and_others_pass() -> None:
    assert sqlite_address(Path("/a/b-c_d.e/mlflow.db")) == "sqlite:////a/b-c_d.e/mlflow.db"
    assert sqlite_database("sqlite:////a/mlflow.db?timeout=10") == "sqlite:////a/mlflow.db?timeout=10"
    assert sqlite_database("postgresql://host/db") == "postgresql://host/db"
    assert sqlite_file("http://host") is None
    assert folder_address("s3://bucket/a b") == "s3://bucket/a b"


@pytest.mark.parametrize("letter", ["?", "#"])
def test_an_object_store_has_no_letter_at_which_addresses_end(letter: str) -> None:
    with pytest.raises(StorageError, match="no '\\?' and no '#'"):
        open_storage(f"s3://bucket/a{letter}b")


NO_STORAGES = {
    "": "must name a folder or a bucket",
    "  ": "must name a folder or a bucket",
    "file://": "must name a folder or a bucket",
    "s3://": "must name a folder or a bucket",
    "s3:///prefix": "must name a folder or a bucket",
    "s3:/bucket": "must be a local folder or an s3:// prefix",
    "ftp://host/x": "must be a local folder or an s3:// prefix",
    "~nobody-of-that-name/x": "in the home of a user who does not exist",
    "x" * 5000: "File name too long",
    "a\0b": "embedded null (byte|character)",  # as Python up to 3.12, and from 3.13 on, says it
}


@pytest.mark.parametrize("text", NO_STORAGES, ids=lambda text: repr(text[:20]))
def test_what_no_storage_is_called_is_bad_input(text: str) -> None:
    with pytest.raises(InputError, match=NO_STORAGES[text]):
        read_settings(storage=text, environment={})


def test_links_that_lead_in_a_circle_are_no_storage_and_no_data(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for place in ({"storage": str(tmp_path / "a")}, {"storage": f"{tmp_path}/a/x"}, {"data_root": tmp_path / "a"}):
        with pytest.raises(InputError, match="Too many levels of symbolic links"):
            read_settings(**place, environment={})  # type: ignore[arg-type]


def test_data_of_a_user_who_does_not_exist_are_nowhere() -> None:
    for given in ({"data_root": Path("~nobody-of-that-name/x")}, {"cache_dir": Path("~nobody-of-that-name")}):
        with pytest.raises(InputError, match="in the home of a user who does not exist"):
            read_settings(**given, environment={})  # type: ignore[arg-type]
