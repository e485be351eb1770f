"""What cells may name: methods, mixing sets, datasets, models, recipes, benchmarks, each from the registry of its package.

One frozen value, so that a test can put a small one in its place. Importing and using it imports no NumPy, torch or Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from augment.compound import method_for
from augment.lookup.parameters import nearest
from augment.method import Method
from augment.mixing_sets.contract import MixingSet
from augment.mixing_sets.registry import mixing_set_for
from augment.registry import METHODS
from eval.benchmarks.contract import Benchmark
from eval.benchmarks.registry import BENCHMARKS, added_benchmarks, full_params
from eval.tables.column import Column, check_column
from trainers.config import LOOP_SEMANTICS
from trainers.datasets.content import contradiction
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import dataset_for, missing_data
from trainers.models.contract import ModelSpec
from trainers.models.registry import model_for
from trainers.recipes import RecipeSpec, recipe_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that cells may name.

    Attributes:
        methods: The built-in methods by name.
        compose: Gives the method of a name, also a user's own or several joined by "+".
        benchmarks: The built-in benchmarks by name.
        added_benchmarks: Gives those of installed packages; asked only for names that are not built in.
        check_column: Refuses a table column of an unknown benchmark or metric.
        benchmark_params: Gives all parameters of a benchmark, defaults filled in, from those that differ.
        mixing_set: Gives a mixing set by name; raises ValueError or the package's own error for an unknown one.
        dataset: Gives a dataset by name.
        model: Gives a model by name.
        recipe: Gives a recipe by name.
        missing_data: Says in one line each which of some datasets are not below a data root, or have other files than published,
            and how to get them.
        loop_semantics: Version of the training loop.
        data_root: Where what users' own files hold is looked up, as far as it is part of a key; None leaves it pending.
    """

    methods: Mapping[str, Method]
    compose: Callable[[str], Method]
    benchmarks: Mapping[str, Benchmark]
    added_benchmarks: Callable[[], Mapping[str, Benchmark]]
    check_column: Callable[[Column], None]
    benchmark_params: Callable[[str, Mapping[str, Any]], dict[str, object]]
    mixing_set: Callable[[str], MixingSet]
    dataset: Callable[[str], DatasetSpec]
    model: Callable[[str], ModelSpec]
    recipe: Callable[[str], RecipeSpec]
    missing_data: Callable[[Sequence[str], Path], list[str]]
    loop_semantics: int
    data_root: Path | None = None

    def method_parts(self, name: str) -> tuple[Method, ...]:
        """Return the methods that a name joins by "+" ("pixmix+cutmix"), in order.

        Raises:
            AugmentError: If a part is unknown, or the parts do not compose.
        """
        whole = self.compose(name)
        parts = [part.strip() for part in name.split("+")]
        return (whole,) if len(parts) == 1 else tuple(self.compose(part) for part in parts)

    def benchmark(self, name: str) -> Benchmark:
        """Return a benchmark.

        Raises:
            ValueError: If the name is unknown.
        """
        found = self.benchmarks[name] if name in self.benchmarks else self.added_benchmarks().get(name)
        if found is None:
            raise ValueError(f"unknown benchmark '{name}'{nearest(name, list(self.benchmarks))}")
        return found

    def has_benchmark(self, name: str) -> bool:
        """Whether there is a benchmark of that name, built in or of an installed package."""
        return name in self.benchmarks or name in self.added_benchmarks()


@cache
def builtin_catalogue(data_root: Path | None = None) -> Catalogue:
    """Return the catalogue of this installation: the built-in registries, and the files below a data root."""

    def missing(names: Sequence[str], data_root: Path) -> list[str]:
        lines = missing_data(list(names), data_root)
        wrong = {name: contradiction(dataset_for(name), data_root) for name in names}
        return [*lines, *(f"dataset {name!r} is not the published one: {text}" for name, text in wrong.items() if text)]

    return Catalogue(
        methods=METHODS,
        compose=method_for,
        benchmarks=BENCHMARKS,
        added_benchmarks=added_benchmarks,
        check_column=check_column,
        benchmark_params=full_params,
        mixing_set=mixing_set_for,
        dataset=dataset_for,
        model=model_for,
        recipe=recipe_for,
        missing_data=missing,
        loop_semantics=LOOP_SEMANTICS,
        data_root=data_root,
    )
