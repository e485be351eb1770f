"""Tables as LaTeX: what they need, that every text survives, and how wide they are on the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from eval.tables.column import Column
from eval.tables.formats.registry import render
from eval.tables.grid import Observation, Table
from eval.tables.layouts import metric_table

COLUMNS = ("clean/error", "c-generated/error", "ood-generated/auroc")
MEASURE = (
    r"\renewcommand{\resizebox}[3]{\setbox0\hbox{#3}\typeout{WIDTH \the\wd0 OF \the\linewidth}"
    r"\ifdim\wd0>\linewidth\scalebox{0.8}{\box0}\else\box0\fi}"
)


def table_of(rows: list[str], title: str = "A & B_table", notes: tuple[str, ...] = ()) -> Table:
    """Return a table of two seeds, with errors of two digits before the point."""
    seen = [
        Observation(row=row, column=Column.of(column), seed=seed, value=0.21 + 0.03 * at + 0.01 * seed)
        for at, row in enumerate(rows)
        for column in COLUMNS
        for seed in (0, 1)
    ]
    return replace(metric_table(title, rows, list(map(Column.of, COLUMNS)), seen), notes=notes)


def wide(table: Table, times: int) -> Table:
    specs = [replace(spec, key=f"{spec.key}/{n}") for n in range(times) for spec in table.columns]
    return replace(table, columns=tuple(specs), entries=tuple(row * times for row in table.entries))


def compiled(
    folder: Path, text: str, *, options: str = "", packages: str = "booktabs,graphicx", more: str = "", engine: str = ""
) -> str:
    """Return what the compiler says of a document of a table that uses the packages, and no others."""
    compiler = shutil.which(engine or "pdflatex")
    if compiler is None:
        pytest.skip(f"{engine or 'pdflatex'} is needed: install the Debian package texlive-latex-recommended")
    head = f"\\documentclass[{options}]{{article}}\\usepackage{{{packages}}}{more}\\begin{{document}}\n"
    (folder / "t.tex").write_text(head + text + "\\end{document}\n", encoding="utf-8")
    command = [compiler, "-interaction=nonstopmode", "t.tex"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "t.pdf").stat().st_size > 0
    return done.stdout


def shown(folder: Path) -> str:
    """Return the text of the compiled page."""
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("pdftotext is needed: install the Debian package poppler-utils")
    done = subprocess.run([reader, "-layout", "t.pdf", "-"], cwd=folder, check=True, capture_output=True, timeout=60)
    return done.stdout.decode("utf-8")


def test_a_table_has_a_caption_a_label_and_balanced_columns() -> None:
    text = render(table_of(["Baseline", "AugMix", "PixMix"]), "latex")

    assert text.splitlines()[0] == r"% In the preamble: \usepackage{booktabs,graphicx}"
    assert r"\caption{A \& B\_table}" in text
    assert r"\label{tab:a-b-table}" in text
    assert r"\textbf{21.5}\,$\pm$\,0.7" in text
    assert r"\underline{24.5}" in text
    assert r"$\downarrow$" in text
    assert r"$\uparrow$" in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    assert {line.replace(r"\&", "").count("&") for line in body.splitlines() if line.endswith(r"\\")} == {3}


def test_a_title_without_latin_letters_has_a_label_too() -> None:
    assert re.search(r"\\label\{tab:[0-9a-f]{8}\}", render(table_of(["a", "b"], title="Ä ≥ Ö"), "latex"))


@pytest.mark.parametrize(
    ("title", "label"),
    [("表 5：1 个", "my-sweep-train-epochs-5"), ("Größe 7", "my-sweep-train-epochs-5"), ("Size > 7 ± 1", "size-7-1")],
)
def test_a_title_with_letters_that_no_label_takes_is_called_by_the_sweep(title: str, label: str) -> None:
    table = replace(table_of(["a", "b"], title=title), name="my-sweep train.epochs=5")

    assert rf"\label{{tab:{label}}}" in render(table, "latex")


def test_no_label_is_taken_for_a_command() -> None:
    r"""`\\` takes a bracket or an asterisk that follows for its own; the default encoding prints < as another sign."""
    text = render(table_of(["[2] ours", "*a*", "a<b>c|d", "`q`"]), "latex")

    for expected in ("{[}2{]} ours &", "{*}a{*} &", r"a\textless{}b\textgreater{}c\textbar{}d &"):
        assert f"\n{expected} " in text
    assert r"\textasciigrave{}q\textasciigrave{} &" in text


def test_every_text_is_on_the_page_as_it_was_given(tmp_path: Path) -> None:
    rows = ["k >= 2 <= 5", "beta -- alpha", "50 % & $x$ #1", "Größe ø ł", "it''s ,,so", "x ≥ 3 ≤ 4 ± 1"]

    compiled(tmp_path, render(table_of(rows, notes=("Run with --smoke, k>=2.",)), "latex"))

    page = shown(tmp_path)
    for row in rows[:3]:
        assert row in page
    assert "≥3≤4±1" in re.sub(r"\s", "", page)
    assert "Run with --smoke, k>=2." in page.replace("\n", " ")


def test_chinese_is_on_the_page_by_the_packages_that_the_comment_names(tmp_path: Path) -> None:
    if subprocess.run(["kpsewhich", "gbsnu4e.tfm"], capture_output=True, check=False).returncode:
        pytest.skip(
            "a Chinese font of LaTeX is needed: install the Debian packages latex-cjk-common, latex-cjk-chinese-arphic-gbsn00lp"
        )
    text = render(table_of(["基线", "PixMix"], title="图像分类"), "latex")

    assert "CJKutf8" in text.splitlines()[0]
    compiled(tmp_path, text, packages="booktabs,graphicx,CJKutf8")
    assert "基线" in shown(tmp_path)
    assert "图像分类" in shown(tmp_path)


def test_japanese_and_korean_ask_for_their_own_fonts() -> None:
    assert r"\begin{CJK*}{UTF8}{min}" in render(table_of(["ベース", "b"]), "latex")
    assert r"\begin{CJK*}{UTF8}{mj}" in render(table_of(["기준", "b"]), "latex")
    assert "CJK" not in render(table_of(["Größe", "b"]), "latex")


@pytest.mark.parametrize("times", [1, 3, 20], ids=["narrow", "wide", "wider than a page"])
@pytest.mark.parametrize("options", ["", "twocolumn"], ids=["one column", "two columns"])
def test_a_table_fits_the_text_without_being_scaled_below_80_percent(tmp_path: Path, times: int, options: str) -> None:
    text = render(wide(table_of(["Baseline", "Outlier Exposure", "PixMix"]), times), "latex")

    assert "Overfull" not in compiled(tmp_path, text, options=options)
    said = compiled(tmp_path, text, options=options, more=MEASURE)
    widths = [(float(own), float(line)) for own, line in re.findall(r"WIDTH ([\d.]+)pt *OF ([\d.]+)pt", said)]
    assert widths
    assert [pair for pair in widths if 0.8 * pair[0] > pair[1]] == []
    # nothing is lost where a table is cut: each of its columns is in one of the parts
    assert text.count(r"\uparrow") == times


def test_a_table_that_does_not_fit_on_a_page_goes_on_in_the_next(tmp_path: Path) -> None:
    text = render(wide(table_of([f"row {n}" for n in range(12)], notes=("Once.",)), 20), "latex")

    said = compiled(tmp_path, text)
    assert "Overfull" not in said
    assert "Float too large" not in said
    assert r"\caption{A \& B\_table (continued, 2 of" in text
    assert r"\label{tab:a-b-table-2}" in text
    assert text.count("Once.") == 1


def test_footnotes_have_their_own_size_and_the_width_of_the_text(tmp_path: Path) -> None:
    text = render(table_of(["a", "b"], notes=("A long note on what the numbers are. " * 12,)), "latex")

    assert r"\begin{minipage}{\linewidth}\footnotesize\raggedright" in text
    assert "Overfull" not in compiled(tmp_path, text)
