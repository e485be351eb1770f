"""Hostile and odd inputs, thousands of them: every one ends in an answer or in a plain refusal, soon, and in little memory.

    python -m tests.fuzz.harness KIND [--examples N] [--seed S]

A kind is a file of `tests/fuzz/kinds`. It runs in a process of its own, whose peak of memory is that of its inputs. Without a
seed the inputs are the same in every run; a campaign gives a seed and more examples.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib
import io
import json
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from orchestration.cli import main

SECONDS_EACH: Final = 30.0
"""What takes longer is a hang, also on a machine with other work to do."""
MOST_BYTES: Final = 2**30
"""What one kind may add to the memory of its process."""
LONGEST_LINE: Final = 2_000
"""A line of a refusal that is longer is not read by people: it has an input in it that nobody cut."""
SHOWN: Final = 12
"""Different faults that are shown of one kind."""

Verdict = Literal["accepted", "refused"]


class Fault(Exception):
    """An outcome that no input may have."""


class _Hang(BaseException):
    """Raised by the alarm; of `BaseException`, so that no reader of bad files takes it for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of input.

    Attributes:
        inputs: Strategy of the inputs.
        attempt: Tries one, given a folder of its own; returns what came of it, and raises for what may not be.
        examples: How many are tried in the tests.
        prepare: Called once before the memory is measured: what every use of the product would import or make.
    """

    inputs: st.SearchStrategy[Any]
    attempt: Callable[[Any, Path], Verdict]
    examples: int
    prepare: Callable[[], object] = lambda: None


@dataclass(kw_only=True)
class Counts:
    """What a run of a kind came to."""

    kind: str
    inputs: int = 0
    refused: int = 0
    accepted: int = 0
    unforeseen: int = 0
    hangs: int = 0
    slowest_s: float = 0.0
    peak_mib: float = 0.0
    seconds: float = 0.0
    faults: dict[str, str] = field(default_factory=dict)


def command_line(arguments: Sequence[str]) -> Verdict:
    """Run the command line in this process; a refusal must be a plain one.

    Raises:
        Fault: If it ends in an unforeseen error, with another exit code, or without a line that says why.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    said = err.getvalue()
    if "unforeseen" in said:
        raise Fault(_log_of(said))
    if code == 0:
        return "accepted"
    if code not in (1, 2, 3) or not (said.strip() or out.getvalue().strip()):
        raise Fault(f"exit code {code} with {said!r}")
    longest = max(map(len, said.splitlines()), default=0)
    if longest > LONGEST_LINE:
        raise Fault(f"a line of {longest} characters: {said[:200]!r}")
    return "refused"


def library(call: Callable[[], object], *refusals: type[Exception]) -> Verdict:
    """Call a function of the product; it may only refuse with its own exceptions, each with a text."""
    try:
        call()
    except refusals as error:
        if not str(error).strip() or len(str(error)) > LONGEST_LINE:
            raise Fault(f"{type(error).__name__} with the text {str(error)[:200]!r}") from error
        return "refused"
    return "accepted"


def run_kind(name: str, *, examples: int | None = None, number: int | None = None) -> Counts:
    """Try the inputs of a kind and count what comes of them."""
    kind: Kind = importlib.import_module(f"tests.fuzz.kinds.{name}").KIND
    warnings.simplefilter("ignore")  # of libraries, about what was given to them
    kind.prepare()
    counts, started, before = Counts(kind=name), time.monotonic(), _peak_bytes(is_reset=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as root:

        def one(value: Any) -> None:
            folder = Path(root, str(counts.inputs))
            folder.mkdir()
            os.chdir(folder)
            _try(kind, value, folder, counts)

        how = settings(
            max_examples=examples or kind.examples,
            derandomize=number is None,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        wrapped = how(given(kind.inputs)(one))
        here = Path.cwd()
        try:
            (wrapped if number is None else seed(number)(wrapped))()
        finally:
            os.chdir(here)
    counts.seconds = time.monotonic() - started
    counts.peak_mib = (_peak_bytes() - before) / 2**20
    return counts


def _try(kind: Kind, value: Any, folder: Path, counts: Counts) -> None:
    counts.inputs += 1
    started = time.monotonic()
    try:
        with _watched():
            verdict = kind.attempt(value, folder)
    except _Hang:
        counts.hangs += 1
        counts.faults.setdefault(f"hang: {traceback.format_exc().splitlines()[-4:]}", repr(value)[:600])
    except Exception as error:
        counts.unforeseen += 1
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = str(error) if isinstance(error, Fault) else f"{type(error).__name__}: {error} at {place}"
        counts.faults.setdefault(what[:1500], repr(value)[:600])
    else:
        counts.refused += verdict == "refused"
        counts.accepted += verdict == "accepted"
    counts.slowest_s = max(counts.slowest_s, time.monotonic() - started)


@contextlib.contextmanager
def _watched() -> Iterator[None]:
    """End what takes too long: by an exception, and the whole process where that does not reach it."""

    def ring(*_: object) -> None:
        raise _Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS_EACH)
    faulthandler.dump_traceback_later(3 * SECONDS_EACH, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def _peak_bytes(*, is_reset: bool = False) -> int:
    """Return the most memory that this process had since the last reset, which makes what it has now the most."""
    if is_reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


def _log_of(said: str) -> str:
    """Return the end of the log of an unforeseen error, without what differs between two of one kind."""
    path = Path(said.partition("the details are in ")[2].partition(":")[0])
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else [said]
    path.unlink(missing_ok=True)
    places = [line.strip() for line in lines if line.lstrip().startswith("File ")]
    return f"{lines[-1][:300]} at {' | '.join(places[-3:])}"


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind")
    parser.add_argument("--examples", type=int)
    parser.add_argument("--seed", type=int)
    given_ = parser.parse_args()
    counts = run_kind(given_.kind, examples=given_.examples, number=given_.seed)
    counts.faults = dict(list(counts.faults.items())[:SHOWN])
    sys.stdout.write(json.dumps(asdict(counts), indent=1) + "\n")
    return int(bool(counts.unforeseen or counts.hangs or counts.peak_mib > MOST_BYTES / 2**20))


if __name__ == "__main__":
    sys.exit(_main())
