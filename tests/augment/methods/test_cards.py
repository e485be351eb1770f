"""Method cards say what a method does, where it acts and what its hyper-parameters are."""

from __future__ import annotations

import pytest

from augment.registry import METHODS
from benchmarks.pages.methods import all_cards, card_for


def test_a_card_holds_everything_that_a_reader_asks() -> None:
    card = card_for(METHODS["pixmix"])
    assert card.startswith("## PixMix (`pixmix`)\n")
    for line in (
        "- acts on: images, on the host",
        "| `beta` | a number | `3` | Mixing strength; larger mixes less. |",
        "- on imagenet: beta = 4, severity = 1",
        "- needs: a mixing set",
        "- source: Hendrycks et al., PixMix (CVPR 2022); andyzoujm/pixmix",
    ):
        assert line in card


def test_a_card_tells_recipe_and_start() -> None:
    card = card_for(METHODS["oe"])
    assert "- recipe on any dataset: epochs = 10, lr = 0.001" in card
    assert "- starts from: the trained network of `baseline`" in card
    assert "- acts on: the loss, a second stream of images" in card


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_card(name: str) -> None:
    assert f"(`{name}`)" in all_cards()


def test_files_are_named_apart_from_hyper_parameters() -> None:
    card = card_for(METHODS["sin"])
    assert "- files in the data root, if given: `encoder`, `decoder`, `stored_copy`" in card
    assert "encoder_content" not in card
