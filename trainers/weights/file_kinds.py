"""Files of weights that `torch.save` did not write whole: told by their first bytes and, of archives, by the names inside."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_ZIP: Final = b"PK\x03\x04"
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_SAFETENSORS: Final = b"{"
"""What stands behind the eight bytes of a length in a file of safetensors."""


def refusal_of(path: Path) -> str | None:
    """Return what a file is and what to do, as the end of "the file ...", or None where it may be one of `torch.save`.

    Files of other formats are refused before PyTorch sees them: it would run the code of a TorchScript archive.

    Args:
        path: A file that can be read.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as handle:
        head = handle.read(16)
    if not head:
        return "must hold weights, but is empty; copy it again"
    if head.startswith(_ZIP):
        return _archive_refusal(path)
    if head.startswith(_HDF5):
        return _other("an HDF5 file, as Keras writes it", "read its arrays with h5py and save them as tensors by name")
    if head[8:9] == _SAFETENSORS:
        return _other("a safetensors file", "load it with safetensors.torch.load_file and save what that returns")
    return None


def _archive_refusal(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, EOFError, ValueError):
        return "must be a whole archive, but is cut short or damaged; copy it again"
    if any(name.endswith("/constants.pkl") for name in names):
        return _other("a TorchScript archive, which is code", "load it with torch.jit.load and save its state_dict()")
    if _has(names, "data.pkl"):
        return None
    if any(name.endswith(".npy") for name in names):
        return _other("an archive of NumPy arrays", "read it with numpy.load and save its arrays as tensors by name")
    return _other(f"an archive of other things ({', '.join(names[:3])})", "save the network's state_dict()")


def _has(names: Sequence[str], last: str) -> bool:
    return any(name.rpartition("/")[2] == last for name in names)


def _other(what: str, fix: str) -> str:
    return f"must be one of torch.save, but is {what}; {fix} with torch.save"
