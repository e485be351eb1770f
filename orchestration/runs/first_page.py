"""The first page of the UI: the grid of every sweep of a storage, in the style of the report, with links into MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.tables.formats.registry import render
from orchestration.errors import SweepError
from orchestration.results.report.page import GridSection, grids_page
from orchestration.results.table import recorded_tables
from orchestration.runs.replay import recorded_sweeps
from orchestration.settings import Settings
from orchestration.store.files import FileStore
from orchestration.tracking.server.run import SweepLinks


def first_page(settings: Settings, store: FileStore | None, shown: Sequence[SweepLinks], ui: Mapping[str, str]) -> str:
    """Return the page as the storage is now.

    Args:
        store: The results, or None where the storage has none yet.
        shown: What MLflow has of sweeps, newest first.
        ui: Where MLflow's own pages are: what they show -> address.
    """
    links = {each.sweep: each.links for each in shown}
    sections: dict[str, GridSection] = {}
    for resolved in recorded_sweeps(settings, store) if store is not None else ():
        assert store is not None
        name = settings.experiment_prefix + resolved.label
        try:
            tables = [render(table, "html") for table in recorded_tables(resolved, store)]
            note = ""
        except SweepError as error:
            tables, note = [], f"its table cannot be made: {error}"
        sections[name] = GridSection(title=resolved.label, links=links.get(name, {}), tables=tables, note=note)
    for each in shown:
        if each.sweep not in sections:
            note = "This storage does not have it; MLflow does."
            sections[each.sweep] = GridSection(title=each.sweep, links=each.links, tables=[], note=note)
    newest = {each.sweep: number for number, each in enumerate(shown)}
    ordered = sorted(sections.items(), key=lambda item: newest.get(item[0], -1))
    return grids_page("DreamGrid", settings.storage, ui, [section for _, section in ordered])
