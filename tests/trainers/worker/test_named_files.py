"""Files that a job names beside its dataset are copied from object storage too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clusters.storage.open import open_storage
from trainers.config import JobConfig, MixingSetConfig, RecipeConfig
from trainers.errors import MissingData
from trainers.worker.staging import named_paths, stage_named_files

SET = MixingSetConfig(name="folder", num_images=4, image_size=36, num_channels=1, params={"folder": "paintings/oil"})
JOB = JobConfig(
    method="sin",
    method_params={"encoder": "adain/vgg.pth", "decoder": "adain/decoder.pth"},
    dataset="digits",
    model="wrn-10-1",
    recipe=RecipeConfig(),
    seed=0,
    mixing_set=SET,
)


def test_methods_and_mixing_sets_name_their_files() -> None:
    assert named_paths(JOB) == ("adain/vgg.pth", "adain/decoder.pth", "paintings/oil")
    compound = replace(JOB, method="edsr+cutmix", method_params={"edsr": {"weights": "edsr.pt"}}, mixing_set=None)
    assert named_paths(compound) == ("edsr.pt",)
    assert named_paths(replace(JOB, method_params={}, mixing_set=replace(SET, name="fractals", params={}))) == ()


def test_named_files_come_from_the_source_once(tmp_path: Path) -> None:
    source = open_storage(tmp_path / "source")
    for name in ("adain/vgg.pth", "adain/decoder.pth", "paintings/oil/1.png", "paintings/oil/2.png"):
        source.write_bytes(name, name.encode())
    root = tmp_path / "node"
    assert stage_named_files(JOB, source.uri, root) == 4
    assert (root / "paintings/oil/2.png").read_bytes() == b"paintings/oil/2.png"
    assert stage_named_files(JOB, source.uri, root) == 0
    assert stage_named_files(JOB, "", tmp_path / "other") == 0


def test_what_the_source_lacks_is_named(tmp_path: Path) -> None:
    source = open_storage(tmp_path / "source")
    source.write_bytes("adain/vgg.pth", b"1")
    with pytest.raises(MissingData, match=r"must contain adain/decoder\.pth"):
        stage_named_files(JOB, source.uri, tmp_path / "node")
