"""`new` and `schema`: a sweep file to start from, which plans without a mistake and fits the schema that it names."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from orchestration.cells.load import load_sweep
from orchestration.cli import main


def test_a_new_sweep_plans_and_fits_the_schema_it_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sweeps" / "My sweep.yaml"
    assert main(["new", str(path)]) == 0
    printed = capsys.readouterr().out

    first = path.read_text().splitlines()[0]
    schema = json.loads((path.parent / first.partition("$schema=")[2]).read_text())
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    assert first.startswith("# yaml-language-server: $schema=")
    assert load_sweep(str(path)).label == "my-sweep"
    assert len(load_sweep(str(path)).cells) == 6
    assert len(load_sweep(str(path), size="smoke").cells) == 3
    assert f"dreamgrid plan '{path}'" in printed
    assert f"dreamgrid run '{path}' --smoke" in printed


def test_the_row_of_imported_results_works_once_it_is_no_comment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("theirs.csv").write_text("dataset,FPR@95,AUROC,AUPR_IN,AUPR_OUT,ACC\nsvhn,50.0,86.0,84.0,85.0,94.5\n")
    given = ["--format", "openood", "--name", "theirs", "--dataset", "digits", "--storage", "storage"]
    assert main(["new", "mine.yaml"]) == 0
    text = Path("mine.yaml").read_text()
    Path("mine.yaml").write_text(text.replace("# - {row: Theirs", "- {row: Theirs"))
    assert main(["import", "theirs.csv", *given]) == 0
    capsys.readouterr()

    assert main(["table", "mine.yaml", "--storage", "storage"]) == 0

    (row,) = [line for line in capsys.readouterr().out.splitlines() if "Theirs" in line and line.startswith("|")]
    assert "5.5" in row


def test_an_existing_file_is_left_alone_unless_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")

    assert main(["new", str(path)]) == 2
    assert path.read_text() == "mine"
    assert "exists already and is left alone; choose another name, or add --force" in capsys.readouterr().err
    assert main(["new", str(path), "--force"]) == 0
    assert path.read_text() != "mine"


@pytest.mark.parametrize(("name", "expected"), [("a.txt", "must end in .yaml or .yml"), ("", "must end in")])
def test_a_name_that_no_sweep_file_has_is_refused(
    name: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", str(tmp_path / name)]) == 2
    assert expected in capsys.readouterr().err


def test_a_folder_with_the_name_of_a_sweep_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").mkdir()

    assert main(["new", str(tmp_path / "a.yaml"), "--force"]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_the_schema_is_printed_and_its_old_option_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "DreamGrid sweep"

    assert main(["sweeps", "--schema"]) == 2
    assert "--schema is now the verb: dreamgrid schema" in capsys.readouterr().err
