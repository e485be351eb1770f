"""Compact predictions: what is kept of a network's logits, enough for every metric here and for later ones.

Per image: true class, the six best classes with their probabilities, the true class's probability, the largest and the mean
logit, the logsumexp. About 50 bytes each for ten classes; a full CIFAR evaluation stays below 100 MB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from augment.heavy import torch
from eval.errors import EvalError
from eval.metrics.anomaly import cross_entropy_score, energy_score, max_logit_score, msp_score
from eval.metrics.error import error_rate
from eval.metrics.scores import ScoreName

TOP: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Predictions on N images, in the order of the images.

    Attributes:
        labels: True classes, (N,) int32; -1 where there is none (outliers).
        top_classes: Classes by falling logit, ties by class index, (N, R) uint8 or uint16 with R = min(6, K).
        top_probabilities: Their probabilities in the float32 softmax over all classes, (N, R), bit by bit.
        true_probability: The same softmax's probability of the true class, (N,) float32; NaN without a label.
        max_logit: Largest logit, (N,) float32.
        mean_logit: Mean of the logits, (N,) float32.
        logsumexp: Logsumexp of the logits, (N,) float32.
    """

    labels: NDArray[np.int32]
    top_classes: NDArray[np.unsignedinteger]
    top_probabilities: NDArray[np.float32]
    true_probability: NDArray[np.float32]
    max_logit: NDArray[np.float32]
    mean_logit: NDArray[np.float32]
    logsumexp: NDArray[np.float32]

    def __post_init__(self) -> None:
        lengths = {name: len(values) for name, values in self._columns().items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"predictions must have one length, but got {lengths}")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> NDArray[np.unsignedinteger]:
        """Top-1 classes, (N,)."""
        return self.top_classes[:, 0]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Top-1 probabilities, (N,)."""
        return self.top_probabilities[:, 0]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the top-1 class is the true one, (N,)."""
        return np.asarray(self.predicted.astype(np.int64) == self.labels)

    @property
    def error(self) -> float:
        """Share of wrong predictions."""
        return error_rate(self.correct)

    def score(self, name: ScoreName) -> NDArray[np.float64]:
        """Return anomaly scores, (N,); larger is more anomalous."""
        if name == "msp":
            return msp_score(self.confidence)
        if name == "xent":
            return cross_entropy_score(self.mean_logit, self.logsumexp)
        if name == "max-logit":
            return max_logit_score(self.max_logit)
        return energy_score(self.logsumexp)

    def take(self, indices: NDArray[np.int64] | slice) -> Predictions:
        """Return the predictions at some positions."""
        return _from_columns({name: values[indices] for name, values in self._columns().items()})

    def arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Return the columns as plain arrays named "<prefix>/<column>", for the record."""
        return {f"{prefix}/{name}": values for name, values in self._columns().items()}

    def _columns(self) -> dict[str, NDArray[np.generic]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def predictions_from(arrays: Mapping[str, NDArray[np.generic]], prefix: str) -> Predictions:
    """Return recorded predictions, the reverse of `Predictions.arrays`.

    Raises:
        EvalError: If the record holds no (or incomplete) predictions under that prefix.
    """
    try:
        return _from_columns({field.name: arrays[f"{prefix}/{field.name}"] for field in fields(Predictions)})
    except KeyError as error:
        known = sorted({name.rpartition("/")[0] for name in arrays})
        raise EvalError(f"no complete predictions are recorded under {prefix!r}; recorded: {known}") from error


def kept_sets(arrays: Mapping[str, NDArray[np.generic]]) -> tuple[str, ...]:
    """Return the prefixes under which predictions of labelled images or outliers are recorded."""
    return tuple(name.removesuffix("/labels") for name in arrays if name.endswith("/labels"))


def concatenate(parts: Sequence[Predictions]) -> Predictions:
    """Return predictions one after the other."""
    assert parts
    names = [field.name for field in fields(Predictions)]
    return _from_columns({name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _from_columns(columns: Mapping[str, Any]) -> Predictions:
    return Predictions(**columns)


def compact(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the columns of `Predictions`, in their order, of a batch of logits, on the logits' device.

    Args:
        logits: (N, K) of any float type.
        labels: (N,) int64; -1 for none.
    """
    logits = logits.float()
    # the softmax subtracts the maximum first; exp(logit - logsumexp) would round to 1 for far more images and let the score
    # of a network move with a common offset of its logits
    softmax = torch.softmax(logits, dim=1)
    order = torch.argsort(logits, dim=1, descending=True, stable=True)[:, :TOP]
    true_probability = softmax.gather(1, labels.clamp(min=0)[:, None])[:, 0]
    true_probability = torch.where(labels >= 0, true_probability, torch.nan)
    probability = softmax.gather(1, order)
    order = order.to(torch.int16 if logits.shape[1] <= 2**15 else torch.int32)
    logsumexp = torch.logsumexp(logits, dim=1)
    return labels, order, probability, true_probability, logits.amax(dim=1), logits.mean(dim=1), logsumexp


def from_compact(columns: Sequence[torch.Tensor], num_classes: int) -> Predictions:
    """Return predictions from the concatenated columns of `compact`.

    Raises:
        EvalError: If a logit was NaN or infinite: such a network cannot be evaluated.
    """
    labels, order, probability, true_probability, largest, mean, logsumexp = (
        column.cpu().numpy() for column in columns
    )
    broken = ~(np.isfinite(mean) & np.isfinite(logsumexp))
    if broken.any():
        first = int(np.flatnonzero(broken)[0])
        raise EvalError(
            f"logits must be finite numbers, but {int(broken.sum())} of {broken.size} images (first: {first}) gave NaN or "
            "infinite ones; did the training diverge?"
        )
    return Predictions(
        labels=labels.astype(np.int32),
        top_classes=order.astype(np.uint8 if num_classes <= 256 else np.uint16),
        top_probabilities=probability,
        true_probability=true_probability,
        max_logit=largest,
        mean_logit=mean,
        logsumexp=logsumexp,
    )
