"""Reading: the tables, one table, its rows, its rejected rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Annotated, Any
from urllib.parse import urlencode

import pyarrow as pa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from platform_assets.api.problems import Problem
from platform_assets.api.representations import FORMS, accepted
from platform_assets.api.service import Asker, Caller
from platform_assets.errors import PlatformError
from platform_assets.operations import listings
from platform_assets.operations.table_rows import cursor_of, page_of, rows_as_of
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.warehouse.table_reading import Page, read_page

router = APIRouter(prefix="/v1/tables", tags=["reading"])
PAGE_ROWS = 10_000
"""The most rows of a page with a `next`; without a limit (0) all rows come in one stream."""
Batches = Iterator[pa.RecordBatch]
_ROWS = {200: {"content": {name: {} for name in FORMS}, "description": "Rows, in the form that Accept names."}}


@router.get("")
def tables(asker: Asker) -> list[dict[str, Any]]:
    """Every table that the key may read, as `platform-assets tables --json` lists them."""
    return [row for row in listings.tables(asker.service.catalog) if asker.may("read", str(row["table"]).partition(".")[0])]


@router.get("/{table}")
def table(table: str, asker: Asker) -> dict[str, Any]:
    """One table: its columns, key and rules, how many rows its latest state has, and what each version gave."""
    record = asker.table(table)
    versions = asker.service.catalog.snapshots(source=record.source, table=record.table_name)
    return {
        "table": f"{record.source}.{record.table_name}",
        "schema": dict(record.schema),
        "key": list(record.key),
        "row_version": record.row_version,
        "rows": record.rows,
        "stale": record.stale,
        "published_at": record.published_at,
        "versions": [
            {"version": one.version, "rows_read": one.rows_read, "accepted": one.accepted, "rejected": one.rejected} for one in versions
        ],
    }


@router.get("/{table}/rejects")
def rejects(table: str, asker: Asker, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> list[dict[str, Any]]:
    """Rejected rows with all their reasons, as `platform-assets rejects --json` lists them."""
    record = asker.table(table)
    return listings.rejects(asker.service.catalog, record.table_key, limit=limit)


@router.get("/{table}/rows", response_class=StreamingResponse, responses=_ROWS)  # type: ignore[arg-type]
def rows(
    table: str,
    request: Request,
    asker: Asker,
    select: Annotated[list[str] | None, Query(description="Columns; repeat it for several.")] = None,
    filters: Annotated[
        list[str] | None,
        Query(alias="filter", description="column:operator:value, operators eq ne lt le gt ge null notnull; all must hold."),
    ] = None,
    order: Annotated[list[str] | None, Query(description="Columns, `-` before one for descending. The key makes it whole.")] = None,
    limit: Annotated[int, Query(ge=0, le=PAGE_ROWS, description="Rows of the page; 0: all rows in one stream.")] = 1_000,
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    as_of: Annotated[str | None, Query(description="A version, its label, or a time: the state as it was then.")] = None,
) -> Response:
    """Rows of the latest state, or of an earlier one. A page that has a successor names it in the header Link (rel=next)."""
    form = accepted(request.headers.get("accept"))
    record = asker.table(table)
    if as_of is not None:
        if filters or order or after:
            raise Problem(422, "An earlier state (as_of) takes select and limit; it has no filter, order or pages.")
        return _streamed(form, lambda: _earlier(asker, record, as_of, select or (), limit or None))
    page = page_of(record, select=select or (), filters=filters or (), order=order or (), after=after, limit=limit + 1 if limit else None)
    return _paged(form, request, asker, page, limit) if limit else _streamed(form, lambda: _all(asker, page))


def _earlier(
    asker: Caller, record: TableRecord, at: str, select: list[str] | tuple[str, ...], limit: int | None
) -> AbstractContextManager[tuple[pa.Schema, Batches]]:
    return rows_as_of(asker.service.settings, asker.service.catalog, record, at, select=select, limit=limit)


def _streamed(form: str, opened: Callable[[], AbstractContextManager[Any]]) -> StreamingResponse:
    """The first batch is drawn before the answer begins: what is wrong with the question is known by then and is a problem of its own."""
    stack = ExitStack()
    try:
        schema, batches = stack.enter_context(opened())
        first = next(batches, None)
    except BaseException as error:
        stack.close()
        if type(error) is PlatformError:  # no such version, nothing that had come by then
            raise Problem(422, error.message) from error
        raise

    def written() -> Iterator[bytes]:
        with stack:
            yield from FORMS[form](schema, _chain(first, batches))

    return StreamingResponse(written(), media_type=form)


def _chain(first: pa.RecordBatch | None, rest: Batches) -> Batches:
    if first is not None:
        yield first
        yield from rest


@contextmanager
def _all(asker: Caller, page: Page) -> Iterator[tuple[pa.Schema, Batches]]:
    """All rows of a page, without the columns that it is sorted by."""
    schema = _schema(page)
    with read_page(asker.service.catalog.url, page, timeout_seconds=asker.service.limits.statement_seconds) as batches:
        yield schema, (batch.select(schema.names) for batch in batches)


def _schema(page: Page) -> pa.Schema:
    return pa.schema([pa.field(name, page.columns[name][1]) for name in page.select])


def _paged(form: str, request: Request, asker: Caller, page: Page, limit: int) -> Response:
    """A page is held whole: it is small, and only its last row tells where the next one begins."""
    with read_page(asker.service.catalog.url, page, timeout_seconds=asker.service.limits.statement_seconds) as batches:
        found = list(batches)
    whole = pa.Table.from_batches(found) if found else None
    headers = {}
    if whole is not None and whole.num_rows > limit:
        last = whole.slice(limit - 1, 1)
        place = cursor_of([last.column(f"_sort_{at}")[0].as_py() for at in range(len(page.order))])
        asked = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
        headers = {"Link": f'<{request.url.path}?{urlencode([*asked, ("after", place)])}>; rel="next"', "X-Next": place}
    schema = _schema(page)
    shown = whole.slice(0, limit).select(schema.names).to_batches() if whole is not None else []
    return Response(b"".join(FORMS[form](schema, iter(shown))), media_type=form, headers=headers)
