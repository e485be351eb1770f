"""What a resolved cell is: its configuration, and the key of the weights that it leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from augment.lookup.key_spellings import MIXING_SET, RECIPE, in_keys
from eval.benchmarks.contract import BenchmarkRequest
from eval.tables.column import Column
from orchestration.cells.cell import Cell
from orchestration.cells.keys import digest_of_plain, plain
from trainers.config import JobConfig
from trainers.datasets.user_folder import key_name

KEY_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedCell:
    """A cell with its configuration and identity, before the store is asked.

    Attributes:
        train_key: Hash of everything that can change its weights.
        wanted_values: (column, benchmark key) of the values that its sweep's table shows of it.
        parent: The cell whose weights it starts from.
        visualised: The cell whose network its mixing set shows.
        sources: What identifies the code of the plug-ins that it uses.
        files: What identifies the files that it is trained on, for workers to compare with theirs.
        own_files: Those of them that bear a published name and are not shown to be the published ones -> why.
        identity: What the train key is a hash of, seed and parent's key left out; empty for an imported cell.
    """

    cell: Cell
    config: JobConfig
    train_key: str
    dataset_identity: str
    benchmarks: tuple[BenchmarkRequest, ...]
    wanted_values: tuple[tuple[Column, str], ...] = ()
    parent: ResolvedCell | None = None
    visualised: ResolvedCell | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own_files: Mapping[str, str] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def cell_id(self) -> str:
        """The first 12 hexadecimal digits of the train key."""
        return self.train_key[:12]

    @property
    def parents(self) -> tuple[ResolvedCell, ...]:
        """The cells that must be trained before this one."""
        return tuple(cell for cell in (self.visualised, self.parent) if cell is not None)

    @property
    def ancestors(self) -> tuple[ResolvedCell, ...]:
        """The cells that it builds on, directly or not, each once, those that must be trained first in front."""
        return tuple({cell.train_key: cell for cell in self._lineage()}.values())

    def _lineage(self) -> Iterator[ResolvedCell]:
        for parent in self.parents:
            yield from parent._lineage()
            yield parent

    def with_seed(self, seed: int) -> ResolvedCell:
        """Return the cell with a seed, which its parent gets too; what is released or imported is the same for all seeds."""
        if self.cell.imported is not None or self.config.released is not None:
            return self
        # `visualised` keeps seed 0, so that all seeds of a row are trained with one mixing set.
        parent = self.parent.with_seed(seed) if self.parent is not None else None
        config = replace(self.config, seed=seed, init_from=parent.train_key if parent else None)
        return replace(
            self,
            cell=replace(self.cell, seed=seed),
            config=config,
            train_key=train_key(self.identity, config),
            parent=parent,
        )


def train_key(identity: Mapping[str, Any], config: JobConfig) -> str:
    """Return the train key of a configuration whose identity was made for another seed or parent, in a tenth of the time."""
    seeded = {**identity["config"], "seed": config.seed, "init_from": config.init_from}
    return digest_of_plain({**identity, "config": seeded})


def identity_of(
    config: JobConfig,
    dataset_identity: str,
    semantics: Mapping[str, Any],
    mixing_identity: Mapping[str, Any] | None,
    outlier_identity: str | None,
) -> dict[str, Any]:
    """Return what a train key is a hash of, as plain values.

    Args:
        config: The resolved configuration; the keys of its parents are in it.
        semantics: Versions of method parts, model and loop.
        mixing_identity: Identity of the mixing set: semantics of its generator, or hash of its files.
        outlier_identity: Declared checksum or name of the outlier stream.
    """
    made: dict[str, Any] = plain(config)
    # Without paths of folders, whose content is hashed next to the name: a moved folder keeps its cells.
    made["dataset"] = key_name(config.dataset)
    made["outliers"] = None if config.outliers is None else key_name(config.outliers)
    # Old spellings, so that cells recorded before a parameter was renamed or added are found.
    made["recipe"] = in_keys(RECIPE, made["recipe"])
    made["method_params"] = _params_in_keys(config.method, made["method_params"])
    if config.mixing_set is not None:
        params = in_keys(config.mixing_set.name, made["mixing_set"]["params"])
        made["mixing_set"] = in_keys(MIXING_SET, {**made["mixing_set"], "params": params})
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


def _params_in_keys(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyper-parameters as keys spell them; those of a compound are nested by part."""
    by_part = {part: in_keys(part, own) for part, own in params.items() if isinstance(own, Mapping)}
    return by_part or in_keys(method, params)
