"""The first page of the UI: the grids of a storage, on loopback only, with links that open MLflow on trainings."""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.errors import EnvironmentRefused
from orchestration.runs.first_page import first_page
from orchestration.runs.replay import ReplayRequest, sync_sweeps
from orchestration.settings import Settings, read_settings
from orchestration.store.open import open_store
from orchestration.tracking.server.front import front_page
from orchestration.tracking.server.run import SweepLinks, UiServer, serve_ui
from tests.fakes.recorded_sweep import record_as_run

PAGES = {"experiments in MLflow": "http://127.0.0.1:5000/#/experiments?workflowType=machine_learning"}


def asked(
    url: str, path: str = "/", *, host: str | None = None, method: str = "GET"
) -> tuple[int, str, dict[str, str]]:
    """Ask a page as a browser that was led to it under a name."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request(method, path, headers={"Host": host or urlsplit(url).netloc})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def test_the_page_answers_to_names_of_this_machine_only_and_is_made_at_each_look() -> None:
    looks = iter(range(10))
    with front_page(lambda: f"<p>look {next(looks)}</p>") as url:
        assert urlsplit(url).hostname == "127.0.0.1"
        status, text, headers = asked(url)
        assert (status, text) == (200, "<p>look 0</p>")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert asked(url, host="localhost:1")[1] == "<p>look 1</p>"
        assert asked(url, host="evil.example:80")[0] == 403
        assert asked(url, "/etc/passwd")[0] == 404
        assert asked(url, method="HEAD")[1] == ""
        assert asked(url, method="POST")[0] == 501


def test_a_port_that_is_taken_is_replaced_by_a_free_one() -> None:
    with front_page(lambda: "one") as first, front_page(lambda: "two", urlsplit(first).port or 0) as second:
        assert first != second
        assert [asked(first)[1], asked(second)[1]] == ["one", "two"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A storage on which the smoke size of a sweep was run."""
    monkeypatch.chdir(tmp_path)
    found = read_settings(storage=str(tmp_path / "storage"), cache_dir=tmp_path / "cache", environment={})
    record_as_run(
        load_sweep("table-3", size="smoke", catalogue=builtin_catalogue(found.data_root)), open_store(found.storage)
    )
    return found


def links_of(name: str) -> Sequence[SweepLinks]:
    return [SweepLinks(sweep=name, links={"by method": "http://127.0.0.1:5000/#/experiments/1/runs?a=1&b=2"})]


def test_the_page_has_the_grid_of_each_sweep_of_the_storage_and_what_only_mlflow_has(settings: Settings) -> None:
    shown = [*links_of("elsewhere <b>"), *links_of("table-3-smoke")]
    page = first_page(settings, open_store(settings.storage), shown, PAGES)

    assert page.count("<table") == 1
    assert "PixMix" in page
    assert page.index("elsewhere &lt;b&gt;") < page.index("table-3-smoke"), "the newest first"
    assert 'href="http://127.0.0.1:5000/#/experiments/1/runs?a=1&amp;b=2">by method</a>' in page
    assert "workflowType=machine_learning" in page
    assert "<script" not in page


def test_without_a_storage_the_page_says_so_and_links_to_mlflow(settings: Settings) -> None:
    assert "No sweep was run here yet." in first_page(settings, None, [], PAGES)
    assert "This storage does not have it; MLflow does." in first_page(settings, None, links_of("other"), PAGES)


@pytest.mark.parametrize("uri", ["databricks://me", "arn:aws:sagemaker:eu-west-1:1:mlflow-tracking-server/x"])
def test_hosted_tracking_has_pages_of_its_own(uri: str) -> None:
    with pytest.raises(EnvironmentRefused, match="has pages of its own; open them in its console"):
        serve_ui(uri)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium and its driver are needed: install chromium and chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    window = webdriver.Chrome(options=options, service=Service(driver))
    yield window
    window.quit()


class Served(UiServer):
    """A server that was started here, and has ended."""

    is_ours = True  # type: ignore[assignment]

    def sweeps(self) -> tuple[SweepLinks, ...]:
        return ()


def test_the_verb_says_which_address_is_whose(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve(uri: str, *, port: int | None, host: str) -> UiServer:
        return Served(f"http://{host}:{port}", None)

    monkeypatch.setattr("orchestration.cli.verbs.environment.serve_ui", serve)
    assert main(["ui", "--storage", settings.storage, "--port", "5123"]) == 0
    grids, mlflow = (line.partition(": ") for line in capsys.readouterr().out.splitlines())

    assert (grids[0], mlflow[0]) == ("grids of this storage", "experiments in MLflow")
    assert urlsplit(grids[2]).port not in (None, 5123)
    assert urlsplit(mlflow[2]).port == 5123


@pytest.mark.slow
@pytest.mark.browser
def test_the_page_fits_wide_and_narrow_windows_and_leads_to_trainings(
    settings: Settings, browser: Any, tmp_path: Path
) -> None:
    store = open_store(settings.storage)
    sync_sweeps(ReplayRequest(settings=settings, store=store, names=("table-3",), size="smoke"))

    def page(ui: UiServer) -> str:
        return first_page(settings, store, ui.sweeps(), ui.pages)

    with serve_ui(settings.tracking, log=tmp_path / "ui.log") as ui, front_page(lambda: page(ui)) as url:
        for width in (1400, 420):
            browser.set_window_size(width, 900)
            browser.get(url)
            wide, inside = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
            assert wide <= inside, "only tables scroll sideways"
        links = {link.text: link.get_attribute("href") for link in browser.find_elements("tag name", "a")}
        assert set(links) >= {"experiments in MLflow", "all cells", "by method", "by row", "means of rows"}
        assert all("workflowType=machine_learning" in link for link in links.values())
        assert b"telemetry" not in (tmp_path / "ui.log").read_bytes()
