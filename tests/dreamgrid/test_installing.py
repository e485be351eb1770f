"""`make install` says what it does: pip's progress on a few lines, its errors as they are, its exit code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci" / "install_packages.sh"
LOCK = (
    "a==1 \\\n    --hash=sha256:00\nb[c]==2 ; sys_platform == 'linux'\nappnope==1 ; sys_platform == 'darwin'\nc-c==1\n"
)
PIP = """#!/usr/bin/env bash
echo "Ignoring appnope: markers do not match your environment"
printf "Collec"; sleep SPLIT
echo "ting a==1 (from -r lock (line 1))"
echo "  Downloading a-1-py3-none-any.whl (898.2 MB)"
echo "Processing /wheels/c_c-1-py3-none-any.whl (from -r lock (line 4))"
echo "Requirement already satisfied: b[c]==2 in ./lib (from -r lock (line 3)) (2)"
echo "Installing collected packages: a"
sleep SLEEP
[ -z "ERROR" ] || { echo "ERROR" >&2; exit 7; }
echo "Successfully installed a-1"
"""


def install(
    folder: Path, *, error: str = "", sleep: int = 0, split: float = 0, is_terminal: bool = False
) -> tuple[int, str]:
    """Run the script with a pip that only prints; return its exit code and what it said."""
    pip, lock = folder / "python", folder / "lock"
    pip.write_text(PIP.replace("ERROR", error).replace("SLEEP", str(sleep)).replace("SPLIT", str(split)))
    pip.chmod(0o755)
    lock.write_text(LOCK)
    words = ["bash", str(SCRIPT), str(pip), str(lock), "what running needs", "about 7 GB"]
    if is_terminal:
        words = ["script", "--quiet", "--return", "--command", " ".join(f"'{word}'" for word in words), "/dev/null"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, (done.stdout + done.stderr).decode()  # as bytes, since text would lose carriage returns


def test_elsewhere_than_on_a_terminal_it_says_when_it_begins_and_ends(tmp_path: Path) -> None:
    code, said = install(tmp_path)

    assert code == 0
    begin, end = said.splitlines()
    assert begin == "installing what running needs: up to 4 packages, about 7 GB"
    assert end.startswith("installed what running needs in ")


def test_an_error_of_pip_is_printed_and_ends_the_installation(tmp_path: Path) -> None:
    code, said = install(tmp_path, error="no matching distribution")

    assert code == 7
    assert said.splitlines()[1:] == ["no matching distribution"]


@pytest.mark.slow
def test_long_work_is_reported_again_and_again(tmp_path: Path) -> None:
    _, said = install(tmp_path, sleep=17)

    assert "[3/3] unpacking, which takes a minute or two, 1" in said.splitlines()[1]


def test_on_a_terminal_one_line_moves(tmp_path: Path) -> None:
    code, said = install(tmp_path, split=1.5, is_terminal=True)

    assert code == 0
    moving = said.split("\r\x1b[K")
    assert list(dict.fromkeys(text.rpartition(",")[0] for text in moving[1:-1])) == [
        "[0/3] asking for packages",
        "[1/3] a",
        "[1/3] downloading a 898.2 MB",
        "[2/3] c_c",
        "[3/3] b[c]",
        "[3/3] unpacking, which takes a minute or two",
    ]
    assert moving[-1].startswith("installed what running needs in ")
