"""Exceptions of `trainers` (one training job).

Every message gives the rule, the value and the fix.

    Exception
      TrainingError
        UnknownName           the name of no dataset, model or recipe
        ImpossibleJob         a configuration that cannot be trained
        DataError
          MissingData         a dataset that is not in the data root
          CorruptData         a file whose bytes are not the published ones
        CheckpointError       a checkpoint that is truncated, or that belongs to another cell
        NonFiniteLoss         a loss or a weight is NaN or infinite
        NoSpace               a checkpoint or a cache file that the disk has no room for
        UnusableDevice        a GPU that a worker reserved and torch cannot use
        JobStopped            a job that was asked to stop; what it wrote is kept
          JobPreempted        the same, because its machine is about to be taken away
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from augment.files.walk import ImageFolderError, NoImagesError
from augment.lookup.parameters import cut, nearest


class TrainingError(Exception):
    """Base of every error that `trainers` raises for its users."""


class UnknownName(TrainingError, ValueError):
    """The name of no dataset, model or recipe."""


class ImpossibleJob(TrainingError, ValueError):
    """A configuration that cannot be trained."""


class DataError(TrainingError):
    """A dataset that cannot be used."""

    error_class = "bad-data"


class MissingData(DataError):
    """A dataset that is not in the data root."""


class CorruptData(DataError):
    """A file whose bytes are not the published ones."""


class CheckpointError(TrainingError):
    """A checkpoint that is truncated, or that belongs to another cell."""


class NoSpace(TrainingError):
    """The disk has no room for what a job must write."""

    error_class = "no-space"


class UnusableDevice(TrainingError):
    """A worker cannot use the device that it reserved."""

    error_class = "unusable-device"


class JobStopped(TrainingError):
    """A running job was asked to stop; what it has written so far is kept."""


class JobPreempted(JobStopped):
    """A running job lost its machine; a checkpoint was written, and it counts as no failure."""

    error_class = "preempted"


class NonFiniteLoss(TrainingError):
    """A loss or a weight is NaN or infinite.

    Attributes:
        step: Optimiser step, from 0, whose loss is not finite.
        last_losses: The losses before it, oldest first, the bad one last.
    """

    error_class = "nan"

    def __init__(self, step: int, lr: float, last_losses: Sequence[float]) -> None:
        self.step = step
        self.lr = lr
        self.last_losses = tuple(last_losses)
        listed = ", ".join(f"{loss:.4g}" for loss in self.last_losses)
        super().__init__(
            f"losses must be finite, but at step {step} (learning rate {lr:.4g}) they were: {listed}; "
            "lower the learning rate, or clip gradients (train.grad_clip)"
        )

    def __reduce__(self) -> tuple[type[NonFiniteLoss], tuple[int, float, tuple[float, ...]]]:
        return type(self), (self.step, self.lr, self.last_losses)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """Return the error for an unknown name, with the nearest known one."""
    return UnknownName(f"unknown {kind} {cut(name)}{nearest(name, known)}")


@contextmanager
def as_data_errors() -> Iterator[None]:
    """Raise errors of image folders and files inside the body as `MissingData` or `CorruptData`."""
    try:
        yield
    except NoImagesError as error:
        raise MissingData(str(error)) from error
    except ImageFolderError as error:
        raise CorruptData(str(error)) from error
    except FileNotFoundError as error:
        raise MissingData(f"{error.filename} was listed but is not there; restore it, or start again") from error
    except PermissionError as error:
        raise CorruptData(
            f"{error.filename} must be readable, but is not: {error.strerror}; make it readable"
        ) from error
