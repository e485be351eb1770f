"""Reading the weights of another trainer's file into a network of ours."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor, nn

from trainers.errors import CheckpointError
from trainers.models.normalize import Classifier, Normalize
from trainers.models.weights.contents import Contents
from trainers.models.weights.names import COUNTER, Copy, copies_of, is_plain, nearest_copy
from trainers.models.weights.normalisation import Normalisation
from trainers.models.weights.stated import is_normaliser, normalises_itself, stated_normalisations, unread_means

SHOWN: Final = 3
_COUNTERS: Final = frozenset({"n_averaged", "num_updates", "total_ops", "total_params"})
"""Last words of names of counters that trainers put next to weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignWeights:
    """The weights that were found for a network, and what must be known of them.

    Attributes:
        weights: Our name -> tensor, for the network without normalisation.
        stated: The normalisation that the file or the network itself states, or None.
        notes: What else the file contains and is not used, each as one sentence.
        record: What the file records of itself: path -> plain value.
    """

    weights: Mapping[str, Tensor]
    stated: Normalisation | None
    notes: tuple[str, ...]
    record: Mapping[str, Any]


def weights_for(
    network: nn.Module, contents: Contents, *, num_channels: int, subject: str, choice: str | None = None
) -> ForeignWeights:
    """Find a network's weights in a file.

    Args:
        num_channels: Channels of the images that it is given.
        subject: What it is, for messages: "wrn-10-1 on digits".
        choice: Which copy of the weights, where a file has several; None for the one that is no average.

    Raises:
        CheckpointError: In one sentence, with the first names on each side where they do not fit.
    """
    wanted = network.state_dict()
    copies = copies_of(contents.tensors, wanted, [name for name, _ in network.named_parameters()])
    if not copies:
        raise CheckpointError(_misfit(wanted, nearest_copy(contents.tensors, wanted), contents, subject))
    copy = _chosen(copies, choice)
    extra = _extra(copy, wanted, copies)
    shapes = [
        name for name, value in wanted.items() if name in copy.tensors and copy.tensors[name].shape != value.shape
    ]
    if extra or shapes:
        raise CheckpointError(_misfit(wanted, copy, contents, subject, extra))
    _check_values(wanted, copy, subject)
    inside = normalises_itself(wanted)
    stated = stated_normalisations(contents, copy.path, num_channels)
    # Whatever the file states: images would be normalised twice.
    if inside:
        stated = [_none(num_channels, f"since the network normalises itself: {inside}")]
    return ForeignWeights(
        weights={name: copy.tensors[name] for name in wanted if name in copy.tensors},
        stated=stated[0] if stated else None,
        notes=(*_notes(copy, copies, contents), *_unread(contents, stated, num_channels)),
        record=contents.record,
    )


def fill(model: Classifier, found: ForeignWeights, normalisation: Normalisation, *, is_kept: bool = True) -> None:
    """Give a classifier weights and their normalisation, which becomes part of its state where it is to be kept."""
    model.network.load_state_dict(dict(found.weights), strict=False)  # complete but for counters of old versions
    model.normalize = Normalize(normalisation.mean, normalisation.std, is_kept=is_kept)


def _none(num_channels: int, source: str) -> Normalisation:
    return Normalisation(mean=(0.0,) * num_channels, std=(1.0,) * num_channels, source=source)


def _chosen(copies: Sequence[Copy], choice: str | None) -> Copy:
    """Return the copy that is asked for, else the only one that is no average of others.

    Raises:
        CheckpointError: If none is so called, or several could be meant.
    """
    labels = ", ".join(copy.label for copy in copies)
    if choice is not None:
        found = [copy for copy in copies if copy.label == choice] or [
            copy for copy in copies if copy.label.split(".")[0] == choice
        ]
        if len(found) == 1:
            return found[0]
        raise CheckpointError(f"the requested weights must be in the file: {labels}, but got {choice!r}")
    raw = [copy for copy in copies if not copy.is_average]
    if len(copies) == 1 or len(raw) == 1:
        return copies[0] if len(copies) == 1 else raw[0]
    raise CheckpointError(f"the file contains several sets of weights that fit: {labels}; name one: --state-dict NAME")


def _extra(copy: Copy, wanted: Collection[str], copies: Sequence[Copy]) -> list[str]:
    """Return the names under a copy's prefix that the network does not have and that are no normaliser, counter or other copy."""
    others = [other.path for other in copies if other is not copy]
    places = set(copy.places.values())
    return [
        name
        for name, place in copy.places.items()
        if name not in wanted
        and place not in copy.twins
        and name.rpartition(".")[2] not in _COUNTERS
        and not is_normaliser(place, places)
        and not any(name.startswith(path.removeprefix(copy.path)) for path in others if path.startswith(copy.path))
    ]


def _notes(copy: Copy, copies: Sequence[Copy], contents: Contents) -> tuple[str, ...]:
    notes = [
        f"the file also contains {other.label}{' (an average of the weights)' * other.is_average}; "
        f"it is taken with --state-dict {other.label}"
        for other in copies
        if other is not copy
    ]
    if len(copies) > 1 or copy.is_average:
        notes.insert(0, f"the weights are {copy.label}{' (an average of the weights)' * copy.is_average}")
    if copy.completed:
        notes.append(f"{copy.label} has no running statistics; they are those of {copy.completed}")
    for path, count in contents.tensors.items():
        head, _, last = path.rpartition("n_averaged")
        is_of_it = not last and all(place.startswith(head) for place in copy.places.values())
        if is_of_it and count.numel() == 1 and is_plain(count) and count.isfinite().all():
            notes.append(f"the weights are an average over {int(count)} states ({path})")
    used = {place for each in copies for place in (*each.places.values(), *each.twins)}
    left = [
        path
        for path, tensor in contents.tensors.items()
        if path not in used and tensor.dim() and not is_normaliser(path, contents.tensors)
    ]
    if left:
        notes.append(f"not used of the file: {_some(left)}")
    return tuple(notes)


def _unread(contents: Contents, stated: Sequence[Normalisation], num_channels: int) -> list[str]:
    """Name what else the file states of a normalisation, and what it calls a mean where none could be taken from it."""
    names = [] if stated else unread_means(contents)
    usable = f"mean in [0, 1] and std above 0, one value or {num_channels}"
    notes = [f"the file has {_some(names)}, but no normalisation of these images ({usable})"] if names else []
    return notes + [f"the file also states {other.values}, {other.source}" for other in stated[1:]]


def _check_values(wanted: Mapping[str, Tensor], copy: Copy, subject: str) -> None:
    """Refuse tensors that would be another network once they are copied: whole, complex, quantised, sparse, non-finite ones."""
    # Floating-point numbers only: counters of batch norm are whole, and no evaluation reads them.
    wrong = [
        f"{name} {problem}"
        for name, ours in wanted.items()
        if name in copy.tensors and ours.is_floating_point() and (problem := _problem(copy.tensors[name]))
    ]
    if wrong:
        raise CheckpointError(f"the weights for {subject} must be finite floating-point numbers, but {_some(wrong)}")


def _problem(tensor: Tensor) -> str:
    """Return what is wrong of a tensor of weights, or ""."""
    # First: it has no values for the checks below.
    if tensor.is_meta:
        return "has no values (saved from the device 'meta')"
    if not is_plain(tensor):
        return "is quantised (save it dequantised)" if tensor.is_quantized else "is sparse (save it dense)"
    if not tensor.is_floating_point():
        return f"is {str(tensor.dtype).removeprefix('torch.')}"
    return "" if tensor.isfinite().all() else "is NaN or infinite"


def _misfit(
    wanted: Mapping[str, Tensor], copy: Copy, contents: Contents, subject: str, extra: Sequence[str] | None = None
) -> str:
    lacking = [name for name in wanted if name not in copy.tensors and not name.endswith(COUNTER)]
    if len(lacking) == sum(not name.endswith(COUNTER) for name in wanted):
        extra = list(contents.tensors)  # nothing fits: the names as they are in the file help most
    elif extra is None:
        extra = [name for name in copy.tensors if name not in wanted]
    shapes = [
        f"{name} ({_side(copy.tensors[name])} in the file, {_side(value)} in the network)"
        for name, value in wanted.items()
        if name in copy.tensors and copy.tensors[name].shape != value.shape
    ]
    parts = [f"the file lacks {_some(lacking)}"] if lacking else []
    parts += [f"it has {_some(extra)}, which the network does not"] if extra else []
    parts += [f"shapes differ: {_some(shapes)}"] if shapes else []
    return f"the weights must fit {subject}, but {'; '.join(parts)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _side(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"
