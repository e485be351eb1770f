"""Resolving one point of a sweep: its settings -> a cell with its configuration and key, or the mistakes in it.

There are three kinds of rows: networks that are trained here, released networks, and results of another suite.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from augment.files.published import Identified, as_planned
from augment.lookup.kinds import Versioned, versioned
from augment.method import Method
from eval.benchmarks.contract import BenchmarkRequest
from eval.tables.column import Column
from orchestration.cells.benchmark_requests import tested_on_its_training
from orchestration.cells.cell import Cell
from orchestration.cells.configuration import Configuration
from orchestration.cells.identity import ResolvedCell, identity_of, train_key
from orchestration.cells.keys import IMPORTED, imported_key, report_key
from orchestration.cells.point_settings import Resolver, attempt
from orchestration.sweeps.model import Point, Setting, Settings, Sweep
from trainers.config import JobConfig
from trainers.datasets.contract import DatasetSpec
from trainers.models.contract import ModelSpec
from trainers.models.released.registry import check_fits, checkpoint_for
from trainers.models.weights.normalisation import Channels, parse_normalisation
from trainers.recipes import resolve_recipe
from trainers.sources import code_sources

VISUALISED_METHOD: Final = "baseline"
OF_RELEASED: Final = ("released", "method", "dataset", "model", "recipe", "model_params", "normalize")
"""What a row of a released network can set; every row has a recipe, even if none is trained by it."""

Family = Mapping[str, Settings]
""""init_from", "visualise" -> settings of the cell that a row names, where it names one."""


def resolve_point(resolver: Resolver, point: Point, sweep: Sweep) -> ResolvedCell | None:
    """Return the cell of a point, or None where it has mistakes (they are added to the resolver's)."""
    # All seeds of a row share one settings object: the cell is made once, and each seed only changes its key.
    shape = ("shape", id(point.settings), id(point.parent), point.row)
    cell = resolver.remember(shape, lambda: _seedless(resolver, point, sweep))
    return None if cell is None else cell.with_seed(point.seed)


def _seedless(resolver: Resolver, point: Point, sweep: Sweep) -> ResolvedCell | None:
    named = {"init_from": point.parent, "visualise": point.visualised}
    family = {name: settings for name, settings in named.items() if settings is not None}
    return CellResolver(resolver, sweep, point.settings, point.row, point.origin).cell(point.shared, family)


@dataclass(slots=True)
class CellResolver(Configuration):
    """Resolves the settings of one point to a cell with seed 0."""

    def cell(self, shared: Settings, family: Family) -> ResolvedCell | None:
        """Return the cell of the settings, or None where they have mistakes.

        Args:
            shared: What a cell that it builds on takes over: dataset, network and recipe.
            family: The cells that the row names to build on.
        """
        if self.value("imported") is not None:
            return self._imported(family)
        names = {name: self.word(name) for name in ("method", "dataset", "model", "recipe")}
        parts = self.attempt("method", self.catalogue.method_parts, names["method"]) or ()
        dataset = self.attempt("dataset", self.catalogue.dataset, names["dataset"])
        model = self.attempt("model", self.catalogue.model, names["model"])
        self.attempt("recipe", self.catalogue.recipe, names["recipe"])
        if self.failed or dataset is None or model is None:
            return None
        words = {name: str(word) for name, word in names.items()}
        if self.value("released") is not None:
            return self._released(words, dataset, model, family)
        return self._trained(words, parts, dataset, model, shared, family)

    def _trained(
        self,
        words: Mapping[str, str],
        parts: Sequence[Method],
        dataset: DatasetSpec,
        model: ModelSpec,
        shared: Settings,
        family: Family,
    ) -> ResolvedCell | None:
        if self.value("normalize") is not None:
            self.note(
                "normalize",
                f"row '{self.row}': `normalize` is only for rows with third-party weights (`released`); a network "
                "that is trained here uses the normalisation of its dataset; leave it out",
            )
        # All parts are resolved before any of them ends the cell, so that one call reports every mistake.
        parent = self._parent(parts, shared, family.get("init_from"))
        recipe = self.recipe(words["recipe"], parts, dataset)
        model_params = self.model_params(words["recipe"], words["model"])
        self.check_size(model, dataset)
        visualised = self._visualised(parts, shared, family.get("visualise"))
        mixing_set, mixing_identity = self.mixing_set(parts, dataset, visualised)
        params = self.method_params(parts, words["dataset"])
        outliers = self.outliers(parts)
        benchmarks = self.benchmarks(dataset, trained_in="" if recipe is None else recipe.precision)
        if self.failed or recipe is None or params is None or model_params is None:
            return None
        config = JobConfig(
            method=words["method"],
            method_params=params,
            dataset=words["dataset"],
            model=words["model"],
            recipe=recipe,
            # `with_seed` puts the seed in; all seeds share the rest.
            seed=0,
            model_params=model_params,
            mixing_set=mixing_set,
            outliers=outliers,
            init_from=parent.train_key if parent is not None else None,
        )
        files = self.files(config, dataset)
        if files is None or self._is_tested_on_its_training(outliers, files, benchmarks):
            return None
        semantics = {
            "loop": self.catalogue.loop_semantics,
            "model": versioned(model),
            "method": {part.name: versioned(part) for part in parts},
        }
        stream = None if outliers is None else files[f"outlier stream {outliers!r}"].key
        described: dict[str, Versioned] = {f"method {part.name!r}": part for part in parts}
        described[f"model {model.name!r}"] = model
        if mixing_set is not None:
            described[f"mixing set {mixing_set.name!r}"] = self.catalogue.mixing_set(mixing_set.name)
        identity = identity_of(config, _dataset_key(files, config), semantics, mixing_identity, stream)
        return self._made(config, files, identity, benchmarks, code_sources(described), parent, visualised)

    def _is_tested_on_its_training(
        self, outliers: str | None, files: Mapping[str, Identified], benchmarks: tuple[BenchmarkRequest, ...]
    ) -> bool:
        """Note a row that is trained on the images of an outlier set that it is tested on."""
        if outliers is None:
            return False
        seen = tested_on_its_training(outliers, files[f"outlier stream {outliers!r}"], benchmarks)
        if seen is not None:
            self.note(
                "outliers",
                f"row '{self.row}' must not be tested on the outliers that it is trained on, but '{outliers}' has the images "
                f"of the outlier set '{seen}'; train on another stream, or leave the set out",
            )
        return seen is not None

    def _released(
        self, words: Mapping[str, str], dataset: DatasetSpec, model: ModelSpec, family: Family
    ) -> ResolvedCell | None:
        """A row of a released network: its file and how it is read replace the training."""
        released = self.attempt("released", checkpoint_for, self.word("released"))
        if released is None:
            return None
        self._check_own(OF_RELEASED, family, "shows a released network, which is not trained here")
        names: dict[str, Any] = {name: words[name] for name in ("method", "dataset", "model")}
        self.attempt("released", check_fits, released, **names)
        params = self.model_params("released", words["model"])
        normalize = self._normalize(dataset)
        benchmarks = self.benchmarks(dataset)
        if self.failed or params is None:
            return None
        config = JobConfig(
            **names,
            method_params={},
            recipe=resolve_recipe("released", {}),
            seed=0,
            model_params=params,
            released=released.name,
            normalize=normalize,
        )
        files = self.files(config, dataset)
        if files is None:
            return None
        key = files[f"released checkpoint {released.name!r}"].key
        semantics = {"loop": self.catalogue.loop_semantics, "model": versioned(model), "released": key}
        identity = identity_of(config, _dataset_key(files, config), semantics, None, None)
        return self._made(config, files, identity, benchmarks, code_sources({f"model {model.name!r}": model}))

    def _imported(self, family: Family) -> ResolvedCell | None:
        """A row of another suite's results: its name and dataset are its key; there is nothing to train or to evaluate."""
        dataset = self.attempt("dataset", self.catalogue.dataset, self.word("dataset"))
        name = self.word("imported")
        self._check_own(("imported", "dataset"), family, "shows results that were imported")
        if self.failed or dataset is None or name is None:
            return None
        key = imported_key(name, dataset.name)
        names: dict[str, Any] = {"method": f"{name} ({IMPORTED})", "dataset": dataset.name, "model": IMPORTED}
        config = JobConfig(**names, method_params={}, recipe=resolve_recipe("released", {}), seed=0)
        wanted = self.sweep.benchmarks
        benchmarks = tuple(BenchmarkRequest(name=each, params={}, key=report_key(key, each)) for each in wanted)
        return ResolvedCell(
            cell=Cell(row=self.row, recipe="released", imported=name),
            config=config,
            train_key=key,
            dataset_identity=dataset.identity,
            benchmarks=benchmarks,
            wanted_values=self._wanted_values(benchmarks),
        )

    def _check_own(self, kept: Collection[str], family: Family, what: str) -> None:
        """Refuse what a row sets itself and what changes nothing in it."""
        # A row of an axis sets nothing itself: axes and base are meant for other rows as well.
        if self.origin[:2] != ("axes", "cells"):
            return
        own = {path: item.origin for path, item in self.settings.items() if _is_inside(item, self.origin)}
        refused = {path: origin for path, origin in own.items() if path.partition(".")[0] not in kept}
        for name, settings in family.items():
            place = (*self.origin, name)
            if any(_is_inside(item, place) for item in settings.values()):
                refused[name] = place
        for path, origin in refused.items():
            self.note(path, f"row '{self.row}' {what}, so it cannot set {path}; leave it out", at=origin)

    def _normalize(self, dataset: DatasetSpec) -> tuple[Channels, Channels] | None:
        """What the row says of the normalisation, as numbers: names that mean the same are one identity."""
        asked = partial(parse_normalisation, source="as the row says")
        found = self.attempt("normalize", asked, self.value("normalize"), dataset.num_channels)
        return None if found is None else (found.mean, found.std)

    def _parent(self, parts: Sequence[Method], shared: Settings, settings: Settings | None) -> ResolvedCell | None:
        """The cell that this one starts from: as the file says, else as the method is published."""
        starts_from = next((part.starts_from for part in parts if part.starts_from), None)
        if settings is None and starts_from is not None:
            settings = {**shared, "method": Setting(starts_from, self.origin_of("method"))}
        return None if settings is None else self._relative("init_from", settings, shared)

    def _visualised(self, parts: Sequence[Method], shared: Settings, settings: Settings | None) -> ResolvedCell | None:
        """The cell whose network a mixing set of feature visualisations shows: as the file says, else the baseline; seed 0."""
        if not self.needs_mixing_set(parts) or "mixing_set_params.parents" in self.settings:
            return None
        spec, _ = attempt(self.catalogue.mixing_set, self.value("mixing_set"))
        # Only a set that shows a network builds on a cell; an unknown name is reported where the set is resolved.
        if spec is None or spec.origin != "trained":
            return None
        if settings is None:
            settings = {**shared, "method": Setting(VISUALISED_METHOD, self.origin_of("mixing_set"))}
        return self._relative("visualise", settings, shared)

    def _relative(self, path: str, settings: Settings, shared: Settings) -> ResolvedCell | None:
        """Return a cell that this one builds on; what was imported has no weights to start from or to show."""
        found = CellResolver(self.resolver, self.sweep, settings, "", self.origin).cell(shared, {})
        # Its mistakes are in the resolver already.
        if found is None:
            self.failed = True
        elif found.cell.imported is not None:
            self.note(path, f"row '{self.row}' needs weights, but '{found.cell.imported}' was imported and has none")
            return None
        return found

    def _made(
        self,
        config: JobConfig,
        files: Mapping[str, Identified],
        identity: Mapping[str, Any],
        benchmarks: tuple[BenchmarkRequest, ...],
        sources: Mapping[str, str],
        parent: ResolvedCell | None = None,
        visualised: ResolvedCell | None = None,
    ) -> ResolvedCell:
        return ResolvedCell(
            cell=Cell(
                row=self.row, recipe=str(self.value("recipe")), params=self.group("params"), train=self.group("train")
            ),
            config=config,
            train_key=train_key(identity, config),
            dataset_identity=_dataset_key(files, config),
            benchmarks=benchmarks,
            wanted_values=self._wanted_values(benchmarks),
            parent=parent,
            visualised=visualised,
            sources=sources,
            files={name: as_planned(found) for name, found in files.items()},
            own_files={name: found.reason for name, found in files.items() if found.is_own},
            identity=identity,
        )

    def _wanted_values(self, benchmarks: tuple[BenchmarkRequest, ...]) -> tuple[tuple[Column, str], ...]:
        keys = {request.name: request.key for request in benchmarks}
        columns = self.sweep.value_columns
        return tuple((column, keys[column.benchmark]) for column in columns if column.benchmark in keys)


def _dataset_key(files: Mapping[str, Identified], config: JobConfig) -> str:
    return files[f"dataset {config.dataset!r}"].key


def _is_inside(item: Setting, place: tuple[str | int, ...]) -> bool:
    """Whether a place of the file is where a setting comes from, or around it."""
    return item.origin[: len(place)] == place
