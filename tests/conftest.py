"""Fixtures for every suite."""

from __future__ import annotations

import importlib
import itertools
import logging
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from augment.files import content
from eval.metrics.registry import own_metrics

REPOSITORY = Path(__file__).resolve().parent.parent
_BUCKETS = itertools.count()

# How fast examples are drawn says how busy the machine is, and nothing of what is tested.
settings.register_profile("dreamgrid", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dreamgrid")


@pytest.fixture(autouse=True)
def of_any_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines may be of any length, as where output is no terminal: pytest-xdist gives its workers 80 columns."""
    monkeypatch.delenv("COLUMNS", raising=False)
    os.unsetenv("COLUMNS")  # GNU readline, which pytest imports, sets it for subprocesses behind os.environ


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real MNIST and Fashion-MNIST; skips where there is none."""
    candidates = [os.environ.get("DREAMGRID_DATA"), REPOSITORY.parent / "shared" / "data"]
    for candidate in candidates:
        if candidate and (Path(candidate) / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").exists():
            return Path(candidate)
    pytest.skip("real MNIST and Fashion-MNIST are needed: set DREAMGRID_DATA to a folder in torchvision's layout")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3-compatible server in a thread of this process; child processes reach it too."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_uri(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix in a fresh bucket on that server."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = f"bucket-{next(_BUCKETS)}"
    boto3.session.Session().client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/dreamgrid"


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """Keep torch to one thread: the networks of tests are too small for more."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def fresh_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember no hash of files from another test, and look at files again at every question."""
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "hashes"))
    monkeypatch.setattr(content, "LOOK_LASTS", 0)


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The address, password included, of a PostgreSQL of its own on loopback; its server refuses to run as root."""
    places = [os.environ.get("PATH", ""), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    tools = [shutil.which(name, path=os.pathsep.join(places)) for name in ("initdb", "pg_ctl")]
    if None in tools:
        pytest.skip("PostgreSQL is needed: install the Debian package postgresql")
    pytest.importorskip("psycopg2", reason="psycopg2 is needed: install the extra 'server'")
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="dreamgrid-postgresql-"))
    password = secrets.token_hex(16)
    (folder / "password").write_text(password)
    if os.getuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command: str | None) -> None:
        words = [word for word in command if word is not None]
        subprocess.run(words, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    initdb, control = tools
    data = str(folder / "data")
    run(initdb, "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(folder / "password"), "--no-sync")
    options = f"-h 127.0.0.1 -p {port} -k {folder}"
    run(control, "-D", data, "-l", str(folder / "log"), "-o", options, "-w", "-t", "180", "start")
    try:
        yield f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    finally:
        run(control, "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


Install = Callable[..., Path]
"""Installs a package: files by name, `points` (the text of its entry points), `version`; returns the folder on the path."""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a package `mine` in a folder on the path; modules that begin so are imported afresh."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def write(files: dict[str, str], *, points: str, version: str = "1.0") -> Path:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        info = folder / f"mine-{version}.dist-info"
        for old in folder.glob("*.dist-info"):
            old.rename(info)
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mine\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(points)
        _forget_plugins()
        return folder

    yield write
    _forget_plugins()


def _forget_plugins() -> None:
    for name in [name for name in sys.modules if name.startswith("mine")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    own_metrics.cache_clear()
