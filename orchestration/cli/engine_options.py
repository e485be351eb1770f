"""The options of `run` and `submit` that say where and how cells run, and whether seeds are added."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from augment.lookup.parameters import nearest
from clusters.errors import ClusterError
from clusters.growth import NodeGroup, groups_of_file, growth_here, parse_group
from orchestration.cli.options import RayAddress
from orchestration.engine.options import ENGINES
from orchestration.errors import InputError, Mistake, read_all
from orchestration.runs.until_decided import DecidingOptions


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where and how cells run."""

    address: RayAddress = None
    max_concurrent: Annotated[
        int | None, typer.Option("--max-concurrent", max=1_000_000, help="Maximum number of cells at once.")
    ] = None
    cpus_per_worker: Annotated[
        float | None, typer.Option("--cpus-per-worker", help="CPUs per worker [a node's CPUs / its GPUs; 1 on CPUs].")
    ] = None
    gpus_per_worker: Annotated[
        float | None,
        typer.Option("--gpus-per-worker", help="GPUs per worker; 0 for CPUs only [1 where there are any]."),
    ] = None
    share_gpus: Annotated[
        bool | None,
        typer.Option(
            "--share-gpus/--own-gpus",
            help="Run several cells on a GPU, by measured memory; without NVIDIA's MPS they take turns. Default: one per GPU.",
        ),
    ] = None
    accelerator: Annotated[
        str, typer.Option("--accelerator", help="Required kind of GPU, as Ray names it: L4, A100.")
    ] = ""
    min_workers: Annotated[
        int | None,
        typer.Option(
            "--min-workers", help="Elastic: run a cell with at least this many workers if all of them do not fit."
        ),
    ] = None
    cluster_file: Annotated[
        Path | None, typer.Option("--cluster-file", help="Cluster file, which defines how far the cluster grows.")
    ] = None
    grow_to: Annotated[
        list[str] | None,
        typer.Option(
            "--grow-to", metavar="GROUP", help="Nodes that start on demand: gpu-spot=8:cpu=16,gpu=1. Repeatable."
        ),
    ] = None
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast/--keep-going", help="Stop the run at the first failed cell.")
    ] = False
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            metavar="ENGINE",
            help="warm: groups of workers take cell after cell; plain: one Ray Train run per cell, for debugging and for "
            "releases of Ray that were not tried.",
        ),
    ] = "warm"
    cold: Annotated[bool, typer.Option("--cold", help="Start a new group of workers for every cell.")] = False

    def given(self) -> dict[str, Any]:
        """Return the fields of `orchestration.engine.options.RunOptions` that the options set.

        Raises:
            InputError: With every mistake of the engine, and of the options that say how far the cluster grows.
        """
        growth, engine = read_all(
            lambda: growth_of(self.address, self.cluster_file, self.grow_to or ()), lambda: engine_of(self.engine)
        )
        found = {
            "address": self.address,
            "max_concurrent": self.max_concurrent,
            "cpus_per_worker": self.cpus_per_worker,
            "gpus_per_worker": self.gpus_per_worker,
            "share_gpus": self.share_gpus,
            "min_workers": self.min_workers,
            "accelerator": self.accelerator or None,
            "growth": growth or None,
            "fail_fast": self.fail_fast or None,
            "engine": engine,
            "mode": "cold" if self.cold else None,
        }
        return {name: value for name, value in found.items() if value is not None}

    def check(self) -> None:
        """Check the values of the options.

        Raises:
            InputError: With every mistake of them.
        """
        read_all(lambda: named_groups(self.grow_to or ()), lambda: engine_of(self.engine))

    def check_files(self) -> None:
        """Check the cluster file.

        Raises:
            InputError: If it cannot be read or contains mistakes.
        """
        if self.cluster_file is not None:
            groups_there(self.address, self.cluster_file)


@dataclass(frozen=True, kw_only=True)
class UntilDecidedOptions:
    """Whether and how far seeds are added."""

    until_decided: Annotated[
        bool,
        typer.Option("--until-decided", help="Add seeds while a verdict is undecided, tested at a corrected level."),
    ] = False
    max_seeds: Annotated[
        int, typer.Option("--max-seeds", help="With --until-decided: maximum number of seeds per row.")
    ] = 10
    looks: Annotated[
        int, typer.Option("--looks", help="With --until-decided: planned looks; they share the level of 0.05.")
    ] = 5
    budget_hours: Annotated[
        float | None,
        typer.Option("--budget-hours", help="With --until-decided: limit on device-hours for added seeds."),
    ] = None

    def given(self) -> DecidingOptions | None:
        """Return how far seeds are added, or None where none are.

        Raises:
            InputError: With every limit that is out of range.
        """
        if not self.until_decided:
            return None
        return DecidingOptions(max_seeds=self.max_seeds, looks=self.looks, budget_hours=self.budget_hours)

    def check(self) -> None:
        """Check the values of the options.

        Raises:
            InputError: With every mistake of them.
        """
        self.given()


def engine_of(text: str) -> str:
    """Return an engine by its name.

    Raises:
        InputError: If there is no such engine.
    """
    if text not in ENGINES:
        mistake = Mistake(where=f"--engine {text}", text=f"unknown engine '{text}'{nearest(text, ENGINES)}")
        raise InputError("options", [mistake])
    return text


def growth_of(address: str | None, cluster_file: Path | None, grow_to: Sequence[str]) -> tuple[NodeGroup, ...]:
    """Return the node groups that a cluster starts on demand.

    Args:
        cluster_file: Its launcher file or KubeRay manifest; by default, on a head node, the file it was started from.
        grow_to: Groups as options name them; added to those of a given file, in place of those of the same name.

    Raises:
        InputError: With the mistakes of both.
    """
    of_file, named = read_all(
        lambda: groups_there(address, cluster_file) if cluster_file is not None or not grow_to else (),
        lambda: named_groups(grow_to),
    )
    return tuple({group.name: group for group in (*of_file, *named)}.values())


def groups_there(address: str | None, cluster_file: Path | None) -> tuple[NodeGroup, ...]:
    """Return the node groups of a cluster file, or of the one that a cluster here was started from.

    Raises:
        InputError: If it cannot be read or contains mistakes.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        if cluster_file is not None:
            return tuple(groups_of_file(cluster_file))
        return tuple(growth_here(address)) if address else ()
    except ClusterError as error:
        raise InputError("cluster options", [Mistake(where="--cluster-file", text=str(error))]) from error


def named_groups(grow_to: Sequence[str]) -> tuple[NodeGroup, ...]:
    """Return node groups as options name them.

    Raises:
        InputError: With the mistakes of all of them.
    """
    return read_all(*(partial(_named_group, text) for text in grow_to))


def _named_group(text: str) -> NodeGroup:
    try:
        return parse_group(text)
    except ClusterError as error:
        raise InputError("cluster options", [Mistake(where="--grow-to", text=str(error))]) from error
