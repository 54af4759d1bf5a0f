"""How the command line prints: JSON, grids, blocks, progress. Knows values, not what they mean, and no command."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as Grid
from rich.text import Text

WIDE = None if sys.stdout.isatty() else 240
NO_FOLDING = 1_000_000
out = Console(soft_wrap=True, highlight=False, width=WIDE)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def plain(value: Any) -> Any:
    """A value as JSON can hold it without loss: decimals and times as text, bytes as hex."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return "\\x" + bytes(value).hex()
    return str(value)


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=plain) + "\n")


def print_rows(
    rows: Sequence[dict[str, Any]], *, as_json: bool, empty: str, columns: Sequence[str] | None = None, verbatim: bool = False
) -> None:
    """A listing: a JSON array of objects, or a grid with numbers to the right.

    `verbatim` is for rows of tables: their names as they are, NULL told from text, and one block per row where a terminal is too narrow
    for the grid. Where output is no terminal, no cell is folded.
    """
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        out.print(Text(empty))
        return
    names = list(columns or rows[0])
    cell = shown_value if verbatim else shown
    grid = Grid(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in names:
        values = [row[name] for row in rows if row[name] is not None]
        number = all(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in values)
        heading = printable(name) if verbatim else name.replace("_", " ")
        grid.add_column(Text(heading), justify="right" if number else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell(row[name])) for name in names))
    needed = Measurement.get(out, out.options.update(max_width=NO_FOLDING), grid).maximum
    if needed > out.width and verbatim and out.is_terminal:
        _print_blocks(names, rows)
    elif needed > out.width and not out.is_terminal:
        Console(highlight=False, width=needed).print(grid)
    else:
        out.print(grid)


def _print_blocks(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        grid = Grid(box=None, pad_edge=False, show_header=False, show_edge=False)
        for name in names:
            grid.add_row(Text(printable(name), style="bold"), Text(shown_value(row[name]), overflow="fold"))
        out.print(grid)
        out.print()


def shown(value: Any) -> str:
    """A cell of a listing; what is not known is a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return printable(", ".join(value)) or "-"
    return printable(json.dumps(value, ensure_ascii=False, default=plain) if isinstance(value, list | dict) else str(value))


def shown_value(value: Any) -> str:
    """A value of a table: NULL for what is none, quotes round a text that would look like it or like nothing."""
    if value is None:
        return "NULL"
    if isinstance(value, str) and value in ("", "NULL"):
        return f"'{value}'"
    if isinstance(value, bool):
        return str(value).lower()
    return printable(json.dumps(value, ensure_ascii=False, default=plain) if isinstance(value, list | dict) else plain(value))


def printable(text: str) -> str:
    """Control characters written out: what came from a dump must not move a terminal's cursor."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character, f"\\u{ord(character):04x}" if not character.isspace() else character)


_BAR = 24


class Progress:
    """One line per dump, rewritten on a terminal, printed once where output is a file."""

    def __init__(self) -> None:
        self.rows = 0
        self.stage = ""
        self.last = self.began = 0.0
        self.live = err.status("starting") if err.is_terminal else None

    def __enter__(self) -> Progress:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def __call__(self, stage: str, table: str, rows: int, total: int | None = None) -> None:
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.rows, self.began = stage, 0, now
        self.rows += rows
        if self.live and now - self.last > 0.1:
            self.last = now
            share, speed = min(1.0, self.rows / total) if total else 0.0, self.rows / max(now - self.began, 0.1)
            of = f" of {total:,} ({share:.0%})" if total else ""
            bar = f"{'━' * round(share * _BAR):{_BAR}}  " if total else ""
            self.live.update(Text(f"{stage}  {table}  {bar}{self.rows:,}{of} rows  {speed:,.0f} rows/s"))

    def say(self, line: str) -> None:
        err.print(Text(line))
