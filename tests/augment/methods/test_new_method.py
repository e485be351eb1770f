"""A new method is one file and one line in the registry: everything else reads it from there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from augment.compound import config_for, method_for
from augment.kernels.counters import SampleKeys
from augment.registry import METHODS
from augment.treatment import TreatmentContext
from benchmarks.methods_page import document

TOY = """
from dataclasses import dataclass

from augment.method import Method, require_fraction
from augment.treatment import Treatment


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyConfig:
    share: float = 0.5

    def __post_init__(self):
        require_fraction(self, "share")


class Toy(Treatment):
    def __init__(self, config, context):
        self._share = config.share

    def sample(self, images, keys):
        return (images * self._share).astype(images.dtype)


METHOD = Method(
    name="toy", title="Toy", semantics=1, config=ToyConfig, stages=frozenset({"sample"}), build=Toy, passes=2.0,
    defaults={"imagenet": {"share": 0.25}}, recipe={"*": {"epochs": 3}}, what="Darken.", source="This test.",
    unstated="how dark (half here)",
)
"""
CONTEXT = TreatmentContext(image_size=4, num_channels=1, num_classes=2, mean=(0.5,))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy_method.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(METHODS, "toy", importlib.import_module("toy_method").METHOD)  # type: ignore[arg-type]
    monkeypatch.delitem(sys.modules, "toy_method")


@pytest.mark.usefixtures("toy")
def test_it_is_found_and_built_with_what_a_dataset_changes() -> None:
    images = np.full((2, 4, 4, 1), 100, dtype=np.uint8)
    treatment = method_for("toy").build(config_for(METHODS["toy"], "imagenet", {}), CONTEXT)
    assert (treatment.sample(images, SampleKeys(0, 0, np.arange(2))) == 25).all()


@pytest.mark.usefixtures("toy")
def test_it_composes_with_others() -> None:
    assert method_for("toy+cutout").passes == 2.0


@pytest.mark.usefixtures("toy")
def test_its_card_is_on_the_page() -> None:
    page = document()
    assert "### Toy (`toy`)" in page
    assert "- unstated by the sources: how dark (half here)" in page
