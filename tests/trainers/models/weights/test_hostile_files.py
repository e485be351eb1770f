"""Files of weights that somebody made are refused before they take memory or time; old ones are read in their own process."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augment.errors import AugmentError
from augment.networks.weights import read_weights
from trainers.datasets.registry import dataset_for
from trainers.errors import CheckpointError, ImpossibleJob
from trainers.models.registry import model_for
from trainers.models.weights import reading
from trainers.models.weights.contents import contents_of
from trainers.models.weights.reading import read_contents
from trainers.training.checkpoints import pack, unpack
from trainers.training.networks import network_from

HUGE = 2**33


class Called:
    """Pickled as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def saved(value: object, *, is_old: bool = False) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=not is_old)
    return out.getvalue()


def rezipped(data: bytes, change: Callable[[str, bytes], bytes], *more: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, change(name, source.read(name)))
        for name, body in more:
            target.writestr(name, body)
    return out.getvalue()


def same(name: str, body: bytes) -> bytes:
    return body


def with_pickle(body: bytes) -> bytes:
    return rezipped(saved({"a": torch.zeros(3)}), lambda name, old: body if name.endswith(".pkl") else old)


def pairs_of_pairs() -> Any:
    found: Any = ()
    for _ in range(60):
        found = (found, found)
    return found


WEIGHTS = {"w": torch.zeros(3)}
FILES: dict[str, tuple[bytes, str]] = {
    "8 GiB of bytes": (saved({"a": Called(bytearray, HUGE), **WEIGHTS}), "must be an intact file"),
    "8 GiB of bytes, old": (saved({"a": Called(bytearray, HUGE), **WEIGHTS}, is_old=True), "must be an intact file"),
    "8 GiB of an array": (saved({"a": Called(np.ndarray, (HUGE,)), **WEIGHTS}), "must be an intact file"),
    "2^60 parts": (saved({"a": pairs_of_pairs(), **WEIGHTS}), "repeats or nests its parts without end"),
    "deep tuples": (with_pickle(b"\x80\x02)" + b"\x85" * 50_000 + b"."), "repeats or nests its parts"),
    "a wide memo": (with_pickle(b"\x80\x02]r\xff\xff\xff\xff."), "number the objects of its pickle in turn"),
    "an archive bomb": (
        rezipped(saved(WEIGHTS), same, ("archive/data/9", bytes(300 * 2**20))),
        "must unpack to little more",
    ),
    "two of a name": (rezipped(saved(WEIGHTS), same, ("archive/DATA.pkl", b"\x80\x02}.")), "names one twice"),
    "repeated values": (saved({"w": torch.zeros(1).expand(HUGE)}), "must contain the values of its tensors"),
    "long names": (saved({"x" * 3000: torch.zeros(1)}), "within 1000 letters"),
    "a long record": (saved({"k" * 900: {str(n): n for n in range(80_000)}, **WEIGHTS}), "its record is too long"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_asks_for_more_than_it_contains_is_refused(tmp_path: Path, name: str) -> None:
    content, said = FILES[name]
    (tmp_path / "it.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as refused:
        read_contents(tmp_path / "it.pt")
    assert len(str(refused.value)) < 400


def test_storages_that_an_old_file_has_no_room_for_are_not_allocated(tmp_path: Path) -> None:
    data = saved({"a": torch.zeros(1000)}, is_old=True)
    (tmp_path / "it.pt").write_bytes(data.replace(b"M\xe8\x03N", b"\x8a\x06\x00\x00\x00\x00\x00\x02N"))
    with pytest.raises(CheckpointError, match=r"must contain the storages that it names, but its 0\.0 MiB cannot"):
        read_contents(tmp_path / "it.pt")
    with pytest.raises(AugmentError, match="must contain the storages that it names"):
        read_weights(tmp_path / "it.pt")


def test_where_only_tensors_belong_no_size_is_taken_from_a_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"must contain tensors and plain values alone, but has a \w+\.bytearray"):
        unpack(pack({"a": Called(bytearray, HUGE)}), "it")
    (tmp_path / "it.pt").write_bytes(saved({"a": Called(bytearray, HUGE), **WEIGHTS}))
    with pytest.raises(AugmentError, match="must contain tensors and plain values alone"):
        read_weights(tmp_path / "it.pt")


def test_bytes_and_arrays_next_to_weights_are_read_as_they_were_saved(tmp_path: Path) -> None:
    held = {"a": bytearray(b"abc"), "b": b"xyz", "mean": np.array([0.25]), "seed": np.float64(3), **WEIGHTS}
    for is_old in (False, True):
        (tmp_path / "it.pt").write_bytes(saved(held, is_old=is_old))
        found = read_contents(tmp_path / "it.pt")
        assert {name: value.tolist() for name, value in found.tensors.items()} == {"mean": [0.25], "w": [0.0, 0.0, 0.0]}


def test_what_contradicts_memory_and_time_is_said_of_the_process_that_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "it.pt").write_bytes(saved(WEIGHTS, is_old=True))
    monkeypatch.setattr(reading, "_SPARE_S", 0.01)
    with pytest.raises(CheckpointError, match="must be readable within 0 s, but is not"):
        read_contents(tmp_path / "it.pt")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(reading, "_SPARE_S", 180.0)
    with pytest.raises(CheckpointError, match=r"must be readable in 512 MiB of memory, but .* ended with code 1"):
        read_contents(tmp_path / "it.pt")


def test_the_process_that_reads_an_old_file_cannot_take_a_gibibyte() -> None:
    code = "from trainers.models.weights.reading import _limit_memory; _limit_memory(0); bytearray(2**30)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "MemoryError" in ended.stderr


def test_the_values_of_tensors_are_in_proportion_to_the_file() -> None:
    shared = {"a": torch.zeros(1).expand(2**28)}
    assert list(contents_of(shared).tensors) == ["a"]
    with pytest.raises(CheckpointError, match=r"its 0.0 MiB say 1,024 MiB"):
        contents_of(shared, 1000)


STATE: dict[str, Any] = {"model": {"network.w": torch.zeros(3)}}
FORGED = {
    "may be 1000 deep": {"model": "wrn-9994-100", "dataset": "digits", "model_params": {}},
    "it has .* and the file 3": {"model": "wrn-40-20", "dataset": "digits", "model_params": {}},
    "must fit the network that it names": {"model": "small-cnn", "dataset": "digits", "model_params": {}},
    "must name its network by model": {"model": 7, "dataset": "digits", "model_params": {}},
    "must name its network by": {"model": "small-cnn", "dataset": "digits", "model_params": [1]},
}


@pytest.mark.parametrize("said", FORGED)
def test_a_forged_recipe_is_refused_before_its_network_is_built(said: str) -> None:
    with pytest.raises((CheckpointError, ImpossibleJob), match=said):
        network_from(unpack(pack({**STATE, "network": FORGED[said]}), "it"))


@pytest.mark.parametrize("weights", [None, {}, {"w": 3}, {1: torch.zeros(3)}, {"w": torch.zeros(3, device="meta")}])
def test_weights_that_are_no_dense_tensors_are_refused(weights: Any) -> None:
    network = {"model": "small-cnn", "dataset": "digits", "model_params": {}}
    with pytest.raises(CheckpointError, match="must contain the weights of its network as dense tensors by name"):
        network_from({"model": weights, "network": network})


def test_the_largest_wide_resnets_that_are_published_exist() -> None:
    assert dataset_for("cifar-10").image_size == 32
    assert [model_for(name).name for name in ("wrn-28-20", "wrn-70-16", "wrn-1000-7")]
    for name in ("wrn-1006-1", "wrn-40-42", f"wrn-{'9' * 6000}-1"):
        with pytest.raises(ImpossibleJob, match="Wide ResNet") as refused:
            model_for(name)
        assert len(str(refused.value)) < 300
