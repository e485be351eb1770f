import pytest

from augment.registry import METHODS
from trainers.config import RecipeConfig
from trainers.errors import ImpossibleJob, UnknownName
from trainers.recipes import RECIPES, resolve_model_params, resolve_recipe


def test_cifar_recipe_is_the_published_one() -> None:
    recipe = resolve_recipe("cifar", {})
    assert (recipe.epochs, recipe.batch_size, recipe.lr, recipe.final_lr) == (100, 128, 0.1, 1e-6)
    assert (recipe.momentum, recipe.nesterov, recipe.weight_decay, recipe.schedule) == (0.9, True, 5e-4, "cosine")
    assert resolve_model_params("cifar", "wrn-40-4", {}) == {"dropout": 0.3}


def test_methods_change_what_their_publication_changes_and_the_cell_has_the_last_word() -> None:
    mixup, outliers = METHODS["mixup"].recipe, METHODS["oe"].recipe
    assert resolve_recipe("cifar", mixup["cifar-10"]).weight_decay == 1e-4
    fine_tune = resolve_recipe("cifar", outliers["*"])
    assert (fine_tune.epochs, fine_tune.lr) == (10, 1e-3)
    assert resolve_recipe("mnist", outliers["mnist"]).lr == resolve_recipe("mnist", {}).lr
    assert resolve_recipe("cifar", {**outliers["*"], "epochs": 100}).epochs == 100


def test_whole_numbers_of_real_fields_become_one_value() -> None:
    assert repr(resolve_recipe("cifar", {"lr": 1}).lr) == "1.0"
    assert resolve_recipe("cifar", {"step_epochs": [30, 60]}).step_epochs == (30, 60)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ImpossibleJob) as caught:
        resolve_recipe("cifar", {"epochs": -1, "lr": 0.0, "batch_size": 0, "grad_clip": -2.0})
    for part in ("epochs must be at least 0", "lr must be above 0", "batch_size must be at least 1", "grad_clip"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ({"epochs": 1.5}, "epochs must be a whole number, but got 1.5"),
        ({"flip": 1}, "flip must be true or false, but got 1"),
        ({"lr": "fast"}, "lr must be a number, but got 'fast'"),
        ({"batch_shards": 129}, "batch_shards times grad_accumulation must be at most batch_size"),
        ({"schedule": "cosin"}, "schedule must be one of .* but got 'cosin' .did you mean 'cosine'"),
        ({"step_epochs": [60, 30]}, "step_epochs must be above 0 and rising"),
        ({"momentum": 0.0}, "nesterov needs a momentum"),
        ({"ema_decay": 1.0}, "ema_decay must be in"),
    ],
)
def test_impossible_recipes_are_refused(override: dict[str, object], text: str) -> None:
    with pytest.raises(ImpossibleJob, match=text):
        resolve_recipe("cifar", override)


def test_unknown_recipes_and_fields_get_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="did you mean 'places365'"):
        resolve_recipe("places", {})
    with pytest.raises(UnknownName, match="did you mean 'batch_size'"):
        resolve_recipe("cifar", {"batchsize": 3})


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_its_sources_and_resolves(name: str) -> None:
    spec = RECIPES[name]
    assert spec.name == name
    assert "*" in spec.sources
    assert isinstance(resolve_recipe(name, {}), RecipeConfig)
