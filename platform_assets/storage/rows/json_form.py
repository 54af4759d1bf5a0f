"""The lossless JSON form of stored rows, both ways, streamed: one document for one version and table, or for one latest state.

Strict JSON (RFC 8259), one row per line. Cells are JSON values where JSON holds them exactly, else strings: decimals, integers
beyond 2**53, `NaN` (`NaN:<bits>` for an unusual one), `Infinity`, `-Infinity`, base64 for bytes, ISO 8601 for dates and times. A date
or time that ISO 8601 cannot write (before year 1, after year 9999, 24:00) is its number of days or microseconds since 1970 or
midnight. How cells become text and come back stands in json_cells.py.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.errors import StoredFileError
from platform_assets.storage.rows.json_cells import cells_to_json, cells_to_row_batch
from platform_assets.storage.rows.latest_state import META as LATEST_META
from platform_assets.storage.rows.latest_state import LatestState
from platform_assets.storage.rows.rejects import RejectRecord
from platform_assets.storage.rows.row_store import store_schema
from platform_assets.storage.rows.snapshots import Snapshot, SnapshotWriter

FORMAT_VERSION = 1
_BATCH_ROWS = 8_192
_CHUNK = 1 << 20
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def to_json(
    table: Table,
    batches: Iterable[pa.RecordBatch],
    stream: BinaryIO,
    *,
    meta: Sequence[str] = (),
    kind: str = "rows",
    head: Mapping[str, Any] | None = None,
    lists: Mapping[str, Iterable[Any]] | None = None,
) -> int:
    """Writes one document and returns the number of rows. Batches have the data columns, then the `meta` columns.

    `head` and the items of `lists` are of JSON's types; lists stand after the rows and are streamed as well.
    """
    schema = store_schema(table, meta)
    opening = {"format_version": FORMAT_VERSION, "kind": kind, "head": dict(head or {}), "table": table.to_json(), "meta": list(meta)}
    stream.write(f'{_encode(opening)[:-1]},\n"columns":{_encode(schema.names)},\n"rows":['.encode())
    rows = 0
    for batch in batches:
        if not batch.schema.equals(schema):
            raise ValueError(f"The JSON form of {table.name} takes the columns {schema}, not {batch.schema}.")
        for start in range(0, batch.num_rows, _BATCH_ROWS):
            piece = batch.slice(start, _BATCH_ROWS)
            lines = ",\n".join(map(_encode, zip(*map(cells_to_json, piece.columns), strict=True)))
            stream.write(f"{',' if rows else ''}\n{lines}".encode())
            rows += piece.num_rows
    stream.write(f'\n],\n"row_count":{rows}'.encode())
    for name, items in (lists or {}).items():
        stream.write(f",\n{_encode(name)}:[".encode())
        for position, item in enumerate(items):
            stream.write(f"{',' if position else ''}\n{_encode(item)}".encode())
        stream.write(b"\n]")
    stream.write(b"\n}\n")
    return rows


class JsonDocument:
    """A document in the reading: its head is there, rows and lists follow once, in their order in the document."""

    def __init__(self, stream: BinaryIO) -> None:
        self._text = _JsonText(stream)
        self._text.expect("{")
        opening = self._entries_before("rows")
        if opening.get("format_version") != FORMAT_VERSION:
            self._text.fail(f"it has format_version {opening.get('format_version')!r}; this program reads {FORMAT_VERSION}")
        try:
            self.kind = str(opening["kind"])
            self.head: dict[str, Any] = opening["head"]
            self.table = Table.from_json(opening["table"])
            self.meta: tuple[str, ...] = tuple(opening["meta"])
            self.schema = store_schema(self.table, self.meta)
            whole = opening["columns"] == self.schema.names
        except (KeyError, TypeError) as error:
            self._text.fail(f"its entry {error} is missing or not as it should be")
        if not whole:
            self._text.fail("its columns are not those of its table")

    def _entries_before(self, name: str) -> dict[str, Any]:
        """The members up to the one called `name`, whose value comes next."""
        found: dict[str, Any] = {}
        while True:
            key = self._text.value()
            self._text.expect(":")
            if key == name:
                return found
            found[str(key)] = self._text.value()
            self._text.expect(",")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, typed. Raises StoredFileError when a row is damaged, lost or too many."""
        rows, width = 0, len(self.schema)
        items = self._items()
        while piece := list(islice(items, _BATCH_ROWS)):
            for number, row in enumerate(piece, rows + 1):
                if not isinstance(row, list) or len(row) != width:
                    self._text.fail(f"row {number} is not a list of {width} cells")
            try:
                yield cells_to_row_batch(piece, self.schema)
            except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
                self._text.fail(f"a cell of the rows {rows + 1} to {rows + len(piece)} is not of its type ({error})")
            rows += len(piece)
        self._text.expect(",")
        key = self._text.value()
        self._text.expect(":")
        if (key, count := self._text.value()) != ("row_count", rows):
            self._text.fail(f"it holds {rows} rows, but says {count!r}")

    def items(self, name: str) -> Iterator[Any]:
        """The next list, which must have this name; the rows were read before."""
        self._text.expect(",")
        if (found := self._text.value()) != name:
            self._text.fail(f"the list {name!r} was to come, not {found!r}")
        self._text.expect(":")
        yield from self._items()

    def _items(self) -> Iterator[Any]:
        self._text.expect("[")
        if self._text.peek() == "]":
            self._text.expect("]")
            return
        while True:
            yield self._text.value()
            if self._text.peek() == "]":
                self._text.expect("]")
                return
            self._text.expect(",")

    def end(self) -> None:
        """Raises StoredFileError when the document does not end here."""
        self._text.expect("}")
        if self._text.peek():
            self._text.fail("something stands after its end")


def from_json(stream: BinaryIO) -> JsonDocument:
    """Opens a document for reading. Raises StoredFileError when it is none of ours or of another format_version."""
    return JsonDocument(stream)


def snapshot_to_json(snapshot: Snapshot, stream: BinaryIO, *, told: Mapping[str, Any] | None = None) -> int:
    """All of a snapshot, rejected rows included. `told` joins the head. Returns the number of rows."""
    head = {**snapshot.to_json(), **(told or {})}
    for name in ("stored", "rejected_parts", "reject_parts", "rows", "accepted", "rejected", "rejected_readable", "hot"):
        del head[name]
    return to_json(
        snapshot.table,
        snapshot.batches(accepted_only=False),
        stream,
        meta=snapshot.stored.meta,
        kind="snapshot",
        head=head,
        lists={
            "rejected_rows": (int(number) for number in snapshot.rejected_rows()),
            "rejects": map(asdict, snapshot.rejects()),
        },
    )


def snapshot_from_json(stream: BinaryIO, folder: Path) -> Snapshot:
    """The pending snapshot for `folder`, equal to the one that was written. Raises StoredFileError; then nothing is left behind."""
    document = _document(stream, "snapshot")
    head = document.head
    writer = SnapshotWriter(
        folder, source=head["source"], version=head["version"], instance=head["instance"], table_name=document.table.name
    )
    try:
        for batch in document.batches():
            writer.add(batch)
        rejected = list(document.items("rejected_rows"))
        for item in document.items("rejects"):
            writer.reject(RejectRecord(**item))
        document.end()
        counts = ("member", "unreadable", "recovered", "raw_counts", "rule_counts", "dictionary_version", "facts")
        return writer.finish(document.table, rejected_rows=rejected, **{name: head[name] for name in counts})
    except BaseException:
        writer.discard()
        raise


def latest_to_json(state: LatestState, stream: BinaryIO, *, told: Mapping[str, Any] | None = None) -> int:
    """All rows of a latest state, read back by `from_json`. `told` joins the head. Returns the number of rows."""
    head = {"source": state.source, "versions": list(state.versions), "facts": dict(state.facts), **(told or {})}
    return to_json(state.table, state.batches(), stream, meta=LATEST_META, kind="latest", head=head)


def _document(stream: BinaryIO, kind: str) -> JsonDocument:
    document = from_json(stream)
    if document.kind != kind:
        raise StoredFileError(f"{_name(stream)} holds a {document.kind}, not a {kind}.", path=_name(stream))
    return document


def _name(stream: BinaryIO) -> str:
    return str(getattr(stream, "name", "The JSON document"))


class _JsonText:
    """JSON text from a stream, value by value; what is held is the value at hand and one chunk."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._scan = json.JSONDecoder(parse_constant=self._refuse).raw_decode
        self._buffer, self._at, self._ended = "", 0, False

    def fail(self, reason: str) -> NoReturn:
        name = _name(self._stream)
        raise StoredFileError(f"{name} cannot be read: {reason}. Write it again from the store.", path=name)

    def _refuse(self, word: str) -> NoReturn:
        self.fail(f"{word} is no JSON value")

    def _more(self) -> bool:
        """Doubles what is ahead, so that a long value costs no more than twice its length."""
        if self._ended:
            return False
        data = self._stream.read(max(_CHUNK, len(self._buffer) - self._at))
        self._ended = not data
        try:
            text = self._decode(data, self._ended)
        except UnicodeDecodeError as error:
            self.fail(f"it is not UTF-8 ({error})")
        self._buffer, self._at = self._buffer[self._at :] + text, 0
        return True

    def peek(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def expect(self, character: str) -> None:
        found = self.peek()
        if found != character:
            self.fail(f"{character!r} was to come, not {found!r}" if found else "it ends too early")
        self._at += 1

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = self._scan(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if not self._more():
                    self.fail(f"it is damaged or ends too early ({error.msg})")
                continue
            if end == len(self._buffer) and self._more():
                continue
            self._at = end
            return value
