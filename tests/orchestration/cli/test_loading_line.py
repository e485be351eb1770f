"""What a terminal shows while a slow verb is loaded, and that nothing of it is left."""

from __future__ import annotations

import io
import sys

import pytest

from orchestration.cli import main
from orchestration.cli.output import PassingLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_slow_verb_shows_at_once_that_it_is_loaded_until_it_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    assert main(["run", "no-such-sweep"]) == 2

    shown, _, spoken = terminal.getvalue().partition("\r\x1b[K")
    assert shown == "loading ..."
    assert spoken.startswith("dreamgrid: ")
    assert "\x1b" not in spoken


@pytest.mark.parametrize("arguments", [["run", "--help"], ["table", "no-such-sweep"]], ids=" ".join)
def test_help_and_quick_verbs_show_nothing_of_the_kind(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    main(arguments)

    assert "loading" not in terminal.getvalue()


def test_where_stderr_is_no_terminal_there_is_no_such_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = PassingLine()

    line.show("loading ...")
    line.erase()

    assert capsys.readouterr().err == ""
