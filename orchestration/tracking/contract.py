"""What the projection asks of a tracking server; MLflow is behind it, and a fake in tests.

SweepError
  TrackingError    the tracking server refused or did not answer
    EndlessAnswer  its answers have no end, and fill the memory of this process
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from orchestration.errors import SweepError

RunStatus = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class TrackingError(SweepError):
    """The tracking server refused or did not answer.

    Attributes:
        passing: Whether the same call may succeed later: the server is away, busy or locked.
        damage: What is wrong with a database file that nothing but another one mends; "" for every other refusal.
    """

    def __init__(self, message: str, *, passing: bool, damage: str = "") -> None:
        super().__init__(message)
        self.passing = passing
        self.damage = damage


class EndlessAnswer(TrackingError):
    """The server answers without end; a process that goes on asking fills its memory, so it should end soon."""

    def __init__(self, message: str) -> None:
        super().__init__(message, passing=False)


class Point(NamedTuple):
    """One value of a metric; the same point sent twice is stored once."""

    key: str
    value: float
    time_ms: int
    step: int
    model_id: str = ""
    data: tuple[str, str] | None = None
    """Name and digest of the data that it was measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedData:
    """Data that a cell is trained or evaluated on.

    Attributes:
        digest: What identifies their content, at most 36 characters.
        source: Where they come from, for people.
        benchmarks: Names of the benchmarks that measure on them, as metrics begin with.
    """

    name: str
    digest: str
    source: str
    context: Literal["training", "evaluation"]
    benchmarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedModel:
    """A trained classifier: pixels in [0, 1] to logits.

    Attributes:
        sha256: The recorded hash of its weights.
        hashes: All hashes that name these weights; the recorded one is the first.
        image: Channels, height and width of its images.
        torch: Version of PyTorch that trained it, or "".
    """

    name: str
    train_key: str
    checkpoint_uri: str
    sha256: str
    hashes: tuple[str, ...]
    image: tuple[int, int, int]
    num_classes: int
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    torch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """A version of a registered model.

    Attributes:
        is_new: Whether it was made now; else it is the one that this model had.
    """

    name: str
    version: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """A run as the server has it; `metrics` are the latest values."""

    run_id: str
    experiment_id: str
    status: str
    start_ms: int
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


class TrackingClient(Protocol):
    """A tracking server. Every call raises `TrackingError` when it is refused or not answered."""

    def experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> str:
        """Return the id of an experiment, created or restored where needed; safe against other creators."""

    def experiments(self) -> Sequence[str]:
        """Return the ids of all experiments that hold sweeps."""

    def tag_experiment(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of an experiment."""

    def find(
        self, experiment_ids: Sequence[str], tags: Mapping[str, str], *, deleted: bool = False
    ) -> Sequence[TrackedRun]:
        """Return the runs that bear all these tags, oldest first."""

    def create(self, experiment_id: str, name: str, start_ms: int, tags: Mapping[str, str]) -> str:
        """Create a run and return its id."""

    def log(self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Write points, parameters and tags of a run in one call."""

    def end(self, run_id: str, status: RunStatus, end_ms: int | None) -> None:
        """Set the status of a run; RUNNING opens it again."""

    def delete(self, run_id: str) -> None:
        """Delete a run; it can be restored."""

    def restore(self, run_id: str) -> None:
        """Bring a deleted run back."""

    def write_text(self, run_id: str, path: str, text: str) -> None:
        """Write an artifact over an older one."""

    def log_model(self, experiment_id: str, run_id: str, model: TrackedModel, checkpoint: bytes) -> str:
        """Return the id of the logged model of a run, made where there is none; the same one for the same weights.

        Args:
            checkpoint: The checkpoint, to be stored with it; b"" for a model that fetches it.
        """

    def log_data(self, run_id: str, data: Sequence[TrackedData]) -> None:
        """Write what a run is trained and evaluated on; what is there already stays as it is."""

    def register(
        self, name: str, model_id: str, run_id: str, tags: Mapping[str, str], description: str, aliases: Sequence[str]
    ) -> RegisteredVersion:
        """Make a logged model a version of a registered one, or find it there, and let aliases name it."""
