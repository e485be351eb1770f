"""What an error of MLflow means for people: which store refused, whether it passes, and the fix."""

from __future__ import annotations

from typing import Final

from augment.lookup.parameters import first_line
from orchestration.tracking.addresses import is_databricks, sqlite_file
from orchestration.tracking.contract import EndlessAnswer, TrackingError
from orchestration.tracking.secrets import scrubbed
from orchestration.tracking.server.deadline import Overdue

_PASSING: Final = ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED")
_OUTDATED: Final = "out-of-date database schema"
_DAMAGED: Final = (
    "malformed",
    "not a database",
    "no such table",
    "no such column",
    "already exists",
    "duplicate column",
    "can't locate revision",
    _OUTDATED,
)
"""Words of SQLite, of its migrations and of MLflow about a file that no waiting mends."""


def explained_endless(error: Overdue, uri: str, *, is_last: bool = False) -> TrackingError:
    """Return an answer without end as an error.

    Args:
        is_last: Whether so many answers of this process had none that it should end.
    """
    text = f"the tracking server '{scrubbed(uri)}' does not end its answers: {error}"
    text += "; mend it, then `sync` writes what is missing"
    return EndlessAnswer(text) if error.is_flood or is_last else TrackingError(text, passing=True)


def explained(error: Exception, uri: str) -> TrackingError:
    """Return an error of MLflow as one that says what happened, whether it passes, and what to do."""
    code = getattr(error, "error_code", "")
    status = getattr(error, "get_http_status_code", lambda: 0)()
    text = scrubbed(first_line(error)[:300] or type(error).__name__)
    if isinstance(error, ModuleNotFoundError):
        way = "install the extra `server`: pip install 'dreamgrid[server]'"
        return TrackingError(f"the tracking address '{scrubbed(uri)}' needs a driver ({error}); {way}", passing=False)
    away = (
        not hasattr(error, "error_code")
        or code in _PASSING
        or status >= 500
        or "Max retries" in text
        or "locked" in text
    )
    where = scrubbed(uri)
    if sqlite_file(uri) is not None and away:
        return _explain_file(text, where)
    if _OUTDATED in text:
        way = "its owner upgrades it, after a backup, with `mlflow db upgrade`"
        return TrackingError(
            f"the tracking server '{where}' has a database of another MLflow: {text}; {way}", passing=False
        )
    if away:
        return TrackingError(
            f"the tracking server '{where}' does not answer: {text}; `sync` replays what it missed", passing=True
        )
    if is_databricks(uri) and code == "RESOURCE_DOES_NOT_EXIST":
        way = "name a folder that exists in the workspace with --experiment-prefix"
        return TrackingError(f"Databricks cannot create the experiment: {text}; {way}", passing=False)
    if status in {401, 403} or "PERMISSION_DENIED" in code:
        way = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        return TrackingError(f"the tracking server '{where}' refuses this user: {text}; {way}", passing=False)
    return TrackingError(f"the tracking server '{where}' refuses: {text}", passing=False)


def _explain_file(text: str, where: str) -> TrackingError:
    """Explain why a file is refused: nothing behind it could be away."""
    lowered = text.lower()
    if any(words in lowered for words in _DAMAGED):
        fix = "`sync` moves it aside and makes it again from the results"
        return TrackingError(f"the MLflow database '{where}' is damaged: {text}; {fix}", passing=False, damage=text)
    if "disk is full" in lowered or "no space left" in lowered:
        fix = "free some, then `sync` writes what is missing"
        return TrackingError(f"no space is left for the MLflow database '{where}': {text}; {fix}", passing=True)
    if "readonly" in lowered or "unable to open" in lowered:
        fix = "give this user the right to write it, or name another with --tracking-uri"
        return TrackingError(f"the MLflow database '{where}' cannot be written: {text}; {fix}", passing=False)
    fix = "another program has it; `sync` writes what is missing" if "locked" in lowered else "`sync` tries again"
    return TrackingError(f"the MLflow database '{where}' could not be used: {text}; {fix}", passing=True)
