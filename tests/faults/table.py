"""The standing matrix: what may happen to a run, when, and what is promised then. `test_matrix` plays its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.faults.harness import acts, places
from tests.faults.harness.acts import Act
from tests.faults.harness.hits import Hit
from tests.faults.harness.moments import MOMENTS
from tests.faults.harness.play import Promise, Setting
from tests.faults.harness.processes import KINDS
from tests.faults.harness.workloads import ADOPTED, DIVERGING, ELASTIC, MULTI, PLAIN, SINGLE, Workload

ON_DISK: Final = Setting()
KILLED: Final = -9
DONE: Final = 0
UNFINISHED: Final = 1
REFUSED: Final = 3
INTERRUPTED: Final = 130


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault at a moment, and the promise.

    Attributes:
        id: Name of the row, and of its test.
        is_quick: Whether `make test-faults` plays it; the others are played by the campaign.
    """

    id: str
    fault: str
    moment: str
    promise: str
    act: Act
    keeps: Promise
    workload: Workload = SINGLE
    setting: Setting = ON_DISK
    is_quick: bool = False


GOES_ON: Final = "the same run completes every cell"
RESUMES: Final = "the next run completes every cell and computes none again that was recorded"
ENDS: Final = "the run completes or ends with a message; the next one completes every cell"
SAYS: Final = "the run ends with a message that names the cause; once that is mended, the next one completes every cell"
REFUSES: Final = "the run is refused with a message before anything starts"
GIVES_UP: Final = "the cell fails with its reason, every other one completes"

_ITSELF: Final = Promise(codes=frozenset({DONE}))
_KILLED: Final = Promise(codes=frozenset({KILLED}))
_EITHER: Final = Promise(codes=frozenset({DONE, UNFINISHED, REFUSED}))
_CONTROL: Final = frozenset({"raylet", "gcs", "mailbox", "agent"})
"""Processes without which the private Ray, or the run in it, cannot go on."""


def _name(*words: str) -> str:
    return "-".join(words).replace(" ", "-").lower()


def _promised(hit: Hit) -> tuple[str, Promise]:
    if hit.kind == "driver":
        code = {"SIGKILL": KILLED, "SIGTERM": UNFINISHED, "SIGINT": INTERRUPTED, "SIGSTOP": DONE}[hit.signal]
        # A run that is over already completes, whatever it is asked.
        codes = {code} if hit.moment != "end" else {code, DONE}
        return (GOES_ON if hit.signal == "SIGSTOP" else RESUMES), Promise(codes=frozenset(codes))
    if hit.kind in _CONTROL and hit.signal != "SIGSTOP":
        return ENDS, _EITHER
    return GOES_ON, _ITSELF


def hits_row(hits: Sequence[Hit], workload: Workload = SINGLE) -> Row:
    """Return the row of some hits on one run of a workload, in the order of their moments.

    What is promised is the weakest of what is promised of each.
    """
    promises = [_promised(hit) for hit in hits]
    codes = frozenset[int]().union(*(keeps.codes for _, keeps in promises))
    texts = [text for text, _ in promises]
    prefix = () if workload is SINGLE else (workload.name,)
    return Row(
        id=_name(*prefix, *(f"{hit.kind}-{hit.signal}-{hit.moment}" for hit in hits)),
        fault=", ".join(f"{hit.signal} to the {hit.kind}" for hit in hits),
        moment=", ".join(dict.fromkeys(hit.moment for hit in hits)),
        promise=max(texts, key=(GOES_ON, RESUMES, ENDS).index),
        act=acts.hits(*hits),
        keeps=Promise(codes=codes if len(hits) == 1 else codes | {DONE}),
        workload=workload,
    )


def _hit_rows() -> Iterator[Row]:
    for signal in ("SIGKILL", "SIGTERM", "SIGSTOP"):
        for kind in ("driver", *KINDS):
            yield from (hits_row([Hit(kind=kind, moment=moment, signal=signal)]) for moment in MOMENTS)
    for workload in (MULTI, ELASTIC, ADOPTED, PLAIN):
        moment = "evaluation" if workload.is_adopted else "mid-epoch"
        kinds = [
            kind
            for kind in ("driver", "worker", "controller", "trial")
            if workload is not PLAIN or kind != "controller"
        ]
        yield from (hits_row([Hit(kind=kind, moment=moment)], workload) for kind in kinds)


def _several_hits() -> Iterator[Row]:
    """Several hits in one run, or on one run after the other: they share the time that a run takes to start."""
    yield Row(
        id="every-helper",
        fault="SIGKILL to a worker, the writer, a trial, a controller, and SIGSTOP to a worker, in one run",
        moment="mid-epoch, evaluation",
        promise=GOES_ON,
        act=acts.hits(
            Hit(kind="worker", moment="mid-epoch"),
            Hit(kind="writer", moment="mid-epoch"),
            Hit(kind="worker", moment="mid-epoch", signal="SIGSTOP", held_s=4.0),
            Hit(kind="trial", moment="evaluation"),
            Hit(kind="controller", moment="evaluation"),
        ),
        keeps=_ITSELF,
        workload=SINGLE.of_seeds(0, 1, 2),
        is_quick=True,
    )
    interrupted = Promise(codes=frozenset({INTERRUPTED}), says="interrupted; recorded results are kept", resumes=True)
    yield Row(
        id="driver-twice",
        fault="SIGKILL to the driver, Ctrl-C to the one that continues",
        moment="mid-epoch",
        promise=RESUMES,
        act=acts.hits_in_turn(
            [Hit(kind="driver", moment="mid-epoch")], [Hit(kind="driver", moment="mid-epoch", signal="SIGINT")]
        ),
        keeps=interrupted,
        is_quick=True,
    )
    yield Row(
        id="driver-thrice",
        fault="SIGKILL to the driver and to both that continue",
        moment="mid-epoch, checkpoint write, record",
        promise=RESUMES,
        act=acts.hits_in_turn(
            *([Hit(kind="driver", moment=moment)] for moment in ("mid-epoch", "checkpoint write", "record"))
        ),
        keeps=Promise(codes=frozenset({KILLED}), resumes=True),
    )
    yield Row(
        id="driver-interrupted",
        fault="Ctrl-C",
        moment="mid-epoch",
        promise=RESUMES,
        act=acts.hits(Hit(kind="driver", moment="mid-epoch", signal="SIGINT")),
        keeps=interrupted,
    )
    yield Row(
        id="resumed-worker",
        fault="SIGKILL to the driver, then to a worker of a resumed cell",
        moment="mid-epoch",
        promise=GOES_ON,
        act=acts.hits_in_turn([Hit(kind="driver", moment="mid-epoch")], [Hit(kind="worker", moment="mid-epoch")]),
        keeps=_ITSELF,
        workload=MULTI,
    )


def _several_drivers() -> Iterator[Row]:
    """Drivers that work on the same cells at once."""
    shared = SINGLE.of_seeds(1, 2)
    yield Row(
        id="writer-thrice",
        fault="SIGKILL to three tracking writers in turn",
        moment="start, mid-epoch, evaluation",
        promise=GOES_ON,
        act=acts.hits(*(Hit(kind="writer", moment=moment) for moment in ("start", "mid-epoch", "evaluation"))),
        keeps=_ITSELF,
    )
    yield Row(
        id="two-sweeps",
        fault="two drivers at once, whose sweeps share a cell",
        moment="start",
        promise=GOES_ON,
        act=acts.drivers_at_once(shared),
        keeps=_ITSELF,
        is_quick=True,
    )
    yield Row(
        id="two-sweeps-one-killed",
        fault="two drivers at once, whose sweeps share a cell; SIGKILL to one",
        moment="mid-epoch",
        promise=GOES_ON,
        act=acts.drivers_at_once(shared, Hit(kind="driver", moment="mid-epoch")),
        keeps=_ITSELF,
    )
    yield Row(
        id="frozen-driver",
        fault="a driver is stopped for longer than its leases last, and goes on when another has its cells",
        moment="mid-epoch",
        promise=GOES_ON,
        act=acts.frozen_driver(75.0),
        keeps=Promise(codes=frozenset({DONE, UNFINISHED})),
    )
    yield Row(
        id="two-umasks",
        fault="two drivers at once, one with umask 077, one with 000",
        moment="start",
        promise=GOES_ON,
        act=acts.umasks(0o077, 0),
        keeps=_ITSELF,
    )
    yield Row(
        id="two-versions",
        fault="two drivers at once, of two versions of the code in two folders",
        moment="start",
        promise=GOES_ON,
        act=acts.two_versions,
        keeps=_ITSELF,
    )
    yield from (
        Row(
            id=f"clock-{name}",
            fault=f"the clock of one of two drivers is {name}",
            moment="start",
            promise=GOES_ON,
            act=acts.clock_jump(offset),
            keeps=_ITSELF,
            setting=Setting(needs=("faketime",)),
        )
        for name, offset in (("ahead", "+3d"), ("behind", "-3d"))
    )


def _disks() -> Iterator[Row]:
    full = Promise(codes=frozenset({DONE, UNFINISHED, REFUSED}))
    for place in ("storage", "cache", "temporary"):
        for name, spoil in (("full", places.fill), ("out-of-inodes", places.use_up_inodes)):
            yield Row(
                id=_name("disk", place, name),
                fault=f"the disk of the {place} folder is {name.replace('-', ' ')}",
                moment="mid-epoch",
                promise=SAYS if place == "storage" else ENDS,
                act=acts.on_small_disk(place, "mid-epoch", spoil),
                keeps=Promise(codes=full.codes, says="(?i)no space") if place == "storage" else full,
                setting=Setting(small=place, mib=256 if place == "temporary" else 64),
                is_quick=(place, name) == ("storage", "full"),
            )
    for name, how in (("read-only", places.read_only), ("vanished", places.vanished)):
        yield Row(
            id=_name("storage", name),
            fault=f"the storage is {name} for 5 s",
            moment="mid-epoch",
            promise=ENDS,
            act=acts.storage_away(how, "mid-epoch", 5.0),
            keeps=full,
            setting=Setting(needs=("mount",)),
        )


def _endpoints() -> Iterator[Row]:
    remote = Setting(conditions="honours")
    for mode, seconds in (("dead", 20.0), ("slow", 20.0), ("500", 20.0), ("503", 60.0), ("truncate", 20.0)):
        for moment in ("up", "epoch", "trained"):
            yield Row(
                id=_name("endpoint", mode, moment),
                fault=f"the object store is {mode} for {seconds:g} s",
                moment=moment,
                promise=GOES_ON,
                act=acts.endpoint(mode, moment, seconds),
                keeps=_ITSELF,
                setting=remote,
                is_quick=(mode, moment) == ("503", "epoch"),
            )
    for conditions in ("ignores", "501"):
        yield Row(
            id=_name("endpoint", conditions, "conditions"),
            fault=f"the object store does not honour conditions of writes ({conditions})",
            moment="start",
            promise=REFUSES,
            act=acts.hits(),
            keeps=Promise(codes=frozenset({REFUSED}), says="If-None-Match"),
            setting=Setting(conditions=conditions, is_hopeless=True),
            is_quick=conditions == "ignores",
        )
    yield Row(
        id="endpoint-flipped-results",
        fault="a bit of every recorded result is flipped at rest",
        moment="end",
        promise=SAYS,
        act=acts.flipped_records("results"),
        keeps=Promise(codes=frozenset({REFUSED}), says="truncated or altered"),
        setting=remote,
    )


def _tracking() -> Iterator[Row]:
    for name, status in (("dead", None), ("403", 403)):
        yield Row(
            id=_name("tracking", name),
            fault=f"the tracking server is {name}" if status is None else f"the tracking server answers {name}",
            moment="start",
            promise=REFUSES,
            act=acts.tracking_answers(status),
            keeps=Promise(codes=frozenset({REFUSED}), says="tracking server"),
            setting=Setting(is_hopeless=True),
            is_quick=True,
        )
    yield Row(
        id="tracking-locked",
        fault="another process holds MLflow's database for 20 s",
        moment="mid-epoch",
        promise=GOES_ON,
        act=acts.database_locked("mid-epoch"),
        keeps=_ITSELF,
    )
    yield Row(
        id="tracking-purged",
        fault="all runs are deleted from MLflow's database",
        moment="mid-epoch",
        promise=ENDS,
        act=acts.runs_purged("mid-epoch"),
        keeps=_EITHER,
    )


def _cells_and_verbs() -> Iterator[Row]:
    yield Row(
        id="nan",
        fault="the loss of one cell is not a number",
        moment="mid-epoch",
        promise=GIVES_UP,
        act=acts.hits(),
        keeps=Promise(codes=frozenset({UNFINISHED}), says="failed .*nan"),
        workload=DIVERGING,
        is_quick=True,
    )
    yield Row(
        id="out-of-memory",
        fault="a worker gets no more memory",
        moment="mid-epoch",
        promise=GOES_ON,
        act=acts.memory_limit("mid-epoch"),
        keeps=_ITSELF,
    )
    steering = (
        ("pause", ("pause", "SWEEP"), ("resume", "SWEEP"), _ITSELF, GOES_ON),
        ("stop", ("stop", "SWEEP"), ("resume", "SWEEP"), Promise(codes=frozenset({DONE, UNFINISHED})), RESUMES),
        ("gc", ("cells", "gc", "--delete", "--yes"), (), _ITSELF, GOES_ON),
        ("invalidate", ("cells", "invalidate", "CELL", "--reason", "a test"), (), _EITHER, ENDS),
    )
    for name, words, undo, keeps, promise in steering:
        yield Row(
            id=f"verb-{name}",
            fault=f"`{' '.join(words[:2]) if words[0] == 'cells' else words[0]}` while the sweep runs",
            moment="mid-epoch",
            promise=promise,
            act=acts.verb_meanwhile("mid-epoch", *words, undo=undo),
            keeps=keeps,
        )


ROWS: Final[tuple[Row, ...]] = (
    *_several_hits(),
    *_several_drivers(),
    *_hit_rows(),
    *_disks(),
    *_endpoints(),
    *_tracking(),
    *_cells_and_verbs(),
)
QUICK: Final[tuple[Row, ...]] = tuple(row for row in ROWS if row.is_quick)
