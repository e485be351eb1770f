"""Files of datasets: headers of idx and NumPy files, kept predictions, folders of a user, batches that are not published."""

from __future__ import annotations

import functools
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

from augment.errors import AugmentError
from augment.files.numpy_files import ArrayFileError, map_array, read_arrays
from eval.errors import EvalError
from eval.published_files.arrays import cifar_corruptions
from tests.fuzz.harness import Kind, Verdict, command_line, library
from tests.fuzz.mutations import mutated_bytes
from trainers.datasets.load import load_split, shared_split
from trainers.datasets.mnist import read_idx
from trainers.datasets.outliers import random_images
from trainers.errors import TrainingError


def _idx(*shape: int, kind: int = 8, body: bytes | None = None) -> bytes:
    inside = bytes(int(np.prod(shape))) if body is None else body
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + inside


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _header(text: str, body: bytes = bytes(64)) -> bytes:
    """An array file with any text as its header."""
    padded = (text + " " * (-(len(text) + 11) % 64) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + body


def _npz(**arrays: np.ndarray[Any, Any]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def _zip(*entries: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in entries:
            archive.writestr(name, body)
    return out.getvalue()


@functools.cache
def _headers() -> tuple[bytes, ...]:
    shapes = (
        "(9999999999, 9999999999)",
        "(-1,)",
        "(2**60,)",
        "()",
        "(1e9,)",
        "(True,)",
        "('a',)",
        "(0, 9999999999999)",
        "[3]",
    )
    kinds = ("'|u1'", "'<f8'", "'|O'", "'|V0'", "'<U999999999'", "[('a', '<f8')]", "None", "'<x9'", "'|u1', 'x': 1")
    of_shapes = [f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}" for shape in shapes]
    of_kinds = [f"{{'descr': {kind}, 'fortran_order': False, 'shape': (4,), }}" for kind in kinds]
    texts = [
        *of_shapes,
        *of_kinds,
        "",
        "{",
        "[" * 5000,
        "(" * 9000,
        "1" * 9000,
        "__import__('os')",
        "{'descr': '|u1'}",
        "\x00",
    ]
    return tuple(_header(text) for text in texts)


@functools.cache
def _bases() -> dict[str, tuple[bytes, ...]]:
    kept = {"confidence": np.linspace(0, 1, 50), "correct": np.arange(50) % 2 == 0, "labels": np.arange(50) % 10}
    return {
        "idx": (
            *(_idx(3, 4, 4), _idx(5), _idx(0, 2**32 - 1)),
            *(_idx(2**31, 2**31, 4, 1, body=b""), _idx(2**32 - 1, 2**32 - 1, body=b"")),
        ),
        "npy": (_npy(np.zeros((4, 32, 32, 3), np.uint8)), _npy(np.zeros(4)), *_headers()),
        "npz": (
            _npz(**kept),
            _npz(logits=np.zeros((4, 10), np.float32), labels=np.zeros(4, np.int64)),
            _zip(("a.npy", _npy(np.zeros(300 * 2**20, np.uint8)))),
            _zip(*((f"{number}.npy", header) for number, header in enumerate(_headers()))),
            _zip(("confidence.npy", _npy(np.array(["a"]))), ("correct.npy", _npy(np.zeros((2, 2, 2))))),
        ),
        "cifar": (
            pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]}),
            b"cos\nsystem\n(S'true'\ntR.",
        ),
    }


_NAMES: Final = (
    *("a/1.png", "b/1.png", "a", "loop", ".hid/1.png", "a/b/c/1.jpg"),
    *("a\n/1.png", "LOOP/1.png", "\udcff/1.png"),
)


@st.composite
def _inputs(draw: Any) -> tuple[str, Any]:
    kind = draw(st.sampled_from(["idx", "npy", "npy", "npz", "npz", "folder", "cifar"]))
    if kind == "folder":
        names = st.sampled_from(_NAMES)
        return kind, draw(st.lists(st.tuples(names, st.binary(max_size=20)), max_size=6))
    data = draw(st.sampled_from(_bases()[kind]))
    return kind, (draw(mutated_bytes(data)) if draw(st.booleans()) and len(data) < 2**20 else data)


def _attempt(given: tuple[str, Any], folder: Path) -> Verdict:
    kind, data = given
    if kind == "folder":
        return _folder(data, folder)
    if kind == "npz":
        path = folder / "clean.npz"
        path.write_bytes(data)
        library(lambda: read_arrays(path), ArrayFileError)
        return command_line(["evaluate", "--from-predictions", str(path)])
    return _file(kind, data, folder)


def _file(kind: str, data: bytes, folder: Path) -> Verdict:
    path = folder / "300K_random_images.npy"
    path.write_bytes(data)
    if kind == "idx":
        return library(lambda: read_idx(path), TrainingError)
    if kind == "cifar":
        batches = folder / "cifar-10-batches-py"
        batches.mkdir()
        for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"):
            (batches / name).write_bytes(data)
        return library(lambda: load_split("cifar-10", "test", folder), TrainingError)
    library(lambda: map_array(path), ArrayFileError)
    (folder / "labels.npy").write_bytes(data)
    (folder / "fog.npy").write_bytes(data)
    library(lambda: cifar_corruptions(folder, np.zeros(4, np.int64), kinds=["fog"]), EvalError)
    return library(lambda: random_images(folder), TrainingError, AugmentError)


def _folder(entries: list[tuple[str, bytes]], folder: Path) -> Verdict:
    root = folder / "images"
    for split in ("train", "test"):
        for name, body in entries:
            path = root / split / name.replace("LOOP", "loop")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if name == "loop":
                    path.symlink_to(root / split)
                else:
                    path.write_bytes(body)
            except OSError:
                continue
    os.makedirs(root, exist_ok=True)
    return library(lambda: shared_split(f"folder:{root}@16", "test", folder, folder / "cache"), TrainingError)


KIND: Final = Kind(inputs=_inputs(), attempt=_attempt, examples=250, prepare=_bases)
