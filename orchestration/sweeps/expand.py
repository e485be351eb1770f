"""Expansion: a sweep file, a size and overrides -> an ordered list of points, with every mistake.

The order of precedence, lowest first: `base`, the point's own settings, `set` of the size, `rows` of the size, `--set`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from augment.lookup.parameters import nearest
from eval.tables.column import Column
from eval.tables.labels import difference, label_problem, look_alikes
from orchestration.errors import Mistake
from orchestration.sweeps.axes import Listed
from orchestration.sweeps.forced_settings import overruled_mistakes, overruled_notes
from orchestration.sweeps.listing import AxesListing, flatten
from orchestration.sweeps.model import Overrides, Point, Setting, Settings, Size, Sweep
from orchestration.sweeps.schema import PARENT_FIELDS
from orchestration.sweeps.sweep_file import PointPatch, SweepFile
from orchestration.sweeps.yaml_reader import Document, Path

IDENTITY_FIELDS = ("dataset", "model", "model_params", "recipe")


def expand(
    file: SweepFile,
    document: Document,
    *,
    size: Size = "full",
    overrides: Overrides | None = None,
    broken: Collection[str] = (),
) -> tuple[Sweep, list[Mistake]]:
    """Expand a sweep file in one of its sizes.

    Args:
        broken: Dotted paths of the file that were left out of its shape as mistaken; what would only follow from that is not
            reported again.

    Returns:
        The sweep, and the mistakes that were found on the way (the sweep then lacks the mistaken parts).

    Raises:
        ValueError: If the file is a union of others (`orchestration.cells.load` loads those).
    """
    return _Expansion(file, document, size, overrides or Overrides(), broken).run()


class _Expansion(AxesListing):
    """One expansion of one file; collects mistakes instead of stopping at the first."""

    def __init__(
        self, file: SweepFile, document: Document, size: Size, overrides: Overrides, broken: Collection[str]
    ) -> None:
        super().__init__(file, document, size, overrides, broken)
        self.left_out = {**file.left_out, **self.edition.left_out}
        self._forced_by_row: dict[str, Settings] = {}

    def run(self) -> tuple[Sweep, list[Mistake]]:
        listed = self._listed()
        all_rows = tuple(dict.fromkeys(each.row for each in listed))
        rows = self._rows(all_rows)
        shown_rows = frozenset(rows)
        shown = [each for each in listed if each.row in shown_rows]
        # Of rows that are shown only: what is left out of the table carries no label.
        for path, text in overruled_mistakes(shown, self._forced):
            self._note(path, text)
        points = tuple(self._points(shown, self._seeds()))
        stand_ins, columns = self._columns()
        self._check_left_out(all_rows)
        self._check_labels(listed)
        sweep = Sweep(
            name=self.file.name,
            title=self.file.title,
            description=self.file.description.strip(),
            size=self.size,
            points=points,
            rows=rows,
            columns=columns,
            stand_ins=stand_ins,
            benchmarks=self._benchmarks(columns),
            table=self.table,
            details=self.edition.details or self.table.details,
            left_out=self.left_out,
            precision=self.overrides.precision or self.file.evaluation.precision,
            overruled=overruled_notes(shown, self._forced),
            workers=self.edition.workers or self.file.workers,
            asked_workers=self.overrides.workers,
            overrides=self.overrides.texts,
            broken=self.broken,
            document=self.document,
        )
        # Not on top of another mistake, which is then the reason.
        if not sweep.points and not self.mistakes and self._is_whole("axes"):
            self._note(("axes",), "no cell is left to run: every row is left out or excluded; leave one in")
        return sweep, self.mistakes

    def _points(self, listed: Iterable[Listed], seeds: Sequence[int]) -> Iterator[Point]:
        for each in listed:
            # Made once for all seeds: resolving recognises a row by this very object.
            final = {**each.settings, **self._forced(each.row)}
            shared = self._shared(final)
            parent, visualised = (self._parent(name, each.patch, shared, each.origin) for name in PARENT_FIELDS)
            for seed in seeds:
                yield Point(
                    settings=final,
                    seed=seed,
                    row=each.row,
                    origin=each.origin,
                    shared=shared,
                    parent=parent,
                    visualised=visualised,
                )

    def _forced(self, row: str) -> Settings:
        """What the size and the options set on the cells of a row, over everything else."""
        # Rows that the size does not name share one entry: a plan may have ten thousand.
        named = row if row in self.edition.rows else ""
        if named not in self._forced_by_row:
            self._forced_by_row[named] = self._forced_on(named)
        return self._forced_by_row[named]

    def _forced_on(self, row: str) -> Settings:
        of_size = flatten(self.edition.set, ("sizes", self.size, "set"), is_soft=True)
        of_row = self.edition.rows.get(row)
        of_rows = flatten(of_row, ("sizes", self.size, "rows", row)) if of_row else {}
        options = {p: Setting(v, (f"--set {p}",), is_soft=True) for p, v in self.overrides.settings.items()}
        return {**of_size, **of_rows, **options}  # the later one wins: this order is the documented precedence

    def _shared(self, settings: Settings) -> Settings:
        """What a parent takes over: the base with the child's dataset, network and recipe, and what is forced on all cells."""
        identity = {path: item for path, item in settings.items() if path.partition(".")[0] in IDENTITY_FIELDS}
        return {**flatten(self.file.base, ("base",)), **identity, **self._forced("")}

    def _parent(self, name: str, patch: PointPatch, shared: Settings, origin: Path) -> Settings | None:
        """The settings of the cell that a patch, or else the base, names as a parent; None where neither does."""
        own = getattr(patch, name)
        named = own or getattr(self.file.base, name)
        if named is None:
            return None
        place: Path = (*origin, name) if own is not None else ("base", name)
        return {**shared, **flatten(named, place), **self._forced("")}

    def _rows(self, all_rows: Sequence[str]) -> tuple[str, ...]:
        if not self._is_whole("axes", "base"):
            return tuple(all_rows)
        # Looking rows up in the tuple took most of the time of a plan of 10,000 rows.
        known = frozenset(all_rows)
        for index, row in enumerate(self.table.rows or ()):
            if row not in known:
                self._note(("table", "rows", index), f"unknown row '{row}'{nearest(row, all_rows)}")
            elif row in (self.table.rows or ())[:index]:
                self._note(("table", "rows", index), f"row '{row}' is listed twice; leave the repeated one out")
        for row in self.edition.rows:
            if row not in known:
                self._note(("sizes", self.size, "rows", row), f"unknown row '{row}'{nearest(row, all_rows)}")
        baseline = self.table.baseline
        if baseline is not None and baseline not in known:
            self._note(("table", "baseline"), f"unknown row '{baseline}'{nearest(baseline, all_rows)}")
        elif baseline is not None and self.table.rows and baseline not in self.table.rows:
            text = f"the row '{baseline}' is not in `rows`, so nothing would be tested against it; add it"
            self._note(("table", "baseline"), text)
        order = dict.fromkeys(self.table.rows or all_rows)
        return tuple(row for row in order if row in known and row not in self.left_out)

    def _columns(self) -> tuple[dict[Column, Column], tuple[Column, ...]]:
        """Return stand-in -> what it replaces, and the columns in order."""
        known = self.table.columns
        for text in self.edition.columns if self._is_whole("table") else ():
            if text not in known:
                self._note(("sizes", self.size, "columns", text), f"unknown column '{text}'{nearest(text, known)}")
        stand_ins: dict[Column, Column] = {}
        columns: dict[Column, None] = {}
        for text in known:
            shown_text = self.edition.columns.get(text, text)
            if text in self.left_out or shown_text in self.left_out:
                continue
            column, shown = Column.of(text), Column.of(shown_text)
            # A column may meet its own stand-in in either order.
            replaced = column if shown != column else stand_ins.get(shown)
            if shown in columns and replaced is not None:
                place: Path = ("sizes", self.size, "columns", str(replaced))
                self._note(place, f"column '{shown}' would be in the table twice; leave one out")
            columns[shown] = None
            if shown != column:
                stand_ins[shown] = column
        if not columns:
            self._note(("table", "columns"), "every column is left out; leave one in")
        return stand_ins, tuple(columns)

    def _benchmarks(self, columns: Iterable[Column]) -> dict[str, Mapping[str, Any]]:
        """Return the benchmarks that the columns need and those that the file adds, with their parameters."""
        names = dict.fromkeys(column.benchmark for column in columns)
        # All columns, also those that are left out: leaving a column out leaves its benchmark out too.
        in_columns = {Column.of(text).benchmark for text in (*self.table.columns, *self.edition.columns.values())}
        for name in (*self.file.benchmarks, *self.edition.benchmarks):
            if name not in in_columns and name not in self.left_out:
                names[name] = None
        for name in self.overrides.benchmarks:
            if name not in names and self._is_whole("table", "benchmarks"):
                self._note(
                    (f"--set benchmarks.{name}",), f"the sweep has no benchmark '{name}'{nearest(name, list(names))}"
                )
        return {
            name: {
                **self.file.benchmarks.get(name, {}),
                **self.edition.benchmarks.get(name, {}),
                **self.overrides.benchmarks.get(name, {}),
            }
            for name in names
        }

    def _check_left_out(self, rows: Sequence[str]) -> None:
        if not self._is_whole("axes", "base", "table", "benchmarks"):
            return
        columns = {*self.table.columns, *self.edition.columns.values()}
        known = {*rows, *columns, *(Column.of(text).benchmark for text in columns), *self.file.benchmarks}
        for where, names in (((), self.file.left_out), (("sizes", self.size), self.edition.left_out)):
            for name in names:
                if name not in known:
                    text = f"'{name}' is neither a row nor a column{nearest(name, sorted(known))}"
                    self._note((*where, "left_out", name), text)

    def _check_labels(self, listed: Sequence[Listed]) -> None:
        """Note labels that a table cannot print, and labels that a reader cannot distinguish."""
        # Reversed, so that the first place of a label is the one that stays.
        places = {each.row: each.label_at for each in reversed(listed)}
        texts: list[tuple[Path, str]] = [
            (("title",), self.file.title),
            *((place, row) for row, place in places.items()),
        ]
        texts += [(("table", "details", n), text) for n, text in enumerate(self.table.details)]
        texts += [(("sizes", self.size, "details", n), text) for n, text in enumerate(self.edition.details)]
        for path, text in texts:
            problem = label_problem(text)
            if problem is not None:
                self._note(path, problem)
        for first, second in look_alikes(each.row for each in listed):
            text = f"labels {first!r} and {second!r} look equal ({difference(first, second)}); give one another label"
            self._note(places[second], text)
        for key, details in ((("table",), self.table.details), (("sizes", self.size), self.edition.details)):
            for n, detail in enumerate(details):
                if detail in details[:n]:
                    self._note((*key, "details", n), f"detail '{detail}' is listed twice; leave the repeated one out")
