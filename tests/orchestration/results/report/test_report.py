"""The report: what stands in it, and that it is one file which needs nothing else."""

from __future__ import annotations

import colorsys
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import color

from orchestration.cells.load import SWEEPS
from orchestration.cli import main
from orchestration.results.report import page
from orchestration.results.report.page import to_page
from orchestration.sweeps.model import Size

Recorded = Callable[[str, Size], Path]

SIGHTS = {
    "usual": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
"""Linear RGB -> linear RGB as a colour-blind reader sees it."""


def channels(colour: str) -> np.ndarray:
    """Return the linear RGB of "#112233" (or "#111")."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    values = np.array([int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(first: np.ndarray, second: np.ndarray) -> float:
    dark, light = sorted(float(each @ [0.2126, 0.7152, 0.0722]) for each in (first, second))
    return (light + 0.05) / (dark + 0.05)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    def lab(linear: np.ndarray) -> np.ndarray:
        clipped = np.clip(linear, 0, 1)
        return color.rgb2lab(np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055))

    return float(color.deltaE_ciede2000(lab(first), lab(second)))


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
    assert "url(" not in text
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
    spread = pytest.approx(0.01 / 2**0.5)
    assert fine["rows"]["Baseline"]["fog"] == {
        level: [pytest.approx(0.105), spread, 2, 0.0] for level in ("all", "1", "3")
    }
    assert fine["curve"]["Baseline"] == [[level, pytest.approx(0.105), spread, 2] for level in (1.0, 3.0)]
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
    text = to_page({"title": "<b>&", "evil": "</script><script>alert(1)"})

    assert "<title>&lt;b&gt;&amp;</title>" in text
    assert "</script><script>alert" not in text


def test_a_report_of_nothing_is_a_page_too(tmp_path: Path) -> None:
    _, content = report(tmp_path, "table-9", "--smoke")

    assert content["parts"][0]["recorded"] == 0
    assert content["parts"][0]["ledger"]["ratio"] is None


def test_a_report_brings_what_makes_it_again(recorded_store: Recorded) -> None:
    folder = recorded_store("table-3", "smoke")
    _, content = report(folder, "table-3", "--smoke", "--set", "train.batch_size=7")

    assert content["command"] == (
        f"dreamgrid run table-3 --smoke --set train.batch_size=7 --seeds 0,1 --storage {folder}"
    )
    assert [each["name"] for each in content["sweeps"]] == ["table-3"]
    assert content["sweeps"][0]["yaml"] == SWEEPS["table-3"].read_text(encoding="utf-8")
    (part,) = content["parts"]
    assert part["csv"].startswith("row,group,column")
    assert r"\begin{tabular}" in part["latex"]


def test_a_union_brings_the_files_of_its_parts(tmp_path: Path) -> None:
    _, content = report(tmp_path, "cifar-all", "--smoke")

    assert [each["name"] for each in content["sweeps"]][:2] == ["cifar-all", "table-1"]
    assert content["title"].endswith("smoke size (digits)")


def test_a_reader_is_told_what_rows_columns_and_colours_are(recorded_store: Recorded) -> None:
    _, content = report(recorded_store("table-3", "smoke"), "table-3", "--smoke")

    (part,) = content["parts"]
    assert "Each was trained 2 times" in part["introduction"]
    assert [each["row"] for each in part["described_rows"]] == part["table"]["rows"]
    assert all(each["what"] for each in part["described_rows"])
    assert {each["question"][-1] for each in part["described_columns"]} == {"?"}
    assert all(each["says"] and each["noise"] > 0 for each in part["described_columns"])
    assert "Blue is better than Baseline, orange is worse." in part["shade_rule"]


def test_the_radar_is_scaled_by_a_rule_and_not_by_the_best_and_worst_row(recorded_store: Recorded) -> None:
    _, content = report(recorded_store("table-3", "smoke"), "table-3", "--smoke")

    (part,) = content["parts"]
    scores = part["radar"]["rows"]["Baseline"]
    assert dict(zip(part["radar"]["axes"], scores, strict=True))["accuracy"] == pytest.approx(1 - 0.105)
    assert part["radar"]["left_out"] == ["P (generated) mT5D"]
    assert "the rim is a perfect score" in content["radar_rule"]


def test_a_spoke_with_a_value_missing_has_no_score(recorded_store: Recorded) -> None:
    """A mean over some of an axis's columns would be about something else than the other rows'."""
    folder = recorded_store("table-3", "smoke")
    _, content = report(folder, "table-3", "--smoke", "--set", "benchmarks.pgd-reference.steps=7")

    radar = content["parts"][0]["radar"]
    assert [radar["rows"]["Baseline"][at] for at, axis in enumerate(radar["axes"]) if axis == "adversaries"] == [None]


def test_six_colours_are_told_apart_by_colour_blind_readers_in_light_and_dark() -> None:
    """Simulated as by Machado, Oliveira and Fernandes (2009); CIEDE2000 above 10 is seen at a glance."""
    style = (Path(page.__file__).parent / "page.css").read_text(encoding="utf-8")
    found = [re.findall(r"--s\d: (#\w+)", line) for line in style.splitlines() if "--s0" in line]
    assert [len(colours) for colours in found] == [6, 6, 6]
    for colours, ground in zip(found, ("#ffffff", "#161b22", "#ffffff"), strict=True):
        for first, second in itertools.combinations(map(channels, colours), 2):
            assert min(difference(first @ sight.T, second @ sight.T) for sight in SIGHTS.values()) > 10
        assert min(contrast(channels(colour), channels(ground)) for colour in colours) >= 3


def test_no_colour_of_better_and_worse_is_red_or_green() -> None:
    style = (Path(page.__file__).parent / "page.css").read_text(encoding="utf-8")
    for name in ("better", "worse"):
        for red, green, blue in re.findall(rf"--{name}: (\d+) (\d+) (\d+)", style):
            hue = colorsys.rgb_to_hls(int(red) / 255, int(green) / 255, int(blue) / 255)[0] * 360
            assert hue == pytest.approx({"better": 210, "worse": 30}[name], abs=6)
