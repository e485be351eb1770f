"""Weights from other trainers' files, also old ones, without running code that they contain.

PyTorch's own safe reader comes first. What it refuses (checkpoints with an optimiser, a parser's options or a callable next
to the weights; files of Python 2) is read by an unpickler that knows how to build tensors, arrays and plain containers, and puts
an inert object in the place of everything else: nothing that a file names is ever imported or called. Files that `torch.save` did
not write are recognised by their first bytes and, of archives, by the names inside, and refused first.
"""

from __future__ import annotations

import importlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import torch

from augment.files.pickles import ALLOCATING, UnsafeFile, check_weights
from trainers.errors import CheckpointError

_HARMLESS: Final[Mapping[str, frozenset[str]]] = {
    "collections": frozenset({"OrderedDict"}),
    "builtins": frozenset({"set", "frozenset", "complex", "dict", "list", "tuple"}),
    "torch": frozenset({"Size", "device"}),
    "torch._utils": frozenset(
        {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_parameter_with_state"}
    ),
    "torch.nn.parameter": frozenset({"Parameter"}),
    "numpy": frozenset({"dtype"}),
    "numpy.core.multiarray": frozenset({"scalar"}),
    "numpy._core.multiarray": frozenset({"scalar"}),
}
_MODULE_NAMES: Final[Mapping[str, str]] = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy.core.multiarray": "numpy._core.multiarray",
}
"""Python 2's and old NumPy's names of today's modules."""


class Inert:
    """Replaces an object of a class that is not allowed; accepts whatever a file does to it and does nothing.

    Attributes:
        kept: The attributes or items that the file gives it: a parser's options, or a trainer's settings.
    """

    kept: dict[Any, Any]

    def __new__(cls, *arguments: object, **options: object) -> Inert:
        """Ignore what it is made from."""
        # Here and not in `__init__`, which unpickling does not call.
        made = object.__new__(cls)
        made.kept = {}
        return made

    def __init__(self, *arguments: object, **options: object) -> None: ...

    def __setstate__(self, state: object) -> None:
        """Keep a state that is named values."""
        if isinstance(state, Mapping):
            self.kept |= state

    def __setitem__(self, key: object, value: object) -> None:
        """Keep an item."""
        self.kept[key] = value

    def __call__(self, *arguments: object, **options: object) -> Inert:
        """Return itself."""
        return self

    def append(self, value: object) -> None:
        """Ignore an element."""

    def extend(self, values: object) -> None:
        """Ignore elements."""


def _encoded(text: object, encoding: object = "latin1") -> bytes:
    """Return the bytes of a text, as pickles of protocol 2, which torch.save writes, spell them; other codecs can take hours."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes must be spelled in latin1, but are in {encoding!r}")
    return text.encode("latin1")


def _bytes(content: object = b"", encoding: object = "latin1") -> bytearray:
    """Return an array of given bytes; a number would be its size."""
    return bytearray(content if isinstance(content, bytes) else _encoded(content, encoding))


class _Array:
    """Names NumPy's class in the pickle of an array; it is not called."""


def _array(kind: object, shape: object, dtype: object) -> np.ndarray[Any, Any]:
    """Return the empty array that a pickle fills: NumPy would allocate whatever shape is said."""
    return np.ndarray.__new__(np.ndarray, (0,), "b")


_BOUNDED: Final[Mapping[tuple[str, str], Any]] = {
    ("_codecs", "encode"): _encoded,
    ("builtins", "bytearray"): _bytes,
    ("numpy", "ndarray"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
}
"""What would take any memory or time that a file says -> what does the same of a file that was saved."""


class RestrictedUnpickler(pickle.Unpickler):
    """Builds tensors, arrays and plain containers; everything else becomes `Inert`."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a file names where it is harmless, else a class of inert objects."""
        place = _MODULE_NAMES.get(module, module)
        if (place, name) in _BOUNDED:
            return _BOUNDED[place, name]
        if name in _HARMLESS.get(module, ()) or name in _HARMLESS.get(place, ()):
            return getattr(importlib.import_module(place), name)
        if module == "torch" and (name.endswith("Storage") or isinstance(getattr(torch, name, None), torch.dtype)):
            return getattr(torch, name)
        return type(name, (Inert,), {})


def _load(file: Any, **options: Any) -> Any:
    return RestrictedUnpickler(file, **options).load()


# What `torch.load` uses of a pickle module.
_RESTRICTED: Final = SimpleNamespace(
    __name__="restricted", Unpickler=RestrictedUnpickler, load=_load, UnpicklingError=pickle.UnpicklingError
)


def read_file(path: Path) -> Any:
    """Return the content of a PyTorch file: containers, numbers, texts and tensors on the CPU, and inert objects for the rest.

    What it would take to read is told from the file first; what PyTorch allocates is then in proportion to the file.

    Raises:
        CheckpointError: If it cannot be read, or must not be; the text begins with the path.
    """
    try:
        refusal = refusal_of(path)
        if refusal is not None:
            raise CheckpointError(f"{path} {refusal}")
        names = check_weights(path)
    except UnsafeFile as error:
        raise CheckpointError(f"{path} {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path} must be a readable file: {error}; check the path") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about kinds of tensors and pickles, which is no matter of the user's
        if names.isdisjoint(ALLOCATING):
            with suppress(Exception):  # of bytes that are no file of its own PyTorch raises nearly anything
                return torch.load(path, map_location="cpu", weights_only=True)
        try:
            # Every byte is a letter of latin1, so that texts and arrays of Python 2 come as they are.
            return torch.load(
                path, map_location="cpu", pickle_module=_RESTRICTED, weights_only=False, encoding="latin1"
            )
        except Exception as error:
            raise CheckpointError(
                f"{path} must be an intact file of torch.save whose tensors can be read without running code, but is not; "
                "load it where it was written and save the network's state_dict() alone"
            ) from error


def refusal_of(path: Path) -> str | None:
    """Return what a file is and what to do, as the end of "the file ...", or None where it may be one of `torch.save`.

    Files of other formats are refused before PyTorch sees them: it would run the code of a TorchScript archive.
    """
    with path.open("rb") as handle:
        head = handle.read(16)
    if not head:
        return "must be a file of weights, but is empty; copy it again"
    if head.startswith(b"PK\x03\x04"):
        return _archive_refusal(path)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _other("an HDF5 file, as Keras writes it", "read its arrays with h5py and save them as tensors by name")
    if head[8:9] == b"{":  # behind the eight bytes of a length
        return _other("a safetensors file", "load it with safetensors.torch.load_file and save what that returns")
    return None


def _archive_refusal(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, EOFError, ValueError):
        return "must be a whole archive, but is cut short or damaged; copy it again"
    # First: a TorchScript archive has a data.pkl too.
    if any(name.endswith("/constants.pkl") for name in names):
        return _other("a TorchScript archive, which is code", "load it with torch.jit.load and save its state_dict()")
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return None
    if any(name.endswith(".npy") for name in names):
        return _other("an archive of NumPy arrays", "read it with numpy.load and save its arrays as tensors by name")
    return _other(f"an archive of other things ({', '.join(names[:3])})", "save the network's state_dict()")


def _other(what: str, fix: str) -> str:
    return f"must be one of torch.save, but is {what}; {fix} with torch.save"
