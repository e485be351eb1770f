"""The options that choose benchmarks for one network, and what they run with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from eval.inference.precision import PRECISIONS, EvaluationPrecision
from orchestration.errors import InputError, Mistake
from orchestration.sweeps.model import PRECISION_PATH
from orchestration.sweeps.overrides import parse_overrides

_SUITES: Final = "full, generated, published, quick"


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """Which benchmarks run, and with what."""

    suite: Annotated[str | None, typer.Option("--suite", help=f"Suite of benchmarks: {_SUITES}.")] = None
    benchmarks: Annotated[
        str | None, typer.Option("--benchmarks", help="Benchmarks instead of a suite, separated by commas.")
    ] = None
    axes: Annotated[
        str | None, typer.Option("--axes", help="Only these safety axes of the suite, separated by commas.")
    ] = None
    max_images: Annotated[
        int | None,
        typer.Option(
            "--max-images",
            min=1,
            max=1_000_000_000,
            help="Use at most this many test images; the report records the limit.",
        ),
    ] = None
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a parameter: benchmarks.pgd.steps=5. Repeatable."),
    ] = None
    precision: Annotated[
        str | None,
        typer.Option("--precision", help=f"Arithmetic of the network: {', '.join(PRECISIONS)}. Default: fp32."),
    ] = None

    @property
    def evaluated_in(self) -> EvaluationPrecision | None:
        """The precision that `--precision` or `--set evaluation.precision` names, or None."""
        named = parse_overrides(self.assignments or []).precision
        if self.precision is None:
            return named
        if named is not None:
            text = f"the precision is given twice, also by --set {PRECISION_PATH}={named}; leave one out"
            raise InputError("options", [Mistake(where="--precision", text=text)])
        return parse_overrides([f"{PRECISION_PATH}={self.precision}"]).precision

    def check(self) -> None:
        """Check the values of the options.

        Raises:
            InputError: With every mistake of them.
        """
        _ = self.evaluated_in
