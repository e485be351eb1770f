"""What a training step costs in each memory layout: channels last with exact sums, against contiguous and torch's own sums.

    python -m benchmarks.layout_speed [--quick] [--json] [--threads N]

One step is forward, backward and SGD on a batch of synthetic images, in this process. Ratios above 1 say that channels last with
exact sums is the faster one; what it loses against torch's own sums is the price of their accuracy. One thread is measured by its
CPU time; more by the clock on the wall, which says something on idle cores only: threads that wait for each other take CPU time.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import harness
from trainers.models.batch_norm import with_exact_sums
from trainers.models.contract import ModelInput
from trainers.models.normalize import laid_out
from trainers.models.registry import model_for
from trainers.worker.process import hold_memory

Kind = Literal["exact", "contiguous", "native"]
NAMES: Final[dict[Kind, str]] = {
    "exact": "channels last, exact sums",
    "contiguous": "contiguous",
    "native": "channels last, torch's own sums",
}


class Step:
    """Forward, backward and step of a network in one layout."""

    def __init__(self, network: nn.Module, images: Tensor, labels: Tensor, kind: Kind) -> None:
        last = kind != "contiguous"
        self._network = copy.deepcopy(network).to(
            memory_format=torch.channels_last if last else torch.contiguous_format
        )
        if kind == "exact":
            with_exact_sums(self._network)
        self._images, self._labels = laid_out(images, channels_last=last), labels
        self._optimiser = torch.optim.SGD(self._network.parameters(), 0.01, momentum=0.9, nesterov=True, foreach=True)

    def __call__(self) -> None:
        self._optimiser.zero_grad()
        functional.cross_entropy(self._network(self._images), self._labels).backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()


def cases(model: str, batch: int) -> list[harness.Case]:
    """Return the comparisons of a model with its own convolutions at 32 px, in colour."""
    torch.manual_seed(0)
    network = (
        model_for(model).build({"dropout": 0.0}, ModelInput(image_size=32, num_channels=3, num_classes=10)).train()
    )
    images, labels = torch.rand(batch, 3, 32, 32), torch.randint(10, (batch,))
    steps = {kind: Step(network, images, labels, kind) for kind in NAMES}
    targets: dict[Kind, float] = {"contiguous": 1.0, "native": 0.85}
    return [
        harness.Case(
            name=f"{model}, batch {batch}, {NAMES['exact']}",
            ours=steps["exact"],
            peer=steps[kind],
            peer_name=NAMES[kind],
            target=target,
            ours_units=batch,
            peer_units=batch,
        )
        for kind, target in targets.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = harness.parser("layout_speed", "A training step in each memory layout.")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of a step (default 1)")
    options: Any = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    hold_memory()  # as every worker does
    models = (
        (("wrn-10-1", 128), ("wrn-16-2", 128))
        if options.quick
        else (("wrn-10-1", 128), ("wrn-16-2", 128), ("wrn-40-4", 16))
    )
    measured = harness.measure(
        [case for each in models for case in cases(*each)], rounds=5, clock="cpu" if options.threads == 1 else "wall"
    )
    harness.show(harness.Report(benchmark="layout_speed", measurements=measured, notes=[]), as_json=options.json)


if __name__ == "__main__":
    main()
