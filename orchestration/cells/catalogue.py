"""What cells may name, each from the registry of its package.

One frozen value, so that a test can put another description in a registry's place. It imports no NumPy, torch or Ray.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from augment.compound import method_for
from augment.method import Method
from augment.mixing_sets.contract import MixingSet
from augment.mixing_sets.registry import mixing_set_for
from trainers.config import LOOP_SEMANTICS
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import dataset_for
from trainers.models.contract import ModelSpec
from trainers.models.registry import model_for
from trainers.recipes import RecipeSpec, recipe_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that cells may name; each look-up raises its package's own error for an unknown name.

    Attributes:
        compose: Gives the method of a name, also a user's own or several joined by "+".
        data_root: Where what users' own files hold is looked up, as far as it is part of a key; None leaves it pending.
    """

    compose: Callable[[str], Method] = method_for
    mixing_set: Callable[[str], MixingSet] = mixing_set_for
    dataset: Callable[[str], DatasetSpec] = dataset_for
    model: Callable[[str], ModelSpec] = model_for
    recipe: Callable[[str], RecipeSpec] = recipe_for
    loop_semantics: int = LOOP_SEMANTICS
    data_root: Path | None = None

    def method_parts(self, name: str) -> tuple[Method, ...]:
        """Return the methods that a name joins by "+" ("pixmix+cutmix"), in order.

        Raises:
            AugmentError: If a part is unknown, or the parts do not compose.
        """
        return self.compose(name).singles


@cache
def builtin_catalogue(data_root: Path | None = None) -> Catalogue:
    """Return the catalogue of this installation, with the files in a data root."""
    return Catalogue(data_root=data_root)
