"""Reading one point of a sweep: its settings -> a template that only lacks the seed, or the mistakes in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, TypeVar

from augment.files.named import with_contents
from augment.files.published import Identified
from augment.lookup.kinds import Versioned, versioned
from augment.lookup.parameters import build_config, field_names, nearest
from augment.method import Method
from augment.mixing_sets.identity import config_for
from eval.benchmarks.contract import BenchmarkRequest
from eval.tables.column import Column
from orchestration.cells.benchmark_requests import benchmark_request, tested_on_its_training
from orchestration.cells.cell import Cell
from orchestration.cells.identity import ResolvedCell, Resolver, Template, identity_of
from orchestration.cells.keys import IMPORTED, canonical_json, plain
from orchestration.cells.point_settings import PointSettings, attempt
from orchestration.sweeps.model import Point, Setting, Settings, Sweep
from trainers.config import JobConfig, MixingSetConfig, RecipeConfig
from trainers.models.released.registry import check_fits, checkpoint_for
from trainers.models.weights.normalisation import Channels, parse_normalisation
from trainers.recipes import resolve_model_params, resolve_recipe
from trainers.sources import code_sources, files_of

MIXING_SET_FIELDS = ("num_pictures", "image_size", "seed")
VISUALISED_METHOD = "baseline"
VISUALISED_SEED = 0
OF_RELEASED = ("released", "method", "dataset", "model", "recipe", "model_params", "normalize")
"""What a row of a released network can set; every row has a recipe, even if none is trained by it."""

T = TypeVar("T")


def resolve_point(resolver: Resolver, point: Point, sweep: Sweep) -> ResolvedCell | None:
    """Return the resolved point, or None where it has mistakes (they are added to the resolver's)."""
    shape = ("shape", id(point.settings), id(point.parent), point.row)
    template = resolver.remember(shape, lambda: _template(resolver, point, sweep))
    return None if template is None else template.with_seed(resolver, point.seed)


def _template(resolver: Resolver, point: Point, sweep: Sweep) -> Template | None:
    reading = Reading(resolver, sweep, point.settings, point.row, point.origin)
    return reading.template(point.shared, point.parent, point.visualised)


class Reading(PointSettings):
    """Reads the settings of one point; every mistake is noted with the place that the value came from."""

    def template(
        self, shared: Settings, parent_settings: Settings | None = None, visualised_settings: Settings | None = None
    ) -> Template | None:
        """Return the template of the settings, or None where they have mistakes (noted with the resolver)."""
        family = {"init_from": parent_settings or {}, "visualise": visualised_settings or {}}
        if self._value("imported") is not None:
            return self._imported(family)
        names = {name: self._name(name) for name in ("method", "dataset", "model", "recipe")}
        parts = self._try("method", self.catalogue.method_parts, names["method"]) or ()
        dataset = self._try("dataset", self.catalogue.dataset, names["dataset"])
        model = self._try("model", self.catalogue.model, names["model"])
        self._try("recipe", self.catalogue.recipe, names["recipe"])
        if self.failed or dataset is None or model is None:
            return None
        if self._value("released") is not None:
            return self._released(dataset, model, family)
        if self._value("normalize") is not None:
            self._note(
                "normalize",
                f"row '{self.row}': `normalize` belongs to rows of foreign weights (`released`); a network that is trained "
                "here is normalised as its dataset; leave it out",
            )
        parent = self._parent(parts, shared, parent_settings)
        recipe = self._recipe(str(names["recipe"]), parts, dataset.name)
        model_params = self._model_params(str(names["recipe"]), str(names["model"]))
        self._check_size(model, dataset)
        self._check_train_images(recipe, dataset)
        visualised = self._visualised(parts, shared, visualised_settings)
        mixing_set, mixing_identity = self._mixing_set(parts, dataset, visualised)
        params = self._method_params(parts, str(names["dataset"]))
        outliers = self._outliers(parts)
        benchmarks = self._benchmarks(dataset)
        if self.failed or recipe is None or params is None or model_params is None:
            return None
        config = JobConfig(
            method=str(names["method"]),
            method_params=params,
            dataset=str(names["dataset"]),
            model=str(names["model"]),
            recipe=recipe,
            seed=0,
            model_params=model_params,
            mixing_set=mixing_set,
            outliers=outliers,
        )
        files = self._files(config, dataset)
        if files is None:
            return None
        semantics = {
            "loop": self.catalogue.loop_semantics,
            "model": versioned(model),
            "method": {part.name: versioned(part) for part in parts},
        }
        stream = None
        if outliers is not None:
            found = files[f"outlier stream {outliers!r}"]
            stream, seen = found.key, tested_on_its_training(outliers, found, benchmarks)
            if seen is not None:
                self._note(
                    "outliers",
                    f"row '{self.row}' must not be tested on the outliers that it is trained on, but '{outliers}' has the images "
                    f"of the outlier set '{seen}'; train on another stream, or leave the set out",
                )
                return None
        identity = identity_of(config, _dataset_key(files, config), semantics, mixing_identity, stream)
        described: dict[str, Versioned] = {f"method {part.name!r}": part for part in parts}
        described[f"model {model.name!r}"] = model
        if mixing_set is not None:
            described[f"mixing set {mixing_set.name!r}"] = self.catalogue.mixing_set(mixing_set.name)
        return self._made(config, files, identity, benchmarks, code_sources(described), parent, visualised)

    def _released(self, dataset: Any, model: Any, family: Mapping[str, Settings]) -> Template | None:
        """A row of a released network: its file and how it is read stand for the training."""

        released = self._try("released", checkpoint_for, self._name("released"))
        if released is None:
            return None
        self._check_own(OF_RELEASED, family, "shows a released network, which is not trained here")
        names = {name: str(self._value(name)) for name in ("method", "dataset", "model")}
        self._unpack("released", attempt(check_fits, released, **names))
        recipe = resolve_recipe("released", {})
        params = self._model_params("released", names["model"])
        normalize = self._normalize(dataset)
        benchmarks = self._benchmarks(dataset)
        if self.failed or params is None:
            return None
        config = JobConfig(
            method=names["method"],
            method_params={},
            dataset=names["dataset"],
            model=names["model"],
            recipe=recipe,
            seed=0,
            model_params=params,
            released=released.name,
            normalize=normalize,
        )
        files = self._files(config, dataset)
        if files is None:
            return None
        key = files[f"released checkpoint {released.name!r}"].key
        semantics = {"loop": self.catalogue.loop_semantics, "model": versioned(model), "released": key}
        sources = code_sources({f"model {model.name!r}": model})
        identity = identity_of(config, _dataset_key(files, config), semantics, None, None)
        return self._made(config, files, identity, benchmarks, sources)

    def _files(self, config: JobConfig, dataset: Any) -> Mapping[str, Identified] | None:
        """Return what identifies the files that a job is trained on, or None where some cannot be read."""
        mixing_set = config.mixing_set
        params = canonical_json(mixing_set.params) if mixing_set is not None else ""
        key = ("files", config.dataset, mixing_set and mixing_set.name, params, config.outliers, config.released)
        made = self.resolver.remember(key, lambda: attempt(files_of, config, dataset, self.catalogue.data_root))
        return self._unpack("outliers" if config.outliers else "dataset", made)

    def _check_own(self, kept: Collection[str], family: Mapping[str, Settings], what: str) -> None:
        """Refuse what a row sets itself and what changes nothing in it.

        Args:
            kept: First words of the settings that count.
            family: "init_from", "visualise" -> settings of the cell that the row would start from or show.
            what: What the row is.
        """
        if self.origin[:2] != ("axes", "cells"):
            return
        own = {
            path: item.origin for path, item in self.settings.items() if item.origin[: len(self.origin)] == self.origin
        }
        refused = {path: origin for path, origin in own.items() if path.partition(".")[0] not in kept}
        for name, settings in family.items():
            place = (*self.origin, name)
            if any(item.origin[: len(place)] == place for item in settings.values()):
                refused[name] = place
        for path, origin in refused.items():
            self._note(path, f"row '{self.row}' {what}, so it cannot set {path}; leave it out", at=origin)

    def _imported(self, family: Mapping[str, Settings]) -> Template | None:
        """A row of another suite's results: its name and dataset say which; there is nothing to train or to evaluate."""
        dataset = self._try("dataset", self.catalogue.dataset, self._name("dataset"))
        name = self._name("imported")
        self._check_own(("imported", "dataset"), family, "shows results that were imported")
        if self.failed or dataset is None or name is None:
            return None
        config = JobConfig(
            method=f"{name} ({IMPORTED})",
            method_params={},
            dataset=dataset.name,
            model=IMPORTED,
            recipe=resolve_recipe("released", {}),
            seed=0,
        )
        benchmarks = tuple(BenchmarkRequest(name=each, params={}, key="") for each in self.sweep.benchmarks)
        cell = Cell(method=config.method, dataset=config.dataset, model=config.model, recipe="released", seed=0)
        return Template(
            cell=replace(cell, imported=name, row=self.row),
            config=config,
            dataset_identity=dataset.identity,
            identity={},
            benchmarks=benchmarks,
            sources={},
            files={},
            wanted_values=self._wanted_values(benchmarks),
            parent=None,
            visualised=None,
        )

    def _with_weights(self, path: str, found: Template | None) -> Template | None:
        """Return the template of a parent; what was imported has no weights to start from or to show."""
        if found is None or found.cell.imported is None:
            self.failed |= found is None
            return found
        self._note(path, f"row '{self.row}' needs weights, but '{found.cell.imported}' was imported and has none")
        return None

    def _normalize(self, dataset: Any) -> tuple[Channels, Channels] | None:
        """What the row says of the normalisation, as numbers: names that mean the same are one identity."""
        given = self._value("normalize")
        if given is None:
            return None
        asked = partial(parse_normalisation, given, dataset.num_channels, source="as the row says")
        found = self._unpack("normalize", attempt(asked))
        return None if found is None else (found.mean, found.std)

    def _made(
        self,
        config: JobConfig,
        files: Mapping[str, Identified],
        identity: Mapping[str, Any],
        benchmarks: tuple[BenchmarkRequest, ...],
        sources: Mapping[str, str],
        parent: Template | None = None,
        visualised: ResolvedCell | None = None,
    ) -> Template:
        return Template(
            cell=self._cell(),
            config=config,
            dataset_identity=_dataset_key(files, config),
            identity=identity,
            benchmarks=benchmarks,
            sources=sources,
            files=files,
            wanted_values=self._wanted_values(benchmarks),
            parent=parent,
            visualised=visualised,
        )

    def _wanted_values(self, benchmarks: tuple[BenchmarkRequest, ...]) -> tuple[tuple[Column, str], ...]:
        keys = {request.name: request.key for request in benchmarks}
        columns = self.sweep.value_columns
        return tuple((column, keys[column.benchmark]) for column in columns if column.benchmark in keys)

    def _cell(self) -> Cell:
        return Cell(
            **{name: self.settings[name].value for name in ("method", "dataset", "model", "recipe")},
            seed=0,
            params=self._group("params"),
            train=self._group("train"),
            model_params=self._group("model_params"),
            mixing_set=self._value("mixing_set"),
            mixing_set_params=self._group("mixing_set_params"),
            outliers=self._value("outliers"),
            released=self._value("released"),
            normalize=self._value("normalize"),
            row=self.row,
        )

    def _parent(self, parts: Sequence[Method], shared: Settings, settings: Settings | None) -> Template | None:
        """The cell that this one starts from: as the file says, else as the method is published."""
        starts_from = next((part.starts_from for part in parts if part.starts_from), None)
        if settings is None and starts_from is not None:
            settings = {**shared, "method": Setting(starts_from, self._origin_of("method"))}
        if settings is None:
            return None
        parent = Reading(self.resolver, self.sweep, settings, "", self.origin).template(shared)
        return self._with_weights("init_from", parent)

    def _recipe(self, recipe: str, parts: Sequence[Method], dataset: str) -> RecipeConfig | None:
        given = self._group("train")
        names = "+".join(part.name for part in parts)
        key = ("recipe", recipe, names, dataset, canonical_json(given))
        made = self.resolver.remember(key, lambda: attempt(self._recipe_of, recipe, parts, dataset, given))
        return self._unpack("train", made)

    def _recipe_of(self, recipe: str, parts: Sequence[Method], dataset: str, given: Mapping[str, Any]) -> RecipeConfig:
        """Lay over each other: the recipe, what the methods' publications change, what the cell sets itself."""
        changes: dict[str, Any] = {}
        for part in parts:
            changes |= {**part.recipe.get("*", {}), **part.recipe.get(dataset, {})}
        return resolve_recipe(recipe, {**changes, **given})

    def _model_params(self, recipe: str, model: str) -> dict[str, object] | None:
        given = self._group("model_params")
        key = ("model", recipe, model, canonical_json(given))
        made = self.resolver.remember(key, lambda: attempt(resolve_model_params, recipe, model, given))
        return self._unpack("model_params", made)

    def _check_size(self, model: Any, dataset: Any) -> None:
        if dataset.image_size < model.min_image_size:
            self._note(
                "model",
                f"model '{model.name}' takes images of at least {model.min_image_size} px, but those of "
                f"'{dataset.name}' have {dataset.image_size}; choose another model or dataset",
            )

    def _check_train_images(self, recipe: RecipeConfig | None, dataset: Any) -> None:
        if recipe is None or recipe.train_images is None or not dataset.num_train:
            return
        left = dataset.num_train - recipe.validation_images
        if recipe.train_images > left:
            held_out = f" ({recipe.validation_images} of them held out)" if recipe.validation_images else ""
            self._note(
                "train.train_images",
                f"train_images must be at most the {max(left, 0)} training images that '{dataset.name}' has{held_out}, "
                f"but got {recipe.train_images}; write null for all",
            )

    def _method_params(self, parts: tuple[Method, ...], dataset: str) -> dict[str, Any] | None:
        given = self._group("params")
        soft = {path.removeprefix("params.") for path, item in self.settings.items() if item.is_soft}
        fields = {part.name: field_names(part.config) for part in parts}
        shares: dict[str, dict[str, Any]] = {part.name: {} for part in parts}
        for path, value in given.items():
            owners = _owners(path, fields)
            if len(owners) == 1:
                shares[owners[0][0]][owners[0][1]] = value
            elif owners:
                places = " or ".join(f"params: {{{part}: {{{name}: ...}}}}" for part, name in owners)
                self._note(
                    f"params.{path}", f"parameter '{path}' belongs to several parts of the method; write {places}"
                )
            elif path not in soft:
                known = sorted({name for names in fields.values() for name in names})
                methods = "+".join(fields)
                self._note(f"params.{path}", f"method '{methods}' has no parameter '{path}'{nearest(path, known)}")
        filled = {part.name: self._filled(part, dataset, shares[part.name]) for part in parts}
        if any(values is None for values in filled.values()):
            return None
        return filled if len(parts) > 1 else filled[parts[0].name]

    def _filled(self, part: Method, dataset: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
        values = {**part.defaults.get(dataset, {}), **given}
        key = ("method", part.name, canonical_json(values))
        subject = f"method '{part.name}'"
        made = self.resolver.remember(key, lambda: attempt(build_config, part.config, values, of=subject))
        filled = self._unpack("params", made)
        return None if filled is None else with_contents(part, asdict(filled), self.catalogue.data_root)

    def _needs_mixing_set(self, parts: Sequence[Method]) -> bool:
        given = self._group("params")
        return any(
            part.needs_mixing_set
            and not (given.get(part.spares_mixing_set) or given.get(f"{part.name}.{part.spares_mixing_set}"))
            for part in parts
        )

    def _visualised(self, parts: Sequence[Method], shared: Settings, settings: Settings | None) -> ResolvedCell | None:
        """The cell whose network a mixing set of feature visualisations shows: as the file says, else the baseline; one seed."""
        name = self._value("mixing_set")
        if not self._needs_mixing_set(parts) or "mixing_set_params.parents" in self.settings:
            return None
        spec, _ = attempt(self.catalogue.mixing_set, name)
        if spec is None or spec.origin != "trained":
            return None
        if settings is None:
            settings = {**shared, "method": Setting(VISUALISED_METHOD, self._origin_of("mixing_set"))}
        template = Reading(self.resolver, self.sweep, settings, "", self.origin).template(shared)
        template = self._with_weights("visualise", template)
        return None if template is None else template.with_seed(self.resolver, VISUALISED_SEED)

    def _mixing_set(
        self, parts: Sequence[Method], dataset: Any, visualised: ResolvedCell | None
    ) -> tuple[MixingSetConfig | None, Mapping[str, Any] | None]:
        if not self._needs_mixing_set(parts):
            return None, None
        name = self._name("mixing_set")
        if name is None:
            return None, None
        given = self._group("mixing_set_params")
        if visualised is not None:
            given["parents"] = [visualised.train_key]
        key = ("mixing-set", name, dataset.image_size, dataset.num_channels, canonical_json(given))
        made = self.resolver.remember(key, lambda: attempt(self._mixing_set_of, name, given, dataset))
        return self._unpack("mixing_set", made) or (None, None)

    def _mixing_set_of(
        self, name: str, given: Mapping[str, Any], dataset: Any
    ) -> tuple[MixingSetConfig, Mapping[str, Any]]:

        spec = self.catalogue.mixing_set(name)
        numbers = {
            "num_pictures": spec.num_pictures,
            "image_size": spec.stored_side(dataset.image_size),
            "seed": 0,
            **{key: value for key, value in given.items() if key in MIXING_SET_FIELDS},
        }
        wrong = [key for key, value in numbers.items() if not isinstance(value, int) or isinstance(value, bool)]
        if wrong:
            raise ValueError(f"{wrong[0]} of a mixing set must be a whole number, but got {numbers[wrong[0]]!r}")
        made = config_for(spec, {key: value for key, value in given.items() if key not in MIXING_SET_FIELDS})
        params = {key: value for key, value in asdict(made).items() if key not in spec.hidden}
        config = MixingSetConfig(name=name, num_channels=dataset.num_channels, params=params, **numbers)
        identity = {"semantics": versioned(spec), **plain(spec.content(made, self.catalogue.data_root))}
        return config, identity

    def _outliers(self, parts: tuple[Method, ...]) -> str | None:
        return self._name("outliers") if any(part.needs_outliers for part in parts) else None

    def _benchmarks(self, dataset: Any) -> tuple[BenchmarkRequest, ...]:
        requests = []
        for name, params in self.sweep.benchmarks.items():
            if self.catalogue.has_benchmark(name):
                key = ("benchmark", name, dataset.name, canonical_json(params))
                made = self.resolver.remember(
                    key, partial(attempt, benchmark_request, self.resolver, name, params, dataset)
                )
                request = self._unpack(f"benchmarks.{name}", made)
                requests += [request] if request is not None else []
        return tuple(requests)


def _dataset_key(files: Mapping[str, Identified], config: JobConfig) -> str:
    return files[f"dataset {config.dataset!r}"].key


def _owners(path: str, fields: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """The parts of a method that a hyper-parameter belongs to: by field, or by "part.field"."""
    head, _, rest = path.partition(".")
    if rest and head in fields:
        return [(head, rest)] if rest in fields[head] else []
    return [(part, path) for part, names in fields.items() if path in names]
