"""A command that lost its Ray: it starts itself again once where the Ray was its own, else it says how to go on."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from clusters.errors import ControlLost
from orchestration.cli import main
from orchestration.cli.restart import RESTARTED, may_restart
from orchestration.cli.verbs.run import continued

LOSING = """
import sys
from orchestration.cli import main, verbs
from orchestration.cli.verbs import sweeps
from clusters.errors import ControlLost
from clusters.temporary.own import own_folder

def lose(as_json: bool = False) -> int:
    print("tried", flush=True)
    own_folder()
    error = ControlLost("the raylet", "the private Ray" if PRIVATE else "the Ray at 10.0.0.1:6379", is_private=PRIVATE)
    error.is_ending, error.is_ctrl_c = ENDING, CTRL_C
    raise error

sweeps.register = lambda app: app.command("sweeps")(lose)
raise SystemExit(main())
"""


def lose(
    tmp_path: Path, *, is_private: bool, is_ending: bool = False, is_ctrl_c: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command that loses its Ray each time, and then waits for what is no more."""
    script = tmp_path / "losing.py"
    values = {"PRIVATE": is_private, "ENDING": is_ending, "CTRL_C": is_ctrl_c}
    script.write_text(functools.reduce(lambda text, name: text.replace(name, str(values[name])), values, LOSING))
    return subprocess.run([sys.executable, str(script), "sweeps"], capture_output=True, text=True, timeout=120)


def test_a_private_ray_is_started_again_once_and_then_the_command_says_how_to_go_on(tmp_path: Path) -> None:
    ran = lose(tmp_path, is_private=True)

    assert ran.stdout.split() == ["tried", "tried"]
    assert ran.returncode == 3
    first, second = ran.stderr.splitlines()
    assert first.startswith("dreamgrid: the raylet of the private Ray died; nothing that is recorded is lost")
    assert first.endswith("Ray is started again, once, and the command goes on")
    assert second.endswith("from their last checkpoint; run the same command again to continue")


def test_a_ray_of_somebody_else_is_not_started_again(tmp_path: Path) -> None:
    ran = lose(tmp_path, is_private=False)

    assert ran.stdout.split() == ["tried"]
    assert ran.returncode == 3
    (line,) = ran.stderr.splitlines()
    assert "of the Ray at 10.0.0.1:6379 died" in line
    assert line.endswith("start that cluster again, then run the same command again to continue")


@pytest.mark.parametrize(("is_ctrl_c", "code"), [(True, 130), (False, 1)])
def test_a_run_that_was_asked_to_end_is_not_started_again(tmp_path: Path, is_ctrl_c: bool, code: int) -> None:
    """`timeout` and systemd send SIGTERM to Ray's processes too: their end is not a reason to go on."""
    ran = lose(tmp_path, is_private=True, is_ending=True, is_ctrl_c=is_ctrl_c)

    assert ran.stdout.split() == ["tried"]
    assert ran.returncode == code
    (line,) = ran.stderr.splitlines()
    assert line.endswith("run the same command again to continue")


def test_inside_of_another_program_nothing_is_started_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ControlLost("the raylet", "the private Ray", is_private=True)

    monkeypatch.setattr("orchestration.cli.verbs.sweeps.register", broken)

    assert main(["sweeps", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"].endswith("run the same command again to continue")


def test_a_forced_run_that_goes_on_keeps_the_cells_that_it_has_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RESTARTED, raising=False)
    assert [continued(mode) for mode in ("force", "retry")] == ["force", "retry"]

    monkeypatch.setenv(RESTARTED, "1")
    assert [continued(mode) for mode in ("force", "retry", "cached")] == ["cached", "retry", "cached"]


def test_only_a_first_loss_of_a_private_ray_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RESTARTED, raising=False)
    assert may_restart(ControlLost("x", "y", is_private=True))
    assert not may_restart(ControlLost("x", "y", is_private=False))
    assert not may_restart(RuntimeError("x"))

    monkeypatch.setenv(RESTARTED, "1")
    assert not may_restart(ControlLost("x", "y", is_private=True))
