"""The forms in which a metric goes out: its rows as JSON or CSV, its chart as SVG, PNG or a page. The same bytes over HTTP and as files."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

from platform_assets.operations import charts
from platform_assets.operations.metrics import Standing, asked, charted
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.exports.target import refuse_existing, writable
from platform_assets.storage.files import atomic_file
from platform_assets.storage.warehouse.queries import Answer

PAGE_ROWS = 1_000
"""The most rows of a table in a page."""
_SAFE_INTEGER = 2**53
ChartForm = Literal["svg", "png", "html"]


def json_rows(found: Standing, given: Mapping[str, str], answer: Answer) -> Iterator[bytes]:
    """One object: the metric, its title, the parameters that were used, and `rows`."""
    assert found.metric is not None
    used = {one.name: given.get(one.name, one.default) for one in found.metric.parameters}
    head = json.dumps({"metric": found.name, "title": found.metric.title, "parameters": used}, ensure_ascii=False)
    yield f'{head[:-1]}, "rows": ['.encode()
    begun = False
    while rows := list(islice(answer.rows, PAGE_ROWS)):
        cells = ({name: _cell(value) for name, value in zip(answer.columns, row, strict=True)} for row in rows)
        text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in cells)
        yield f"{',' if begun else ''}\n{text}".encode()
        begun = True
    yield b"\n]}\n"


def csv_rows(found: Standing, given: Mapping[str, str], answer: Answer) -> Iterator[bytes]:
    """A header and the rows; NULL is an empty cell."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(answer.columns)
    while rows := list(islice(answer.rows, PAGE_ROWS)):
        writer.writerows([_cell(value) for value in row] for row in rows)
        yield written.getvalue().encode()
        written.seek(0)
        written.truncate()
    yield written.getvalue().encode()


ROWS: Mapping[str, Callable[[Standing, Mapping[str, str], Answer], Iterator[bytes]]] = {"json": json_rows, "csv": csv_rows}
CHARTS: tuple[ChartForm, ...] = ("svg", "png", "html")


def _cell(value: Any) -> Any:
    """As rows of tables are told: decimals and whole numbers beyond 2^53 as texts, bytes as base64."""
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE_INTEGER):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return value if value is None or isinstance(value, bool | int | float | str | list | dict) else str(value)


def chart_of(catalog: Catalog, found: Standing, given: Mapping[str, str], form: ChartForm, *, timeout_seconds: int = 60) -> bytes:
    """The chart of a metric; the page (html) has its rows as a table as well. Raises RefusedQuery as `charted` does."""
    data = charted(catalog, found, given, timeout_seconds=timeout_seconds)
    if form == "svg":
        return charts.svg(data).encode()
    if form == "png":
        return charts.png(data)
    with asked(catalog, found, given, timeout_seconds=timeout_seconds) as answer:
        rows = list(islice(answer.rows, PAGE_ROWS + 1))
    assert found.metric is not None
    return charts.page(data, found.metric.description, answer.columns, rows[:PAGE_ROWS], len(rows) > PAGE_ROWS).encode()


def write_metric(catalog: Catalog, found: Standing, given: Mapping[str, str], form: str, stream: BinaryIO) -> None:
    """One of ROWS or CHARTS. Raises RefusedQuery as `asked` does."""
    if form in ROWS:
        with asked(catalog, found, given) as answer:
            for piece in ROWS[form](found, given, answer):
                stream.write(piece)
    else:
        stream.write(chart_of(catalog, found, given, form))  # type: ignore[arg-type]


def write_metric_file(catalog: Catalog, found: Standing, given: Mapping[str, str], form: str, path: Path, *, force: bool = False) -> int:
    """The same into a file that is whole or not there; gives its bytes. Raises Conflict when it is there, unless `force` allows that."""
    refuse_existing([path], force=force)
    with writable(path), atomic_file(path) as file:
        write_metric(catalog, found, given, form, file)
        return file.tell()
