"""What a writer reads from its driver, and the line that it answers with at its end."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest

from orchestration.tracking.content.messages import messages_of_driver, report_outcome


def test_messages_come_in_order_without_a_half_line_and_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"type": "sweep"}\n{"type": "ended"}\n{"type": "gr'))
    messages = messages_of_driver("a-writer")

    assert [messages.get(timeout=10.0) for _ in range(3)] == [{"type": "sweep"}, {"type": "ended"}, None]


def test_the_outcome_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report_outcome(SimpleNamespace(written=3, waiting=1, problem="no room"))

    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"written": 3, "waiting": 1, "problem": "no room"}
