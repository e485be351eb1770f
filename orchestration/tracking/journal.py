"""What a writer must be given when it starts anew: little more than its driver's last words, since the store has the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Message = Mapping[str, Any]
_LASTING: Final = ("grid", "ended")


class Journal:
    """Gathers the messages of a run, and forgets those that newer ones, or the store, stand for."""

    def __init__(self) -> None:
        self._sweep: dict[str, Any] | None = None
        self._recorded: dict[str, None] = {}
        self._states: dict[str, Message] = {}
        self._refused: list[Message] = []
        self._epochs: dict[str, list[Message]] = {}
        self._last: dict[str, Message] = {}

    def note(self, message: Message) -> None:
        """Note a message that was sent, or is about to be."""
        kind, key = message["type"], message.get("key", "")
        if kind == "sweep":
            self._sweep = dict(message)
        elif kind == "recorded":
            self._recorded[key] = None
            self._epochs.pop(key, None)  # the store has them now
        elif kind == "state":
            self._states[key] = message
        elif kind == "refused":
            self._refused.append(message)
        elif kind == "epoch":
            self._epochs.setdefault(key, []).append(message)
        elif kind in _LASTING:
            self._last[kind] = message

    def replay(self) -> list[Message]:
        """Return messages after which a new writer knows what the one before it was told; writing twice changes nothing."""
        if self._sweep is None:
            return []
        recorded = list(dict.fromkeys([*self._sweep["recorded"], *self._recorded]))
        epochs = [message for messages in self._epochs.values() for message in messages]
        sweep = {**self._sweep, "recorded": recorded}
        return [sweep, *self._states.values(), *epochs, *self._refused, *self._last.values()]
