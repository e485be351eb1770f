"""One progress for all benchmarks of a network: shares by the cost model, and what is left."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from eval.benchmarks.contract import BenchmarkRequest
from orchestration.evaluation.evaluate import make_requests
from orchestration.evaluation.progress import TotalProgress, shown_progress, weights_of


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_benchmarks_weigh_what_the_cost_model_says(tmp_path: Path) -> None:
    requests: tuple[BenchmarkRequest, ...] = make_requests(
        {"clean": {"max_images": 50}, "pgd": {"max_images": 50, "steps": 5}}, dataset="digits"
    )

    weights = weights_of(requests, "digits", tmp_path)

    assert list(weights) == ["clean", "pgd"]
    assert weights["pgd"] > 5 * weights["clean"] > 0


def test_what_is_left_follows_from_the_share_that_is_done() -> None:
    now = [0.0]
    progress = TotalProgress({"a": 100.0, "b": 300.0}, lambda: now[0])
    now[0] = 20.0

    assert progress.share("a", 0, 10) == 0.0
    assert progress.left(0.0) == "estimating ..."
    assert progress.share("b", 1, 3) == pytest.approx(0.5)
    assert progress.left(0.5) == "about 20 s left"
    assert progress.share("b", 3, 3) == 1.0


def test_without_a_terminal_a_line_comes_after_five_seconds_and_then_now_and_then() -> None:
    stream, now = io.StringIO(), [0.0]
    with shown_progress({"a": 1.0, "b": 3.0}, stream, lambda: now[0]) as tell:
        for second in range(1, 31):
            now[0] = float(second)
            tell("a" if second <= 10 else "b", second, 30)

    assert stream.getvalue().splitlines() == ["4 % done, about 1.9 min left; a", "88 % done, about 4 s left; b"]


def test_on_a_terminal_there_is_one_bar_which_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with shown_progress({"a": 1.0, "b": 3.0}, stream) as show:
        show("a", 1, 1)
        show("b", 1, 3)

    assert "50 %" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")
