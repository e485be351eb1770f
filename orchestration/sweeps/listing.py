"""What the axes of a sweep file list: explicit cells, a product grid, one factor at a time, with the labels of their rows."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from augment.lookup.parameters import nearest
from eval.tables.labels import label_problem
from orchestration.errors import Mistake
from orchestration.sweeps.axes import Listed, exclusion_mistakes, matches, same
from orchestration.sweeps.model import Overrides, Setting, Settings, Size, quoted_value, spoken_value
from orchestration.sweeps.schema import MAPPING_FIELDS, PARENT_FIELDS, point_field_of
from orchestration.sweeps.sweep_file import PointPatch, SizeSpec, SweepFile
from orchestration.sweeps.yaml_reader import Document, Path, mistake_in

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def flatten(patch: PointPatch, origin: Path, *, is_soft: bool = False) -> dict[str, Setting]:
    """Return the values that a patch sets, by dotted path."""
    settings: dict[str, Setting] = {}
    for name in sorted(patch.model_fields_set - {"row", *PARENT_FIELDS}):
        value = getattr(patch, name)
        if name in MAPPING_FIELDS:
            for key, item in value.items():
                settings[f"{name}.{key}"] = Setting(item, (*origin, name, key), is_soft)
        elif value is not None:
            settings[name] = Setting(value, (*origin, name), is_soft)
    return settings


class AxesListing:
    """The cells that the axes of one file list; collects mistakes instead of stopping at the first."""

    def __init__(
        self, file: SweepFile, document: Document, size: Size, overrides: Overrides, broken: Collection[str]
    ) -> None:
        if file.axes is None or file.table is None:
            raise ValueError(f"sweep '{file.name}' is a union; its parts are expanded instead")
        self.file = file
        self.axes = file.axes
        self.table = file.table
        self.document = document
        self.size = size
        self.overrides = overrides
        self.broken = frozenset(broken)
        self.mistakes: list[Mistake] = []
        self.edition = self._edition()

    def _edition(self) -> SizeSpec:
        if self.size == "full":
            return SizeSpec()
        if self.size not in self.file.sizes:
            known = ", ".join(["full", *self.file.sizes])
            self._note((), f"sweep '{self.file.name}' has no size '{self.size}'; it has: {known}")
            return SizeSpec()
        return self.file.sizes[self.size]

    def _seeds(self) -> tuple[int, ...]:
        return self.overrides.seeds or self.edition.seeds or self.file.seeds

    def _listed(self) -> list[Listed]:
        """Return the cells that the axes list, exclusions left out; beyond the limit the rest is not looked at."""
        seeds, limit = len(self._seeds()), self.file.cell_limit
        listed: list[Listed] = []
        for each in itertools.chain(self._cells(), self._grid(), self._one_at_a_time()):
            listed.append(each)
            if len(listed) * seeds > limit:
                self._note(
                    ("axes",),
                    f"a sweep may have {limit} cells, seeds included, and this one has more; split it, "
                    "or raise `cell_limit` in the file",
                )
                self.broken |= {"axes"}
                return []
        for path, text in exclusion_mistakes(self.axes.exclude, listed) if self._is_whole("axes", "base") else ():
            self._note(path, text)
        rules = [rule for rule in self.axes.exclude if rule]
        return [each for each in listed if not any(matches(rule, each.settings) for rule in rules)]

    def _cells(self) -> Iterator[Listed]:
        base = flatten(self.file.base, ("base",))
        for index, cell in enumerate(self.axes.cells):
            origin: Path = ("axes", "cells", index)
            settings = {**base, **flatten(cell, origin)}
            method = settings.get("imported") or settings.get("method")
            row = cell.row or (str(method.value) if method else f"cell {index}")
            label_at: Path = (*origin, "row") if cell.row is not None or method is None else method.origin
            yield Listed(row=row, settings=settings, origin=origin, patch=cell, label_at=label_at)

    def _grid(self) -> Iterator[Listed]:
        axes = self.axes.grid
        if not self._axes_are_known("grid", axes) or not axes:
            return
        for combination in itertools.product(*(enumerate(values) for values in axes.values())):
            varied = {
                path: Setting(value, ("axes", "grid", path, index))
                for path, (index, value) in zip(axes, combination, strict=True)
            }
            yield from self._varied(varied, ("axes", "grid"))

    def _one_at_a_time(self) -> Iterator[Listed]:
        axes = self.axes.one_at_a_time
        if not self._axes_are_known("one_at_a_time", axes) or not axes:
            return
        base: Path = ("base",)
        yield Listed(
            row="default", settings=flatten(self.file.base, base), origin=base, patch=self.file.base, label_at=base
        )
        for path, values in axes.items():
            for index, value in enumerate(values):
                origin: Path = ("axes", "one_at_a_time", path, index)
                yield from self._varied({path: Setting(value, origin)}, origin)

    def _varied(self, varied: Settings, origin: Path) -> Iterator[Listed]:
        settings = {**flatten(self.file.base, ("base",)), **varied}
        pattern = self.axes.row
        broken = [item.origin for item in varied.values() if label_problem(str(item.value)) is not None]
        yield Listed(
            row=self._row_label(varied, settings),
            settings=settings,
            origin=origin,
            patch=self.file.base,
            label_at=broken[0] if broken else origin if pattern is None else ("axes", "row"),
            pattern=pattern or "",
        )

    def _row_label(self, varied: Settings, settings: Settings) -> str:
        pattern = self.axes.row
        if pattern is None:
            return ", ".join(f"{self._axis_names[path]}={spoken_value(item.value)}" for path, item in varied.items())
        unknown = [path for path in _PLACEHOLDER.findall(pattern) if path not in settings]
        if unknown and self._is_whole("axes", "base"):
            self._note(
                ("axes", "row"),
                f"pattern {pattern!r} names '{unknown[0]}', which no cell sets{nearest(unknown[0], list(settings))}",
            )
        if unknown:
            return pattern
        return _PLACEHOLDER.sub(lambda match: spoken_value(settings[match[1]].value), pattern)

    @cached_property
    def _axis_names(self) -> dict[str, str]:
        """Path of an axis -> its name in labels: the last part where no other axis ends like it, else the path."""
        paths = [*self.axes.grid, *self.axes.one_at_a_time]
        ends = Counter(path.rpartition(".")[2] for path in dict.fromkeys(paths))
        return {path: end if ends[end := path.rpartition(".")[2]] == 1 else path for path in paths}

    def _axes_are_known(self, kind: str, axes: Mapping[str, Sequence[Any]]) -> bool:
        before = len(self.mistakes)
        for path, values in axes.items():
            try:
                point_field_of(path)
            except ValueError as error:
                self._note(("axes", kind, path), str(error))
            for index, value in enumerate(values):
                if any(same(value, other) for other in values[:index]):
                    self._note(
                        ("axes", kind, path, index),
                        f"values of an axis must differ, got {quoted_value(value)} twice; keep one",
                    )
        return len(self.mistakes) == before

    def _is_whole(self, *heads: str) -> bool:
        """Whether nothing was left out of some parts of the file as mistaken."""
        return not any(path == head or path.startswith(f"{head}.") for path in self.broken for head in heads)

    def _note(self, path: Path, text: str) -> None:
        mistake = mistake_in(self.document, path, text)
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)
