"""The options that choose benchmarks for one network, and what they run with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from eval.benchmarks.suite.choose import SUITES, check_suite
from eval.errors import EvalError
from eval.inference.precision import PRECISIONS, EvaluationPrecision
from orchestration.errors import InputError, Mistake, read_all
from orchestration.sweeps.model import PRECISION_PATH
from orchestration.sweeps.overrides import parse_overrides


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """Which benchmarks run, and with what."""

    suite: Annotated[str | None, typer.Option("--suite", help=f"Suite of benchmarks: {', '.join(SUITES)}.")] = None
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
        read_all(lambda: self.evaluated_in, self._check_chosen)

    def _check_chosen(self) -> None:
        wrong = []
        if self.benchmarks is not None and (self.suite is not None or self.axes is not None):
            text = "name benchmarks, or a suite with or without axes, but not both"
            wrong.append(Mistake(where="--benchmarks", text=text))
        if self.suite is not None:
            try:
                check_suite(self.suite)
            except EvalError as error:
                wrong.append(Mistake(where="--suite", text=str(error)))
        if wrong:
            raise InputError("options", wrong)
