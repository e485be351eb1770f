"""Checkpoints: ours, archives of `torch.save` and files of its earlier versions; bytes, entries, pickles and states changed."""

from __future__ import annotations

import argparse
import functools
import hashlib
import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from hypothesis import strategies as st

from orchestration.errors import InputError
from orchestration.evaluation.checkpoints import Reading, load_network
from orchestration.evaluation.evaluate import network_config, open_network
from tests.fuzz.harness import Kind, Verdict, library
from tests.fuzz.mutations import ODD_VALUES, mutated_bytes
from trainers.config import JobConfig
from trainers.datasets.registry import dataset_for
from trainers.errors import TrainingError
from trainers.models.weights.contents import read_here
from trainers.models.weights.load import weights_for
from trainers.training.checkpoints import FORMAT, pack
from trainers.training.networks import build_classifier
from trainers.training.own_record import contradictions

MODEL, DATASET = "small-cnn", "digits"
HUGE: Final = 2**33


@functools.cache
def _config() -> JobConfig:
    found = network_config(MODEL, DATASET)
    assert found is not None
    return found


@functools.cache
def _weights() -> dict[str, torch.Tensor]:
    return dict(build_classifier(_config(), dataset_for(DATASET)).state_dict())


def _state() -> dict[str, Any]:
    return {
        "model": _weights(),
        "progress": {"epoch": 3, "losses": [0.5, 0.25]},
        "network": {"model": MODEL, "model_params": {}, "dataset": DATASET},
        "train_key": "ab" * 32,
        "environment": {"assumed": {"mean": [0.5], "std": [0.5], "source": "x", "notes": ["a"], "warning": None}},
    }


def _foreign() -> dict[str, Any]:
    own = {name.removeprefix("network."): value for name, value in _weights().items() if name.startswith("network.")}
    return {
        "state_dict": own,
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "args": argparse.Namespace(dataset="digits", lr=0.1, seed=3),
        "epoch": 7,
        "mean": np.array([0.5]),
        "std": torch.tensor([0.5]),
        "seen": bytearray(b"abc"),
    }


def _saved(value: object, *, old: bool = False, protocol: int = 2) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=not old, pickle_protocol=protocol)
    return out.getvalue()


def _of_ours(payload: bytes) -> bytes:
    """Bytes with a header whose hash is theirs, as anybody can write it."""
    return b"".join([FORMAT, hashlib.sha256(payload).hexdigest().encode(), b"\n", payload])


class _Call:
    """Pickled as a call of anything."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def _nested(pairs: int, depth: int) -> Any:
    found: Any = ()
    for _ in range(depth):
        found = (found,) * pairs
    return found


def _pickled(*opcodes: bytes) -> bytes:
    """An archive with a pickle that is written by hand, since no pickler goes so deep."""
    body = b"".join([b"\x80\x02", *opcodes, b"."])
    return _rezipped(_saved({"a": torch.zeros(3)}), lambda name, old: body if name.endswith(".pkl") else old)


def _chained(depth: int) -> tuple[bytes, ...]:
    """Modules in modules, deeper than Python's stack."""
    down = b"cm\nC\n)R}X\x08\0\0\0_modules}X\x01\0\0\0a"
    return down * depth, b"N", b"ssb" * depth


def _storage_claim(number: int) -> bytes:
    """An archive whose pickle says that its storage has so many values."""
    data = _saved({"a": torch.zeros(1000)})
    small, large = b"M" + struct.pack("<H", 1000), b"\x8a\x06" + number.to_bytes(6, "little")
    return _rezipped(data, lambda name, body: body.replace(small, large) if name.endswith(".pkl") else body)


def _rezipped(
    data: bytes, change: Any, how: int = zipfile.ZIP_STORED, more: tuple[tuple[str, bytes], ...] = ()
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", how) as target:
        for name in source.namelist():
            target.writestr(name, change(name, source.read(name)))
        for name, body in more:
            target.writestr(name, body)
    return out.getvalue()


def _same(_: str, body: bytes) -> bytes:
    return body


@functools.cache
def _bombs() -> tuple[bytes, ...]:
    weights = _saved(_weights())
    values: list[Any] = [
        _Call(bytearray, HUGE),
        _Call(bytearray, HUGE // 64),
        _Call(np.ndarray, (HUGE,)),
        _Call(np._core.multiarray._reconstruct, np.ndarray, (HUGE,), b"b"),
        _Call(torch.Size, (HUGE,)),
        _Call(torch.FloatTensor, HUGE // 8),
        _Call(frozenset, (_nested(2, 60),)),
        {_nested(1, 90): 1},
        _nested(2, 60),
        {"w": torch.zeros(1).expand(HUGE)},
        {"w": torch.zeros(1).to(torch.float8_e4m3fn).expand(HUGE)},
        {"state_dict": {name: torch.zeros(1).expand(value.shape) for name, value in _weights().items()}},
        {"x" * 3000: torch.zeros(1), "y" * 900: {"z" * 900: [0.5] * 5}},
        {"k" * 900: {str(n): n for n in range(100_000)}},
        {"a": 10**400, "w": torch.zeros(2), "mean": 10**400, "std": 10**400, "epoch": 10**400, "seed": "9" * 5000},
        {"w": np.zeros(3, dtype=np.longdouble), "v": np.zeros(3, dtype=">f4"), "u": np.zeros(3, dtype=object)},
        {"a": np.float64(1), "b": np.datetime64("2001-01-01"), "w": torch.zeros(2)},
        {3: torch.zeros(2), None: torch.zeros(2), (1, 2): torch.zeros(2)},
        OrderedDict(a=torch.zeros(2)),
        torch.zeros(3),
        _Call(print, "x"),
    ]
    files = [_saved(value, old=old) for value in values for old in (False, True)]
    ours = [_of_ours(_saved(value)) for value in values]
    forged = [
        _storage_claim(HUGE),
        _storage_claim(1),
        _rezipped(weights, _same, zipfile.ZIP_DEFLATED),
        _rezipped(weights, _same, zipfile.ZIP_DEFLATED, (("archive/data/99", bytes(400 * 2**20)),)),
        _rezipped(weights, _same, more=(("archive/DATA.pkl", b"\x80\x02}."),)),
        _rezipped(weights, _same, more=(("../../x", b"x"), ("/x", b"x"))),
        _rezipped(weights, lambda name, body: b"\x80\x02]r\xff\xff\xff\xff." if name.endswith(".pkl") else body),
        _rezipped(weights, lambda name, body: b"\x80\x02}" * 9 if name.endswith(".pkl") else body),
        _saved(_weights(), old=True)[:-100],
        pickle.dumps(_weights()["network.linear1.weight"].numpy()) if "network.linear1.weight" in _weights() else b"",
        b"PK\x03\x04",
        b"PK\x03\x04" + bytes(100),
        _pickled(b")", b"\x85" * 50_000),
        _pickled(b"]" * 50_000, b"a" * 49_999),
        _pickled(b"}", b"X\x01\0\0\0a}" * 50_000, b"s" * 50_000),
        _pickled(*_chained(300)),
        _pickled(*_chained(30_000)),
        _pickled(b"(" * 100_000),
        FORMAT,
        FORMAT + b"0" * 64 + b"\n",
    ]
    return (*files, *ours, *forged, *map(_of_ours, forged))


def _networks(model: Any, dataset: Any, params: Any) -> bytes:
    return pack({**_state(), "network": {"model": model, "dataset": dataset, "model_params": params}})


_NAMES: Final = st.sampled_from(
    [
        "wrn-9994-100",
        "wrn-40-59",
        "wrn-1000-7",
        "wrn-16-1",
        "wrn-" + "9" * 5000 + "-1",
        "resnet-50",
        "torchvision:vit_b_16",
        "",
        "x",
    ]
)
_DATASETS: Final = st.sampled_from(
    ["digits", "imagenet", "cifar-10", "folder:/nowhere@9999", "folder:~x", "folder:/\0", "x", ""]
)


@st.composite
def _inputs(draw: Any) -> tuple[str, bytes]:
    how = draw(st.sampled_from(["bytes", "bytes", "pickle", "state", "state", "network", "foreign", "bomb", "bomb"]))
    if how == "bytes":
        data = draw(st.sampled_from(_bases()))
        return "any", draw(mutated_bytes(data))
    if how == "pickle":
        data = draw(st.sampled_from([_saved(_foreign()), _saved(_weights())]))
        changed = _rezipped(data, lambda name, body: draw(mutated_bytes(body)) if name.endswith(".pkl") else body)
        return "any", draw(st.sampled_from([changed, _of_ours(changed)]))
    if how == "network":
        name, dataset = draw(st.one_of(_NAMES, ODD_VALUES)), draw(st.one_of(_DATASETS, ODD_VALUES))
        return "ours", _networks(name, dataset, draw(st.one_of(st.just({}), ODD_VALUES, st.just({"dropout": HUGE}))))
    if how in ("state", "foreign"):
        tree = _state() if how == "state" else _foreign()
        for _ in range(draw(st.integers(1, 3))):
            _change(draw, tree)
        return ("ours" if how == "state" else "any"), (pack(tree) if how == "state" else _saved(tree))
    return "any", draw(st.sampled_from(_bombs()))


@functools.cache
def _bases() -> tuple[bytes, ...]:
    return (
        pack(_state()),
        _saved(_foreign()),
        _saved(_foreign(), old=True),
        _saved(_foreign(), protocol=4),
        _saved(_foreign(), old=True, protocol=0),
    )


def _change(draw: Any, tree: dict[Any, Any]) -> None:
    """Change one value somewhere in a tree of dicts, or its name."""
    key = draw(st.sampled_from(sorted(tree, key=str)))
    inner = tree[key]
    if isinstance(inner, dict) and inner and draw(st.booleans()):
        tree[key] = dict(inner)
        _change(draw, tree[key])
    elif draw(st.integers(0, 4)) == 0:
        tree[draw(st.one_of(st.text(max_size=5), st.integers(0, 5)))] = tree.pop(key)
    else:
        tree[key] = draw(st.one_of(ODD_VALUES, st.sampled_from(_TENSORS)))


_TENSORS: Final = (
    torch.zeros(0),
    torch.zeros(1).expand(2**30),
    torch.zeros(2, dtype=torch.int8),
    torch.full((3,), float("nan")),
    torch.zeros(2).to_sparse(),
    torch.zeros(2, device="meta"),
    torch.zeros(2, dtype=torch.complex64),
)


def _attempt(given: tuple[str, bytes], folder: Path) -> Verdict:
    kind, data = given
    path = folder / "it.pt"
    path.write_bytes(data)
    return library(lambda: _read(kind, path, data), InputError, TrainingError)


def _read(kind: str, path: Path, data: bytes) -> None:
    """Read as `evaluate` and as `adopt` do; files of earlier versions in this process, which a process a file would take long."""
    if not data.startswith((FORMAT, b"PK")):
        contents = read_here(path)
        network = build_classifier(_config(), dataset_for(DATASET)).network
        record = weights_for(network, contents, num_channels=1, subject="it").record
        contradictions(record, _config())
        return
    if data.startswith(FORMAT):
        open_network(str(path), model=None, dataset=None, reading=Reading())
    if kind == "any":
        found = load_network(path, config=_config(), reading=Reading())
        contradictions(found.record, _config())
        with torch.inference_mode():
            side = dataset_for(DATASET).image_size
            found.model(torch.zeros(2, 1, side, side))


KIND: Final = Kind(inputs=_inputs(), attempt=_attempt, examples=300, prepare=lambda: (_bombs(), _bases()))
