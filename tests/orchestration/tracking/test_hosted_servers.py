"""Tracking that others host: Databricks, SageMaker, tokens, certificates of their own; on servers that act so."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestration.errors import EnvironmentRefused, InputError
from orchestration.settings import read_settings
from orchestration.tracking.contract import TrackingError
from orchestration.tracking.driver.tracker import open_tracker
from orchestration.tracking.server.check import check_tracking
from orchestration.tracking.sync import sync
from tests.fakes.workspace import Workspace, served

TOKEN = "dapi-0123456789-never-shown"
ME = "/Users/me/"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/ours"
PLUGIN = """
import os
from functools import partial
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds

def store(store_uri, artifact_uri=None):
    return RestStore(partial(MlflowHostCreds, os.environ["STUB_OF_SAGEMAKER"], token=store_uri.rpartition("/")[2]))
"""


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This user has no credentials and no certificates."""
    for name in ("HOST", "TOKEN", "CLIENT_ID", "AUTH_TYPE", "RUNTIME_VERSION", "CONFIG_PROFILE"):
        monkeypatch.setenv(f"DATABRICKS_{name}", "")  # so that what a client sets is taken back
        monkeypatch.delenv(f"DATABRICKS_{name}")
    for name in ("TOKEN", "USERNAME", "PASSWORD", "SERVER_CERT_PATH", "INSECURE_TLS", "CLIENT_CERT_PATH"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "databrickscfg"))


def finished(store: Any, lab: Any) -> Any:
    plan = lab.plan()
    for cell in plan.cells:
        lab.finish(store, cell)
    return lab.done(plan)


def statuses(workspace: Workspace) -> dict[str, list[str]]:
    """Return how the runs of cells and of the sweep ended."""
    found: dict[str, list[str]] = {"cell": [], "sweep": []}
    for run in workspace.runs.values():
        kinds = [tag["value"] for tag in run["data"]["tags"] if tag["key"] == "kind" and tag["value"] in found]
        for kind in kinds:
            found[kind].append(run["info"]["status"])
    return found


def test_a_workspace_of_databricks_shows_a_sweep_below_the_prefix_and_keeps_artifacts_itself(
    store: Any, lab: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = finished(store, lab)
    workspace = Workspace(is_databricks=True, authorization=f"Bearer {TOKEN}")
    with served(workspace) as url:
        monkeypatch.setenv("DATABRICKS_HOST", url)
        monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
        check_tracking("databricks", prefix=ME)
        first = sync(store, plan, "databricks", prefix=ME, grid={"grid.md": "| grid |"})
        again = sync(store, plan, "databricks", prefix=ME, grid={"grid.md": "| grid |"})

    assert first.written == 4
    assert again.written <= 1, "what an older server lacks is asked for once more, and found missing"
    assert workspace.names == ["/Users/me/demo"]
    assert statuses(workspace) == {"cell": ["FINISHED"] * 4, "sweep": ["FINISHED"]}
    assert [name for name in workspace.files if name.endswith("/grid/grid.md")]
    tags = {tag["key"] for tag in workspace.experiments["1"]["tags"]}
    assert "dreamgrid.kind" in tags
    assert not any(tag.startswith("mlflow.") for tag in tags), "what the workspace refuses is left out"
    assert TOKEN not in json.dumps([workspace.experiments, workspace.runs])
    assert not any(TOKEN.encode() in content for content in workspace.files.values())
    assert capfd.readouterr() == ("", "")


def test_a_profile_of_databricks_is_read_from_its_file(
    store: Any, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = finished(store, lab)
    workspace = Workspace(is_databricks=True, authorization=f"Bearer {TOKEN}")
    with served(workspace) as url:
        (tmp_path / "databrickscfg").write_text(f"[team]\nhost = {url}\ntoken = {TOKEN}\n")
        check_tracking("databricks://team", prefix=ME)
        with pytest.raises(EnvironmentRefused, match=r"'other' is not \(profiles there: team\); write it with"):
            check_tracking("databricks://other", prefix=ME)
        assert sync(store, plan, "databricks://team", prefix=ME).written == 4


def test_a_folder_that_the_workspace_does_not_have_is_told_with_the_option(
    store: Any, lab: Any, tmp_path: Path
) -> None:
    with served(Workspace(is_databricks=True)) as url:
        (tmp_path / "databrickscfg").write_text(f"[elsewhere]\nhost = {url}\ntoken = {TOKEN}\n")
        with pytest.raises(TrackingError, match=r"Parent directory /Users/you does not exist.*--experiment-prefix"):
            sync(store, lab.plan(), "databricks://elsewhere", prefix="/Users/you/")


@pytest.mark.parametrize(
    ("uri", "prefix", "text"),
    [
        ("databricks", "", r"paths of the workspace, but the prefix is ''; give --experiment-prefix /Users/YOU/"),
        ("databricks", "team/", r"but the prefix is 'team/'"),
        ("databricks", ME, r"neither DATABRICKS_HOST with DATABRICKS_TOKEN nor a profile .* says so"),
        (
            ARN,
            "",
            r"needs the package sagemaker-mlflow, which is not installed; install it: pip install sagemaker-mlflow",
        ),
        ("arn:aws:s3:::bucket", "", r"has an address like arn:aws:sagemaker:"),
    ],
)
def test_what_a_hosted_server_lacks_is_told_before_anything_starts(uri: str, prefix: str, text: str) -> None:
    with pytest.raises(EnvironmentRefused, match=text):
        check_tracking(uri, prefix=prefix)


def test_a_server_of_sagemaker_is_reached_through_its_package_also_by_the_writer_process(
    store: Any, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site"
    (package / "stub_sagemaker-1.dist-info").mkdir(parents=True)
    (package / "stub_sagemaker.py").write_text(PLUGIN)
    (package / "stub_sagemaker-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: stub-sagemaker\nVersion: 1\n"
    )
    (package / "stub_sagemaker-1.dist-info" / "entry_points.txt").write_text(
        "[mlflow.tracking_store]\narn = stub_sagemaker:store\n"
    )
    monkeypatch.syspath_prepend(package)
    monkeypatch.setenv("PYTHONPATH", str(package), prepend=":")
    plan = finished(store, lab)
    workspace = Workspace(authorization="Bearer ours", artifacts=(tmp_path / "artifacts").as_uri())
    with served(workspace) as url:
        monkeypatch.setenv("STUB_OF_SAGEMAKER", url)
        check_tracking(ARN)
        shown_by_writer(plan, ARN, store)

    assert statuses(workspace) == {"cell": ["FINISHED"] * 4, "sweep": ["FINISHED"]}
    assert len(list((tmp_path / "artifacts").rglob("record.json"))) == 4, "where the server decides"


def shown_by_writer(plan: Any, uri: str, store: Any, **options: Any) -> None:
    """Show recorded cells through the writer's own process."""
    tracker = open_tracker(uri, store, grace_s=5.0, **options)
    tracker.run_started(plan)
    tracker.run_ended(plan, "complete")
    assert tracker.close(120.0) is None


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({"MLFLOW_TRACKING_TOKEN": TOKEN}, f"Bearer {TOKEN}"),
        ({"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "a-long-word"}, "Basic bWU6YS1sb25nLXdvcmQ="),
    ],
)
def test_who_asks_is_told_to_the_server_by_the_writer_and_to_nobody_else(
    variables: dict[str, str], header: str, store: Any, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = finished(store, lab)
    workspace, log = Workspace(authorization=header), tmp_path / "writer.log"
    with served(workspace) as url:
        with pytest.raises(EnvironmentRefused, match="refuses with 401"):
            check_tracking(url)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        check_tracking(url)
        shown_by_writer(plan, url, store, log=log, prefix="team/")

    assert workspace.names == ["team/demo"]
    assert statuses(workspace) == {"cell": ["FINISHED"] * 4, "sweep": ["FINISHED"]}
    assert {call.get("authorization") for call in workspace.headers} == {None, header}
    kept = [json.dumps([workspace.experiments, workspace.runs]), log.read_text()]
    kept += [path.read_text(errors="replace") for path in Path(store.uri).rglob("*") if path.is_file()]
    for secret in (header.split()[1], *variables.values()):
        assert secret == "me" or not any(secret in text for text in kept)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """The file of a certificate authority of our own, and what a server needs that it signed for `localhost`."""
    folder = tmp_path_factory.mktemp("authority")
    now = datetime.datetime.now(datetime.UTC)
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)

    def certificate(subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        return made.not_valid_after(now + datetime.timedelta(days=1)).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ours.public_key()), critical=False
        )

    root = certificate(issuer, ours).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    root = root.add_extension(usage, critical=True)
    root = root.add_extension(x509.SubjectKeyIdentifier.from_public_key(ours.public_key()), critical=False)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), theirs)
    signed = leaf.add_extension(names, critical=False).sign(ours, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.sign(ours, hashes.SHA256()).public_bytes(pem))
    key = theirs.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(key + signed.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return folder / "ca.pem", context


def test_a_certificate_authority_of_ones_own_is_trusted_when_its_file_is_named(
    store: Any, lab: Any, tmp_path: Path, authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = finished(store, lab)
    file, context = authority
    workspace = Workspace()
    with served(workspace, tls=context) as url:
        assert url.startswith("https://localhost:")
        with pytest.raises(EnvironmentRefused, match=r"CERTIFICATE_VERIFY_FAILED.*in MLFLOW_TRACKING_SERVER_CERT_PATH"):
            check_tracking(url)
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(tmp_path / "absent.pem"))
        with pytest.raises(EnvironmentRefused, match=r"must name a file of certificates \(PEM\), but '.*absent.pem'"):
            check_tracking(url)
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(file))
        check_tracking(url)
        shown_by_writer(plan, url, store)

    assert statuses(workspace) == {"cell": ["FINISHED"] * 4, "sweep": ["FINISHED"]}


def test_a_prefix_comes_from_the_option_or_the_environment_and_a_path_ends_with_a_slash() -> None:
    given = {"DREAMGRID_EXPERIMENT_PREFIX": "/Users/me"}

    assert read_settings(environment={}).experiment_prefix == ""
    assert read_settings(environment=given).experiment_prefix == ME
    assert read_settings(environment=given, experiment_prefix="team-").experiment_prefix == "team-"
    assert read_settings(environment=given, experiment_prefix="").experiment_prefix == ""
    with pytest.raises(InputError, match="must be printable"):
        read_settings(environment={}, experiment_prefix="a\nb")
