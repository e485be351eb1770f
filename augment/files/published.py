"""Whether files are the published ones: by checksums where they are published, by an archive that was compared, else "own files".

While files are absent a plan takes them for what is published (`declared`), so that it needs no data. Files that are there and
match have the same key. Files that do not match, or that nothing can be compared with, are somebody's own: their content is their
key, and nothing computed from them bears the published name.

Most collections are published as archives, and no checksum of their content is. `prove` notes the content of files that
were compared with their archive, so that the archive can go; the note is about content, so files that change lose it. Light to
import.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

State = Literal["absent", "published", "own", "given"]

PROOFS: Final = "published-content.json"
"""File in the data root: collection -> part -> content hash, of what was compared with published archives."""

PENDING: Final = "pending"
CONTENT: Final = "content:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """What identifies some files.

    Attributes:
        key: What joins keys: the declaration for absent and published files, else the content; "pending" for absent files that
            nothing is declared of.
        state: "absent", "published", "own" for files under a published name of which nothing shows that they are the published
            ones, or "given" for files that a user named.
        content: Hash of what is there; "" while it is absent.
        reason: Why the files are the published ones, or why not.
    """

    key: str
    state: State
    content: str = ""
    reason: str = ""

    @property
    def is_own(self) -> bool:
        """Whether the published name must not be shown."""
        return self.state == "own"


def absent(declared: str) -> Identified:
    """Return the identity of files that are not there."""
    return Identified(key=declared or PENDING, state="absent")


def published(declared: str, content: str, reason: str) -> Identified:
    """Return the identity of files that are the published ones."""
    return Identified(key=declared, state="published", content=content, reason=reason)


def own(content: str, reason: str) -> Identified:
    """Return the identity of files that nothing shows to be the published ones."""
    return Identified(key=CONTENT + content, state="own", content=content, reason=reason)


def given(content: str) -> Identified:
    """Return the identity of files that a user named, so that no published name is shown for them."""
    return Identified(key=CONTENT + content, state="given", content=content)


def by_proof(declared: str, collection: str, parts: Mapping[str, str], data_root: Path) -> Identified:
    """Return the identity of files whose archive has a published checksum: published where they were compared with it.

    Args:
        parts: Part of it -> hash of its content.
    """
    content, known = joined(parts), proven(data_root, collection)
    if parts and all(known.get(part) == found for part, found in parts.items()):
        return published(declared, content, "compared with the published archive")
    if known.keys() & parts.keys():
        return own(content, "changed since it was compared with the published archive")
    return own(
        content,
        f"not compared with the published archive; if it is in the data root, `dreamgrid data verify {collection}` compares them",
    )


def joined(parts: Mapping[str, str]) -> str:
    """Return one hash for the content hashes of several parts."""
    text = "".join(f"{part}\0{content}\n" for part, content in sorted(parts.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def check_planned(what: str, planned: Mapping[str, str], found: Identified) -> str:
    """Return what is wrong with files that a job is about to read, or "" where they are what was planned.

    Args:
        what: What they are, for the message.
        planned: `as_planned` of what identified them while planning; empty for a job that was not planned.
    """
    if not planned or found.state == "absent":  # whoever reads absent files says what is missing
        return ""
    if planned["content"] and planned["content"] == found.content:
        return ""
    if planned["key"] == found.key and found.key != PENDING:
        return ""
    if planned["content"]:
        return (
            f"{what} must have the content {planned['content'][:12]} that was planned, but has {found.content[:12]} here; "
            "plan again, or give all machines the same files"
        )
    return (
        f"{what} was planned without its files, and those here cannot be shown to be the published ones ({found.reason}); plan "
        "where the files can be read"
    )


def as_planned(found: Identified) -> dict[str, str]:
    """Return what a worker compares its files with."""
    return {"key": found.key, "content": found.content}


def proven(data_root: Path, collection: str) -> Mapping[str, str]:
    """Return part -> content hash of what was compared with the archives of a collection; empty where nothing was."""
    found = _read(data_root).get(collection, {})
    return {str(part): str(content) for part, content in found.items()} if isinstance(found, dict) else {}


def prove(data_root: Path, collection: str, contents: Mapping[str, str]) -> None:
    """Note that files have the content of a published archive.

    Args:
        contents: Part of it -> hash of its content.

    Raises:
        OSError: If the note cannot be written.
    """
    proofs = _read(data_root)
    proofs[collection] = {**proofs.get(collection, {}), **contents}
    temporary = data_root / f"{PROOFS}.{os.getpid()}.new"
    try:
        temporary.write_text(json.dumps(proofs, indent=1, sort_keys=True))
        temporary.replace(data_root / PROOFS)
    finally:
        temporary.unlink(missing_ok=True)


def _read(data_root: Path) -> dict[str, Any]:
    try:
        found = json.loads((data_root / PROOFS).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
