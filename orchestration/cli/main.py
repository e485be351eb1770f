"""The entry point: reads the command line, runs a verb, and turns every error into a message and an exit code."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from orchestration.cli.given_options import GivenOptions
from orchestration.cli.normalize_arguments import join_normalize
from orchestration.cli.output import EXIT_BAD_INPUT, EXIT_CELLS_FAILED, EXIT_DONE, EXIT_REFUSED, show, tell
from orchestration.errors import PROGRAM, given_by

if TYPE_CHECKING:
    import typer

VERBS: Final[Mapping[str, str]] = {
    "sweeps": "sweeps",
    "plan": "sweeps",
    "run": "run",
    "status": "status",
    "watch": "lifecycle",
    "pause": "lifecycle",
    "resume": "lifecycle",
    "stop": "lifecycle",
    "submit": "cluster",
    "cluster": "cluster",
    "table": "table",
    "report": "report",
    "claims": "claims",
    "screen": "screen",
    "cells": "cells.show",
    "data": "data.datasets",
    "mixing-set": "mixing_sets",
    "evaluate": "evaluate",
    "export": "exchange",
    "import": "exchange",
    "sync": "environment",
    "ui": "environment",
    "doctor": "environment",
}
"""The file of each verb, in the order of the help: only the one that runs is imported."""

_CTRL_C = 130
"""What the option parser makes of an interruption."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: done; 1: some cells failed, or the run was interrupted; 2: bad input; 3: the environment refused.

    Args:
        arguments: What follows the program's name; None for those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # their search costs a tenth of a small verb's time
    with given_by(GivenOptions(join_normalize(given), build_app)):
        return _run(given)


def _run(given: list[str]) -> int:
    try:
        _refuse_undecodable(given)
        outcome = build_app(next(iter(given), None))(
            args=join_normalize(given), prog_name=PROGRAM, standalone_mode=False
        )
        return _interrupted() if outcome == _CTRL_C else outcome if isinstance(outcome, int) else EXIT_DONE
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        _silence_stdout()
        return EXIT_DONE
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else EXIT_DONE
    except Exception as error:
        return _failed(error, as_json="--json" in given)


def _refuse_undecodable(given: list[str]) -> None:
    """Refuse arguments in no encoding that can be recorded: a folder whose name is in Latin-1, say."""
    from orchestration.errors import InputError, Mistake

    wrong = [each for each in given if any("\ud800" <= letter <= "\udfff" for letter in each)]
    if wrong:
        text = f"must be in UTF-8, but is {wrong[0]!a}; rename the file, or name it by a link"
        raise InputError("arguments", [Mistake(where="", text=text)])


def _interrupted() -> int:
    tell("Interrupted. What is recorded stays; the same command goes on where this one ended.")
    return EXIT_CELLS_FAILED


def build_app(verb: str | None = None) -> typer.Typer:
    """Return the command line.

    Args:
        verb: The verb that will run, so that only its file is imported; None for all of them.
    """
    import typer

    app = typer.Typer(
        name=PROGRAM,
        help="Published ablation tables of image classifiers' safety, computed incrementally on a laptop or a cluster.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        callback=_no_options_of_its_own,
    )
    wanted = VERBS.get(verb or "")
    for name in [wanted] if wanted else dict.fromkeys(VERBS.values()):
        importlib.import_module(f"orchestration.cli.verbs.{name}").register(app)
    return app


def _no_options_of_its_own() -> None:
    """Without it, Typer takes the only verb of an app for the app itself."""


def _failed(error: Exception, *, as_json: bool) -> int:
    code, document = _explain(error)
    text = str(document["error"])
    tell(text if text.startswith("Usage:") else f"{PROGRAM}: {text}")
    if as_json:
        show(json.dumps(document, indent=2))
    return code


def _explain(error: Exception) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the message of an error; what nobody foresaw goes to a log file, not to the user."""
    from augment.errors import AugmentError
    from clusters.errors import ClusterError
    from eval.errors import EvalError
    from orchestration.errors import EnvironmentRefused, InputError, SweepError
    from trainers.errors import DataError, TrainingError

    usage = _usage_text(error)
    if usage is not None:
        return EXIT_BAD_INPUT, {"error": usage}
    if isinstance(error, InputError):
        mistakes = [{"where": each.where, "line": each.line, "text": each.text} for each in error.mistakes]
        return EXIT_BAD_INPUT, {"error": str(error), "mistakes": mistakes}
    if isinstance(error, EnvironmentRefused | ClusterError | DataError | OSError):
        return EXIT_REFUSED, {"error": str(error)}
    if isinstance(error, SweepError | TrainingError | AugmentError | EvalError):
        return EXIT_BAD_INPUT, {"error": str(error)}
    path = _log_unforeseen(error)
    text = f"unforeseen {type(error).__name__}: {error}; the details are in {path}: please report them"
    return EXIT_CELLS_FAILED, {"error": text, "log": path}


def _usage_text(error: Exception) -> str | None:
    """Return what the option parser says against the arguments, or None for other errors."""
    say = getattr(error, "format_message", None)
    if say is None:
        return None
    text = str(say())
    return text if text.startswith("Usage:") else f"{text} (see `{PROGRAM} --help`)"


def _log_unforeseen(error: Exception) -> str:
    import tempfile
    import traceback

    handle, path = tempfile.mkstemp(prefix="dreamgrid-error-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(traceback.format_exception(error))
    return path


def _silence_stdout() -> None:
    """A reader such as `head` closed the pipe: keep the interpreter from complaining when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
