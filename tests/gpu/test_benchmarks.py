"""The benchmarks of a GPU run on a CPU, at tiny sizes: their code is proven, nothing is measured."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu_eval, gpu_train
from benchmarks.gpu_device import untrained, use_text
from trainers.training.gpu_use import NO_USE, GpuUse

CPU = torch.device("cpu")


@pytest.mark.slow
def test_training_is_measured_from_memory_and_from_files() -> None:
    report = gpu_train.report(CPU, quick=True)

    assert [each.case.name for each in report.measurements] == [
        "wrn-10-1 at 32 px from memory, bf16",
        "small-cnn at 32 px from JPEG files, tf32, uint8",
    ]
    assert all(seconds > 0 for each in report.measurements for seconds in (*each.ours_s, *each.peer_s))
    assert any("measures nothing" in note for note in report.notes)
    assert {each.is_met for each in report.measurements} == {None}


@pytest.mark.slow
def test_evaluation_is_measured_from_memory_and_from_files() -> None:
    report = gpu_eval.report(CPU, quick=True)
    names = [each.case.name for each in report.measurements]

    assert names == [
        *(f"small-cnn, ImageNet-C as stored, {each}: end to end" for each in ("fp32", "tf32", "bf16")),
        "small-cnn, ImageNet-C reference, bf16: end to end",
        *(f"small-cnn at 32 px, {each}: end to end" for each in ("fp32", "bf16")),
    ]
    assert sum("waited for batches" in note for note in report.notes) == len(names)


def test_what_nvml_does_not_report_is_left_out() -> None:
    assert use_text(NO_USE) == "NVML reports nothing"
    assert use_text(GpuUse(busy=0.973, power_w=411.6)) == "GPU busy 97 %, 412 W"


def test_a_gpu_measures_the_published_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        total_memory = 139 * 2**30

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    lanes = gpu_train.lanes(torch.device("cuda", 0), quick=False)

    assert [(lane.model, lane.side, lane.batch_size, lane.files > 0) for lane in lanes] == [
        ("wrn-40-4", 32, 128, False), ("resnet-50", 224, 256, True),
    ]  # fmt: skip
    for lane in lanes:
        assert untrained(lane.model, lane.side, "bf16").precision == "bf16"
