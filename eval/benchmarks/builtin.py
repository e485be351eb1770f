"""The built-in benchmarks, one line a fact; runners are imported when they run. Use it through `eval.benchmarks.registry`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from eval.benchmarks.configs import (
    BarConfig,
    CleanConfig,
    CorruptionConfig,
    GeneratedOutlierConfig,
    MnistCorruptionConfig,
    OutlierConfig,
    PerturbationConfig,
    PgdConfig,
    PublishedBarConfig,
    PublishedCorruptionConfig,
    ReferencePgdConfig,
    RenditionConfig,
    ScaledConfig,
)
from eval.benchmarks.contract import Benchmark
from eval.corruptions.cbar.registry import cbar_kinds
from eval.corruptions.contract import check_side
from eval.corruptions.families import check_effect

if TYPE_CHECKING:
    from eval.inference.subject import Subject
    from eval.report import BenchmarkOutcome

_C: Final = "Hendrycks and Dietterich, ICLR 2019; hendrycks/robustness, ImageNet-C/create_c"
_BAR: Final = "Mintun, Kirillov, Xie, NeurIPS 2021; facebookresearch/augmentation-corruption"
_P: Final = "Hendrycks and Dietterich, ICLR 2019; hendrycks/robustness, ImageNet-P"
_OUTLIERS: Final = "Hendrycks, Mazeika, Dietterich, ICLR 2019; hendrycks/outlier-exposure, CIFAR/test.py"
_MNIST_C: Final = "Mu and Gilmer, 2019; google-research/mnist-c"


def _run_clean(config: CleanConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.clean import run_clean

    return run_clean(config, subject)


def _run_scaled(config: ScaledConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.scaled import run_scaled

    return run_scaled(config, subject)


def _run_generated_corruptions(config: CorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.corruption import run_generated_corruptions

    return run_generated_corruptions(config, subject)


def _run_pgd(config: PgdConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.adversaries import run_pgd

    return run_pgd(config, subject)


def _run_reference_pgd(config: ReferencePgdConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.adversaries import run_reference_pgd

    return run_reference_pgd(config, subject)


def _run_generated_outliers(config: GeneratedOutlierConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.outliers import run_generated_outliers

    return run_generated_outliers(config, subject)


def _run_corruptions(config: PublishedCorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.published import run_corruptions

    return run_corruptions(config, subject)


def _run_bar(config: PublishedBarConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.published import run_bar

    return run_bar(config, subject)


def _run_generated_bar(config: BarConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.corruption import run_generated_bar

    return run_generated_bar(config, subject)


def _run_renditions(config: RenditionConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.published import run_renditions

    return run_renditions(config, subject)


def _run_perturbations(config: PerturbationConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.published import run_perturbations

    return run_perturbations(config, subject)


def _run_generated_perturbations(config: PerturbationConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.consistency import run_generated_perturbations

    return run_generated_perturbations(config, subject)


def _run_mnist_corruptions(config: MnistCorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.published import run_mnist_corruptions

    return run_mnist_corruptions(config, subject)


def _run_generated_mnist_corruptions(config: MnistCorruptionConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.corruption import run_generated_mnist_corruptions

    return run_generated_mnist_corruptions(config, subject)


def _run_outliers(config: OutlierConfig, subject: Subject) -> BenchmarkOutcome:
    from eval.benchmarks.runners.outliers import run_outliers

    return run_outliers(config, subject)


def _check_corruptions(config: CorruptionConfig, side: int, channels: int) -> None:
    check_effect("c", config.kinds, config.severities, side=side, channels=channels)


def _check_bar(config: BarConfig, side: int, channels: int) -> None:
    check_effect("cbar", config.kinds or cbar_kinds(side), config.severities, side=side, channels=channels)


def _check_mnist_corruptions(config: MnistCorruptionConfig, side: int, channels: int) -> None:
    check_effect("mnist-c", config.kinds, (1,), side=side, channels=channels)


def _check_perturbations(config: PerturbationConfig, side: int, channels: int) -> None:
    check_side(side)


BENCHMARKS: Final[Mapping[str, Benchmark]] = MappingProxyType(
    {
        "clean": Benchmark(
            name="clean",
            title="Clean",
            axis="accuracy",
            origin="none",
            semantics=2,
            config=CleanConfig,
            metrics=("error", "rms", "rms-reference", "ece"),
            run=_run_clean,
            source="the dataset's test split; calibration as in andyzoujm/pixmix, calibration_tools.py",
        ),
        "clean-scaled": Benchmark(
            name="clean-scaled",
            title="Clean (scaled)",
            axis="calibration",
            origin="none",
            semantics=1,
            config=ScaledConfig,
            metrics=("rms", "ece"),
            run=_run_scaled,
            source="Guo et al., ICML 2017: temperature scaling; an extra that no published table has",
        ),
        "c": Benchmark(
            name="c",
            title="C",
            axis="corruption",
            origin="published",
            semantics=2,
            config=PublishedCorruptionConfig,
            metrics=("error", "mce", "rms", "rms-reference"),
            run=_run_corruptions,
            source=_C,
            details="corruption",
        ),
        "c-generated": Benchmark(
            name="c-generated",
            title="C (generated)",
            axis="corruption",
            origin="generated",
            semantics=3,
            config=CorruptionConfig,
            metrics=("error", "mce", "rms", "rms-reference"),
            run=_run_generated_corruptions,
            source=_C,
            details="corruption",
            check_images=_check_corruptions,
        ),
        "cbar": Benchmark(
            name="cbar",
            title="C-bar",
            axis="corruption",
            origin="published",
            semantics=2,
            config=PublishedBarConfig,
            metrics=("error", "rms", "rms-reference"),
            run=_run_bar,
            source=_BAR,
            details="corruption",
        ),
        "cbar-generated": Benchmark(
            name="cbar-generated",
            title="C-bar (generated)",
            axis="corruption",
            origin="generated",
            semantics=3,
            config=BarConfig,
            metrics=("error", "rms", "rms-reference"),
            run=_run_generated_bar,
            source=_BAR,
            details="corruption",
            check_images=_check_bar,
        ),
        "r": Benchmark(
            name="r",
            title="R",
            axis="corruption",
            origin="published",
            semantics=2,
            config=RenditionConfig,
            metrics=("error", "rms", "rms-reference"),
            run=_run_renditions,
            source="Hendrycks et al., ICCV 2021; hendrycks/imagenet-r, eval.py: 30,000 renditions of 200 classes",
        ),
        "p": Benchmark(
            name="p",
            title="P",
            axis="consistency",
            origin="published",
            semantics=1,
            config=PerturbationConfig,
            metrics=("mfr", "mt5d", "mfr-normalised", "mt5d-normalised"),
            run=_run_perturbations,
            source=_P,
            details="perturbation",
        ),
        "p-generated": Benchmark(
            name="p-generated",
            title="P (generated)",
            axis="consistency",
            origin="generated",
            semantics=2,
            config=PerturbationConfig,
            metrics=("mfr", "mt5d", "mfr-normalised", "mt5d-normalised"),
            run=_run_generated_perturbations,
            source=_P,
            details="perturbation",
            check_images=_check_perturbations,
        ),
        "pgd": Benchmark(
            name="pgd",
            title="PGD",
            axis="adversaries",
            origin="none",
            semantics=1,
            config=PgdConfig,
            metrics=("error",),
            run=_run_pgd,
            source="Madry et al., ICLR 2018; budget of andyzoujm/pixmix, cifar.py",
        ),
        "pgd-reference": Benchmark(
            name="pgd-reference",
            title="PGD (reference)",
            axis="adversaries",
            origin="none",
            semantics=1,
            config=ReferencePgdConfig,
            metrics=("error",),
            run=_run_reference_pgd,
            source="andyzoujm/pixmix, cifar.py, with its wider reach",
        ),
        "ood": Benchmark(
            name="ood",
            title="OOD",
            axis="anomaly",
            origin="published",
            semantics=3,
            config=OutlierConfig,
            metrics=("auroc", "aupr", "fpr95"),
            run=_run_outliers,
            source=_OUTLIERS,
            details="set",
        ),
        "ood-generated": Benchmark(
            name="ood-generated",
            title="OOD (generated)",
            axis="anomaly",
            origin="generated",
            semantics=2,
            config=GeneratedOutlierConfig,
            metrics=("auroc", "aupr", "fpr95"),
            run=_run_generated_outliers,
            source=_OUTLIERS,
            details="set",
        ),
        "mnist-c": Benchmark(
            name="mnist-c",
            title="MNIST-C",
            axis="corruption",
            origin="published",
            semantics=1,
            config=MnistCorruptionConfig,
            metrics=("error",),
            run=_run_mnist_corruptions,
            source=_MNIST_C,
            details="corruption",
        ),
        "mnist-c-generated": Benchmark(
            name="mnist-c-generated",
            title="MNIST-C (generated)",
            axis="corruption",
            origin="generated",
            semantics=2,
            config=MnistCorruptionConfig,
            metrics=("error",),
            run=_run_generated_mnist_corruptions,
            source=_MNIST_C,
            details="corruption",
            check_images=_check_mnist_corruptions,
        ),
    }
)
