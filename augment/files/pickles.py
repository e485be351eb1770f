"""What a file of `torch.save` would take to read: told from its directory and its opcodes before anything is built. Light.

A file that somebody made can ask for more than it contains: an archive whose entries unpack to a thousand times their size, a
`bytearray` of 8 GiB, a storage that is not there, tuples in tuples that share their parts (60 of them are 2**60 parts to hash), a
place in the memo that needs a table of 64 GiB. Each is seen here without running an opcode.
"""

from __future__ import annotations

import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from augment.files.given import MIB

MOST_UNPACKED_BYTES: Final = 256 * MIB
"""What an archive may unpack to beyond its own size: `torch.save` does not compress."""
ARCHIVE: Final = b"PK\x03\x04"
MOST_ENTRIES: Final = 100_000
MOST_OPCODES: Final = 2_000_000
"""Of a pickle: the state of a network of a thousand tensors has 30,000."""
MOST_PARTS: Final = 100_000
"""Of one tuple, its repeated parts counted each time."""
MOST_DEPTH: Final = 100
_LEGACY_PICKLES: Final = 5
"""A file without an archive is a magic number, a version, facts of the machine, the content, and the keys of storages."""
_LEGACY_MAGIC: Final = (b"l\xfc\x9cF\xf9 j\xa8P\x19", b"119547037146038801333356")
"""The magic number of such a file, of protocols 1 and above and of protocol 0."""
HEAD_BYTES: Final = 64
_CHECKED: Final = frozenset(
    ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "FROZENSET")
)
"""Opcodes whose result can be hashed, so that its parts are walked."""
ALLOCATING: Final = frozenset(("builtins.bytearray", "__builtin__.bytearray"))
"""Names that PyTorch's own reader calls with whatever size a file says."""
_PUT: Final = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GET: Final = frozenset(("GET", "BINGET", "LONG_BINGET"))


class UnsafeFile(Exception):
    """A file that must not be read, with the reason as the end of "the file ..."."""


@dataclass(slots=True)
class _Part:
    """An object on the stack of an unpickler: how many parts a walk of it meets, how deep they are, and a literal."""

    count: int = 1
    depth: int = 1
    value: Any = None
    inside: tuple[_Part, ...] = ()


def check_tensors(handle: IO[bytes]) -> None:
    """Check an opened file of tensors and plain values that PyTorch's own reader is to read; it is left at its beginning.

    Raises:
        UnsafeFile: As `check_weights`, or if it names what that reader calls with any size.
    """
    found = check_stream(handle) & ALLOCATING
    if found:
        raise UnsafeFile(f"must contain tensors and plain values alone, but has a {min(found)}; save it again without")


def check_weights(path: Path) -> frozenset[str]:
    """Return the names ("builtins.bytearray") that the pickle of a file of `torch.save` uses.

    Raises:
        UnsafeFile: If reading it would take far more than its size, or it is not such a file.
        OSError: If it cannot be read.
    """
    with path.open("rb") as handle:
        return check_stream(handle)


def check_stream(handle: IO[bytes]) -> frozenset[str]:
    """As `check_weights`, of an opened file; it is left at its beginning."""
    size = handle.seek(0, 2)
    handle.seek(0)
    try:
        is_archive = handle.read(len(ARCHIVE)) == ARCHIVE  # as PyTorch tells, whatever is behind
        return _check_archive(handle, size) if is_archive else _check_legacy(handle, size)
    except (ValueError, LookupError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise UnsafeFile(
            "must be an intact file of torch.save, but is not; save the network's state_dict() with it"
        ) from error
    finally:
        handle.seek(0)


def is_legacy(head: bytes) -> bool:
    """Whether the first bytes of a file are those of `torch.save` before it wrote archives."""
    return any(magic in head[:HEAD_BYTES] for magic in _LEGACY_MAGIC)


def check_directory(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive that unpacks to far more than its size, or names an entry twice.

    Args:
        size: Bytes of the archive.

    Raises:
        UnsafeFile: With the reason.
    """
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise UnsafeFile(f"must have at most {MOST_ENTRIES} entries, but has {len(entries)}; save it again")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > size + MOST_UNPACKED_BYTES:
        raise UnsafeFile(
            f"must unpack to little more than its {size / MIB:.1f} MiB, but would to {unpacked / MIB:,.0f} MiB; save it again"
        )
    # Readers disagree on which of two counts, and some on the case of letters.
    if len({entry.filename.lower() for entry in entries}) < len(entries):
        raise UnsafeFile("must name each entry once, but names one twice; save it again")


def _check_archive(handle: IO[bytes], size: int) -> frozenset[str]:
    names: frozenset[str] = frozenset()
    with zipfile.ZipFile(handle) as archive:
        check_directory(archive, size)
        for entry in archive.infolist():
            if entry.filename.endswith(".pkl"):
                with archive.open(entry) as stream:
                    names |= _check_pickle(stream, None)
    return names


def _check_legacy(handle: IO[bytes], size: int) -> frozenset[str]:
    handle.seek(0)
    if not is_legacy(handle.read(HEAD_BYTES)):
        raise ValueError("no magic number")
    handle.seek(0)
    return frozenset().union(*[_check_pickle(handle, size) for _ in range(_LEGACY_PICKLES)])


def _check_pickle(stream: IO[bytes], size: int | None) -> frozenset[str]:
    """Follow the opcodes of one pickle with parts in the place of objects.

    Args:
        size: Bytes that its storages may have; None where an archive has them as entries.
    """
    stack: list[_Part | None] = []
    memo: dict[int, _Part | None] = {}
    names: set[str] = set()
    claimed: dict[Any, int] = {}
    for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if number > MOST_OPCODES:
            raise UnsafeFile(
                f"must have at most {MOST_OPCODES:,} opcodes in its pickle, but has more; save weights alone"
            )
        if opcode.name in _PUT or opcode.name == "MEMOIZE":
            place = len(memo) if opcode.name == "MEMOIZE" else int(argument or 0)
            if place > number:
                raise UnsafeFile("must number the objects of its pickle in turn, but leaves numbers out; save it again")
            memo[place] = stack[-1]
        elif opcode.name in _GET:
            stack.append(memo[int(argument or 0)])
        elif opcode.name == "DUP":
            stack.append(stack[-1])
        else:
            made = _made(opcode.name, argument, tuple(_popped(stack, opcode)))
            if opcode.name in ("GLOBAL", "INST"):
                names.add(str(argument).replace(" ", "."))
            elif opcode.name == "STACK_GLOBAL":
                names.add(".".join(str(part.value) for part in made.inside))
            elif opcode.name in ("BINPERSID", "PERSID"):
                claimed |= _storage(made)
            stack += [made if kind is not pickletools.markobject else None for kind in opcode.stack_after]
    if size is not None and sum(claimed.values()) > size:
        raise UnsafeFile(
            f"must contain the storages that it names, but its {size / MIB:.1f} MiB cannot contain "
            f"{sum(claimed.values()) / MIB:,.0f} MiB; copy it again"
        )
    return frozenset(names)


def _popped(stack: list[_Part | None], opcode: pickletools.OpcodeInfo) -> Iterator[_Part]:
    """Take from the stack what an opcode takes; marks are None there."""
    before = list(opcode.stack_before)
    taken: list[_Part | None] = []
    if pickletools.markobject in before or (opcode.name == "POP" and stack and stack[-1] is None):
        while (part := stack.pop()) is not None:
            taken.append(part)
        before = before[: before.index(pickletools.markobject)] if pickletools.markobject in before else []
    taken += [stack.pop() for _ in before]
    return (part for part in reversed(taken) if part is not None)


def _made(name: str, argument: Any, parts: tuple[_Part, ...]) -> _Part:
    if name not in _CHECKED:
        return _Part(value=argument, inside=parts if name in ("BINPERSID", "STACK_GLOBAL") else ())
    made = _Part(
        count=1 + sum(part.count for part in parts),
        depth=1 + max((part.depth for part in parts), default=0),
        inside=parts,
    )
    if made.count > MOST_PARTS or made.depth > MOST_DEPTH:
        raise UnsafeFile("must be plain values, but repeats or nests its parts without end; save weights alone")
    return made


def _storage(made: _Part) -> dict[Any, int]:
    """Return the key and the least bytes of the storage that a persistent id ("storage", type, key, place, number) names."""
    told = made.inside[0].inside if made.inside else ()
    number = told[4].value if len(told) > 4 else 0
    return {told[2].value: number} if isinstance(number, int) and number > 0 else {}
