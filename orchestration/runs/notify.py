"""Notifications: one small JSON document to a webhook when a run ends. The address is a secret and never appears in messages."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from orchestration.errors import InputError, Mistake

WEBHOOK_VARIABLE: Final = "DREAMGRID_WEBHOOK"
TIMEOUT_S: Final = 10.0
SHOWN_FAILURES: Final = 5


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where notifications go; its address is shown to nobody."""

    url: str

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:  # of "http://[", say
            is_web = False
        if not is_web:
            text = "the address of a webhook must begin with http:// or https:// and name a host"
            raise InputError("options", [Mistake(where="--notify", text=text)])

    def __repr__(self) -> str:
        return "Webhook(...)"


def webhook_of(given: str | None, environment: Mapping[str, str] | None = None) -> Webhook | None:
    """Return the webhook that the option or else the environment names, or None.

    Raises:
        InputError: If it is no http(s) address; the message does not repeat it.
    """
    url = given or (os.environ if environment is None else environment).get(WEBHOOK_VARIABLE)
    return Webhook(url) if url else None


def message_of(
    sweep: str,
    status: str,
    *,
    computed: int = 0,
    failed: Mapping[str, str] | None = None,
    wall_s: float = 0.0,
    reason: str = "",
) -> dict[str, Any]:
    """Return the document of a notification: "text" for chats, and the same as fields for programs.

    Args:
        status: "complete", "failed", "stopped", "interrupted", or "refused" where the run could not start.
        failed: Cell id -> reason.
    """
    failures = dict(list((failed or {}).items())[:SHOWN_FAILURES])
    parts = [f"dreamgrid {sweep}: {status}", f"{computed} cells computed in {wall_s:.0f} s"]
    parts += [reason] if reason else []
    parts += [f"{len(failed or {})} failed: " + "; ".join(f"{key}: {why}" for key, why in failures.items())] * bool(
        failed
    )
    return {
        "text": ", ".join(parts),
        "sweep": sweep,
        "status": status,
        "computed": computed,
        "failed": failures,
        "wall_s": round(wall_s, 1),
        "reason": reason,
    }


def notify(webhook: Webhook, message: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> str | None:
    """Send a message; return None, or what went wrong in words that do not contain the address. Never raises."""
    body = json.dumps(dict(message)).encode()
    request = urllib.request.Request(
        webhook.url, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):
            return None
    except urllib.error.HTTPError as error:
        return f"the webhook refused the notification with HTTP status {error.code}"
    except Exception as error:  # a notification must not change the outcome of a run
        return f"the notification could not be sent ({type(error).__name__})"
