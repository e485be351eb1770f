"""What the threat model promises, as far as a small test can hold it."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest

from orchestration.errors import InputError
from orchestration.sweeps.yaml_reader import read_yaml
from orchestration.tracking.server.exposure import check_exposure, exposed_arguments
from trainers.datasets.fetch import plain_archives

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = [
    path
    for package in ("augment", "clusters", "dreamgrid", "eval", "orchestration", "trainers")
    for path in sorted((REPOSITORY / package).rglob("*.py"))
]
UNSAFE = re.compile(
    r"pickle\.loads?\(|allow_pickle=True|weights_only=False|yaml\.(unsafe_load|full_load)\(|shell=True|os\.system\("
    r"|extractall\((?!.*filter=\"data\")|verify=False"
)

BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
"""A few lines that stand for 9 ** 8 values."""

RESTRICTED = ("trainers/models/weights/legacy_pickles.py",)
"""Reads published checkpoints of old formats with an unpickler that builds tensors and plain containers only."""


def test_nothing_in_the_product_reads_or_runs_what_a_stranger_wrote() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in PRODUCT
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNSAFE.search(line) and "SafeLoader" not in line
        if str(path.relative_to(REPOSITORY)) not in RESTRICTED
    ]

    assert found == []


def test_the_threat_model_names_what_is_not_defended() -> None:
    page = (REPOSITORY / "docs" / "explanations" / "threat-model.md").read_text(encoding="utf-8")

    assert "## Not defended" in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOMB, "at most 50000 values, aliases expanded"),
        ("[" * 200 + "]" * 200, "deep|levels|nested"),
        ("a: !!python/object/apply:os.system ['true']\n", "tag|plain"),
        ("x" * 2_000_000, "at most 1000000 bytes"),
    ],
)
def test_a_sweep_file_can_neither_run_code_nor_fill_the_memory(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read_yaml(text, subject="sweep file")


def archive(member: tarfile.TarInfo, content: bytes = b"") -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        member.size = len(content)
        made.addfile(member, io.BytesIO(content))
    stream.seek(0)
    return stream


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../escaped"),
        special("link", tarfile.SYMTYPE, "../../etc"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda member: member.name,
)
def test_an_archive_brings_only_plain_files_below_its_folder(tmp_path: Path, member: tarfile.TarInfo) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    before = tarfile.TarFile.__dict__.get("extraction_filter")

    with plain_archives(), tarfile.open(fileobj=archive(member)) as opened, pytest.raises(tarfile.FilterError):
        opened.extractall(inside)

    assert not list(inside.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"inside"}
    assert tarfile.TarFile.__dict__.get("extraction_filter") is before


def test_a_server_on_loopback_needs_nothing() -> None:
    check_exposure("127.0.0.1", {})
    assert exposed_arguments("127.0.0.1", 5000) == []


def test_a_server_that_others_reach_demands_a_password_and_a_secret() -> None:
    with pytest.raises(InputError, match=r"MLFLOW_AUTH_ADMIN_PASSWORD and a secret in MLFLOW_FLASK_SERVER_SECRET_KEY"):
        check_exposure("0.0.0.0", {"MLFLOW_AUTH_ADMIN_PASSWORD": "short"})

    given = {"MLFLOW_AUTH_ADMIN_PASSWORD": "a-long-enough-word", "MLFLOW_FLASK_SERVER_SECRET_KEY": "s" * 32}
    check_exposure("10.0.0.5", given)
    assert exposed_arguments("10.0.0.5", 5000) == [
        "--app-name", "basic-auth", "--allowed-hosts", "10.0.0.5:5000,127.0.0.1:5000,localhost:5000",
    ]  # fmt: skip
