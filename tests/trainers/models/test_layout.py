"""The memory layout is the whole network's, in colour and in grey; and its benchmark compares what it says."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import ttest_ind, ttest_rel

from benchmarks.evidence import HERE
from benchmarks.layout import ROWS, compare
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from trainers.models.contract import ModelInput
from trainers.models.normalize import Classifier, Normalize, laid_out
from trainers.models.registry import model_for


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("given_last", [False, True])
def test_every_batch_norm_gets_its_images_in_the_layout_of_the_classifier(
    channels: int, channels_last: bool, given_last: bool
) -> None:
    network = model_for("wrn-10-1").build(
        {"dropout": 0.0}, ModelInput(image_size=32, num_channels=channels, num_classes=10)
    )
    model = Classifier(Normalize((0.5,) * channels, (0.5,) * channels), network, channels_last=channels_last)
    seen = []
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    rows = torch.rand(2, 32, 32, channels)
    model(
        rows.permute(0, 3, 1, 2)
        if given_last
        else rows.permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)
    )
    wanted = torch.channels_last if channels_last else torch.contiguous_format
    assert len(seen) == 7
    assert all(images.is_contiguous(memory_format=wanted) for images in seen)


def test_images_that_lie_as_wanted_are_not_copied() -> None:
    for channels in (1, 3):
        rows = torch.rand(2, 4, 5, channels)
        last = rows.permute(0, 3, 1, 2)
        assert laid_out(last, channels_last=True).data_ptr() == rows.data_ptr()
        assert laid_out(last, channels_last=True).stride() == (20 * channels, 1, 5 * channels, channels)
        contiguous = laid_out(last, channels_last=False)
        assert torch.equal(contiguous, last)
        assert contiguous.stride() == (20 * channels, 20, 5, 1)


def test_layouts_are_compared_over_the_seeds_that_both_have() -> None:
    last, contiguous = {0: 0.10, 1: 0.14, 2: 0.12, 9: 0.9}, {0: 0.13, 1: 0.15, 2: 0.16}
    found = compare("pgd/error", last, contiguous)
    ours, theirs = [0.10, 0.14, 0.12], [0.13, 0.15, 0.16]
    assert found.n == 3
    assert found.difference == pytest.approx(-0.08 / 3)
    assert found.paired_p == pytest.approx(ttest_rel(ours, theirs).pvalue)
    assert found.welch_p == pytest.approx(ttest_ind(ours, theirs, equal_var=False).pvalue)
    assert found.sentence().startswith(
        "pgd/error: channels last 12.00 +- 2.00, contiguous 14.67 +- 1.53; difference -2.67 ["
    )


def test_layouts_without_a_common_seed_are_refused() -> None:
    with pytest.raises(ValueError, match="meet nowhere"):
        compare("pgd/error", {0: 0.1}, {1: 0.1})


@pytest.mark.parametrize("size", ["full", "smoke"])
def test_layout_sweep_has_one_cell_per_layout_and_seed(size: str) -> None:
    catalogue = builtin_catalogue()
    sweep = load_sweep(str(HERE / "evidence-layout.yaml"), size=size, catalogue=catalogue)  # type: ignore[arg-type]
    cells = sweep.cells
    by_row = {row: [cell.config for cell in cells if cell.cell.row == row] for row in ROWS}
    assert [each.seed for each in by_row[ROWS[0]]] == [each.seed for each in by_row[ROWS[1]]]
    assert {each.recipe.channels_last for each in by_row[ROWS[0]]} == {True}
    assert {each.recipe.channels_last for each in by_row[ROWS[1]]} == {False}
