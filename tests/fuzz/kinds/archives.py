"""Archives: members that lead out of their folder, links, devices, damage; unpacked as downloads are, and compared with files."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st
from torchvision.datasets.utils import extract_archive

from augment.files.archives import Archive, ArchiveError, compare_with_archive
from augment.files.walk import ImageFolderError
from tests.fuzz.harness import Fault, Kind, Verdict, library
from tests.fuzz.mutations import mutated_bytes
from trainers.datasets.fetch import plain_archives

_NAMES: Final = (
    *("a.png", "b/c.png", "../out.png", "/OUT.png", "b/../../out.png", "link/out.png"),
    *("x" * 300, ".", "..", "", "a\\..\\b", "t.tar"),
)
_KINDS: Final = (
    tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE,
)  # fmt: skip
_MEMBER: Final = st.tuples(
    st.sampled_from(_NAMES), st.sampled_from(_KINDS), st.sampled_from(["..", "/etc", "a.png", "OUT"])
)


@st.composite
def _inputs(draw: Any) -> tuple[str, bytes]:
    suffix = draw(st.sampled_from(["tar", "tar.gz", "tar.xz", "zip"]))
    members = draw(st.lists(_MEMBER, min_size=1, max_size=5))
    data = _zip(members) if suffix == "zip" else _tar(members, suffix.partition(".")[2])
    return suffix, (draw(mutated_bytes(data)) if draw(st.booleans()) else data)


def _tar(members: list[tuple[str, bytes, str]], packed: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{packed}") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, target, 0o6777
            member.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"body"))
    return out.getvalue()


def _zip(members: list[tuple[str, bytes, str]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in dict.fromkeys(name for name, _, _ in members):
            archive.writestr(name or "x", b"body")
    return out.getvalue()


def _attempt(given: tuple[str, bytes], folder: Path) -> Verdict:
    suffix, data = given
    path, target = folder / f"it.{suffix}", folder / "deep" / "target"
    path.write_bytes(data)
    target.mkdir(parents=True)
    before = {each.name for each in folder.iterdir()}
    unpacked = library(lambda: _unpack(path, target), OSError, RuntimeError, tarfile.TarError, ValueError, EOFError)
    _check_inside(folder, target, before)
    archive = Archive(name=path.name, md5=hashlib.md5(data).hexdigest())
    compared = library(lambda: compare_with_archive(archive, path, target), ArchiveError, ImageFolderError)
    return "refused" if "refused" in (unpacked, compared) else "accepted"


def _unpack(path: Path, target: Path) -> None:
    with plain_archives():
        try:
            extract_archive(str(path), str(target))
        except (
            Exception
        ) as error:  # of a damaged archive the library raises nearly anything; what counts is what is written
            raise OSError(str(error) or type(error).__name__) from error


def _check_inside(folder: Path, target: Path, before: set[str]) -> None:
    """Refuse files next to the folder, links out of it and special files in it."""
    if {each.name for each in folder.iterdir()} != before or [*(folder / "deep").iterdir()] != [target]:
        raise Fault("a file was written next to the folder")
    for root, folders, files in os.walk(target):
        for name in (*folders, *files):
            found = Path(root, name)
            is_plain = found.is_file() or found.is_dir() or found.is_symlink()
            if not is_plain or not found.resolve().is_relative_to(target.resolve()):
                raise Fault(f"{found} leads out, or is a special file")


KIND: Final = Kind(inputs=_inputs(), attempt=_attempt, examples=200)
