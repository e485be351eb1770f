"""Identities: what a resolved cell is, and the key of the weights that it leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from augment.files.published import Identified, as_planned
from eval.benchmarks.contract import BenchmarkRequest
from eval.tables.column import Column
from orchestration.cells.catalogue import Catalogue
from orchestration.cells.cell import Cell
from orchestration.cells.keys import digest_of_plain, imported_key, plain, report_key
from orchestration.errors import Mistake
from trainers.config import JobConfig
from trainers.datasets.user_folder import key_name

KEY_FORMAT = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedCell:
    """A cell with its configuration and identity, before the store is asked.

    Attributes:
        sources: What identifies the code of the plug-ins that it uses.
        files: What identifies the files that it is trained on, for workers to compare with theirs.
        own_files: Those of them that bear a published name and are not shown to be the published ones -> why.
        wanted_values: (column, benchmark key) of the values that its sweep's table shows of it.
    """

    cell: Cell
    config: JobConfig
    train_key: str
    dataset_identity: str
    benchmarks: tuple[BenchmarkRequest, ...]
    parents: tuple[ResolvedCell, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own_files: Mapping[str, str] = field(default_factory=dict)
    wanted_values: tuple[tuple[Column, str], ...] = ()

    @property
    def cell_id(self) -> str:
        """The first 12 hexadecimal digits of the train key."""
        return self.train_key[:12]


@dataclass(slots=True)
class Resolver:
    """Resolves the points of one sweep; remembers what many points share.

    Args:
        catalogue: What points may name.
    """

    catalogue: Catalogue
    mistakes: list[Mistake] = field(default_factory=list)
    _memory: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def remember(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return what was made for a key before, or make it."""
        if key not in self._memory:
            self._memory[key] = make()
        return self._memory[key]  # type: ignore[no-any-return]


def identity_of(
    config: JobConfig,
    dataset_identity: str,
    semantics: Mapping[str, Any],
    mixing_identity: Mapping[str, Any] | None,
    outlier_identity: str | None,
) -> dict[str, Any]:
    """Return what a train key is a hash of, as plain values.

    Args:
        config: The resolved configuration; the keys of its parents stand in it.
        dataset_identity: Declared checksum of the dataset.
        semantics: Versions of method parts, model and loop.
        mixing_identity: Identity of the mixing set: semantics of its generator, or hash of its files.
        outlier_identity: Declared checksum or name of the outlier stream.
    """
    made: dict[str, Any] = plain(config)
    made["dataset"] = key_name(config.dataset)
    made["outliers"] = None if config.outliers is None else key_name(config.outliers)
    if config.released is None:
        del made["released"]  # cells that are trained keep the keys that they had before networks could be released
    if config.normalize is None:
        del made["normalize"]  # and released ones those that they had before a row could say another normalisation
    identity: dict[str, Any] = plain(
        {
            "format": KEY_FORMAT,
            "config": made,
            "dataset": dataset_identity,
            "semantics": semantics,
            "mixing_set": mixing_identity,
            "outliers": outlier_identity,
        }
    )
    return identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A point without its seed: what all seeds of it share."""

    cell: Cell
    config: JobConfig
    dataset_identity: str
    identity: Mapping[str, Any]
    benchmarks: tuple[BenchmarkRequest, ...]
    parent: Template | None
    visualised: ResolvedCell | None
    sources: Mapping[str, str]
    files: Mapping[str, Identified]
    wanted_values: tuple[tuple[Column, str], ...]

    def with_seed(self, resolver: Resolver, seed: int) -> ResolvedCell:
        """Return the resolved cell of a seed; a parent has its seed; what is released or imported is the same for all."""
        if self.cell.imported is not None:
            return self._imported(self.cell.imported)
        seed = 0 if self.config.released is not None else seed
        parent = self.parent.with_seed(resolver, seed) if self.parent is not None else None
        parent_key = parent.train_key if parent else None
        config = replace(self.config, seed=seed, init_from=parent_key)
        seeded = {**self.identity["config"], "seed": seed, "init_from": parent_key}
        return ResolvedCell(
            cell=replace(self.cell, seed=seed, init_from=parent.cell if parent else None),
            config=config,
            train_key=digest_of_plain({**self.identity, "config": seeded}),
            dataset_identity=self.dataset_identity,
            benchmarks=self.benchmarks,
            sources=self.sources,
            files={name: as_planned(found) for name, found in self.files.items()},
            own_files={name: found.reason for name, found in self.files.items() if found.is_own},
            wanted_values=self.wanted_values,
            parents=tuple(cell for cell in (self.visualised, parent) if cell is not None),
        )

    def _imported(self, name: str) -> ResolvedCell:
        """Return the cell of another suite's results, the same for all seeds: its name and dataset are its key."""
        key = imported_key(name, self.config.dataset)
        return ResolvedCell(
            cell=self.cell,
            config=self.config,
            train_key=key,
            dataset_identity=self.dataset_identity,
            benchmarks=tuple(replace(each, key=report_key(key, each.name)) for each in self.benchmarks),
            sources=self.sources,
            wanted_values=tuple((column, report_key(key, column.benchmark)) for column, _ in self.wanted_values),
        )
