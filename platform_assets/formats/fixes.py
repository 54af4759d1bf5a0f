"""The format `fixes`: rejected rows of one version that a person mended and handed back, as JSON lines.

The first line says which version they are of, who handed them back and when, and what their tables look like; each further line is a
row: its table, the place of the reject that it replays, its cells as text. Written by operations.fixes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import count, islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import BINARY, STRING
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump, Event, Finished, Member, Rows, TableFound
from platform_assets.formats.containers.opening import head

MARK = b'{"platform_assets_fixes": 1,'
SUFFIX = ".fixes.jsonl"
_BATCH = 4_096


class Fixes:
    """One hand-back. Complete when its last line says how many rows there are; its time is that of the version it mends."""

    name = "fixes"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        if len(dump.members) == 1 and head(dump.members[0], len(MARK)).data == MARK:
            return f"{dump.members[0].name} says that it holds rows that were handed back"
        return None

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """Yields every table, then the rows in their order. Raises UnreadableDump for a file that is not as it was written."""
        member = dump.members[0]
        _check(member)
        with member.open() as stream:
            heading = _heading(stream, member.name)
            tables = {name: Table.from_json(data) for name, data in heading["tables"].items()}
            for table in tables.values():
                yield TableFound(table, member.name)
            numbers: dict[str, Iterator[int]] = {name: count(1) for name in tables}
            rows = 0
            lines = ((number, json.loads(line)) for number, line in enumerate(stream, 2))
            while part := list(islice(lines, _BATCH)):
                for name, table in tables.items():
                    chosen = [(number, item["cells"]) for number, item in part if item.get("table") == name]
                    if chosen:
                        rows += len(chosen)
                        yield _batch(table, member, chosen, numbers[name])
                end = part[-1][1].get("rows")
        if end != rows:
            raise UnreadableDump(f"{member.name} says that it holds {end} rows, and holds {rows}: hand the rows back again.")
        yield Finished("complete", tool="platform-assets", facts={"replays": heading["replays"], "handed_back_at": heading["at"]})


def _check(member: Member) -> None:
    """A file that is not as it was written is refused before anything of it is given out: it is short, so it is read twice."""
    try:
        with member.open() as stream:
            heading = _heading(stream, member.name)
            tables = {name: Table.from_json(data).column_names for name, data in heading["tables"].items()}
            assert isinstance(heading["replays"], str) and isinstance(heading["at"], str)
            rows, end = 0, None
            for line in stream:
                assert end is None
                item = json.loads(line)
                if "table" in item:
                    cells = item["cells"]
                    assert set(cells) <= set(tables[item["table"]]) and all(
                        value is None or isinstance(value, str) for value in cells.values()
                    )
                    rows += 1
                else:
                    end = item["rows"]
            assert end == rows
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError, RecursionError, EOFError, OSError, pa.ArrowException) as error:
        raise UnreadableDump(f"{member.name} is not as it was written ({type(error).__name__}): hand the rows back again.") from error


def _heading(stream: BinaryIO, name: str) -> dict[str, Any]:
    try:
        heading: dict[str, Any] = json.loads(stream.readline())
        assert isinstance(heading["tables"], dict)
    except (ValueError, KeyError, AssertionError) as error:
        raise UnreadableDump(f"{name} does not begin as a file of rows that were handed back: hand them back again.") from error
    return heading


def _batch(table: Table, member: Member, rows: list[tuple[int, dict[str, str | None]]], numbers: Iterator[int]) -> Rows:
    columns = [name for name in table.column_names if any(name in cells for _, cells in rows)]
    arrays = [_array(table, name, [cells.get(name) for _, cells in rows]) for name in columns]
    batch = pa.RecordBatch.from_arrays(arrays, names=columns) if columns else pa.RecordBatch.from_pylist([{}] * len(rows))
    places = pa.array(list(islice(numbers, len(rows))), pa.int64())
    return Rows(table.name, member.name, batch, places, pa.array([line for line, _ in rows], pa.int64()), strict=True)


def _array(table: Table, name: str, cells: list[str | None]) -> pa.Array:
    """Text, to be cast; bytes as rejects show them, `\\x` and hexadecimal digits."""
    if table.column(name).type != BINARY:
        return pa.array(cells, STRING)
    return pa.array([_unhexed(cell) for cell in cells], BINARY)


def _unhexed(cell: str | None) -> bytes | None:
    if cell is None or not cell.startswith("\\x"):
        return None if cell is None else cell.encode()
    try:
        return bytes.fromhex(cell[2:])
    except ValueError:
        return cell.encode()


def heading_of(path: Path) -> dict[str, Any] | None:
    """The first line of a dump of this format: `replays`, `instance`, `label`, `by`, `at`, `tables`. None for every other dump."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        if stream.read(len(MARK)) != MARK:
            return None
        stream.seek(0)
        return _heading(stream, path.name)


def replayed_version(path: Path) -> str | None:
    """The version whose rejects a dump replays; None for every other dump."""
    heading = heading_of(path)
    return None if heading is None else str(heading["replays"])


def handed_back(path: Path) -> Iterator[tuple[str, list[Any]]]:
    """(table, [file, line, row, offset] of the reject) of every row of such a dump."""
    with path.open("rb") as stream:
        stream.readline()
        for line in stream:
            item = json.loads(line)
            if "table" in item:
                yield item["table"], item["place"]


def moment(heading: Mapping[str, Any]) -> datetime:
    """When the rows were handed back."""
    return datetime.fromisoformat(heading["at"])
