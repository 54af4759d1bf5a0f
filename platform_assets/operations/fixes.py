"""Rejected rows out to a spreadsheet and back: a CSV file with the reasons beside the cells, and from it the dumps of the format `fixes`.

What comes back is judged like any dump. Not here: how its rows are read (formats.fixes), judged (judge) and ordered (versions.fixes).
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from platform_assets.dictionary.model import Table
from platform_assets.errors import PlatformError
from platform_assets.formats.fixes import MARK, SUFFIX
from platform_assets.operations.spreadsheets import from_cell, to_cell
from platform_assets.operations.stored_version import stored_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.quarantine import standing_rejects
from platform_assets.storage.catalog.records import RejectRow, VersionRecord
from platform_assets.storage.files import atomic_file
from platform_assets.storage.home import Home

PLACE = ("_version", "_table", "_file", "_line", "_row", "_offset")
HEADING = ("_id", *PLACE, "_reasons", "_raw")
OPEN = ("open", "waiting")


@dataclass(frozen=True)
class HandedBack:
    """`dumps`: the files that were written, to be loaded. `rows` went into them; `unchanged` were left in quarantine as they are."""

    dumps: tuple[Path, ...]
    rows: int
    unchanged: int


def export_rejects(catalog: Catalog, table: str | None, output: Path) -> int:
    """Writes the open rejects of a table, or of all, as UTF-8 CSV that spreadsheets open; gives how many. Raises NoSuchTable."""
    record = catalog.table(table) if table else None
    with standing_rejects(catalog, OPEN) as standing, atomic_file(output) as stream:
        columns: dict[str, None] = {}
        for reject in standing(record, None):
            columns |= dict.fromkeys(cells_of(reject) or _column_names(catalog, reject))
        stream.write(b"\xef\xbb\xbf")  # without it Excel takes UTF-8 for the code page of its country
        stream.write(_line([*HEADING, *(to_cell(name) for name in columns)]))
        rows = 0
        for reject in standing(record, None):
            rows += 1
            stream.write(_line(_exported(reject, columns)))
    return rows


def _exported(reject: RejectRow, columns: Iterable[str]) -> list[str]:
    cells = cells_of(reject)
    reasons = "; ".join(str(one["message"]) for one in reject.violations if not isinstance(one, str))
    place = (reject.id, reject.version, reject.table_name, reject.file, reject.line, reject.row_number, reject.byte_offset)
    shown = ["" if value is None else to_cell(str(value)) for value in place]
    raw = to_cell(reject.raw) if cells is None else ""
    return [*shown, to_cell(reasons), raw, *(to_cell((cells or {}).get(name)) for name in columns)]


def cells_of(reject: RejectRow) -> dict[str, str | None] | None:
    """The cells of a rejected row as text; None for a row that could not be read into cells."""
    unreadable = any(":" not in str(one.get("rule", "")) for one in reject.violations if not isinstance(one, str))
    if unreadable or not reject.raw or not reject.raw.startswith("{"):
        return None
    try:
        cells = json.loads(reject.raw)
    except ValueError:
        return None
    return {name: _text(value) for name, value in cells.items()}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (bool, dict, list)) else str(value)


def _column_names(catalog: Catalog, reject: RejectRow) -> list[str]:
    """Of a row that has no cells, those of its table, so that a person can fill them in."""
    for snapshot in catalog.snapshots(version=reject.version, table=reject.table_name):
        return [column["name"] for column in snapshot.schema["columns"]]
    return []


def _line(cells: Sequence[str]) -> bytes:
    return (",".join('"' + cell.replace('"', '""') + '"' if set(cell) & set('",;\n\r\t') else cell for cell in cells) + "\r\n").encode()


def take_fixes(settings: Settings, catalog: Catalog, file: Path, *, by: str) -> HandedBack:
    """Reads a file that export_rejects wrote and a person mended; writes one dump per version that its rows are of.

    A row whose cells are as they were stays in quarantine. Raises PlatformError, naming the line, for a file that is none of ours or a
    row that is not among the open rejects; then nothing is written.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    standing = _named(catalog, file)
    unchanged = 0
    for number, row in _read(file):
        version = row["_version"]
        reject = standing[version].pop(tuple(row[name] for name in PLACE), None)
        if reject is None:
            raise PlatformError(
                f"{file}, line {number}: no open reject stands at that place (it was replayed or discarded, stands twice in the file, or "
                "the columns that begin with _ were changed). Nothing was taken: take the line out, or export again.",
                path=str(file),
                line=number,
            )
        cells = _cells(catalog, reject, row, file, number)
        if cells == (cells_of(reject) or dict.fromkeys(cells)):
            unchanged += 1
            continue
        place = [reject.file, reject.line, reject.row_number, reject.byte_offset]
        rows.setdefault(version, []).append({"table": reject.table_name, "place": place, "cells": cells})
    at = datetime.now(UTC)
    dumps = tuple(_written(settings, catalog, version, some, by, at) for version, some in sorted(rows.items()))
    return HandedBack(dumps, sum(map(len, rows.values())), unchanged)


def _named(catalog: Catalog, file: Path) -> dict[str, dict[tuple[str, ...], RejectRow]]:
    """By version and place the open rejects that the file names; a version may have a million others."""
    named: dict[str, set[tuple[str, ...]]] = {}
    for _, row in _read(file):
        named.setdefault(row["_version"], set()).add(tuple(row[name] for name in PLACE))
    with standing_rejects(catalog, OPEN) as standing:
        return {
            version: {place: reject for reject in standing(None, version) if (place := _place(reject)) in places}
            for version, places in named.items()
        }


def _place(reject: RejectRow) -> tuple[str, ...]:
    place = (reject.version, reject.table_name, reject.file, reject.line, reject.row_number, reject.byte_offset)
    return tuple("" if value is None else str(value) for value in place)


def _read(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            yield from _rows(stream, file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise PlatformError(f"{file} is not CSV in UTF-8 ({error}): save it so.", path=str(file)) from error


def _rows(stream: TextIO, file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows by column. Spreadsheets of some countries save with semicolons or tabs: the heading tells."""
    first = stream.readline()
    separator = next((mark for mark in ",;\t" if first.startswith((f"_id{mark}", f'"_id"{mark}'))), None)
    if separator is None:
        raise PlatformError(f"{file} is no file of `rejects export`: it does not begin with the column _id.", path=str(file))
    stream.seek(0)
    reader = csv.reader(stream, delimiter=separator, strict=True)
    heading = [cell.removeprefix("\ufeff") for cell in next(reader)]
    missing = [name for name in PLACE if name not in heading]
    if missing or len(set(heading)) < len(heading):
        what = f"the columns {', '.join(missing)} are gone" if missing else "a column stands there twice"
        raise PlatformError(f"{file}: {what}; they say which rows these are. Export again.", path=str(file))
    for cells in reader:
        if any(cells):
            row = dict(zip(heading, cells, strict=False))
            yield reader.line_num, row | {name: from_cell(row.get(name, "")) or "" for name in PLACE}


def _cells(catalog: Catalog, reject: RejectRow, row: Mapping[str, str], file: Path, number: int) -> dict[str, str | None]:
    """The row's own columns. A column that the table has not must be empty: what stands there would be lost."""
    wanted = list(cells_of(reject) or _column_names(catalog, reject))
    names = {to_cell(name): name for name in wanted}
    strangers = [name for name, cell in row.items() if name not in HEADING and name not in names and cell]
    if strangers:
        raise PlatformError(
            f"{file}, line {number}: {reject.table_name} has no column {strangers[0]!r}. Nothing was taken.", path=str(file), line=number
        )
    return {name: from_cell(row.get(shown, "")) for shown, name in names.items()}


def _written(settings: Settings, catalog: Catalog, version: str, rows: Sequence[Mapping[str, Any]], by: str, at: datetime) -> Path:
    """One dump in dumps/<source>/, named by its content; written whole or not at all."""
    record = catalog.version(version)
    assert record is not None  # its rejects are in the catalog
    home = Home(settings.home)
    lines = [_heading(home, record, rows, by, at), *rows, {"rows": len(rows)}]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    data = text.encode("utf-8", "backslashreplace")
    assert data.startswith(MARK)
    label = f"{record.label}-fixes"
    path = home.dumps / record.source / f"{label}-{hashlib.sha256(data).hexdigest()[:8]}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as stream:
        stream.write(data)
    return path


def _heading(home: Home, record: VersionRecord, rows: Sequence[Mapping[str, Any]], by: str, at: datetime) -> dict[str, Any]:
    named = {row["table"] for row in rows}
    tables: dict[str, Table] = {}
    for snapshot in stored_version(home, record.source, record.version).snapshots:
        if snapshot.table.name in named:
            declared = snapshot.facts.get("declared")
            tables[snapshot.table.name] = Table.from_json(declared) if declared else snapshot.table
    return {
        "platform_assets_fixes": 1,
        "source": record.source,
        "replays": record.version,
        "instance": record.instance,
        "label": f"{record.label}-fixes",
        "by": by,
        "at": at.isoformat(),
        "tables": {name: table.to_json() for name, table in tables.items()},
    }
