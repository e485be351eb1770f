"""What Ctrl-C leaves behind, verb by verb: each says what is true of it, and how it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestration.cli.output import EXIT_INTERRUPTED, echo_err

UNCHANGED: Final = "Nothing was changed."
_AGAIN: Final = "run the same command again"
_FILE: Final = f"Nothing was recorded. An output file may be incomplete; {_AGAIN} to write it."
_MAYBE: Final = f"The request may not have been written; {_AGAIN}."
_FROM_START: Final = f"{_AGAIN} to start from the beginning"

LEFT: Final[Mapping[str, str]] = {
    "new": _FILE,
    "plan": "Nothing was started or recorded.",
    "run": f"What is recorded is kept; {_AGAIN} to continue.",
    "screen": f"The results of a screening are written at its end, so none is kept; {_FROM_START}.",
    "pause": _MAYBE,
    "resume": _MAYBE,
    "stop": _MAYBE,
    "sweeps": UNCHANGED,
    "status": UNCHANGED,
    "watch": "The sweep itself is not affected.",
    "table": _FILE,
    "report": _FILE,
    "figure": _FILE,
    "claims": UNCHANGED,
    "ui": "What is recorded is not affected.",
    "evaluate": f"Results are complete only at the end, so none is kept; {_FROM_START}. Generated images stay in the cache.",
    "export": _FILE,
    "import": f"Networks that were recorded are kept; {_AGAIN} to record the others.",
    "data list": UNCHANGED,
    "data fetch": f"What is complete is kept; {_AGAIN} to continue.",
    "data verify": UNCHANGED,
    "data generate": f"Complete sets are kept; {_AGAIN} to continue.",
    "data match": UNCHANGED,
    "data baselines": f"A baseline is written at the end, so nothing of it is kept; {_FROM_START}.",
    "data sheets": _FILE,
    "mixing-set list": UNCHANGED,
    "mixing-set generate": f"Generated images are kept; {_AGAIN} to continue.",
    "mixing-set preview": f"Generated images are kept; {_AGAIN} to write the sheet.",
    "submit": f"The job may have started; {_AGAIN} to follow it, or add --stop to stop it.",
    "cluster check": UNCHANGED,
    "cluster up": f"Nodes may run already and cost money; {_AGAIN}, or stop them with `cluster down`.",
    "cluster down": f"Nodes may still run and cost money; {_AGAIN}.",
    "cells show": UNCHANGED,
    "cells list": UNCHANGED,
    "cells logs": UNCHANGED,
    "cells invalidate": f"Some of the cells may be forgotten already; {_AGAIN} to forget the others.",
    "cells gc": f"What was deleted stays deleted; {_AGAIN} to see what is left.",
    "cells adopt": f"The checkpoint may not be adopted yet; {_AGAIN}.",
    "cells register": f"The model may not be registered yet; {_AGAIN}.",
    "sync": f"Results are not affected, but MLflow may be incomplete; {_AGAIN} to complete it.",
    "schema": UNCHANGED,
    "doctor": UNCHANGED,
}
"""Verb, with its group -> what an interrupted one leaves behind."""


def interrupted(verb: str = "") -> int:
    """Say what an interrupted verb leaves behind; return its exit code.

    Args:
        verb: The verb with its group, or "" where none had begun.
    """
    echo_err(f"Interrupted. {LEFT[verb] if verb else UNCHANGED}")
    return EXIT_INTERRUPTED
