"""Reading over time: the life of a row, what each version did to a table, what changed between two states."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from platform_assets.api.problems import Problem
from platform_assets.api.service import Asker, Caller
from platform_assets.errors import PlatformError
from platform_assets.operations import row_life
from platform_assets.operations.diff import Diff, diff_table, feed_lines

router = APIRouter(prefix="/v1/tables/{table}", tags=["reading over time"])


@router.get("/history")
def history(
    table: str, asker: Asker, key: Annotated[list[str] | None, Query(description="One per column of the key.")] = None
) -> list[dict[str, Any]]:
    """What each version did to the table; with `key` the life of one row, oldest state first."""
    return _life(asker, table, key) if key else row_life.changes(asker.service.catalog, _name(asker, table))


@router.get("/history/{key}")
def life(table: str, key: str, asker: Asker) -> list[dict[str, Any]]:
    """The life of one row of a table whose key is one column."""
    return _life(asker, table, [key])


def _life(asker: Caller, table: str, key: list[str]) -> list[dict[str, Any]]:
    name = _name(asker, table)
    if any("\0" in part for part in key):
        raise Problem(404, "No row has a NUL in its key.")
    try:
        return row_life.life(asker.service.catalog, name, key)
    except PlatformError as error:
        if type(error) is not PlatformError:
            raise
        raise Problem(404, error.message) from None  # no such row, or a table without such a key


def _name(asker: Caller, table: str) -> str:
    record = asker.table(table)
    return f"{record.source}.{record.table_name}"


@router.get("/diff", response_class=StreamingResponse)
def diff(
    table: str,
    asker: Asker,
    a: Annotated[str, Query(description="Before: a version, its label, a time, latest, or backup:ID.")],
    b: Annotated[str, Query(description="After: the same.")] = "latest",
    limit: Annotated[int, Query(ge=0, le=10_000, description="Changes whose rows are told; 0: all.")] = 1_000,
) -> StreamingResponse:
    """What changed from a to b: schema, counts, and the rows, streamed."""
    name = _name(asker, table)
    with ExitStack() as opening:
        try:
            found = opening.enter_context(diff_table(asker.service.settings, asker.service.catalog, name, a, b, limit=limit or None))
        except PlatformError as error:
            if type(error) is not PlatformError:
                raise
            raise Problem(422, error.message) from None  # no such side
        return StreamingResponse(_written(found, opening.pop_all()), media_type="application/json")


def _written(found: Diff, opened: ExitStack) -> Iterator[bytes]:
    """The rows are read while they are sent."""
    with opened:
        head = json.dumps(found.summary(), ensure_ascii=False)
        yield f'{head[:-1]}, "rows": ['.encode()
        begun = False
        for batch in found.batches:
            text = bytes(feed_lines(batch)).decode().rstrip("\n").replace("\n", ",\n")
            yield f"{',' if begun else ''}\n{text}".encode()
            begun = True
        yield b"\n]}\n"
