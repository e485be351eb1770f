"""Names resolve to methods; compounds apply their parts in order, and what cannot go together is refused while planning."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest

from augment import compound as compounds
from augment.compound import config_for, method_for
from augment.errors import AugmentError
from augment.kernels.counters import SampleKeys
from augment.method import Method
from augment.registry import METHODS
from augment.treatment import Treatment, TreatmentContext

CONTEXT = TreatmentContext(
    image_size=8,
    num_channels=1,
    num_classes=4,
    mean=(0.5,),
    mixing_set=np.random.default_rng(0).integers(0, 256, (5, 9, 9, 1), dtype=np.uint8),
)


def test_registry_names_are_their_keys_and_parts_of_no_compound() -> None:
    for name, method in METHODS.items():
        assert method.name == name
        assert "+" not in name


def test_a_part_that_rounds_hands_bytes_on() -> None:
    images, keys = CONTEXT.mixing_set[:, :8, :8], SampleKeys(0, 0, np.arange(5))  # type: ignore[index]

    def sampled(name: str, **params: object) -> np.ndarray:
        method = method_for(name)
        return method.build(config_for(method, "mnist", params), CONTEXT).sample(np.ascontiguousarray(images), keys)

    alone = sampled("pixmix", rounding="uint8")
    joined = sampled("pixmix+cutout", pixmix={"rounding": "uint8"})
    assert sampled("pixmix+mixup", pixmix={"rounding": "uint8"}).dtype == np.uint8
    assert joined.dtype == np.float32
    is_cut = joined == np.float32(0.5)
    assert np.array_equal(joined[~is_cut], (alone / np.float32(255))[~is_cut])


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(AugmentError, match=r"unknown method 'pixmx' \(did you mean 'pixmix'\?\); known: .*baseline"):
        method_for("pixmx")
    with pytest.raises(AugmentError, match="unknown method 'ctmix' in 'pixmix\\+ctmix'"):
        method_for("pixmix+ctmix")


def test_a_compound_describes_its_parts() -> None:
    method = method_for("pixmix+cutmix")
    assert method.title == "PixMix + CutMix"
    assert method.stages == {"sample", "batch"}
    assert method.needs_mixing_set
    assert method.semantics == METHODS["pixmix"].semantics + METHODS["cutmix"].semantics


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (
            "cutout+pixmix",
            r"'pixmix' needs uint8 images, but 'cutout' before it returns float32: write 'pixmix\+cutout'",
        ),
        ("mixup+mixup", "'mixup' is named 2 times; name it once"),
        ("pixmix+baseline", "'baseline' changes nothing; leave it out"),
    ],
)
def test_what_does_not_compose_is_refused_with_its_fix(name: str, rule: str) -> None:
    with pytest.raises(AugmentError, match=rule):
        method_for(name)


def test_a_compound_applies_its_parts_in_order() -> None:
    images = np.random.default_rng(1).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
    keys = SampleKeys(0, 0, np.arange(6))
    both = method_for("pixmix+cutout")
    together = both.build(both.config(), CONTEXT).sample(images, keys)
    mixed = METHODS["pixmix"].build(METHODS["pixmix"].config(), CONTEXT).sample(images, keys)
    apart = METHODS["cutout"].build(METHODS["cutout"].config(), CONTEXT).sample(mixed, keys)  # type: ignore[arg-type]
    assert np.array_equal(together, apart)


def test_hyper_parameters_come_from_method_dataset_and_cell() -> None:
    pixmix = METHODS["pixmix"]
    assert config_for(pixmix, "cifar-10", {}).beta == 3.0
    assert config_for(pixmix, "imagenet", {}).beta == 4.0
    assert config_for(pixmix, "imagenet", {"beta": 5}) == config_for(pixmix, "imagenet", {"beta": 5.0})
    assert config_for(METHODS["mixup"], "imagenet", {}).alpha == 0.2


def test_hyper_parameters_of_a_compound_stand_under_its_parts() -> None:
    method = method_for("pixmix+cutmix")
    parts = config_for(method, "imagenet", {"pixmix": {"max_rounds": 2}}).parts
    assert (parts["pixmix"].max_rounds, parts["pixmix"].beta, parts["cutmix"].probability) == (2, 4.0, 1.0)
    with pytest.raises(ValueError, match=r"go under its parts \(pixmix, cutmix\), but got \['beta'\]"):
        config_for(method, "imagenet", {"beta": 2.0})


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({"betta": 1.0}, r"unknown hyper-parameter 'betta' of pixmix \(did you mean 'beta'\?\)"),
        ({"max_rounds": 2.5}, "max_rounds of pixmix must be a whole number, but got 2.5"),
        ({"augment_start": 1}, "augment_start of pixmix must be true or false, but got 1"),
        ({"severity": 0.0}, "pixmix: severity must be between 0.1 and 10, but got 0.0"),
    ],
)
def test_a_bad_hyper_parameter_is_refused(params: dict[str, object], rule: str) -> None:
    with pytest.raises(AugmentError, match=rule):
        config_for(METHODS["pixmix"], "cifar-10", params)


def _entry_point(method: object) -> SimpleNamespace:
    return SimpleNamespace(name="mine", value="mine:METHOD", load=lambda: method)


def _users_method(name: str) -> Method:
    baseline = METHODS["baseline"]
    return Method(
        name=name,
        title="Mine",
        semantics=1,
        config=baseline.config,
        stages=frozenset(),
        build=lambda config, context: Treatment(),
        what="Nothing.",
        source="This test.",
    )


def test_a_users_method_is_found_through_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda group: [_entry_point(_users_method("mine"))])
    assert method_for("mine").title == "Mine"


def test_a_users_method_may_take_no_known_name_and_must_be_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda group: [_entry_point(_users_method("pixmix"))])
    with pytest.raises(AugmentError, match=r"the name 'pixmix' of entry point 'mine'.*is taken"):
        compounds.METHOD_KIND.added()
    monkeypatch.setattr(metadata, "entry_points", lambda group: [_entry_point("nothing")])
    with pytest.raises(AugmentError, match="must name a Method, but is str"):
        compounds.METHOD_KIND.added()


def test_resolving_names_imports_nothing_heavy() -> None:
    code = (
        "import sys; from augment.compound import method_for; method_for('pixmix+cutmix');"
        "print([name for name in ('numba', 'torch', 'scipy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
