"""Files that are no plain weights: read where their values are plain, else refused in one sentence that says what they are."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainers.errors import CheckpointError
from trainers.models.contract import ModelInput
from trainers.models.registry import model_for
from trainers.models.weights.contents import contents_of
from trainers.models.weights.load import ForeignWeights, weights_for
from trainers.models.weights.normalisation import parse_normalisation
from trainers.models.weights.reading import read_contents

Weights = dict[str, Tensor]


def network() -> nn.Module:
    torch.manual_seed(5)
    spec = model_for("small-cnn")
    return spec.build(spec.resolve({}), ModelInput(image_size=16, num_channels=3, num_classes=2))


def weights() -> Weights:
    return dict(network().state_dict())


def found(file: Mapping[str, Any]) -> ForeignWeights:
    return weights_for(network(), contents_of(file), num_channels=3, subject="small-cnn")


def read(path: Path) -> ForeignWeights:
    return weights_for(network(), read_contents(path), num_channels=3, subject="small-cnn")


def is_same(taken: ForeignWeights, expected: Weights) -> bool:
    return taken.weights.keys() == expected.keys() and all(
        torch.equal(taken.weights[name].float(), value) for name, value in expected.items()
    )


def quantised(value: Tensor) -> Tensor:
    return torch.quantize_per_tensor(value, 0.05, 0, torch.qint8)


CHANGES: tuple[tuple[str, Callable[[Tensor], Tensor], str], ...] = (
    ("whole numbers", lambda value: (50 * value).to(torch.int8), "is int8"),
    ("complex numbers", lambda value: value.to(torch.complex64), "is complex64"),
    ("no values", lambda value: value.to("meta"), "has no values"),
    ("sparse", lambda value: value.to_sparse(), "is sparse"),
    ("NaN", lambda value: torch.full_like(value, float("nan")), "is NaN or infinite"),
    ("infinite", lambda value: value - float("inf"), "is NaN or infinite"),
    ("quantised", quantised, "is quantised"),
)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(("what", "change", "said"), CHANGES, ids=[what for what, _, _ in CHANGES])
def test_values_that_would_be_another_network_are_refused_by_name(
    what: str, change: Callable[[Tensor], Tensor], said: str
) -> None:
    """int8 and complex weights must not be cast in silence, and no kind of tensor may end in an error of the library."""
    file = {**weights(), "linear1.weight": change(weights()["linear1.weight"])}
    with pytest.raises(
        CheckpointError, match=rf"small-cnn must be finite floating-point numbers, but linear1.weight {said}"
    ):
        found(file)


def test_weights_of_fewer_bits_are_read_with_their_values() -> None:
    for kind in (torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn):
        taken = found({name: value.to(kind) for name, value in weights().items()})
        assert is_same(taken, {name: value.to(kind).float() for name, value in weights().items()})


def test_arrays_and_sequences_are_read_like_tensors_and_mappings() -> None:
    arrays = {name: value.numpy() for name, value in weights().items()}
    assert is_same(found({"state_dict": arrays}), weights())
    assert is_same(found({"saved": [weights(), {"epoch": 3}]}), weights())


class Normalised(nn.Module):
    """A network of somebody else's class, pickled whole."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("std", torch.ones(1, 3, 1, 1))
        self.inner = network()


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_network_that_was_pickled_whole_is_read_without_running_it(tmp_path: Path, is_nested: bool) -> None:
    whole = Normalised()
    torch.save({"model": whole, "epoch": 3} if is_nested else whole, tmp_path / "whole.pt")
    taken = read(tmp_path / "whole.pt")
    assert is_same(taken, weights())
    assert taken.stated is not None
    assert (taken.stated.mean, taken.stated.std) == ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize("count", [float("nan"), [1, 2]])
def test_a_counter_that_counts_nothing_is_no_error(count: Any) -> None:
    averaged = {f"module.{name}": value for name, value in weights().items()}
    assert is_same(found({"n_averaged": torch.tensor(count), **averaged}), weights())


MEANS: tuple[dict[str, Any], ...] = (
    {"mean": [0.5, 0.5, 0.5]},
    {"mean": [0.5, 0.5], "std": [0.5, 0.5]},
    {"mean": [0.0, 0.0, 0.0], "std": [0.0, 0.0, 0.0]},
    {"mean": [float("nan")] * 3, "std": [1.0] * 3},
    {"mean": "0.5,0.5,0.5", "std": "0.5"},
)


@pytest.mark.parametrize("said", MEANS, ids=str)
def test_a_mean_that_cannot_be_used_is_named(said: dict[str, Any]) -> None:
    taken = found({"state_dict": weights(), **said})
    assert taken.stated is None
    assert [note for note in taken.notes if note.startswith("the file has mean, but no normalisation")]
    assert found({"state_dict": weights()}).notes == ()


def archive(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        for name in names:
            made.writestr(name, b"x")
    return held.getvalue()


def saved(value: object) -> bytes:
    held = io.BytesIO()
    torch.save(value, held)
    return held.getvalue()


def arrays() -> bytes:
    held = io.BytesIO()
    np.savez(held, a=np.zeros(3))
    return held.getvalue()


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "cut": (saved({"a": torch.zeros(1000)})[:900], "is cut short or damaged"),
    "safetensors": (b'\x10\0\0\0\0\0\0\0{"a":{}}        ', "a safetensors file"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file"),
    "torchscript": (archive("m/constants.pkl", "m/code/a.py", "m/data.pkl"), "a TorchScript archive"),
    "numpy": (arrays(), "an archive of NumPy arrays"),
    "zip": (archive("photos/cat.png"), "an archive of other things"),
    "text": (b"hello\n" * 20, "must be an intact file of torch.save"),
    "text of opcodes": (b"root:x:0:0:root:/root:/bin/bash\n", "must be an intact file of torch.save"),
    "pickle": (pickle.dumps({"a": 3}), "must be an intact file of torch.save"),
    "number": (saved(7), "but contains one int"),
    "optimiser": (saved({"optimizer": {"state": {}}, "epoch": 3}), "contains optimizer, epoch"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_formats_are_refused_in_one_sentence_of_our_own(tmp_path: Path, name: str) -> None:
    content, said = FILES[name]
    (tmp_path / "it.pt").write_bytes(content)
    with pytest.raises(CheckpointError) as refused:
        read_contents(tmp_path / "it.pt")
    text = str(refused.value).removeprefix(f"{tmp_path / 'it.pt'} ")
    assert said in text
    assert text.startswith("must ")
    assert len(text) < 220
    assert "PytorchStreamReader" not in text


def test_only_the_average_that_is_taken_says_over_how_many_states() -> None:
    averaged = {"n_averaged": torch.tensor(3), **{f"module.{name}": value + 1 for name, value in weights().items()}}
    taken = found({"state_dict": weights(), "swa_state_dict": averaged})
    assert is_same(taken, weights())
    assert not any("average over" in note for note in taken.notes)


def test_a_second_normalisation_that_a_file_states_is_named() -> None:
    file = {"MEAN": [0.5] * 3, "STD": [0.5] * 3, "args": {"mean": [0.0] * 3, "std": [1.0] * 3}, "model": weights()}
    taken = found(file)
    assert str(taken.stated) == "mean 0.5, std 0.5 (half), from the file: MEAN, STD"
    assert taken.notes == ("the file also states mean 0, std 1 (none), from the file: args.mean, args.std",)


SPELLINGS = (
    "[0.4, 0.5, 0.6] [0.1, 0.2, 0.3]",
    "(0.4,0.5,0.6) (0.1,0.2,0.3)",
    "0.4 0.5 0.6 0.1 0.2 0.3",
    "0.4 ,0.5,0.6 0.1, 0.2,0.3,",
)


@pytest.mark.parametrize("given", SPELLINGS)
def test_means_and_stds_are_read_as_people_copy_them(given: str) -> None:
    read_as = parse_normalisation(given, 3, source="as said")
    assert (read_as.mean, read_as.std) == ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))


@pytest.mark.parametrize("given", ["0.4 0.5 0.6 0.1", "0.4 0.5 0.6", "0.5 nan", "inf 1", "[] []"])
def test_what_is_no_mean_and_std_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"mean|normalisation"):
        parse_normalisation(given, 3, source="as said")
