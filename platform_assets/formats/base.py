"""What a reader takes and what it yields. Formats implement it, operations.parse consumes it.

A reader is a generator `read(dump, source, dictionary) -> Iterator[Event]` that holds at most one batch per table in memory,
never raises for a bad row (it yields Unreadable) and ends with exactly one Finished, unless nothing at all can be read: then it
raises UnreadableDump before the first event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings

BATCH_ROWS = 65_536
"""Upper bound of rows in one Rows event; readers also cut at about 16 MiB of text."""


@dataclass(frozen=True)
class Member:
    """One file inside a dump: its name there, its packed size in bytes, and a way to read its unpacked bytes as a stream.

    `open` counts bytes against the limits and raises EOFError or OSError when the stream is cut: what came before stands.
    `packed` reads the member's bytes as they lie in the folder or archive (gzip stays gzip), counted and cut in the same way; for
    readers that hand files on to another program. None where a dump was put together without it.
    `path` is the plain file that holds exactly these bytes, where there is one: neither packed nor inside an archive.
    `first` is `open` for readers that go through a member twice: it keeps what it gives for the next `open`. None where that gains nothing.
    """

    name: str
    size: int
    open: Callable[[], BinaryIO]
    packed: Callable[[], BinaryIO] | None = None
    path: Path | None = None
    first: Callable[[], BinaryIO] | None = None

    def open_first(self) -> BinaryIO:
        """The first of two readings. Raises what `open` raises."""
        return (self.first or self.open)()


@dataclass(frozen=True)
class Dump:
    """What is to be read: the members of a file, archive or folder, in the order of their names there."""

    name: str
    members: tuple[Member, ...]
    sealed: bool = False
    """The container itself proves that it is whole (a ZIP with its directory, every CRC checked on reading; docs/formats/containers.md)."""
    ignored: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    """What the containers tell beside names that were left out: a cut tar, an archive that was not opened."""


@dataclass(frozen=True)
class TableFound:
    """A table and its schema as known so far. Comes before the table's first Rows; again when the file tells more (a key added later)."""

    table: Table
    member: str


@dataclass(frozen=True)
class Rows:
    """Consecutive readable rows of one table.

    `batch` has the table's columns by name (a subset is fine: the others are NULL), each either of the column's type or `string`
    text that is still to be cast (`binary` for bytes). `rows` counts 1, 2, ... within the table over all readable and unreadable
    rows; `lines` is the 1-based line in `member` on which the row begins. Both are int64 and as long as the batch.
    """

    table: str
    member: str
    batch: pa.RecordBatch
    rows: pa.Int64Array
    lines: pa.Int64Array
    strict: bool = False
    """True: text that its column cannot hold is a type-error (delimited files). False: NULL and kept in `_raw` (a server's own dump)."""


@dataclass(frozen=True)
class Unreadable:
    """A row that cannot be read. `table` is None when even that is unknown. `raw` is the text as it came, undecodable bytes as \\xNN."""

    table: str | None
    member: str
    line: int
    row: int | None
    raw: str
    code: str
    message: str
    offset: int | None = None


@dataclass(frozen=True)
class Notice:
    """Something that a person should know: a skipped statement, a recovered row, an ignored member.

    `data_bearing`: rows are or may be missing because of it, so the dump is partial.
    `recovered`: a row that stood where the native client would not take it; it is among the Rows under `row`.
    """

    code: str
    message: str
    member: str
    line: int | None = None
    table: str | None = None
    row: int | None = None
    raw: str | None = None
    data_bearing: bool = False
    recovered: bool = False


@dataclass(frozen=True)
class Finished:
    """The verdict on the whole dump. `reasons` say why it is partial; `dump_time` is naive local or with zone, as the dump wrote it.

    `facts`: what else is known of the dump, by name: `encoding` of its text, `server_version`, `database`, and `last_good`, the place
    (file, line, byte) behind the last whole row or statement of a file that breaks off.
    """

    completeness: Literal["complete", "partial", "unknown"]
    reasons: tuple[str, ...] = ()
    dump_time: datetime | None = None
    tool: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


Event = TableFound | Rows | Unreadable | Notice | Finished


class Format(Protocol):
    """One format. `recognize` looks at names and the first 64 KiB of members and says why it is this format, or None."""

    name: str

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None: ...

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]: ...
