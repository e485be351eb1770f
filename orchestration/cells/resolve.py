"""Resolving a sweep: its points -> cells, their full configurations, and the keys of their weights and benchmarks.

The train key hashes everything that can change the weights (configuration with every default filled in, seed, parents' keys,
identity of the data, semantics of method, model, loop and mixing set) and nothing else: no paths, no number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestration.cells.catalogue import Catalogue, known_fields
from orchestration.cells.checks.columns import impossible, unknown_columns
from orchestration.cells.checks.tables import layout_mistakes, table_mistakes
from orchestration.cells.identity import ResolvedCell, Resolver
from orchestration.cells.point_settings import mistake_at
from orchestration.cells.resolve_point import resolve_point
from orchestration.errors import InputError, Mistake, nearest
from orchestration.sweeps.model import Point, Sweep

MAX_MISTAKES = 50
_SPOKEN = {"mixing_set": "a mixing set", "outliers": "outliers"}


def resolve_sweep(sweep: Sweep, catalogue: Catalogue) -> tuple[ResolvedCell, ...]:
    """Resolve every point of a sweep, in order.

    Raises:
        InputError: With every mistake of every point: unknown names, hyper-parameters, types, ranges, impossible cells.
    """
    cells, mistakes = try_resolve_sweep(sweep, catalogue)
    if mistakes:
        raise InputError(f"sweep '{sweep.name}'", mistakes)
    return cells


def try_resolve_sweep(
    sweep: Sweep, catalogue: Catalogue, *, found: Sequence[Mistake] = ()
) -> tuple[tuple[ResolvedCell, ...], list[Mistake]]:
    """Resolve every point of a sweep, part by part for a union, and return the mistakes beside what could be resolved.

    Args:
        sweep: What is wanted.
        catalogue: What cells may name.
        found: Mistakes that its file was found to have; what would only follow from them is not looked for.
    """
    parts = sweep.parts or (sweep,)
    made = [_try_resolve_part(part, catalogue, found) for part in parts]
    if sweep.parts:
        made = [
            (cells, [replace(each, where=f"{part.name}: {each.where}") for each in mistakes])
            for part, (cells, mistakes) in zip(parts, made, strict=True)
        ]
    cells = tuple(cell for resolved, _ in made for cell in resolved)
    mistakes = [mistake for _, of_part in made for mistake in of_part]
    if not found:
        unused = [
            [*check_overrides(part, catalogue), *check_unused(part, resolved)]
            for part, (resolved, _) in zip(parts, made, strict=True)
        ]
        mistakes += [each for each in unused[0] if all(each in others for others in unused)]
    elif not sweep.broken:
        mistakes += check_overrides(sweep, catalogue)
    return cells, list(dict.fromkeys(mistakes))[:MAX_MISTAKES]


def _try_resolve_part(
    sweep: Sweep, catalogue: Catalogue, found: Sequence[Mistake]
) -> tuple[tuple[ResolvedCell, ...], list[Mistake]]:
    resolver = Resolver(catalogue)
    mistakes = unknown_columns(sweep, catalogue)
    pairs = [(point, cell) for point in sweep.points if (cell := resolve_point(resolver, point, sweep)) is not None]
    mistakes += resolver.mistakes
    mistakes += impossible(sweep, [cell for _, cell in pairs], catalogue)
    mistakes += without_taker(sweep, pairs)
    if not any(mistake.where.startswith(("axes", "base", "sizes", "--set")) for mistake in found):
        mistakes += table_mistakes(sweep, pairs)
    if not found and not mistakes and sweep.points:
        mistakes += layout_mistakes(sweep)
    return tuple(cell for _, cell in pairs), mistakes


def without_taker(sweep: Sweep, pairs: Sequence[tuple[Point, ResolvedCell]]) -> list[Mistake]:
    """Return a mistake for every mixing set or outlier stream that rows name themselves and whose methods take none.

    Otherwise one cell would stand in two rows, each under the name of another set.
    """
    taken: dict[tuple[str, tuple[str | int, ...]], bool] = {}
    for point, cell in pairs:
        for head in ("mixing_set", "outliers"):
            item = point.settings.get(head)
            if item is not None and item.origin[:1] == ("axes",):
                place = (head, item.origin)
                taken[place] = taken.get(place, False) or getattr(cell.config, head) is not None
    return [
        mistake_at(
            sweep, origin, f"no method that it is given to takes {_SPOKEN[head]}, so it changes nothing; leave it out"
        )
        for (head, origin), is_taken in taken.items()
        if not is_taken
    ]


def check_unused(sweep: Sweep, cells: Sequence[ResolvedCell]) -> list[Mistake]:
    """Return a mistake for every mixing set or outlier stream that `--set` gives and no cell of the sweep takes."""
    given = {path: item for point in sweep.points[:1] for path, item in point.settings.items()}
    mistakes = []
    for path, item in given.items():
        head = path.partition(".")[0].removesuffix("_params")
        is_option = str(item.origin[0]).startswith("--set")
        if is_option and head in ("mixing_set", "outliers") and not any(getattr(cell.config, head) for cell in cells):
            text = f"no cell of the sweep takes {_SPOKEN[head]}; leave it out"
            mistakes.append(mistake_at(sweep, item.origin, text))
    return mistakes


def check_overrides(sweep: Sweep, catalogue: Catalogue) -> list[Mistake]:
    """Return a mistake for every soft hyper-parameter (of a size or `--set`) that no method of the sweep has."""
    wanted: dict[str, tuple[str | int, ...]] = {}
    known: set[str] = set()
    for point in {id(point.settings): point for point in sweep.points}.values():
        for path, item in point.settings.items():
            if path.startswith("params.") and item.is_soft:
                wanted[path.removeprefix("params.")] = item.origin
        method = point.settings.get("method")
        for part in str(method.value).split("+") if method is not None else ():
            if part in catalogue.methods:
                known.update(known_fields(catalogue.methods[part].config))
    return [
        mistake_at(sweep, origin, f"no method of the sweep has the parameter '{name}'{nearest(name, sorted(known))}")
        for name, origin in wanted.items()
        if name not in known
    ]
