"""Resolving a sweep: its points -> cells, their full configurations, and the keys of their weights and benchmarks.

The train key hashes everything that can change the weights (configuration with every default filled in, seed, parents' keys,
identity of the data, semantics of method, model, loop and mixing set) and nothing else: no paths, no number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from augment.lookup.parameters import field_names, nearest
from orchestration.cells.catalogue import Catalogue
from orchestration.cells.checks.columns import impossible, unknown_columns
from orchestration.cells.checks.tables import layout_mistakes, table_mistakes
from orchestration.cells.checks.workers import worker_mistakes
from orchestration.cells.point_settings import Resolver, attempt, mistake_at
from orchestration.cells.resolve_point import resolve_point
from orchestration.cells.resolved import ResolvedPoint, ResolvedSweep
from orchestration.errors import InputError, Mistake
from orchestration.sweeps.model import Sweep

MAX_MISTAKES = 50
_SPOKEN = {"mixing_set": "a mixing set", "outliers": "outliers"}


def resolve_sweep(sweep: Sweep, catalogue: Catalogue, *, source: str = "") -> ResolvedSweep:
    """Resolve every point of a sweep, in order; `orchestration.cells.load.load_sweep` does so for a file.

    Args:
        source: The name or path that the sweep was read from.

    Raises:
        InputError: With every mistake of every point: unknown names, hyper-parameters, types, ranges, impossible cells.
    """
    resolved, mistakes = try_resolve_sweep(sweep, catalogue)
    if mistakes:
        raise InputError(f"sweep '{sweep.name}'", mistakes)
    return replace(resolved, source=source)


def try_resolve_sweep(
    sweep: Sweep, catalogue: Catalogue, *, found: Sequence[Mistake] = ()
) -> tuple[ResolvedSweep, list[Mistake]]:
    """Resolve every point of a sweep, part by part for a union, and return the mistakes with what could be resolved.

    Args:
        found: Mistakes that its file was found to have; what would only follow from them is not looked for.
    """
    leaves: list[ResolvedSweep] = []
    mistakes: list[Mistake] = []
    for part in sweep.leaves:
        leaf, own = _try_resolve_leaf(part, catalogue, found)
        leaves.append(leaf)
        mistakes += [replace(each, where=f"{part.name}: {each.where}") for each in own] if sweep.parts else own
    if not found:
        # An option must change something in at least one part of a union, not in each of them.
        unused = [[*check_overrides(leaf.sweep, catalogue), *check_unused(leaf)] for leaf in leaves]
        mistakes += [each for each in unused[0] if all(each in others for others in unused)]
    elif not sweep.broken:
        mistakes += check_overrides(sweep, catalogue)
    resolved = leaves[0] if not sweep.parts else _union(sweep, leaves, catalogue)
    return resolved, list(dict.fromkeys(mistakes))[:MAX_MISTAKES]


def _union(sweep: Sweep, parts: Sequence[ResolvedSweep], catalogue: Catalogue) -> ResolvedSweep:
    points = tuple(point for part in parts for point in part.points)
    return ResolvedSweep(sweep=sweep, points=points, catalogue=catalogue, parts=tuple(parts))


def _try_resolve_leaf(
    sweep: Sweep, catalogue: Catalogue, found: Sequence[Mistake]
) -> tuple[ResolvedSweep, list[Mistake]]:
    resolver = Resolver(catalogue)
    mistakes = unknown_columns(sweep)
    cells = ((point, resolve_point(resolver, point, sweep)) for point in sweep.points)
    points = tuple(ResolvedPoint(point, cell) for point, cell in cells if cell is not None)
    resolved = ResolvedSweep(sweep=sweep, points=points, catalogue=catalogue)
    # After the points: `cells` is a generator, and the resolver collects mistakes while they are made.
    mistakes += resolver.mistakes
    mistakes += impossible(resolved)
    mistakes += without_taker(resolved)
    mistakes += worker_mistakes(resolved)
    # Rows that are broken or missing would be reported as unknown rows of the table.
    if not any(mistake.where.startswith(("axes", "base", "sizes", "--set")) for mistake in found):
        mistakes += table_mistakes(resolved)
    if not found and not mistakes and sweep.points:
        mistakes += layout_mistakes(sweep)
    return resolved, mistakes


def without_taker(resolved: ResolvedSweep) -> list[Mistake]:
    """Return a mistake for every mixing set or outlier stream that rows name themselves and whose methods take none.

    Otherwise one cell would be in two rows, each under the name of another set.
    """
    taken: dict[tuple[str, tuple[str | int, ...]], bool] = {}
    for each in resolved.points:
        for head in ("mixing_set", "outliers"):
            item = each.point.settings.get(head)
            if item is not None and item.origin[:1] == ("axes",):
                place = (head, item.origin)
                taken[place] = taken.get(place, False) or getattr(each.cell.config, head) is not None
    return [
        mistake_at(
            resolved.sweep,
            origin,
            f"no method that gets it takes {_SPOKEN[head]}, so it has no effect; leave it out",
        )
        for (head, origin), is_taken in taken.items()
        if not is_taken
    ]


def check_unused(resolved: ResolvedSweep) -> list[Mistake]:
    """Return a mistake for every mixing set or outlier stream that `--set` gives and no cell of the sweep takes."""
    sweep, cells = resolved.sweep, resolved.cells
    # An option is forced on every cell, so that the first one has them all.
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
    # Seeds of a row share one settings object: each row is looked at once.
    for point in {id(point.settings): point for point in sweep.points}.values():
        for path, item in point.settings.items():
            if path.startswith("params.") and item.is_soft:
                wanted[path.removeprefix("params.")] = item.origin
        method = point.settings.get("method")
        for part in str(method.value).split("+") if method is not None else ():
            found, _ = attempt(catalogue.compose, part)
            known.update(field_names(found.config) if found is not None else ())
    return [
        mistake_at(sweep, origin, f"no method of the sweep has the parameter '{name}'{nearest(name, sorted(known))}")
        for name, origin in wanted.items()
        if name not in known
    ]
