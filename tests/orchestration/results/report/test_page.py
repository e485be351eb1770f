"""The report in a browser: every section is drawn, nothing overflows, and it can be used without a mouse, sight or colours."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli import main
from orchestration.planning.costs.units import duration
from orchestration.sweeps.model import Size

Recorded = Callable[[str, Size], Path]
TRADE_OFFS = '[data-section="Trade-offs"]'


def report(folder: Path, name: str) -> Path:
    path = folder / "out" / "report.html"
    options = ["--smoke", "--seeds", "0,1", "--storage", str(folder), "-o", str(path)]
    assert main(["report", name, *options]) == 0
    return path


def show(browser: Any, path: Path, *, width: int = 1400, theme: str = "light") -> None:
    """Open a page in a window of a width, folded parts unfolded."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(path.as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    # figures are drawn for their width, one frame after they have one
    browser.execute_async_script("const end = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(end))")


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
    window.set_script_timeout(200)  # axe takes its time on a busy machine
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
    path = report(recorded_store(name, "smoke"), name)

    show(browser, path)

    assert browser.execute_script("return document.body.dataset.drawn") == "true"
    found = browser.execute_script("return [...document.querySelectorAll('section')].map((s) => s.dataset.section)")
    assert set(sections) <= set(found)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.execute_script("return document.querySelectorAll('svg text').length") > 10


@pytest.mark.browser
def test_the_pareto_front_follows_the_chosen_metrics(recorded_store: Recorded, browser: Any) -> None:
    path = report(recorded_store("table-3", "smoke"), "table-3")
    show(browser, path)
    front = "return document.querySelectorAll('[data-section=\"Trade-offs\"] g[data-front=true]').length"
    before = browser.execute_script("return document.querySelector('[data-section=\"Trade-offs\"] svg').textContent")

    browser.execute_script(
        "const s = document.querySelector('select[aria-label=up]'); s.value = '9'; s.dispatchEvent(new Event('change'))"
    )

    after = browser.execute_script("return document.querySelector('[data-section=\"Trade-offs\"] svg').textContent")
    assert before != after
    assert browser.execute_script(front) == 1


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 420])
def test_axe_finds_nothing_against_it(recorded_store: Recorded, browser: Any, width: int, theme: str) -> None:
    axe = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python is needed: `make install-dev`")
    show(browser, report(recorded_store("table-3", "smoke"), "table-3"), width=width, theme=theme)

    found = axe.Axe().run(browser)
    assert {each["id"]: [node["html"][:200] for node in each["nodes"]] for each in found["violations"]} == {}
    assert len(found["passes"]) > 20


CONTRASTS = """
const channels = (text) => text.match(/[\\d.]+/g).map(Number);
const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = (c) => { const [r, g, b] = c.map((v) => linear(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const paper = channels(getComputedStyle(document.querySelector("section")).backgroundColor);
return [...document.querySelectorAll("td[data-shade]")].map((cell) => {
  const style = getComputedStyle(cell), [r, g, b, a = 1] = channels(style.backgroundColor);
  const ground = [r, g, b].map((value, at) => a * value + (1 - a) * paper[at]);
  const [dark, bright] = [light(ground), light(channels(style.color))].sort((x, y) => x - y);
  return (bright + 0.05) / (dark + 0.05);
});
"""


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_are_read_on_every_colour_of_the_grid(recorded_store: Recorded, browser: Any, theme: str) -> None:
    show(browser, report(recorded_store("table-3", "smoke"), "table-3"), theme=theme)

    contrasts = browser.execute_script(CONTRASTS)
    assert len(contrasts) > 80
    assert min(contrasts) >= 4.5


@pytest.mark.browser
@pytest.mark.parametrize("name", ["table-3", "table-10", "cifar-all"])
@pytest.mark.parametrize("width", [1400, 768, 420])
def test_nothing_overflows(recorded_store: Recorded, browser: Any, name: str, width: int) -> None:
    recorded = "table-3" if name == "cifar-all" else name
    show(browser, report(recorded_store(recorded, "smoke"), name), width=width)

    wide = browser.execute_script(
        "const most = document.documentElement.clientWidth;"
        "return [...document.querySelectorAll('body *')].filter((each) => !each.closest('.scroll, pre')"
        " && each.getBoundingClientRect().right > most + 1).map((each) => each.outerHTML.slice(0, 120))"
    )
    assert wide == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.browser
def test_the_keyboard_reaches_every_control_in_the_order_of_the_page(recorded_store: Recorded, browser: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    show(browser, report(recorded_store("table-3", "smoke"), "table-3"))
    wanted = browser.execute_script(
        "return [...document.querySelectorAll('a, button, select, summary, [tabindex]')].map((each, at) =>"
        " { each.dataset.stop = at; return at; })"
    )

    stops = []
    for _ in wanted:
        ActionChains(browser).send_keys(Keys.TAB).perform()
        stop, outline, name = browser.execute_script(
            "const each = document.activeElement; return [Number(each.dataset.stop), getComputedStyle(each).outlineStyle,"
            " each.getAttribute('aria-label') || each.textContent.trim()]"
        )
        stops.append(stop)
        assert outline == "solid"
        assert name
    assert stops == wanted


@pytest.mark.browser
def test_a_pressed_row_comes_to_the_front(recorded_store: Recorded, browser: Any) -> None:
    show(browser, report(recorded_store("table-3", "smoke"), "table-3"))

    button = browser.find_element("css selector", f"{TRADE_OFFS} .legend button")
    button.send_keys(" ")
    assert button.get_attribute("aria-pressed") == "true"
    opacity = (
        f"return [...document.querySelectorAll('{TRADE_OFFS} svg g[data-row]')]"
        ".map((g) => [g.dataset.row, getComputedStyle(g).opacity])"
    )
    shown = dict(browser.execute_script(opacity))
    assert {row: float(value) for row, value in shown.items() if float(value) == 1} == {button.text: 1.0}
    button.send_keys(" ")
    assert {value for _, value in browser.execute_script(opacity)} == {"1"}


@pytest.mark.browser
def test_figures_have_bars_a_name_and_a_sentence_of_how_to_read_them(recorded_store: Recorded, browser: Any) -> None:
    show(browser, report(recorded_store("table-3", "smoke"), "table-3"))

    for section in ("Trade-offs", "Kinds and severities"):
        assert (
            browser.execute_script(f"return document.querySelectorAll('[data-section=\"{section}\"] .bar').length") >= 8
        )
    unnamed = (
        "return [...document.querySelectorAll('section svg:not([aria-hidden])')].filter((s) => !s.ariaLabel).length"
    )
    assert browser.execute_script(unnamed) == 0
    for section in ("Safety axes", "Trade-offs", "Reliability", "Kinds and severities", "Training"):
        element = browser.find_element("css selector", f'[data-section="{section}"] .how')
        assert element.text.startswith("How to read it: ")


@pytest.mark.browser
def test_every_number_of_a_metric_has_one_decimal(recorded_store: Recorded, browser: Any) -> None:
    show(browser, report(recorded_store("table-3", "smoke"), "table-3"))

    texts = browser.execute_script(
        'return [...document.querySelectorAll(\'[data-section=Grid] tbody td, [data-section="Kinds and severities"] td,'
        ' [data-section="Safety axes"] td, svg [data-row] title\')].map((each) => each.textContent)'
    )
    numbers = [number for text in texts for number in re.findall(r"\d+\.\d+", text)]
    assert len(numbers) > 300
    assert [number for number in numbers if len(number.split(".")[1]) != 1] == []


@pytest.mark.browser
def test_the_contents_lead_to_every_section_and_the_files_are_inside(recorded_store: Recorded, browser: Any) -> None:
    show(browser, report(recorded_store("table-3", "smoke"), "table-3"))

    missing = (
        "return [...document.querySelectorAll('nav a')].filter((a) => !document.getElementById(a.hash.slice(1))).length"
    )
    assert browser.execute_script(missing) == 0
    assert browser.execute_script("return document.querySelectorAll('nav a').length") > 10
    files = browser.execute_script(
        "return [...document.querySelectorAll('a[download]')].map((a) => [a.download, decodeURIComponent(a.href).slice(0, 80)])"
    )
    assert [name for name, _ in files] == ["table-3-smoke.csv", "table-3-smoke.tex", "table-3.yaml"]
    assert files[0][1].startswith("data:text/csv;charset=utf-8,row,group,column")


@pytest.mark.browser
def test_the_contents_of_several_tables_list_the_tables_with_their_sections(
    recorded_store: Recorded, browser: Any
) -> None:
    show(browser, report(recorded_store("table-3", "smoke"), "cifar-all"))

    tables = browser.execute_script(
        "return [...document.querySelectorAll('nav .tables > li')].map((each) => each.innerText)"
    )
    assert len(tables) == 7
    assert tables[0].startswith("table-1-smoke: ")
    assert "Trade-offs" in tables[0]
    assert tables[-1].split("\n")[0] == "About the whole sweep"


@pytest.mark.browser
def test_two_settings_make_a_map_per_metric_and_each_pair_has_a_look_of_its_own(
    recorded_store: Recorded, browser: Any
) -> None:
    show(browser, report(recorded_store("table-10", "smoke"), "table-10"))

    maps = browser.execute_script("return document.querySelectorAll('[data-section=\"Heat map\"] table').length")
    named = browser.execute_script(
        "return [...document.querySelectorAll('[data-section=\"Training\"] .legend > button')].map((b) =>"
        " [b.textContent, b.querySelector('svg').innerHTML])"
    )
    assert maps == 2
    assert sorted(name for name, _ in named) == sorted(f"beta={beta},k={k}" for beta in (3, 4, 5) for k in (2, 3, 4))
    assert len({look for _, look in named}) == 9


@pytest.mark.browser
def test_it_prints_on_white_paper_with_everything_unfolded(recorded_store: Recorded, browser: Any) -> None:
    show(browser, report(recorded_store("table-3", "smoke"), "table-3"), theme="dark")
    browser.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = false; })")

    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return document.querySelectorAll('details:not([open])').length") == 0
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script("return document.querySelectorAll('details[open]').length") == 0


@pytest.mark.browser
def test_times_are_worded_as_on_the_command_line(recorded_store: Recorded, browser: Any) -> None:
    show(browser, report(recorded_store("table-9", "smoke"), "table-9"))
    seconds = [0, 0.4, 1.2, 7.8, 64, 89.4, 95, 180, 700, 5_399, 5_401, 40_000, 172_799, 172_801, 6e7, 6.4e7, 3e9]

    assert browser.execute_script("return arguments[0].map(duration)", seconds) == [duration(each) for each in seconds]


@pytest.mark.browser
def test_a_training_of_one_epoch_is_drawn_as_a_point(recorded_store: Recorded, browser: Any) -> None:
    show(browser, report(recorded_store("table-9", "smoke"), "table-9"))
    drawn = (
        "return lines([{ name: 'a', style: series(0), points: arguments[0] }], 'epoch', 'loss', 400)"
        ".querySelectorAll('[data-row=a] > *').length"
    )

    assert browser.execute_script(drawn, [[1, 2.3], [2, 2.2]]) == 1
    assert browser.execute_script(drawn, [[1, 2.3]]) == 2
