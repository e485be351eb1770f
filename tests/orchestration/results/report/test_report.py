"""The report: what stands in it, and that it is one file which needs nothing else."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli import main
from orchestration.results.report.page import to_page
from orchestration.sweeps.model import Size

Recorded = Callable[[str, Size], Path]


def report(folder: Path, name: str, *options: str) -> tuple[Path, dict[str, Any]]:
    path = folder / "out" / "report.html"
    assert main(["report", name, "--seeds", "0,1", "--storage", str(folder), "-o", str(path), *options]) == 0
    text = path.read_text(encoding="utf-8")
    return path, json.loads(re.search(r'id="content">(.*?)</script>', text, re.S)[1])  # type: ignore[index]


def test_a_report_is_one_file_that_loads_nothing(recorded_store: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = report(recorded_store("table-3", "smoke"), "table-3", "--smoke")

    text = path.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r'(src|href)\s*=\s*["\']', text)
    assert "http-equiv" in text
    assert "open it in a browser" in capsys.readouterr().out


def test_a_report_holds_everything_that_is_known_of_a_sweep(recorded_store: Recorded) -> None:
    _, content = report(recorded_store("table-3", "smoke"), "table-3", "--smoke")

    (part,) = content["parts"]
    assert part["recorded"] == part["wanted"] == 16
    assert part["table"]["entries"][0][0]["n"] == 2
    assert {column["axis"] for column in part["table"]["columns"]} == {
        "accuracy",
        "corruption",
        "consistency",
        "adversaries",
        "calibration",
        "anomaly",
    }
    assert part["reliability"]["Baseline"] == [[0.4, 0.5, 0.25], [pytest.approx(0.8), pytest.approx(0.7), 0.75]]
    fine = next(each for each in part["details"] if (each["benchmark"], each["metric"]) == ("c-generated", "error"))
    assert fine["rows"]["Baseline"]["fog"] == {"1": pytest.approx(0.105), "3": pytest.approx(0.105)}
    assert part["curves"]["Baseline"][0]["loss"] == [2.0, 1.0, 2.0 / 3]
    baseline = part["cost"][0]
    assert (baseline["train_s"], baseline["train_s_per_cell"]) == (72.0, 36.0)
    assert part["ledger"]["train_s"]["actual"] == 16 * 36.0
    assert part["provenance"][0]["commit"] == "c0ffeec0ffee"
    assert part["provenance"][0]["device"] == "NVIDIA L4, tf32"
    assert {"digits", "c-generated"} <= {line["name"] for line in part["data"]}
    assert "1 of 2 images; generated images" in {line["notes"] for line in part["data"]}
    assert {claim["claim"] for claim in content["claims"]} >= {"better-corruption", "near-pareto"}


def test_the_numbers_of_the_papers_stand_apart_from_the_coloured_grid(recorded_store: Recorded) -> None:
    _, content = report(recorded_store("table-10", "smoke"), "table-10", "--smoke")

    (part,) = content["parts"]
    assert part["layout"] == "matrix"
    assert "not comparable" in part["compared_html"]
    assert "not comparable:" not in part["html"].split("<tfoot>")[0]


def test_text_of_a_sweep_cannot_become_markup() -> None:
    page = to_page({"title": "<b>&", "evil": "</script><script>alert(1)"})

    assert "<title>&lt;b&gt;&amp;</title>" in page
    assert "</script><script>alert" not in page


def test_a_report_of_nothing_is_a_page_too(tmp_path: Path) -> None:
    _, content = report(tmp_path, "table-9", "--smoke")

    assert content["parts"][0]["recorded"] == 0
    assert content["parts"][0]["ledger"]["ratio"] is None


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium and its driver are needed: install chromium and chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=Service(driver))
    yield window
    window.quit()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "sections"),
    [
        (
            "table-3",
            ["Grid", "Safety axes", "Trade-offs", "Reliability", "Kinds and severities", "Training", "Cost", "Claims"],
        ),
        ("table-10", ["Grid", "Heat map", "Training", "Cost", "Provenance", "Data", "Claims"]),
        ("table-9", ["Grid", "Training", "Cost", "Claims"]),
    ],
)
def test_a_browser_draws_every_section_without_an_error(
    name: str, sections: list[str], recorded_store: Recorded, browser: Any
) -> None:
    path, _ = report(recorded_store(name, "smoke"), name, "--smoke")

    browser.get(path.as_uri())

    assert browser.execute_script("return document.body.dataset.drawn") == "true"
    found = browser.execute_script("return [...document.querySelectorAll('section')].map((s) => s.dataset.section)")
    assert set(sections) <= set(found)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.execute_script("return document.querySelectorAll('svg text').length") > 10


@pytest.mark.browser
def test_the_pareto_front_follows_the_chosen_metrics(recorded_store: Recorded, browser: Any) -> None:
    path, _ = report(recorded_store("table-3", "smoke"), "table-3", "--smoke")
    browser.get(path.as_uri())
    front = "return document.querySelectorAll('[data-section=\"Trade-offs\"] circle[data-front=true]').length"
    before = browser.execute_script("return document.querySelector('[data-section=\"Trade-offs\"] svg').textContent")

    browser.execute_script(
        "const s = document.querySelector('select[aria-label=up]'); s.value = '9'; s.dispatchEvent(new Event('change'))"
    )

    after = browser.execute_script("return document.querySelector('[data-section=\"Trade-offs\"] svg').textContent")
    assert before != after
    assert browser.execute_script(front) == 1


@pytest.mark.browser
def test_the_names_over_a_heat_map_keep_apart_and_each_pair_of_settings_has_a_colour(
    recorded_store: Recorded, browser: Any
) -> None:
    path, _ = report(recorded_store("table-10", "smoke"), "table-10", "--smoke")
    browser.get(path.as_uri())

    gaps, room = browser.execute_script(
        "const svg = document.querySelector('[data-section=\"Heat map\"] svg');"
        "const boxes = [...svg.querySelectorAll('text')].filter((t) => t.textContent.startsWith('max_rounds'))"
        ".map((t) => t.getBBox());"
        "const gaps = boxes.slice(1).map((box, i) => box.x - boxes[i].x - boxes[i].width);"
        "return [gaps, svg.viewBox.baseVal.width - boxes.at(-1).x - boxes.at(-1).width]"
    )
    lines = browser.execute_script(
        "return [...document.querySelectorAll('[data-section=\"Training\"] polyline')].map((l) => l.getAttribute('stroke'))"
    )
    named = browser.execute_script(
        "return [...document.querySelectorAll('[data-section=\"Training\"] .legend > span')].map((s) => s.textContent)"
    )

    assert len(gaps) == 2
    assert min([*gaps, room]) > 0
    assert sorted(named) == sorted(f"beta={beta},k={k}" for beta in (3, 4, 5) for k in (2, 3, 4))
    assert len(set(lines)) == 9
