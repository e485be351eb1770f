"""Downloading a published file: resumed where it broke off, compared with its checksum, and moved into its place when whole."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from augment.files.content import file_hash
from trainers.errors import DataError

TIMEOUT_S: Final = 60.0
_CHUNK: Final = 1 << 20
_RANGE_REFUSED: Final = 416

Report = Callable[[int, int | None], None]
"""Called with the bytes that are there and all of them, None where the server does not say how many."""


def download(address: str, target: Path, *, md5: str = "", report: Report = lambda done, total: None) -> None:
    """Download a file; does nothing where it is there already.

    What came before a connection broke is kept next to it as `*.partial`, and the rest is asked for the next time.

    Args:
        md5: Published checksum, or "" for none.

    Raises:
        DataError: If the address does not answer, the connection breaks, or what came is not the published file.
    """
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    try:
        _receive(address, partial, report)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"{address} could not be downloaded ({error}); run the same command again, or place the file at {target} by hand"
        ) from error
    if md5 and (found := file_hash(partial, algorithm="md5")) != md5:
        partial.unlink()
        raise DataError(f"{address} must have the published MD5 {md5}, but has {found}; run the same command again")
    partial.rename(target)


def _receive(address: str, partial: Path, report: Report) -> None:
    kept = partial.stat().st_size if partial.is_file() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={kept}-"} if kept else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if kept and error.code == _RANGE_REFUSED:  # all of it is there
            return
        raise
    with answer:
        is_rest = answer.status == http.client.PARTIAL_CONTENT
        done = kept if is_rest else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        with partial.open("ab" if is_rest else "wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                report(done, total)
    if total is not None and done < total:
        raise OSError(f"the connection ended after {done:,} of {total:,} bytes")
