"""Random sweep files, options and results for the property test: mostly sound, with what people bring mixed in.

The results of a benchmark are written here from its protocol (which fine rows and metrics it gives), not from the plan's checks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from eval.benchmarks.contract import BenchmarkRequest
from eval.corruptions.cbar.registry import cbar_kinds
from eval.report import BenchmarkOutcome, MetricValue
from orchestration.cells.identity import ResolvedCell
from orchestration.store.contract import CellResult
from tests.fakes.records import make_report, make_training
from trainers.datasets.registry import dataset_for

Draw = Any
METHODS = ("baseline", "cutout", "mixup", "cutmix", "augmix", "pixmix", "pixmix+cutmix")
DATASETS = ("digits", "mnist", "cifar-10", "fashion-mnist")
SOUND_LABELS = (
    "Baseline",
    "PixMix",
    "a|b",
    "50 % & more",
    "k_1^2",
    "<b>x</b>",
    "# 1",
    "`c`",
    "~ $x$ {y}",
    '"q"',
    "β ± 2",
    "[a](b)",
    "C:\\d",
)
ODD_LABELS = (
    "a\u00a0b",
    "a\tb",
    "a\nb",
    " a",
    "baseline",
    "\u0412aseline",
    "x\u200b",
    "epochs=7",
    "lr=0.1",
    "max_rounds=2",
)
COLUMNS = (
    "clean/error",
    "clean/rms",
    "clean/ece",
    "clean/rms-reference",
    "clean-scaled/rms",
    "pgd/error",
    "pgd-reference/error",
    "c-generated/error",
    "c-generated/rms",
    "c-generated/error/fog",
    "cbar-generated/error",
    "cbar-generated/error/sparkles",
    "p-generated/mfr",
    "p-generated/mt5d",
    "p-generated/mfr/tilt",
    "ood-generated/auroc",
    "ood-generated/aupr/blobs",
    "ood-generated/fpr95/mean",
    "ood-generated/auroc/blobs:energy",
    "ood/auroc",
    "ood/auroc/svhn",
    "mnist-c-generated/error",
    "mnist-c-generated/error/fog",
    "c/error",
    "c/mce",
    "cbar/error",
    "p/mfr",
    "c-generated/mce",
    "c-generated/ce/fog",
    "mnist-c/error",
    "r/error",
    "ood/auroc/svhnn",
    "c-generated/error/fogg",
    "clean/auroc",
    "clean",
    "p-generated/mfr-normalised",
)
SOUND_COLUMNS = 22
PARAMS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "clean": ({}, {"max_images": 200}, {"max_images": 30}),
    "c-generated": (
        {},
        {"kinds": ["fog", "snow"]},
        {"baseline": "alexnet-imagenet-c"},
        {"kinds": ["snow"], "severities": [2]},
        {"max_images": 50},
        {"severities": [9]},
    ),
    "p-generated": ({}, {"kinds": ["tilt"]}, {"kinds": ["snow"]}),
    "ood-generated": ({"score": "energy"}, {"sets": ["blobs"]}, {}, {"max_images": 3}),
    "ood": ({"sets": ["svhn"]}, {"sets": ["svhn", "blobs"]}, {"sets": ["digits"]}),
}
AXES: Mapping[str, tuple[Any, ...]] = {
    "params.max_rounds": (1, 2, 3, 4),
    "params.beta": (3, 4.5, 5),
    "train.weight_decay": (0.1, 0.01, 1e-4, 0.0),
    "train.epochs": (0, 1, 7),
    "train.flip": (True, False),
    "method": METHODS,
    "dataset": DATASETS,
    "mixing_set_params.num_images": (4, 16),
    "mixing_set_params.seed": (0, 1),
}
SETS = (
    "train.epochs=7",
    "train.weight_decay=0.01",
    "method=cutout",
    "dataset=digits",
    "params.beta=5",
    "params.max_rounds=2",
    "train.lr=0.2",
    "mixing_set_params.num_images=8",
    "benchmarks.clean.max_images=120",
    "model=small-cnn",
    "train.train_images=9999",
)


LABELS = st.sampled_from(SOUND_LABELS) | st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=5)
ODD = st.sampled_from(ODD_LABELS) | st.text(min_size=1, max_size=6)


def _some(values: Any, low: int = 1, high: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=low, max_size=high, unique_by=repr)


@st.composite
def sweep_files(draw: Draw) -> tuple[dict[str, Any], str, list[str], str | None]:
    """Draw a sweep file as plain values, a size, `--set` texts and a `--seeds` text; half of them with odd things in them."""
    return _Drawing(draw, is_odd=draw(st.booleans())).sweep()


class _Drawing:
    """One drawn sweep."""

    def __init__(self, draw: Draw, *, is_odd: bool) -> None:
        self.draw = draw
        self.is_odd = is_odd
        layouts = ["metrics", "metrics", "matrix", "sets"]
        self.layout = draw(st.sampled_from(layouts))
        self.paths = draw(_some(tuple(AXES), 2 if self.layout == "matrix" else 1, 2 if self.layout == "matrix" else 3))
        takes_params = any(path.startswith("params.") for path in self.paths)
        self.methods = METHODS[-2:] if takes_params and not self.oddly() else METHODS

    def oddly(self, of: int = 4) -> bool:
        """Whether to do something odd now."""
        return self.is_odd and self.draw(st.integers(1, of)) == 1

    def label(self) -> str:
        return str(self.draw(ODD if self.oddly(8) else LABELS))

    def values(self, path: str) -> list[Any]:
        return self.draw(_some(self.methods if path == "method" else AXES[path]))  # type: ignore[no-any-return]

    def sweep(self) -> tuple[dict[str, Any], str, list[str], str | None]:
        draw, table = self.draw, self.table()
        names = list(dict.fromkeys(column.partition("/")[0] for column in table["columns"]))
        file: dict[str, Any] = {
            "name": "drawn",
            "title": self.label(),
            "base": {
                "dataset": draw(st.sampled_from(DATASETS)),
                "model": "wrn-10-1",
                "recipe": "noop",
                "method": draw(st.sampled_from(self.methods)),
                "mixing_set": "fractals",
                "mixing_set_params": {"num_images": 16},
            },
            "axes": self.axes(),
            "seeds": draw(st.sampled_from([[0], [0, 1], [3, 1, 2]])),
            "table": table,
            "benchmarks": {name: self.params(name) for name in names if name in PARAMS},
        }
        if draw(st.booleans()):
            sets = [{}, {"train": {"epochs": 1}}, {"dataset": "digits"}, {"method": "cutout"}, {"train": {"lr": 0.2}}]
            file["sizes"] = {"smoke": {"set": draw(st.sampled_from(sets))}}
        cells = file["axes"].get("cells", [])
        if cells and draw(st.integers(0, 4)) == 0:
            labels = [cell.get("row", cell["method"]) for cell in cells]
            table["rows"] = draw(_some(labels, 1, 3)) + (labels[:1] if self.oddly() else [])
        given = draw(_some(SETS, 0, 2)) if draw(st.integers(0, 3)) == 0 else []
        size = "smoke" if "sizes" in file and draw(st.booleans()) else "full"
        return file, size, given, draw(st.sampled_from([None, None, "5", "0-2"]))

    def params(self, name: str) -> dict[str, Any]:
        kept = PARAMS[name] if self.oddly(2) else PARAMS[name][:2]
        return dict(self.draw(st.sampled_from(kept)))

    def axes(self) -> dict[str, Any]:
        draw, axes = self.draw, dict[str, Any]()
        kinds = ["grid"] if self.layout == "matrix" and not self.oddly() else ["cells", "grid", "one_at_a_time", "both"]
        kind = draw(st.sampled_from(kinds))
        if kind in ("cells", "both"):
            cells = [self.cell() for _ in range(draw(st.integers(1, 4)))]
            axes["cells"] = list({cell.get("row", cell["method"]): cell for cell in cells}.values())
            if self.oddly():
                axes["cells"].append(cells[0])
        if kind != "cells":
            name = "one_at_a_time" if kind == "one_at_a_time" else "grid"
            axes[name] = {path: self.values(path) for path in self.paths}
            varied = {path: values for path, values in axes[name].items() if len(values) > 1}
            if varied and name == "grid" and draw(st.integers(0, 3)) == 0:
                path = draw(st.sampled_from(sorted(varied)))
                value = draw(st.sampled_from(AXES[path] if self.oddly() else varied[path]))
                axes["exclude"] = [{path: value}]
        if "grid" in axes and draw(st.integers(0, 3)) == 0:
            axes["row"] = " / ".join(f"{{{path}}}" for path in draw(st.permutations(self.paths)))
        return axes

    def cell(self) -> dict[str, Any]:
        draw = self.draw
        cell: dict[str, Any] = {"method": draw(st.sampled_from(METHODS))}
        if draw(st.integers(0, 5)):
            cell["row"] = self.label()
        if draw(st.booleans()):
            cell["train"] = {"weight_decay": draw(st.sampled_from(AXES["train.weight_decay"]))}
        if draw(st.integers(0, 5)) == 0:
            cell["init_from"] = {"method": draw(st.sampled_from(METHODS[:3]))}
        return cell

    def table(self) -> dict[str, Any]:
        draw = self.draw
        columns = draw(_some(COLUMNS[:SOUND_COLUMNS], 1, 4))
        if self.oddly():
            columns.append(draw(st.sampled_from(COLUMNS)))
        if self.layout == "matrix":
            return {"columns": columns, "layout": "matrix", "matrix": {"rows": self.paths[0], "columns": self.paths[1]}}
        if self.layout == "sets":
            details = ("blobs", "mean", "blobs:energy", "gaussian", "svhn")
            of = _some(details if self.oddly() else details[:3], 1, 3)
            sets = draw(_some(("ood-generated/auroc", "ood-generated/aupr"), 1, 2))
            return {"columns": sets, "layout": "sets", "details": draw(of)}
        return {"columns": columns}


def value_of(train_key: str, *parts: str) -> float:
    """Return the value that a cell is made to have of something: a fraction of three digits that depends on its name alone."""
    digest = hashlib.sha256("\n".join((train_key, *parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") % 1000 / 1000


def result_of(cell: ResolvedCell) -> CellResult:
    """Return what would be recorded of a cell: every benchmark with the metrics and fine rows that its protocol gives."""
    reports = {request.key: make_report(request, _outcome(cell, request)) for request in cell.benchmarks}
    training = make_training(cell.train_key)
    return CellResult(train_key=cell.train_key, training=training, reports=reports)


def _outcome(cell: ResolvedCell, request: BenchmarkRequest) -> BenchmarkOutcome:
    data, params = dataset_for(cell.config.dataset), request.params
    limit = params.get("max_images")
    n = min(data.num_test, limit) if isinstance(limit, int) else data.num_test
    calibration = [name for name, least in (("rms", 100), ("rms-reference", 200), ("ece", 100)) if n >= least]
    family = request.name.removesuffix("-generated")
    notes: dict[str, Any] = {}
    field, kinds, metrics = "", [], ["error"]
    if family == "clean":
        metrics += calibration
    elif family == "clean-scaled":
        metrics = ["rms", "ece"]
    elif family in ("c", "cbar", "mnist-c"):
        field = "corruption"
        kinds = params.get("kinds") or list(cbar_kinds(data.image_size))
        metrics += [name for name in calibration if name != "ece"] if family != "mnist-c" else []
        metrics += ["mce"] if params.get("baseline") else []
    elif family == "p":
        field, metrics = "perturbation", ["mfr", "mt5d"]
        kinds = params.get("kinds") or ["gaussian_noise", "tilt", "snow"]
    elif family == "ood":
        field, kinds, metrics = "set", [*params["sets"], "mean"], ["auroc", "aupr", "fpr95"]  # type: ignore[misc]
        notes["variant"] = params["score"]
    key = cell.train_key
    rows: list[dict[str, Any]] = []
    for kind in kinds:  # type: ignore[attr-defined]
        for variant in ("msp", "energy", "xent", "max-logit") if family == "ood" else ("",):
            named = {field: kind} | ({"variant": variant} if variant else {})
            fine = [name for name in metrics if name != "mce"]
            rows.append(named | {name: value_of(key, request.key, name, kind, variant) for name in fine})
        if "mce" in metrics:
            rows.append({field: kind, "ce": value_of(key, request.key, "ce", kind, "")})
    values = {name: MetricValue(value_of(key, request.key, name), n) for name in metrics}
    return BenchmarkOutcome(metrics=values, rows=tuple(rows), notes=notes)
