"""The pages: overview, tables with filter and pages, a table as of a version, what changed, the life of a row, metrics.

Read only, for who is logged in, and of the sources that their key may read. Nothing of a page's text is trusted: templates escape it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlencode

import pyarrow as pa
from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from starlette.responses import Response

from platform_assets.api import html, metrics
from platform_assets.api.problems import Problem
from platform_assets.api.representations import objects
from platform_assets.api.service import Caller
from platform_assets.api.sessions import Viewer, who
from platform_assets.errors import DatabaseUnavailable, PlatformError
from platform_assets.operations import charts, listings, metric_forms, row_life
from platform_assets.operations.diff import diff_table
from platform_assets.operations.metrics import Standing, asked, charted
from platform_assets.operations.table_rows import cursor_of, page_of, rows_as_of
from platform_assets.storage.catalog.overview import overview, versions_of
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.warehouse.table_reading import Page, read_page

router = APIRouter(include_in_schema=False)
PAGE_ROWS = 50
LISTED = 20
CHANGES = 200
CARD_WIDTH = 600
OPERATORS = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥", "null": "is empty", "notnull": "is not empty"}
Shown = TypeVar("Shown", bound=Callable[..., Any])
Texts = list[str] | None


def shown(render: Shown) -> Shown:
    """What is wrong with the question is a page too."""

    @functools.wraps(render)
    def page(*arguments: Any, **named: Any) -> Response:
        try:
            answer: Response = render(*arguments, **named)
        except Problem as problem:
            return _error(named["viewer"], problem.status, problem.detail)
        except DatabaseUnavailable:
            raise
        except PlatformError as error:
            return _error(named["viewer"], 422, error.message)
        return answer

    return page  # type: ignore[return-value]


def _error(viewer: Caller, status: int, why: str) -> Response:
    return html.page("error.html", status, who=who(viewer), here="", why=why)


def _link(table: str, *rest: str) -> str:
    return "/".join(["/browse", *(quote(part, safe="") for part in (table, *rest))])


@router.get("/")
@shown
def first(viewer: Viewer) -> Response:
    """Sources, dumps, loads, rejects, backups, metrics."""
    every = viewer.may("read", "*")
    mine = None if every else [source for source in viewer.key.scopes if viewer.may("read", source)]
    found = overview(viewer.service.catalog, mine, limit=LISTED)
    cards = [_card(viewer, one) for one in metrics.visible(viewer)]
    return html.page("overview.html", who=who(viewer), here="overview", cards=cards, link=_link, limit=LISTED, **found)


@router.get("/charts")
@shown
def all_metrics(viewer: Viewer) -> Response:
    """Every metric with its chart."""
    cards = [_card(viewer, one) for one in metrics.visible(viewer)]
    return html.page("charts.html", who=who(viewer), here="metrics", cards=cards)


def _card(viewer: Caller, one: Standing) -> dict[str, Any]:
    """A metric's chart for a page; one that cannot be drawn says why and spoils nothing else."""
    card = {"name": one.name, "title": one.metric.title if one.metric else one.name, "state": one.state, "problem": one.problem}
    card |= {"description": one.metric.description if one.metric else "", "chart": None}
    if one.state == "ready" and one.metric and one.metric.chart:
        try:
            card["chart"] = _figure(viewer, one, {}, width=CARD_WIDTH)
        except DatabaseUnavailable:
            raise
        except PlatformError as error:
            card |= {"state": "broken", "problem": error.message}
    return card


def _figure(viewer: Caller, one: Standing, given: Mapping[str, str], *, width: int) -> Markup:
    """The SVG is ours; what it holds of data was escaped where it was drawn."""
    data = charted(viewer.service.catalog, one, given, timeout_seconds=viewer.service.limits.statement_seconds)
    return Markup(charts.svg(data, alone=False, width=width))


@router.get("/charts/{name}")
@shown
def one_metric(name: str, request: Request, viewer: Viewer) -> Response:
    """One metric: chart, parameters, rows."""
    one, given = metrics.named(viewer, name), metrics.given_parameters(request)
    assert one.metric is not None
    seconds = viewer.service.limits.statement_seconds
    with asked(viewer.service.catalog, one, given, timeout_seconds=seconds) as answer:
        rows = list(islice(answer.rows, metric_forms.PAGE_ROWS + 1))
    values = {one_.name: given.get(one_.name, one_.default) for one_ in one.metric.parameters}
    return html.page(
        "metric.html",
        who=who(viewer),
        here="metrics",
        one=one,
        values=values,
        chart=_figure(viewer, one, given, width=charts.WIDTH) if one.metric.chart else None,
        columns=answer.columns,
        rows=[[_text(cell) for cell in row] for row in rows[: metric_forms.PAGE_ROWS]],
        more=len(rows) > metric_forms.PAGE_ROWS,
        most=metric_forms.PAGE_ROWS,
    )


@router.get("/browse")
@shown
def all_tables(viewer: Viewer) -> Response:
    """Every table that the key may read."""
    rows = [row for row in listings.tables(viewer.service.catalog) if viewer.may("read", str(row["table"]).partition(".")[0])]
    return html.page("tables.html", who=who(viewer), here="tables", rows=rows, link=_link)


@router.get("/browse/{table}")
@shown
def one_table(
    table: str,
    request: Request,
    viewer: Viewer,
    column: Annotated[Texts, Query()] = None,
    operator: Annotated[Texts, Query()] = None,
    value: Annotated[Texts, Query()] = None,
    order: str = "",
    descending: str = "",
    after: str | None = None,
    at: int | None = None,
) -> Response:
    """Rows of the latest state, filtered, ordered, in pages; with `at` the first rows as of that version."""
    record = viewer.table(table)
    name = f"{record.source}.{record.table_name}"
    versions = versions_of(viewer.service.catalog, record.source, record.table_name)
    chosen = versions[at] if at is not None and 0 <= at < len(versions) else None
    filters = [one for one in zip(column or (), operator or (), value or (), strict=False) if one[0] and one[1] in OPERATORS]
    following = None
    if chosen:
        service = viewer.service
        with rows_as_of(service.settings, service.catalog, record, chosen["version"], select=(), limit=PAGE_ROWS) as (schema, batches):
            names, rows = schema.names, _rows(batches)
    else:
        texts = [f"{name_}:{how}" + ("" if how in ("null", "notnull") else f":{what}") for name_, how, what in filters]
        sorts = [f"-{order}" if descending else order] if order else []
        page = page_of(record, filters=texts, order=sorts, after=after, limit=PAGE_ROWS + 1)
        names, rows, place = _page(viewer, page)
        if place:
            asked_for = [(key, text) for key, text in request.query_params.multi_items() if key != "after"]
            following = f"{_link(name)}?{urlencode([*asked_for, ('after', place)])}"
    return html.page(
        "table.html",
        who=who(viewer),
        here="tables",
        link=_link,
        name=name,
        record=record,
        columns=names,
        rows=rows,
        lives=[_life_link(name, record, row) for row in rows],
        filters=[*filters, ("", "eq", "")][:5],
        operators=OPERATORS,
        order=order,
        descending=bool(descending),
        following=following,
        beginning=_link(name) if after else None,
        versions=versions,
        chosen=chosen,
        at=at if chosen else max(len(versions) - 1, 0),
        shown_rows=PAGE_ROWS,
    )


def _rows(batches: Iterable[pa.RecordBatch]) -> list[dict[str, str | None]]:
    return [{name: _text(cell) for name, cell in row.items()} for batch in batches for row in objects(batch)]


def _text(cell: Any) -> str | None:
    if isinstance(cell, bytes | memoryview):
        return "\\x" + bytes(cell).hex()[:200]
    return cell if cell is None or isinstance(cell, str) else str(cell).lower() if isinstance(cell, bool) else str(cell)


def _page(viewer: Caller, page: Page) -> tuple[Sequence[str], list[dict[str, str | None]], str | None]:
    """Column names, rows, and the place behind them if more follow."""
    with read_page(viewer.service.catalog.url, page, timeout_seconds=viewer.service.limits.statement_seconds) as batches:
        rows = _rows(batches)
    place = None
    if len(rows) > PAGE_ROWS:
        last = rows[PAGE_ROWS - 1]
        place = cursor_of([last[f"_sort_{number}"] for number in range(len(page.order))])
    return page.select, rows[:PAGE_ROWS], place


def _life_link(name: str, record: TableRecord, row: Mapping[str, str | None]) -> str | None:
    key = [row.get(column) for column in record.key]
    return f"{_link(name, 'history')}?{urlencode([('key', text) for text in key])}" if key and None not in key else None


@router.get("/browse/{table}/history")
@shown
def history(table: str, viewer: Viewer, key: Annotated[Texts, Query()] = None) -> Response:
    """What each version did; with a key the life of that row."""
    record = viewer.table(table)
    name, catalog = f"{record.source}.{record.table_name}", viewer.service.catalog
    states: list[dict[str, Any]] = []
    why = None
    if key and all(key):
        try:
            if any("\0" in part for part in key):
                raise PlatformError("No row has a NUL in its key.")
            states = row_life.life(catalog, name, key)
        except DatabaseUnavailable:
            raise
        except PlatformError as error:
            why = error.message
    changes = row_life.changes(catalog, name)
    keys = [*(key or []), *[""] * len(record.key)][: len(record.key)]
    return html.page(
        "history.html",
        who=who(viewer),
        here="tables",
        link=_link,
        name=name,
        columns=record.key,
        keys=keys,
        states=states,
        why=why,
        changes=changes[: -CHANGES - 1 : -1],
        total=len(changes),
    )


@router.get("/browse/{table}/diff")
@shown
def diff(table: str, viewer: Viewer, a: str = "", b: str = "latest") -> Response:
    """What changed from one version to another."""
    record = viewer.table(table)
    name, service = f"{record.source}.{record.table_name}", viewer.service
    versions = versions_of(service.catalog, record.source, record.table_name)
    values: dict[str, Any] = {"found": None, "rows": [], "columns": []}
    if a:
        with diff_table(service.settings, service.catalog, name, a, b, limit=CHANGES) as found:
            names = [*found.table.column_names]
            rows = [_change(row, names) for batch in found.batches for row in objects(batch)]
            values = {"found": found.summary(), "rows": rows, "columns": names}
    values |= {"versions": versions, "a": a, "b": b, "limit": CHANGES}
    return html.page("diff.html", who=who(viewer), here="tables", link=_link, name=name, **values)


def _change(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    changed = row["changed"] or ""
    cells = [(_text(row[name]), f'"{name}"' in changed) for name in names]
    return {"operation": row["operation"], "cells": cells}
