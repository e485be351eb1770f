"""The verbs: the file of each, its line of the help, its group and an example. Importing this imports no verb."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from typer.core import TyperGroup


class Verb(NamedTuple):
    """A verb of the command line.

    Attributes:
        file: Module in `orchestration.cli.verbs`.
        text: Its line of the help.
        group: Heading of the help that it is listed under.
        example: What follows the program's name in a command that works.
        is_slow: Whether its modules are so many that a terminal shows meanwhile that they are loaded.
    """

    file: str
    text: str
    group: str
    example: str
    is_slow: bool = False


_RUN: Final = "Run"
_LOOK: Final = "Look"
_EVALUATE: Final = "Evaluate"
_DATA: Final = "Data"
_CLUSTER: Final = "Cluster"
_KEEP: Final = "Housekeeping"

VERBS: Final[Mapping[str, Verb]] = {
    "new": Verb("sweeps", "Write a commented sweep file to start from.", _RUN, "new my-sweep.yaml"),
    "plan": Verb("plan", "Show what a sweep would run, and what it would cost.", _RUN, "plan table-10 --machine l4"),
    "run": Verb("run", "Run the missing cells of a sweep and print its table.", _RUN, "run demo", True),
    "screen": Verb("screen", "Train cells with early stopping on held-out images.", _RUN, "screen demo --smoke", True),
    "pause": Verb("status", "Ask the drivers of a sweep to start no more cells.", _RUN, "pause demo"),
    "resume": Verb("status", "Undo `pause` or `stop`.", _RUN, "resume demo"),
    "stop": Verb("status", "Ask the drivers of a sweep to write checkpoints and exit.", _RUN, "stop demo"),
    "sweeps": Verb("sweeps", "List the built-in sweeps with their data and costs.", _LOOK, "sweeps --machine l4"),
    "status": Verb("status", "Show the state of every cell of a sweep, wherever it runs.", _LOOK, "status demo"),
    "watch": Verb("status", "Follow a sweep on one screen: cells, rates, load, cost.", _LOOK, "watch demo"),
    "table": Verb("table", "Print the table of a sweep from the recorded results.", _LOOK, "table demo --compare"),
    "report": Verb("report", "Write an HTML report of a sweep that opens offline.", _LOOK, "report demo -o demo.html"),
    "figure": Verb(
        "report", "Write one figure of a sweep as PDF, PNG or SVG.", _LOOK, "figure demo --kind radar -o radar.pdf"
    ),
    "claims": Verb("claims", "Test the claims of the papers on recorded results.", _LOOK, "claims table-3 --details"),
    "ui": Verb("environment", "Open the grids of a storage, and MLflow behind them.", _LOOK, "ui --port 5000"),
    "evaluate": Verb(
        "evaluate",
        "Run the safety suite on any checkpoint.",
        _EVALUATE,
        "evaluate weights.pt --model wrn-40-4 --dataset cifar-10 --suite quick",
        True,
    ),
    "export": Verb(
        "exchange",
        "Write results in the file format of another suite.",
        _EVALUATE,
        "export 349a2a934f7e --format openood",
    ),
    "import": Verb(
        "exchange",
        "Import results from a file of another suite.",
        _EVALUATE,
        "import results.csv --format openood --name theirs --dataset cifar-10",
    ),
    "data": Verb(
        "data.datasets", "List, fetch, verify and generate datasets and benchmarks.", _DATA, "data fetch cifar-10"
    ),
    "mixing-set": Verb(
        "mixing_sets",
        "List, generate and preview mixing sets: the images that PixMix mixes in.",
        _DATA,
        "mixing-set preview fractals",
    ),
    "submit": Verb("cluster", "Run a sweep on a cluster as a Ray job.", _CLUSTER, "submit demo --working-dir ."),
    "cluster": Verb("cluster", "Check, start and stop clusters.", _CLUSTER, "cluster check cluster.yaml"),
    "cells": Verb("cells.show", "Inspect, invalidate, adopt or register single cells.", _KEEP, "cells list"),
    "sync": Verb("environment", "Rebuild MLflow from the results store.", _KEEP, "sync demo"),
    "schema": Verb("sweeps", "Print the JSON Schema of sweep files, for editors.", _KEEP, "schema"),
    "doctor": Verb("environment", "Check the installation, devices, storage and data.", _KEEP, "doctor"),
}
"""Verb -> what is known of it without its file, in the order of the help: only the file of the verb that runs is imported."""

SHOWN_EXAMPLES: Final[Mapping[str, str]] = {
    _RUN: "run",
    _LOOK: "table",
    _EVALUATE: "evaluate",
    _DATA: "data",
    _CLUSTER: "submit",
    _KEEP: "doctor",
}
"""Heading of the help -> the verb whose example stands below it."""


def grouped() -> Iterator[tuple[str, dict[str, Verb]]]:
    """Yield the headings of the help, each with its verbs."""
    for heading in dict.fromkeys(verb.group for verb in VERBS.values()):
        yield heading, {name: verb for name, verb in VERBS.items() if verb.group == heading}


class VerbGroup(TyperGroup):
    """The command line whose help lists the verbs under their headings, with an example each."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of verbs to the help."""
        width = max(map(len, VERBS)) + 2
        for heading, verbs in grouped():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width - 2), verb.text) for name, verb in verbs.items()])
                formatter.write_text(f"Example: {ctx.info_name} {VERBS[SHOWN_EXAMPLES[heading]].example}")
