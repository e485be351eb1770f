"""Files and folders that methods name: how they enter a cell's identity, and how a change of them is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from augment.compound import config_for
from augment.errors import AugmentError
from augment.files.named import PENDING, missing_files, named_file, with_contents
from augment.methods.edsr import EdsrConfig
from augment.registry import METHODS


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep remembered hashes to the test."""
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def weight_files(tmp_path: Path) -> Path:
    for name in ("encoder.pth", "decoder.pth"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_hyper_parameters_that_name_no_file_are_no_part_of_an_identity() -> None:
    for name in ("sin", "edsr", "ant"):
        method = METHODS[name]
        values = {field: getattr(method.config(), field) for field in method.config.__dataclass_fields__}
        kept = with_contents(method, values, None)
        assert kept.keys() == values.keys() - set(method.files) - set(method.files.values())
        assert config_for(method, "cifar-10", kept) == method.config()


def test_a_named_file_enters_with_the_hash_of_its_content(weight_files: Path) -> None:
    values = {"encoder": "encoder.pth", "encoder_content": "", "decoder": "decoder.pth", "decoder_content": ""}
    before = with_contents(METHODS["sin"], values, weight_files)
    assert len(before["encoder_content"]) == 64
    (weight_files / "encoder.pth").write_bytes(b"other")
    after = with_contents(METHODS["sin"], values, weight_files)
    assert after["encoder_content"] != before["encoder_content"]
    assert after["decoder_content"] == before["decoder_content"]


def test_a_file_that_is_not_there_is_pending_and_reported(tmp_path: Path) -> None:
    values = with_contents(METHODS["edsr"], {"weights": "x.pt", "weights_content": ""}, tmp_path)
    assert values["weights_content"] == PENDING
    (line,) = missing_files(METHODS["edsr"], values, tmp_path)
    assert str(tmp_path / "x.pt") in line
    assert with_contents(METHODS["edsr"], {"weights": "x.pt"}, None)["weights_content"] == PENDING


def test_a_file_that_changed_since_planning_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"one")
    planned = with_contents(METHODS["edsr"], {"weights": "x.pt"}, tmp_path)["weights_content"]
    assert named_file(tmp_path, "x.pt", planned) == tmp_path / "x.pt"
    (tmp_path / "x.pt").write_bytes(b"other")
    with pytest.raises(AugmentError, match=r"must have the content .* that was planned"):
        named_file(tmp_path, "x.pt", planned)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.pt"])
def test_a_name_outside_the_data_root_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be a name in the data root"):
        EdsrConfig(weights=name)
