"""Tables of the command line at the widths of terminals: nothing is wider, and no word or number is cut."""

from __future__ import annotations

import pytest

from orchestration.cli import main
from orchestration.cli.output import columns, folded

ROWS = [
    ["349a2a934f7e", "Baseline", "0", "train, clean, c-generated, pgd, ood-generated"],
    ["a", "PixMix", "123,456", ""],
]
HEADER = ["cell", "row", "device hours", "to do"]


def words(text: str) -> set[str]:
    return set(text.replace("-" * 4, " ").split()) - {"-", "--", "---"}


def test_without_a_terminal_every_row_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    assert len(columns(ROWS, header=HEADER, right=(2,)).splitlines()) == 4


@pytest.mark.parametrize("width", [120, 80, 60, 50, 30, 20])
def test_a_table_is_no_wider_than_the_terminal_and_keeps_every_word(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))

    text = columns(ROWS, header=HEADER, right=(2,))

    assert max(map(len, text.splitlines())) <= max(width, 28)  # "device hours  349a2a934f7e" has no place to be cut
    assert words(" ".join(" ".join(row) for row in ROWS)) <= words(text)


def test_a_table_that_has_room_is_drawn_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    drawn = columns(ROWS, header=HEADER, right=(2,))
    monkeypatch.setenv("COLUMNS", "100")

    assert columns(ROWS, header=HEADER, right=(2,)) == drawn


def test_texts_go_on_in_their_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "26")

    lines = columns([["a", "one two three four five six"], ["b", "seven"]], header=["x", "text"]).splitlines()

    assert lines[2:] == ["a  one two three four five", "   six", "b  seven"]


def test_what_cannot_be_narrowed_becomes_blocks_without_empty_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")

    text = columns([["12345678", "abcdefgh", ""], ["2", "b", "c"]], header=["id", "name", "note"])

    assert text.splitlines() == ["id    12345678", "name  abcdefgh", "", "id    2", "name  b", "note  c"]


@pytest.mark.parametrize("width", [120, 80, 50])
@pytest.mark.parametrize("verb", [["sweeps"], ["plan", "demo"], ["mixing-set", "list"]], ids=" ".join)
def test_tables_of_the_verbs_fit(
    verb: list[str],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("DREAMGRID_STORAGE", str(tmp_path_factory.mktemp("storage")))
    monkeypatch.setenv("COLUMNS", str(width))

    assert main(verb) == 0

    table, _, _ = capsys.readouterr().out.partition("\n\n10 cells")
    table, _, _ = table.partition("\n\nTime and price")
    lines = table.splitlines()[1:]  # a plan begins with the title
    assert max(map(len, lines)) <= width


MISSING = (
    "missing: dataset 'svhn' is not complete in /data: train_32x32.mat and 1 more are missing; "
    "get it with: dreamgrid data fetch svhn --data-root /data"
)


def test_a_long_line_goes_on_indented_and_a_command_stays_whole() -> None:
    assert folded(f"2 cells\n{MISSING}", 50).splitlines() == [
        "2 cells",
        "missing: dataset 'svhn' is not complete in /data:",
        "    train_32x32.mat and 1 more are missing; get it",
        "    with:",
        "    dreamgrid data fetch svhn --data-root /data",
    ]


def test_a_number_stays_with_its_unit() -> None:
    text = "cost of 5 cells: 64 s of device time (24 s training, 1.5 MiB kept), 84.0 % in both, 10 cells"

    for width in range(30, 90):
        folded_lines = folded(text, width).splitlines()
        assert not any(line.lstrip().startswith(("s ", "MiB", "%")) for line in folded_lines)
        assert " ".join(line.strip() for line in folded_lines) == text


def test_lines_that_fit_or_have_columns_stay_as_they_are() -> None:
    table = columns(ROWS, header=HEADER)

    assert folded(table, 30) == table
    assert folded(MISSING, None) == MISSING
    assert folded("a/word/that/fits/nowhere", 10) == "a/word/that/fits/nowhere"
