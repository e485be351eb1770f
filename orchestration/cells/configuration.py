"""The parts of a cell's configuration, each from the settings of its point: recipe, hyper-parameters, mixing set, benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from augment.files.named import with_contents
from augment.files.published import Identified
from augment.lookup.kinds import versioned
from augment.lookup.parameters import build_config, field_names, nearest
from augment.method import Method
from augment.mixing_sets.identity import check_numbers, config_for
from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import benchmark_for
from orchestration.cells.benchmark_requests import benchmark_request
from orchestration.cells.catalogue import Catalogue
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.keys import canonical_json, plain
from orchestration.cells.point_settings import PointSettings, attempt
from trainers.config import JobConfig, MixingSetConfig, RecipeConfig
from trainers.datasets.contract import DatasetSpec
from trainers.models.contract import ModelSpec
from trainers.recipes import resolve_model_params, resolve_recipe
from trainers.sources import files_of

MIXING_SET_FIELDS = ("num_images", "image_size", "seed")
MixingSet = tuple[MixingSetConfig | None, Mapping[str, Any] | None]
"""A mixing set and what identifies it; (None, None) for methods without one."""


@dataclass(slots=True)
class Configuration(PointSettings):
    """Makes the parts of a configuration; what many points share is made once, and every mistake is noted with its place."""

    def recipe(self, name: str, parts: Sequence[Method], dataset: DatasetSpec) -> RecipeConfig | None:
        """Return the recipe, or None where it has mistakes."""
        given = self.group("train")
        key = (name, *(part.name for part in parts), dataset.name, canonical_json(given))
        recipe = self.remembered("train", key, _recipe, name, parts, dataset.name, given)
        if recipe is not None and recipe.train_images is not None and dataset.num_train:
            left = dataset.num_train - recipe.validation_images
            if recipe.train_images > left:
                held_out = f" ({recipe.validation_images} of them held out)" if recipe.validation_images else ""
                self.note(
                    "train.train_images",
                    f"train_images must be at most the {max(left, 0)} training images that '{dataset.name}' has{held_out}, "
                    f"but got {recipe.train_images}; write null for all",
                )
        return recipe

    def model_params(self, recipe: str, model: str) -> dict[str, object] | None:
        """Return all options of the network."""
        given = self.group("model_params")
        key = (recipe, model, canonical_json(given))
        return self.remembered("model_params", key, resolve_model_params, recipe, model, given)

    def check_size(self, model: ModelSpec, dataset: DatasetSpec) -> None:
        """Note a network that takes no images as small as the dataset's."""
        if dataset.image_size < model.min_image_size:
            self.note(
                "model",
                f"model '{model.name}' takes images of at least {model.min_image_size} px, but those of "
                f"'{dataset.name}' have {dataset.image_size}; choose another model or dataset",
            )

    def method_params(self, parts: Sequence[Method], dataset: str) -> dict[str, Any] | None:
        """Return all hyper-parameters: of a joined method by part, each given one at the part that has it."""
        soft = {path.removeprefix("params.") for path, item in self.settings.items() if item.is_soft}
        fields = {part.name: field_names(part.config) for part in parts}
        given: dict[str, dict[str, Any]] = {part.name: {} for part in parts}
        for path, value in self.group("params").items():
            owners = _owners(path, fields)
            if len(owners) == 1:
                given[owners[0][0]][owners[0][1]] = value
            elif owners:
                places = " or ".join(f"params: {{{part}: {{{name}: ...}}}}" for part, name in owners)
                text = f"parameter '{path}' belongs to several parts of the method; write {places}"
                self.note(f"params.{path}", text)
            elif path not in soft:  # what a size or an option sets on every cell is left out where no part has it
                known = sorted({name for names in fields.values() for name in names})
                text = f"method '{'+'.join(fields)}' has no parameter '{path}'{nearest(path, known)}"
                self.note(f"params.{path}", text)
        filled = {part.name: self._filled(part, dataset, given[part.name]) for part in parts}
        if any(values is None for values in filled.values()):
            return None
        return filled if len(parts) > 1 else filled[parts[0].name]

    def _filled(self, part: Method, dataset: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
        values = {**part.defaults.get(dataset, {}), **given}
        key = (part.name, canonical_json(values))
        filled = self.remembered("params", key, build_config, part.config, values, of=f"method '{part.name}'")
        return None if filled is None else with_contents(part, asdict(filled), self.catalogue.data_root)

    def needs_mixing_set(self, parts: Sequence[Method]) -> bool:
        """Whether a part mixes images in that no file of its own spares."""
        given = self.group("params")
        return any(
            part.needs_mixing_set
            and not (given.get(part.spares_mixing_set) or given.get(f"{part.name}.{part.spares_mixing_set}"))
            for part in parts
        )

    def mixing_set(self, parts: Sequence[Method], dataset: DatasetSpec, visualised: ResolvedCell | None) -> MixingSet:
        """Return the mixing set of the methods that need one, with the network that it shows as its parent."""
        name = self.word("mixing_set") if self.needs_mixing_set(parts) else None
        if name is None:
            return None, None
        given = self.group("mixing_set_params")
        if visualised is not None:
            given["parents"] = [visualised.train_key]
        key = (name, dataset.image_size, dataset.num_channels, canonical_json(given))
        made = self.remembered("mixing_set", key, _mixing_set, name, given, dataset, self.catalogue)
        return made or (None, None)

    def outliers(self, parts: Sequence[Method]) -> str | None:
        """Return the outlier stream of the methods that need one."""
        return self.word("outliers") if any(part.needs_outliers for part in parts) else None

    def benchmarks(self, dataset: DatasetSpec, *, trained_in: str = "") -> tuple[BenchmarkRequest, ...]:
        """Return the requests of the sweep's benchmarks; unknown ones are noted elsewhere, once a sweep.

        Args:
            trained_in: Precision of the recipe.
        """
        requests = []
        make = partial(benchmark_request, precision=self.sweep.precision, trained_in=trained_in)
        for name, params in self.sweep.benchmarks.items():
            if attempt(benchmark_for, name)[0] is not None:
                key = (dataset.name, self.sweep.precision, trained_in, canonical_json(params))
                path, arguments = f"benchmarks.{name}", (self.resolver, name, params, dataset)
                requests.append(self.remembered(path, key, make, *arguments))
        return tuple(request for request in requests if request is not None)

    def files(self, config: JobConfig, dataset: DatasetSpec) -> Mapping[str, Identified] | None:
        """Return what identifies the files that a job is trained on, or None where some cannot be read."""
        mixing_set = config.mixing_set
        params = canonical_json(mixing_set.params) if mixing_set is not None else ""
        key = (config.dataset, mixing_set and mixing_set.name, params, config.outliers, config.released)
        path = "outliers" if config.outliers else "dataset"
        return self.remembered(path, key, files_of, config, dataset, self.catalogue.data_root)


def _recipe(recipe: str, parts: Sequence[Method], dataset: str, given: Mapping[str, Any]) -> RecipeConfig:
    """Lay over each other: the recipe, what the methods' publications change, what the cell sets itself."""
    changes: dict[str, Any] = {}
    for part in parts:
        changes |= {**part.recipe.get("*", {}), **part.recipe.get(dataset, {})}
    return resolve_recipe(recipe, {**changes, **given})


def _mixing_set(
    name: str, given: Mapping[str, Any], dataset: DatasetSpec, catalogue: Catalogue
) -> tuple[MixingSetConfig, Mapping[str, Any]]:
    spec = catalogue.mixing_set(name)
    numbers = {
        "num_images": spec.num_images,
        "image_size": spec.stored_side(dataset.image_size),
        "seed": 0,
        **{key: value for key, value in given.items() if key in MIXING_SET_FIELDS},
    }
    wrong = [key for key, value in numbers.items() if not isinstance(value, int) or isinstance(value, bool)]
    if wrong:
        raise ValueError(f"{wrong[0]} of a mixing set must be a whole number, but got {numbers[wrong[0]]!r}")
    check_numbers(name, numbers["num_images"], numbers["image_size"], dataset.num_channels, numbers["seed"])
    made = config_for(spec, {key: value for key, value in given.items() if key not in MIXING_SET_FIELDS})
    params = {key: value for key, value in asdict(made).items() if key not in spec.hidden}
    config = MixingSetConfig(name=name, num_channels=dataset.num_channels, params=params, **numbers)
    return config, {"semantics": versioned(spec), **plain(spec.content(made, catalogue.data_root))}


def _owners(path: str, fields: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """The parts of a method that a hyper-parameter belongs to: by field, or by "part.field"."""
    head, _, rest = path.partition(".")
    if rest and head in fields:
        return [(head, rest)] if rest in fields[head] else []
    return [(part, path) for part, names in fields.items() if path in names]
