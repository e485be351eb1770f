"""What a suite's file holds, and what a suite must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from eval.report import BenchmarkOutcome
from eval.tables.column import Column

Outcomes = Mapping[str, BenchmarkOutcome]
"""Benchmark -> outcome, all of one checkpoint."""
Unit = Literal["percent", "fraction"]
"""How rates are written in a file: 0 to 100, or 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is said of the checkpoint in an export."""

    name: str
    dataset: str
    architecture: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number in a file that has a column here, in the unit of the file.

    Attributes:
        column: The column here that is nearest in meaning.
        metric: Its name there, without the set that it is of: what one unit holds for.
        original: Its whole name there ("svhn AUROC").
        spread: The deviation that the file gives beside it, or None.
        is_percent: Whether a sign beside it says that it is in percent, whatever the unit of the file.
        is_complement: Whether ours is one minus theirs (accuracy and error).
        is_partial: Whether its name says that it is of a part of the images.
        higher_is_better: Direction of the number in the file.
    """

    column: Column
    metric: str
    original: str
    value: float
    spread: float | None = None
    is_percent: bool = False
    is_complement: bool = False
    is_partial: bool = False
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something in a file that is not brought in, and why."""

    original: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNetwork:
    """What a file says of one network.

    Attributes:
        name: How the file calls it, or "" where it does not.
        dataset: What the file says that it was trained on, or "".
        architecture: Which network the file says that it is, or "".
        numbers: The numbers that have a column here.
        left_out: Everything else that could be taken for a result.
    """

    name: str = ""
    dataset: str = ""
    architecture: str = ""
    numbers: tuple[Number, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One number from another suite, as it is kept here.

    Attributes:
        column: The column here that is nearest in meaning.
        value: In our unit.
        spread: The deviation beside it in our unit, or None.
        is_partial: Whether it is of a part of the images.
    """

    column: Column
    value: float
    original: str
    spread: float | None = None
    is_partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network of a file, its numbers in our units."""

    name: str
    dataset: str
    architecture: str
    numbers: tuple[Imported, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Another suite.

    Attributes:
        differs: Where its definitions differ from ours, for the note below a table.
        write: Results of a checkpoint -> the text of a file; what was not measured is left out (or empty).
        read: The text of a file -> what it says, network by network. Raises EvalError if it is no such file.
    """

    name: str
    title: str
    unit: Unit
    differs: str
    write: Callable[[Outcomes, About], str]
    read: Callable[[str], list[FileNetwork]]
