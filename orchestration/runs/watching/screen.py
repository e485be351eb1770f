"""The live screen of `watch`: a Textual app over looks at the storage. It computes nothing that is not in a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.theme import BUILTIN_THEMES
from textual.timer import Timer
from textual.widgets import DataTable, Footer, Static

from clusters.errors import ClusterError
from orchestration.errors import SweepError
from orchestration.planning.states import State
from orchestration.runs.watching.lines import (
    COLOURS,
    CellColumn,
    cell_columns,
    cell_texts,
    failure_lines,
    grid,
    summary_lines,
)
from orchestration.runs.watching.looks import Looks
from orchestration.runs.watching.snapshot import Snapshot

GRID_FROM_ROWS: Final = 30
"""Rows of a terminal from which the table so far has room below the cells; on smaller ones a key shows it."""

FILTERS: Final[tuple[State | None, ...]] = (None, "failed", "running")
_FIRST: Final[dict[State, int]] = {"running": 0, "failed": 1}

HELP: Final = """\
q       quit; the sweep goes on
r       read everything again now
f       show all cells, failed ones, running ones
up/down choose a cell
enter   settings, times, last error and log of the chosen cell
g       show or hide the table so far
?       this page
escape  back

The screen is read from the storage alone, on any machine that can read it, and writes nothing. It follows drivers on
other machines within seconds; what a driver of an earlier version does shows when it records something."""

_ANSI: Final = BUILTIN_THEMES["ansi-dark"]
TERMINAL_COLOURS: Final = replace(
    _ANSI,
    name="terminal",
    variables={
        **_ANSI.variables,
        "block-cursor-foreground": "ansi_bright_white",
        "block-cursor-background": "ansi_blue",
        "scrollbar": "ansi_blue",
        "scrollbar-background": "ansi_default",
    },
)
"""The terminal's own colours, so that the screen is readable on dark and on light ones."""


class TextScreen(ModalScreen[None]):
    """A page of text over the list of cells."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,question_mark", "dismiss", "back"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Show the text and the keys."""
        with VerticalScroll():
            yield Static(self._text, markup=False)
        yield Footer()


class WatchApp(App[None]):
    """Follows one sweep until it is closed.

    Args:
        looks: Makes the snapshots, in a thread.
        first: The first one.
    """

    TITLE = "dreamgrid watch"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title { text-style: bold; }
    #failures { color: $error; }
    DataTable { height: 1fr; min-height: 3; }
    DataTable, VerticalScroll { scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; }
    DataTable > .datatable--header { background: $background; text-style: bold underline; }
    #summary { margin-bottom: 1; }
    #grid { height: auto; max-height: 45%; display: none; margin-top: 1; }
    .with-grid #grid { display: block; }
    TextScreen { background: $background; }
    WatchApp:nocolor DataTable > .datatable--cursor { text-style: reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("r", "read", "refresh"),
        Binding("f", "filter", "filter"),
        Binding("enter", "detail", "detail"),
        Binding("g", "grid", "table"),
        Binding("question_mark", "help", "help"),
    ]

    def __init__(self, looks: Looks, first: Snapshot) -> None:
        super().__init__()
        self.register_theme(TERMINAL_COLOURS)
        self.theme = TERMINAL_COLOURS.name
        self.shown = first
        self._looks = looks
        self._filter: State | None = None
        self._timer: Timer | None = None
        self._shows_grid: bool | None = None
        self._drawn: dict[str, tuple[str, ...]] = {}

    def compose(self) -> ComposeResult:
        """Lay out title, summary, cells, table so far, failures, keys."""
        yield Static(id="title", markup=False)
        yield Static(id="summary", markup=False)
        yield DataTable[Text](id="cells", cursor_type="row", zebra_stripes=False)
        with VerticalScroll(id="grid", can_focus=False):
            yield Static(id="tables")
        yield Static(id="failures", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.query_one(DataTable).focus()
        self._show(self.shown)

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._drawn.clear()
        self.call_after_refresh(self._draw)  # only then does the app know its new size

    def action_read(self) -> None:
        """Read all records now."""
        self._look(is_asked=True)

    def action_filter(self) -> None:
        """Show only failed cells, only running ones, or all."""
        self._filter = FILTERS[(FILTERS.index(self._filter) + 1) % len(FILTERS)]
        self._draw()

    def action_grid(self) -> None:
        """Show or hide the table so far."""
        self._shows_grid = not self._has_grid()
        self._draw()

    def action_help(self) -> None:
        """Show the keys."""
        self._show_text(HELP)

    def action_detail(self) -> None:
        """Show the chosen cell."""
        key = self._chosen(self.query_one(DataTable))
        if key:
            self._show_detail(key)

    def on_data_table_row_selected(self) -> None:
        """The list of cells takes the enter key for itself."""
        self.action_detail()

    @work(thread=True, exclusive=True, group="detail")
    def _show_detail(self, key: str) -> None:
        try:
            text = "\n".join(self._looks.detail(key))
        except (ClusterError, SweepError) as error:
            text = f"this cell cannot be read now: {error}"
        self.call_from_thread(self._show_text, text)

    def _show_text(self, text: str) -> None:
        self.push_screen(TextScreen(text))

    @work(thread=True, exclusive=True, group="look")
    def _look(self, *, is_asked: bool = False) -> None:
        found = self._looks.look(is_asked=is_asked)
        self.call_from_thread(self._show, found)

    def _show(self, found: Snapshot) -> None:
        self.shown = found
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(self._looks.wait_s, self._look)
        self._draw()

    def _has_grid(self) -> bool:
        return self.size.height >= GRID_FROM_ROWS if self._shows_grid is None else self._shows_grid

    def _draw(self) -> None:
        shown = self.shown
        only = f" (only {self._filter} cells; f shows others)" if self._filter else ""
        screen = self.screen_stack[0]
        screen.query_one("#title", Static).update(f"{shown.label}: {shown.title}{only}")
        screen.query_one("#summary", Static).update("\n".join(summary_lines(shown)))
        screen.query_one("#failures", Static).update("\n".join(failure_lines(shown)))
        screen.set_class(self._has_grid(), "with-grid")
        screen.query_one("#tables", Static).update(grid(shown, self.size.width - 2))
        self._draw_cells(screen.query_one("#cells", DataTable), shown)

    def _draw_cells(self, table: DataTable[Text], shown: Snapshot) -> None:
        """Update the list in place where the same cells are in it, so that cursor and place stay."""
        width = self.size.width
        columns = cell_columns(width)
        cells = [cell for cell in shown.cells if self._filter in (None, cell.state)]
        if len(cells) >= table.size.height > 0:  # what people look for first: it would be below the last line
            cells.sort(key=lambda cell: _FIRST.get(cell.state, len(_FIRST)))
        wanted = {cell.key: (cell.state, *cell_texts(cell, width)) for cell in cells}
        if list(self._drawn) != list(wanted) or len(table.columns) != len(columns):
            self._fill(table, wanted, columns)
        for key, (state, *texts) in wanted.items():
            if self._drawn.get(key) != wanted[key]:
                for number, (text, column) in enumerate(zip(texts, columns, strict=True)):
                    table.update_cell(key, str(number), _styled(text, state, column), update_width=True)
        self._drawn = wanted

    def _fill(
        self, table: DataTable[Text], wanted: Mapping[str, tuple[str, ...]], columns: Sequence[CellColumn]
    ) -> None:
        """Fill the list again; the cursor stays on its cell."""
        chosen = self._chosen(table)
        table.clear(columns=True)
        for number, column in enumerate(columns):
            table.add_column(Text(column.heading, justify="right" if column.is_number else "left"), key=str(number))
        for key, (state, *texts) in wanted.items():
            pairs = zip(texts, columns, strict=True)
            table.add_row(*(_styled(text, state, column) for text, column in pairs), key=key)
        self._drawn = dict(wanted)
        if chosen in wanted:
            table.move_cursor(row=table.get_row_index(chosen))

    def _chosen(self, table: DataTable[Text]) -> str:
        """Return the key of the cell that the cursor is on, or "" in an empty list."""
        if not table.row_count:
            return ""
        return str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value)


def _styled(text: str, state: str, column: CellColumn) -> Text:
    style = COLOURS[state] if column.heading == "state" else ""
    return Text(text, style=style, justify="right" if column.is_number else "left")


def follow(looks: Looks, first: Snapshot) -> Snapshot:
    """Show the screen until it is closed, and return the last snapshot."""
    app = WatchApp(looks, first)
    app.run()
    return app.shown
