"""Runs in a process of its own: reads an .xls, .xlsb or .ods file with calamine and writes its rows as JSON lines to standard output.

calamine holds whole sheets, and damaged files make it claim any amount of memory or
time; here that ends this process alone. Lines are
{"sheet": name, "hidden": bool, "cells": bool, "merged": n}, then [row number, [[column, kind, text], ...]] of that sheet;
{"end": true} is the last one.
Not to be imported by anything but its own start.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from platform_assets.formats.excel.cells import BOOLEAN, DATE, DATETIME, ERROR, NUMBER, TEXT, TIME, number_text

_ERRORS = {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#DATA!", "#GETTING_DATA"}


def main(path: str, memory: int, seconds: int) -> None:
    """`memory` bounds this process's address space, in bytes, `seconds` its processor time."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    out = sys.stdout
    workbook = CalamineWorkbook.from_path(path)
    for sheet in workbook.sheets_metadata:
        holds = sheet.typ == SheetTypeEnum.WorkSheet
        found = workbook.get_sheet_by_name(sheet.name) if holds else None
        merged = len(found.merged_cell_ranges or ()) if found is not None else 0
        hidden = sheet.visible != SheetVisibleEnum.Visible
        out.write(json.dumps({"sheet": sheet.name, "hidden": hidden, "cells": holds, "merged": merged}) + "\n")
        if found is not None and found.start is not None:
            _write_rows(found)
    out.write('{"end": true}\n')


def _write_rows(sheet: Any) -> None:
    first_row, first_column = sheet.start
    for number, row in enumerate(sheet.to_python(skip_empty_area=True)):
        cells = [[first_column + at, *cell] for at, cell in _cells(row)]
        if cells:
            sys.stdout.write(json.dumps([first_row + number + 1, cells]) + "\n")


def _cells(row: list[Any]) -> Iterator[tuple[int, tuple[int, str]]]:
    for at, value in enumerate(row):
        if value != "" and value is not None:
            yield at, _cell(value)


def _cell(value: Any) -> tuple[int, str]:
    if isinstance(value, bool):
        return BOOLEAN, "true" if value else "false"
    if isinstance(value, int | float):
        text = number_text(repr(value))
        return (NUMBER, text) if text is not None else (TEXT, repr(value))
    if isinstance(value, datetime):
        return DATETIME, value.isoformat()
    if isinstance(value, date):
        return DATE, value.isoformat()
    if isinstance(value, time):
        return TIME, value.isoformat()
    if isinstance(value, timedelta):
        return NUMBER, number_text(repr(value / timedelta(days=1))) or "0"
    return (ERROR, value) if value in _ERRORS else (TEXT, str(value))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
