"""The data of a cell as MLflow shows them: name, digest of the content, source, and what measures on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from augment.files.published import PENDING
from orchestration.cells.cell import PlannedCell
from orchestration.tracking.contract import TrackedData
from orchestration.tracking.secrets import scrubbed
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import dataset_for
from trainers.errors import TrainingError

LONGEST_DIGEST: Final = 36
"""Characters that MLflow stores of a digest."""
TEST_SPLIT: Final = " (test)"
_LONGEST_NAME: Final = 500
_QUOTED: Final = re.compile(r"'(.+)'")


class Datasets:
    """Looks datasets up, each once: a sweep has thousands of cells on one."""

    def __init__(self) -> None:
        self._known: dict[str, DatasetSpec | None] = {}

    def of(self, name: str) -> DatasetSpec | None:
        """Return a dataset's description, or None where it is not known here: of an imported cell, or a folder that is gone."""
        if name not in self._known:
            try:
                self._known[name] = dataset_for(name)
            except TrainingError:
                self._known[name] = None
        return self._known[name]

    def data_of(self, planned: PlannedCell) -> tuple[TrackedData, ...]:
        """Return what a cell is trained on and evaluated on; what is identified by nothing yet is left out."""
        trained: dict[tuple[str, str], None] = {}
        for label, found in planned.files.items():
            if digest := _digest(found):
                trained[_plain_name(label), digest] = None
        if not trained and planned.dataset_identity:
            trained[planned.config.dataset, _digest({"key": planned.dataset_identity})] = None
        evaluated: dict[tuple[str, str], list[str]] = {}
        for request in planned.benchmarks:
            dataset = planned.config.dataset
            own = {name: found for name, found in request.files.items() if name != dataset}
            # Where a benchmark has files of its own its metrics are of those; the dataset is read for its size and labels.
            for name, found in (own or request.files).items():
                if digest := _digest(found):
                    # MLflow has one input a name and digest: the split that is tested on is another one.
                    shown = f"{name}{TEST_SPLIT}" if name == dataset else name
                    evaluated.setdefault((shown, digest), []).append(request.shown_name)
        return (
            *(self._tracked(name, digest, "training", ()) for name, digest in trained),
            *(self._tracked(name, digest, "evaluation", tuple(names)) for (name, digest), names in evaluated.items()),
        )

    def _tracked(self, name: str, digest: str, context: str, benchmarks: tuple[str, ...]) -> TrackedData:
        spec = self.of(name.removesuffix(TEST_SPLIT))
        return TrackedData(
            name=scrubbed(name)[:_LONGEST_NAME],
            digest=digest,
            source=scrubbed(spec.source if spec is not None else name),
            context="training" if context == "training" else "evaluation",
            benchmarks=benchmarks,
        )


def _plain_name(label: str) -> str:
    """Return the name in what a plan calls some files: "dataset 'cifar-10'" is cifar-10."""
    found = _QUOTED.search(label)
    return found.group(1) if found else label


def _digest(found: Mapping[str, str]) -> str:
    """Return what identifies files, without the name of the algorithm; "" where nothing does."""
    text = found.get("content") or found.get("key", "")
    return "" if text == PENDING else text.rpartition(":")[2][:LONGEST_DIGEST]
