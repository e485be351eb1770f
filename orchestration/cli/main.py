"""The entry point: reads the command line, runs a verb, and turns every error into a message and an exit code."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer

from augment.errors import AugmentError
from clusters.errors import ClusterError, ControlLost
from clusters.storage.patient import expect_mistakes, reported_to
from clusters.temporary.own import log_file
from eval.errors import EvalError
from orchestration.cli.given_options import GivenOptions
from orchestration.cli.interrupts import interrupted
from orchestration.cli.output import (
    EXIT_BAD_INPUT,
    EXIT_CELLS_FAILED,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    PASSING_LINE,
    echo,
    echo_err,
)
from orchestration.cli.parsing import usage_text
from orchestration.cli.restart import leave, may_restart, restart
from orchestration.cli.verb_list import VERBS, VerbGroup
from orchestration.cli.weight_options import join_normalize
from orchestration.errors import PROGRAM, EnvironmentRefused, InputError, Mistake, SweepError, given_by
from trainers.errors import DataError, TrainingError

COMPLETION: Final = f"_{PROGRAM.upper()}_COMPLETE"
"""Variable by which a shell asks what may follow, as Typer names it."""

_HELP: Final = ("-h", "--help")
_LONGEST_LINE: Final = 1_500
"""Letters of a line of an error that people are shown."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: done; 1: some cells failed, or the run was stopped; 2: bad input; 3: the environment refused; 130: interrupted by Ctrl-C.

    Args:
        arguments: What follows the program's name; None for those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # their search costs a tenth of a small verb's time
    expect_mistakes()
    with given_by(GivenOptions(join_normalize(given), build_app)), reported_to(echo_err):
        return _run(given, is_whole_process=arguments is None)


def _run(given: list[str], *, is_whole_process: bool) -> int:
    try:
        _refuse_undecodable(given)
        _show_loading(given)
        app = _completing_app() if COMPLETION in os.environ else build_app(next(iter(given), None))
        outcome = app(args=join_normalize(given), prog_name=PROGRAM, standalone_mode=False)
        return outcome if isinstance(outcome, int) else EXIT_DONE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED if COMPLETION in os.environ else interrupted()
    except BrokenPipeError:
        _silence_stdout()
        return EXIT_DONE
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else EXIT_DONE
    except ControlLost as error:
        return _lost(error, as_json="--json" in given, is_whole_process=is_whole_process)
    except Exception as error:
        return _failed(error, as_json="--json" in given)


def _show_loading(given: list[str]) -> None:
    """Show, for half a second of imports and more on a busy machine, that the command has begun."""
    verb = VERBS.get(next(iter(given), ""))
    if verb is not None and verb.is_slow and COMPLETION not in os.environ and not set(_HELP) & set(given):
        PASSING_LINE.show("loading ...")


def _refuse_undecodable(given: list[str]) -> None:
    """Refuse arguments in no encoding that can be recorded: a folder whose name is in Latin-1, say."""
    wrong = [each for each in given if any("\ud800" <= letter <= "\udfff" for letter in each)]
    if wrong:
        text = f"must be UTF-8, but is {wrong[0]!a}; rename the file, or use a link to it"
        raise InputError("arguments", [Mistake(where="", text=text)])


def _lost(error: ControlLost, *, as_json: bool, is_whole_process: bool) -> int:
    """Say what died and how it goes on: by itself where the Ray was ours, or by the same command."""
    if is_whole_process and may_restart(error):
        echo_err(f"{PROGRAM}: {error}; Ray is started again, once, and the command goes on")
        restart()
    text = (
        f"{error}; {'start that cluster again, then ' * (not error.is_private)}run the same command again to continue"
    )
    echo_err(f"{PROGRAM}: {text}")
    if as_json:
        echo(json.dumps({"error": text}, indent=2))
    code = EXIT_REFUSED
    if error.is_ending:
        code = EXIT_INTERRUPTED if error.is_ctrl_c else EXIT_CELLS_FAILED
    if is_whole_process:
        leave(code)
    return code


def _completing_app() -> typer.Typer:
    from orchestration.cli.completion import completion_app  # reads YAML, which the help does without

    return completion_app()


def build_app(verb: str | None = None) -> typer.Typer:
    """Return the command line.

    Args:
        verb: The verb that will run, whose file is imported; None, or a verb that there is not, for the list of verbs.
    """
    app = typer.Typer(
        name=PROGRAM,
        cls=VerbGroup,
        help="Published ablation tables of image classifiers' safety, computed incrementally on a laptop or a cluster.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": [*_HELP]},
        callback=_root,
    )
    found = VERBS.get(verb or "")
    if found is not None:
        importlib.import_module(f"orchestration.cli.verbs.{found.file}").register(app)
        return app
    for name, listed in VERBS.items():
        app.command(name, help=listed.text)(lambda: None)
    return app


def _print_version(is_asked: bool) -> None:
    if is_asked:
        echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


def _root(
    is_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Without a callback, Typer takes the only verb of an app for the app itself."""


def _failed(error: Exception, *, as_json: bool) -> int:
    code, document = _explain(error)
    text = "\n".join(map(_shortened, str(document["error"]).splitlines()))
    echo_err(text if text.startswith("Usage:") else f"{PROGRAM}: {text}")
    if as_json:
        echo(json.dumps(document, indent=2))
    return code


def _shortened(line: str) -> str:
    """Return a line of a message that may show a whole value of thousands of letters, with its middle left out."""
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE // 2]} ... {line[-_LONGEST_LINE // 2 :]}"


def _explain(error: Exception) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the message of an error; an unforeseen one goes to a log file, not to the user."""
    usage = usage_text(error)
    if usage is not None:
        return EXIT_BAD_INPUT, {"error": usage}
    if isinstance(error, InputError):
        mistakes = [{"where": each.where, "line": each.line, "text": each.text} for each in error.mistakes]
        return EXIT_BAD_INPUT, {"error": str(error), "mistakes": mistakes}
    is_full = getattr(error, "error_class", "") == "no-space"
    if is_full or isinstance(error, EnvironmentRefused | ClusterError | DataError | OSError):
        return EXIT_REFUSED, {"error": str(error)}
    if isinstance(error, SweepError | TrainingError | AugmentError | EvalError):
        return EXIT_BAD_INPUT, {"error": str(error)}
    path = _log_unforeseen(error)
    text = f"unforeseen {type(error).__name__}: {error}; the details are in {path}: please report them"
    return EXIT_CELLS_FAILED, {"error": text, "log": path}


def _log_unforeseen(error: Exception) -> str:
    try:
        path = log_file("error")
        with path.open("a", encoding="utf-8") as file:
            file.writelines(traceback.format_exception(error))
    except (ClusterError, OSError):  # the disk may be full, which may be how it came to this
        echo_err("".join(traceback.format_exception(error)))
        return "stderr"
    return str(path)


def _silence_stdout() -> None:
    """A reader such as `head` closed the pipe: keep the interpreter from complaining when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
