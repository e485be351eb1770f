"""The verdicts of the evidence script, on differences whose answer is known; and its sweeps, which must resolve."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.evidence import EXPECTATIONS, HERE, NAMES, Expectation, evaluate, main, sentence
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep

LOWER = Expectation(row="PixMix", column="c-generated/error", lower=True)


def test_clear_differences_are_shown() -> None:
    finding = evaluate(LOWER, [-0.05, -0.051, -0.049])
    assert finding.verdict == "shown"
    assert finding.interval == pytest.approx((-0.05 - 0.0024841, -0.05 + 0.0024841), abs=1e-6)  # t(2) 4.30265, sd 0.001
    assert finding.p_value is not None
    assert finding.p_value < 0.001
    assert sentence(finding).endswith("3 of 3 seeds: shown")


def test_agreeing_seeds_that_scatter_are_in_the_expected_sense() -> None:
    assert evaluate(LOWER, [-0.1, -0.001, -0.02]).verdict == "in the expected sense"


def test_a_difference_the_wrong_way_is_not_shown() -> None:
    assert evaluate(LOWER, [0.05, 0.051, 0.049]).verdict == "NOT shown"
    assert evaluate(LOWER, [-0.1, 0.001, -0.02]).verdict == "NOT shown"
    assert evaluate(Expectation(row="A", column="ood/auroc", lower=False), [0.05, 0.051, 0.049]).verdict == "shown"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", ["full", "smoke"])
def test_evidence_sweeps_resolve_and_hold_what_is_expected_of_them(name: str, size: str) -> None:
    catalogue = builtin_catalogue()
    resolved = load_sweep(str(HERE / f"evidence-{name}.yaml"), size=size, catalogue=catalogue)  # type: ignore[arg-type]
    assert resolved.cells
    assert {each.row for each in EXPECTATIONS[name]} <= set(resolved.sweep.rows)
    assert {each.column for each in EXPECTATIONS[name]} <= set(map(str, resolved.sweep.columns))


def test_the_parts_of_pixmix_are_compared_with_cells_of_the_question_that_they_explain() -> None:
    catalogue = builtin_catalogue()
    keys = {}
    for name in ("mnist-auroc", "mnist-parts"):
        cells = load_sweep(str(HERE / f"evidence-{name}.yaml"), size="full", catalogue=catalogue).cells
        keys[name] = {(cell.cell.row, cell.cell.seed): cell.train_key for cell in cells}
    shared = keys["mnist-auroc"].items() & keys["mnist-parts"].items()
    assert {row for (row, _), _ in shared} == {"Baseline", "PixMix"}
    assert len(shared) == 8


def test_unknown_names_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["imagenet", "--storage", str(tmp_path)])
    assert caught.value.code == 2
    assert "evidence is gathered on fashion-mnist, mnist, mnist-auroc, but got 'imagenet'" in capsys.readouterr().err
