"""Completion as shells ask for it: names of verbs, options, sweeps, rows and cells, in little time and with few imports."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import completion_file
from orchestration.cli import completion
from orchestration.sweeps.template import sweep_template
from tests.fakes.cpu_peer import child_cpu_s, pandas_import_s

REPOSITORY = Path(__file__).resolve().parents[3]
BUDGET = 0.75
"""In imports of pandas (0.4 s)."""


def test_what_is_completed_is_what_the_verbs_take() -> None:
    again = "generate it again: python -m benchmarks.completion_file > orchestration/cli/completion.json"
    assert completion.FILE.read_text(encoding="utf-8") == completion_file.document(), again


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a sweep file, and a storage with two cells."""
    (tmp_path / "mine.yaml").write_text(sweep_template("mine", "x").replace("row: Cutout", "row: Cut out"))
    for key in ("ab12" * 16, "cd34" * 16):
        (tmp_path / "dreamgrid-storage" / "results" / key).mkdir(parents=True)
    return tmp_path


def asked(line: str, folder: Path) -> list[str]:
    """Return what bash is answered at the end of a line."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    question = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_DREAMGRID_COMPLETE": "complete_bash"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DREAMGRID_")}
    ran = subprocess.run(
        [sys.executable, "-m", "dreamgrid"],
        env={**environment, **question, "PYTHONPATH": str(REPOSITORY)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == ""
    return ran.stdout.split("\n")[:-1] if ran.stdout.strip() else []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dreamgrid s", ["screen", "stop", "status", "submit", "sync", "schema", "sweeps"]),
        ("dreamgrid plan table-1", ["table-1", "table-10", "table-11", "table-12"]),
        ("dreamgrid plan m", ["mixing-sets", "mnist-report-1", "mnist-report-2", "mine.yaml"]),
        ("dreamgrid plan demo --mod", ["--mode"]),
        ("dreamgrid plan demo --mode r", ["retry", "read-only"]),
        ("dreamgrid plan demo --machine l", ["l4"]),
        ("dreamgrid cells ad", ["adopt"]),
        ("dreamgrid cells adopt table-3 weights.pt --row C", ["Cutout", "CutMix"]),
        ("dreamgrid cells adopt mine.yaml weights.pt --row C", ["Cut\\ out"]),
        ("dreamgrid run table-3 --priority Au", ["AutoAugment=", "AugMix="]),
        ("dreamgrid cells show ", ["ab12ab12ab12", "cd34cd34cd34"]),
        ("dreamgrid cells show cd", ["cd34cd34cd34"]),
        ("dreamgrid cells show --storage nowhere ", []),
        ("dreamgrid evaluate w.pt --benchmarks clean,pg", ["clean,pgd", "clean,pgd-reference"]),
        ("dreamgrid table demo --format l", ["latex"]),
        ("dreamgrid export ab12 --format o", ["openood"]),
        ("dreamgrid run broken.yaml --priority ", []),
    ],
)
def test_bash_is_answered(line: str, expected: list[str], folder: Path) -> None:
    (folder / "broken.yaml").write_text("axes: [")

    assert sorted(asked(line, folder)) == sorted(expected)


def test_zsh_is_answered_with_descriptions(folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "dreamgrid"],
        env={
            **os.environ,
            "_DREAMGRID_COMPLETE": "complete_zsh",
            "_TYPER_COMPLETE_ARGS": "dreamgrid st",
            "PYTHONPATH": str(REPOSITORY),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )

    assert '"status":"Show the state of every cell' in ran.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_real_bash_completes_with_the_script_that_is_shown(folder: Path) -> None:
    """The script is sourced, and its function called as bash does at a Tab."""
    program = folder / "dreamgrid"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dreamgrid "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(dreamgrid --show-completion bash)"\n'
        "complete -p dreamgrid\n"
        'COMP_WORDS=(dreamgrid run table-1); COMP_CWORD=2; COMP_LINE="dreamgrid run table-1"; COMP_POINT=${#COMP_LINE}\n'
        '_dreamgrid_completion dreamgrid\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )

    ran = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.splitlines() == [
        "complete -o default -F _dreamgrid_completion dreamgrid", "table-1", "table-10", "table-11", "table-12",
    ]  # fmt: skip


def test_completion_imports_no_verb_and_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("COMP_WORDS", "dreamgrid run "),
        ("COMP_CWORD", "2"),
        ("_DREAMGRID_COMPLETE", "complete_bash"),
    ):
        monkeypatch.setenv(name, value)
    code = (
        "import sys\nfrom orchestration.cli import main\nmain([])\n"
        "sys.stderr.write(' '.join(m for m in sys.modules if 'verbs.' in m or m in ('numpy', 'torch', 'ray')))"
    )

    cpu_s, ran = child_cpu_s(code)

    assert ran.stderr == ""
    assert ran.stdout.splitlines()[0] in completion_file.SWEEPS
    assert cpu_s < BUDGET * pandas_import_s()
