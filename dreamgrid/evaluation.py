"""The safety suite on any network at hand: on its own device, in this process, without Ray and without a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from augment.heavy import pandas
from augment.lookup.wording import count
from eval.inference.precision import EvaluationPrecision
from orchestration.cli.output import columns
from orchestration.evaluation.evaluate import document_of
from orchestration.evaluation.in_process import evaluate_model
from orchestration.evaluation.progress import OnProgress, TotalProgress
from orchestration.results.evaluation_lines import (
    EVALUATION_HEAD,
    evaluation_notes,
    evaluation_rows,
    further_notes,
    main_numbers,
    marking_notes,
    missing_lines,
)
from orchestration.settings import read_settings

_SHOWN: Final = 4
"""Numbers that the repr shows."""


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """What came of an evaluation; a notebook and `print` show it as a table.

    Attributes:
        document: Everything as plain values, as of `dreamgrid evaluate --json`; `dreamgrid export` reads it.
    """

    document: Mapping[str, Any]

    @property
    def metrics(self) -> dict[str, float]:
        """Values by "benchmark/metric"; rates are fractions."""
        return {
            f"{report['shown_as']}/{name}": value["value"]
            for report in self.document["reports"]
            for name, value in report["metrics"].items()
        }

    @property
    def missing(self) -> dict[str, str]:
        """Why a benchmark was refused or failed, by its name; empty where none was."""
        return dict(self.document["missing"])

    def to_frame(self) -> pandas.DataFrame:
        """Return one line per metric with the columns benchmark, metric, value, n, marks; rates are fractions.

        Marks are those of a table: "limited" of a part of the test images, "small" of a set of fewer than 100 images, ...
        """
        lines = [
            {"benchmark": report["shown_as"], "metric": name, **value, "marks": " ".join(report["marks"])}
            for report in self.document["reports"]
            for name, value in report["metrics"].items()
        ]
        return pandas.DataFrame(lines, columns=["benchmark", "metric", "value", "n", "marks"])

    def __repr__(self) -> str:
        document = self.document
        reasons: dict[str, list[str]] = {}
        for name, reason in self.missing.items():
            reasons.setdefault(reason, []).append(name)
        numbers = main_numbers(document)
        more = f", {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
        lines = [
            self._title,
            f"{', '.join(numbers[:_SHOWN])}{more}; " * bool(numbers)
            + f"{count(len(self.metrics), 'metric')} of {count(len(document['reports']), 'benchmark')}",
            *(f"missing: {', '.join(names)}: {reason}" for reason, names in reasons.items()),
            ".metrics  .missing  .notes  .document  .to_frame()  print() for a table",
        ]
        return "\n".join(lines)

    def __str__(self) -> str:
        rows = evaluation_rows(self.document)
        table = [columns(rows, header=EVALUATION_HEAD, right=(2, 4))] if rows else []
        return "\n".join([self._title, *table, *self._short_notes])

    @property
    def notes(self) -> list[str]:
        """Everything that must be known of the numbers, a line each."""
        return evaluation_notes(self.document)

    @property
    def _short_notes(self) -> list[str]:
        """The notes that mark values, what is missing, and how to see the other notes."""
        further = further_notes(self.document)
        more = [f"{count(len(further), 'more note')} on how the values came about: .notes"] if further else []
        return [*marking_notes(self.document), *missing_lines(self.document), *more]

    @property
    def _title(self) -> str:
        document = self.document
        return f"{document['checkpoint']} on {document['dataset']}: {', '.join(document['axes']) or 'nothing was evaluated'}"

    def _repr_html_(self) -> str:
        document = self.document
        head = "".join(f"<th>{name}</th>" for name in EVALUATION_HEAD)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in evaluation_rows(document)
        )
        notes = "<br>".join(map(escape, self._short_notes))
        title = escape(f"{document['checkpoint']} on {document['dataset']}")
        table = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n"
        return f"<table>\n<caption>{title}</caption>\n{table}</table>\n<p>{notes}</p>\n"


def evaluate(
    model: Callable[[Any], Any],
    *,
    dataset: str,
    suite: str | None = None,
    benchmarks: Sequence[str] | Mapping[str, Mapping[str, object]] | None = None,
    axes: Sequence[str] = (),
    normalize: object = None,
    max_images: int | None = None,
    precision: EvaluationPrecision = "fp32",
    data_root: Path | str | None = None,
    progress: bool = True,
) -> Report:
    """Run the safety suite on a network or a function, on the device that it is on; its modes are as before afterwards.

        report = dreamgrid.evaluate(model, dataset="digits", suite="quick", axes=["accuracy", "adversaries"])
        report.metrics["clean/error"]

    Args:
        model: An `nn.Module`, or any function: images (N, C, H, W) float32 -> logits (N, K). Attacks need one that gradients pass
            through; without, they are among what is missing.
        dataset: Name of the dataset whose test images are used and whose classes it knows; or `folder:NAME`.
        suite: "full" (the default), "generated", "published" or "quick".
        benchmarks: Benchmarks in place of a suite, by name, or name -> parameters that differ from the defaults.
        axes: Only these safety axes of the suite.
        normalize: How images are normalised for it: "imagenet", "cifar-10", "half", ..., or (mean, std) of pixels in [0, 1]; None
            for a model that takes pixels in [0, 1].
        max_images: Use at most this many test images; the report records the limit.
        precision: Arithmetic of the network: "fp32", "tf32" or "bf16".
        data_root: Folder of datasets; by default as for the command line.
        progress: Whether a bar on stderr shows how far it is.

    Raises:
        InputError: With every name or parameter that is wrong, or if the model cannot take the images.
        DataError: If the test images are missing.
        EvalError: If the suite is unknown.
        ValueError: If suite and benchmarks are both named, the precision is unknown, or the normalisation cannot be read.
    """
    if benchmarks is not None and (suite is not None or axes):
        raise ValueError("name benchmarks, or a suite with or without axes, but not both")
    named = benchmarks if benchmarks is None or isinstance(benchmarks, Mapping) else {name: {} for name in benchmarks}
    settings = read_settings(data_root=None if data_root is None else Path(data_root))
    evaluated = evaluate_model(
        model,
        dataset=dataset,
        suite=suite,
        benchmarks=named,
        axes=axes,
        normalize=normalize,
        max_images=max_images,
        precision=precision,
        settings=settings,
        shown=partial(_shown, is_wanted=progress),
    )
    return Report(document_of(evaluated))


@contextmanager
def _shown(weights: dict[str, float], *, is_wanted: bool) -> Iterator[OnProgress]:
    """Lend what shows one bar on stderr for all benchmarks together.

    Args:
        weights: Benchmark -> how long it takes, in any unit; in the order in which they run.
    """
    total, order = TotalProgress(weights), list(weights)
    parts = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*parts, console=Console(stderr=True), disable=not is_wanted) as bars:
        task = bars.add_task("starting", total=1.0)

        def show(benchmark: str, done: int, of: int) -> None:
            text = f"{benchmark} ({order.index(benchmark) + 1} of {len(order)})"
            bars.update(task, completed=total.share(benchmark, done, of), description=text)

        yield show
        bars.update(task, completed=1.0)  # a benchmark that is refused reports no images
