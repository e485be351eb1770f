"""The prepared views in a real browser, on an experiment with 500 cells: their form is the UI's own and undocumented."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eval.tables.column import Column
from orchestration.tracking.server.run import serve_ui
from orchestration.tracking.sync import sync

pytestmark = [pytest.mark.slow, pytest.mark.browser]

METHODS = ("baseline", "cutout", "mixup", "cutmix", "pixmix")
COPIES = 100
COLUMNS = ("clean/error", "clean/rms", "pgd/error")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1700,1000",
)
PATIENCE_S = 120.0


def multiply(database: Path, copies: int) -> None:
    """Copy every cell's run under other identities and seeds: writing 500 cells call by call takes minutes."""
    with closing(sqlite3.connect(database)) as connection:
        columns = [row[1] for row in connection.execute("pragma table_info(runs)")]
        kept = ", ".join(name for name in columns if name not in {"run_uuid", "name"})
        source = "(select run_uuid from tags where key = 'kind' and value = 'cell')"
        connection.execute("create temp table originals as select run_uuid from " + source)
        for copy in range(1, copies):
            connection.execute(
                f"insert into runs (run_uuid, name, {kept}) select run_uuid || ?, replace(name, 'seed 0', ?), {kept} "
                "from runs where run_uuid in originals",
                (f"-{copy}", f"seed {copy}"),
            )
            for table in ("tags", "params", "latest_metrics", "metrics"):
                rest = ", ".join(
                    row[1]
                    for row in connection.execute(f"pragma table_info({table})")
                    if row[1] not in {"run_uuid", "value"}
                )
                value = {
                    "params": "case key when 'seed' then ? else value end",
                    "tags": "value || substr(?, 1, 0)",
                }.get(table, "value + 0.001 * ?")
                connection.execute(
                    f"insert into {table} (run_uuid, value, {rest}) select run_uuid || '-{copy}', {value}, {rest} "
                    f"from {table} where run_uuid in originals",
                    (str(copy) if table in {"params", "tags"} else copy,),
                )
        connection.commit()


@dataclass
class Ui:
    """A UI on an experiment with 500 cells."""

    url: str
    experiment: str
    sweep_run: str
    links: Any


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, lab_module: Any) -> Iterator[Ui]:
    from orchestration.store.open import open_store
    from orchestration.tracking.content.tracked_values import tracked_sweep
    from orchestration.tracking.content.views import view_tags
    from orchestration.tracking.mlflow_client import MlflowTracking

    folder = tmp_path_factory.mktemp("ui")
    store, database = open_store(folder / "storage"), folder / "storage" / "mlflow.db"
    plan = lab_module.plan("ablation", methods=METHODS, seeds=2)
    for number, cell in enumerate(plan.cells):
        lab_module.finish(store, cell, error=0.05 + number / 100, at=time.time() - 60)
    rows = "\n".join(f"| {name} | {5 + i}.10 ± 0.12 | **{90 - i}.00** |" for i, name in enumerate(METHODS))
    page = "<!doctype html><title>grid</title><h1>ablation</h1><table><tr><td>pixmix<td>5.1</tr></table>"
    grid = {"grid.md": f"| method | clean error ↓ | pgd error ↓ |\n| --- | --- | --- |\n{rows}", "grid.html": page}
    plan = lab_module.done(plan)
    done = sync(store, plan, f"sqlite:///{database}", columns=tuple(map(Column.of, COLUMNS)), grid=grid)
    with closing(sqlite3.connect(database)) as connection:
        second = "select run_uuid from params where key = 'seed' and value = '1'"
        connection.execute(f"update runs set lifecycle_stage = 'deleted' where run_uuid in ({second})")
        connection.execute(f"update tags set value = 'gone' where key = 'kind' and run_uuid in ({second})")
        connection.commit()
    multiply(database, COPIES)
    everything = tracked_sweep(
        lab_module.plan("ablation", methods=METHODS, seeds=COPIES), tuple(map(Column.of, COLUMNS))
    )
    MlflowTracking(f"sqlite:///{database}").tag_experiment(done.experiment_id, view_tags(everything))
    with serve_ui(f"sqlite:///{database}", log=folder / "ui.log") as server:
        (links,) = server.sweeps()
        yield Ui(url=server.url, experiment=done.experiment_id, sweep_run=done.sweep_run_id, links=links.links)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium and its driver are needed: install chromium and chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    window = webdriver.Chrome(options=options, service=Service(driver))
    window.set_page_load_timeout(PATIENCE_S)
    yield window
    window.quit()


@pytest.fixture
def opened(browser: Any, ui: Ui, tmp_path: Path) -> Callable[..., str]:
    """Opens an address, waits until the page shows all given texts, and returns what it shows."""

    def open_page(address: str, *texts: str) -> str:
        browser.get("about:blank")
        browser.get(address)
        deadline = time.monotonic() + PATIENCE_S
        shown = ""
        while time.monotonic() < deadline:
            shown = browser.execute_script("return document.body.innerText") or ""
            if all(text in shown for text in texts):
                time.sleep(1.0)
                browser.save_screenshot(str(tmp_path / "page.png"))
                return str(browser.execute_script("return document.body.innerText"))
            time.sleep(0.5)
        browser.save_screenshot(str(tmp_path / "page.png"))
        missing = [text for text in texts if text not in shown]
        raise AssertionError(f"the page never showed {missing}; it shows:\n{shown[:3000]}")

    return open_page


def test_the_flat_view_opens_on_the_cells_with_the_columns_that_matter(ui: Ui, opened: Any) -> None:
    shown = opened(ui.links["all cells"], "matching runs", "Baseline · seed 0", "clean/error")

    assert "100 matching runs" in " ".join(shown.split())
    for column in ("method", "seed", *COLUMNS):
        assert column in shown
    assert "Baseline · seed 0" in shown
    assert "Grid of ablation" not in shown
    for hidden in ("checkpoint_sha256", "train/loss", "cost/train_s"):
        assert hidden not in shown


def test_the_grouped_view_opens_on_one_line_per_method(ui: Ui, opened: Any) -> None:
    shown = opened(ui.links["by method"], "clean/error", *(f"Group: {method}" for method in METHODS))

    assert "seed 7" not in shown
    lines = shown.splitlines()
    counts = [lines[lines.index(f"Group: {method}") + 1] for method in METHODS]
    assert counts == ["20"] * len(METHODS)


def test_the_sweeps_page_shows_the_grid_and_links_to_the_views(ui: Ui, opened: Any, browser: Any) -> None:
    shown = opened(f"{ui.url}/#/experiments/{ui.experiment}/runs/{ui.sweep_run}", "all cells", "by method")

    assert "Grid of ablation" in shown
    targets = [link.get_attribute("href") for link in browser.find_elements("tag name", "a")]
    assert any("viewStateShareKey=methods" in (target or "") for target in targets)


def test_the_grid_is_a_page_of_its_own(ui: Ui, opened: Any, browser: Any) -> None:
    opened(
        f"{ui.url}/#/experiments/{ui.experiment}/runs/{ui.sweep_run}/artifacts/grid/grid.html", "grid.html", "grid.md"
    )

    frames = browser.find_elements("tag name", "iframe")
    assert frames
    assert "ablation" in (frames[0].get_attribute("srcdoc") or "") or frames[0].get_attribute("src")
