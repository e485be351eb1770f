"""`data fetch` on a file server of this machine: downloads are checked, resumed and unpacked; nothing leaves the machine."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from eval.corruptions.families import FAMILIES
from eval.published_files import layout
from orchestration.cli import main
from orchestration.cli.verbs.data.fetch import progress_lines
from trainers.datasets.download import download
from trainers.errors import DataError


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, the rest of a file where a range is asked for, and at most `limit` bytes of each answer."""

    folder = Path()
    limit = 1 << 30
    ranges: list[str]

    def do_GET(self) -> None:
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data, start = path.read_bytes(), 0
        asked = self.headers.get("Range")
        if asked:
            self.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if asked and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : start + self.limit])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, type[Server]]]:
    """The address of a server, and its class with the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = type("Handler", (Server,), {"folder": folder, "ranges": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_that_broke_off_is_resumed(served: tuple[str, type[Server]], tmp_path: Path) -> None:
    address, server = served
    data = np.random.default_rng(0).bytes(50_000)
    (server.folder / "a.bin").write_bytes(data)
    target, seen = tmp_path / "x" / "a.bin", []
    md5 = hashlib.md5(data).hexdigest()
    server.limit = 30_000

    with pytest.raises(DataError, match=r"ended after 30,000 of 50,000 bytes.* run the same command again"):
        download(f"{address}/a.bin", target, md5=md5)
    assert not target.exists()
    download(f"{address}/a.bin", target, md5=md5, report=lambda done, total: seen.append((done, total)))

    assert target.read_bytes() == data
    assert server.ranges == ["bytes=30000-"]
    assert seen[-1] == (50_000, 50_000)
    assert [path.name for path in target.parent.iterdir()] == ["a.bin"]


def test_a_file_that_is_not_the_published_one_is_thrown_away(served: tuple[str, type[Server]], tmp_path: Path) -> None:
    address, server = served
    (server.folder / "a.bin").write_bytes(b"other")

    with pytest.raises(DataError, match="must have the published MD5 00"):
        download(f"{address}/a.bin", tmp_path / "a.bin", md5="00" * 16)
    with pytest.raises(DataError, match="404"):
        download(f"{address}/b.bin", tmp_path / "b.bin")

    assert [path.name for path in tmp_path.iterdir()] == ["served"]


def mnist_c() -> bytes:
    """Return an archive with the files of MNIST-C, all of zeros."""
    packed, array = io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros((10_000, 28, 28, 1), np.uint8))
    labels = io.BytesIO()
    np.save(labels, np.zeros(10_000, np.int64))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind in ("identity", *FAMILIES["mnist-c"].kinds):
            archive.writestr(f"mnist_c/{kind}/test_images.npy", array.getvalue())
            archive.writestr(f"mnist_c/{kind}/test_labels.npy", labels.getvalue())
    return packed.getvalue()


def test_a_published_benchmark_is_fetched_checked_and_unpacked(
    served: tuple[str, type[Server]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address, server = served
    data = mnist_c()
    (server.folder / "mnist_c.zip").write_bytes(data)
    monkeypatch.setitem(layout.ARCHIVE_MD5, "mnist_c.zip", hashlib.md5(data).hexdigest())  # type: ignore[misc]
    root = tmp_path / "data"
    command = ["data", "fetch", "mnist_c", "--from", address, "--data-root", str(root), "--json"]

    assert main(command) == 0

    printed = capsys.readouterr()
    assert json.loads(printed.out) == [{"name": "mnist_c", "path": str(root / "mnist_c")}]
    assert f"mnist_c: complete and checked in {root / 'mnist_c'}" in printed.err
    assert sorted(path.name for path in root.iterdir()) == ["mnist_c", "published-content.json"]
    (server.folder / "mnist_c.zip").unlink()
    assert main(command) == 0, "what is there is left alone"


def test_an_archive_that_lacks_files_is_refused_and_kept(
    served: tuple[str, type[Server]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address, server = served
    with tarfile.open(server.folder / "imagenet-r.tar", "w") as tar:
        member = tarfile.TarInfo("imagenet-r/n01443537/a.jpg")
        tar.addfile(member, io.BytesIO())
        tar.addfile(tarfile.TarInfo("imagenet-r/../../outside"), io.BytesIO())
    digest = hashlib.md5((server.folder / "imagenet-r.tar").read_bytes()).hexdigest()
    monkeypatch.setitem(layout.ARCHIVE_MD5, "imagenet-r.tar", digest)  # type: ignore[misc]

    assert main(["data", "fetch", "imagenet-r", "--from", address, "--data-root", str(tmp_path / "data")]) == 3

    assert "could not be unpacked" in capsys.readouterr().err
    assert not (tmp_path / "outside").exists()


def test_names_are_checked_before_anything_is_downloaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["digits", "cifra-10", "imagenet", "CIFAR-10-P", "textures"]

    assert main(["data", "fetch", *names, "--data-root", str(tmp_path / "data")]) == 2

    text = capsys.readouterr().err
    assert "cifra-10: no data of this name are known (did you mean 'cifar-10'?)" in text
    assert "imagenet: cannot be downloaded by a command; register with ImageNet" in text
    assert "CIFAR-10-P: cannot be downloaded by a command" in text
    assert "textures: cannot be downloaded by a command" in text
    assert not (tmp_path / "data").exists()


def test_what_ships_with_a_library_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "fetch", "digits", "--data-root", str(tmp_path)]) == 0
    assert "digits: complete and checked" in capsys.readouterr().err


def test_progress_says_how_much_is_there_and_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    report = progress_lines(lambda: now[0])
    for second in (1.0, 11.0, 12.0, 17.0):
        now[0] = second
        report("a.tar", int(second * 2**20), 100 * 2**20)

    assert capsys.readouterr().err.splitlines() == [
        "a.tar: 11 % of 100 MiB, about 89 s left",
        "a.tar: 17 % of 100 MiB, about 83 s left",
    ]


@pytest.mark.parametrize(
    "collection", [each for each in layout.COLLECTIONS.values() if each.address], ids=lambda each: each.name
)
def test_every_archive_with_an_address_has_a_published_checksum(collection: layout.Collection) -> None:
    assert set(collection.packed) <= set(layout.ARCHIVE_MD5)
    assert collection.address.startswith("https://")
