"""A block of lines of COPY's text format -> columns. Arrow's CSV parser splits and types them; Python sees what it refuses.

Source: PostgreSQL 18 manual, COPY, Text Format. A block is whole lines; where it begins and ends in the stream is copying's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, STRING, TIMESTAMP
from platform_assets.formats.postgres.types import NativeType
from platform_assets.formats.postgres.unescape import bytea_column, has_backslash, unescape_column, unescape_long_text
from platform_assets.formats.postgres.values import stored

_COLUMN = re.compile(r"In CSV column #(\d+)")
_CONTINUED = re.compile(rb"(?<!\\)(?:\\\\)*\\\Z")
_PARALLEL = 1 << 20
_LONG_CELL = 1 << 20
_YEAR_ONE = {DATE: -719_162, TIMESTAMP: -62_135_596_800_000_000, INSTANT: -62_135_596_800_000_000}


@dataclass(frozen=True)
class CopyColumn:
    """A column of the block: its name, the type wanted, and PostgreSQL's. `name` is None for what is passed by."""

    name: str
    type: pa.DataType
    native: NativeType


@dataclass
class CopyShape:
    """How the lines of one COPY split. `textual` are columns that had a cell which their type cannot hold: they come as text."""

    columns: tuple[CopyColumn, ...]
    delimiter: bytes = b"\t"
    null: bytes = b"\\N"
    textual: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class BadLine:
    """A row that cannot be read: its place among the block's rows, its first line (both from 0), and what is wrong."""

    row: int
    line: int
    raw: bytes
    code: str
    message: str


@dataclass(frozen=True)
class Block:
    """The rows that can be read: columns by name, their places among the block's rows and lines; and those that cannot."""

    columns: dict[str, pa.Array]
    rows: np.ndarray
    lines: np.ndarray
    total: int
    bad: tuple[BadLine, ...] = ()


def read_block(data: bytes, shape: CopyShape, encoding: str, *, crlf: bool = False) -> Block:
    """`data` ends with a line end; `encoding` is Python's name. `crlf`: the lines of this COPY end with CR and LF."""
    if len(data) > _LONG_CELL and encoding == "utf-8" and not crlf:
        block = _with_long_cells(data, shape)
        if block is not None:
            return block
    if encoding != "utf-8":
        try:
            plain = data.decode(encoding).encode("utf-8")
        except UnicodeDecodeError:
            return _sifted(data, shape, encoding, crlf)
    else:
        plain = data
    if crlf and plain.count(b"\r") == plain.count(b"\r\n") == plain.count(b"\n"):
        plain = plain.replace(b"\r\n", b"\n")
    odd = b"\r" in plain or b"\0" in plain or b"\\\n" in plain or plain.startswith(b"\xef\xbb\xbf")
    if len(shape.columns) > 1:  # Arrow takes an empty line for a row of empty cells, however many columns there are
        odd = odd or b"\n\n" in plain or plain.startswith(b"\n")
    if not odd and shape.columns:
        table = _parsed(plain, shape)
        if table is not None:
            places = np.arange(table.num_rows)
            return _finished(table, shape, places, places, table.num_rows, [], lambda row: plain.split(b"\n")[row])
    return _sifted(data, shape, encoding, crlf)


def _with_long_cells(data: bytes, shape: CopyShape) -> Block | None:
    """One line with very long texts: they are not copied, Arrow parses the rest. None when it is not that, or not read so."""
    if data.find(b"\n") != len(data) - 1 or b"\r" in data or b"\0" in data or data.count(shape.delimiter) != len(shape.columns) - 1:
        return None
    edges = [-1, *(found.start() for found in re.finditer(re.escape(shape.delimiter), data)), len(data) - 1]
    spans = [(before + 1, after) for before, after in pairwise(edges)]
    long = {at: span for at, span in enumerate(spans) if span[1] - span[0] > _LONG_CELL and shape.columns[at].type in (STRING, BINARY)}
    if not long:
        return None
    short = shape.delimiter.join(b"" if at in long else data[slice(*span)] for at, span in enumerate(spans))
    block = read_block(short + b"\n", shape, "utf-8")
    columns = dict(block.columns)
    for at, span in long.items():
        values = None if block.bad else _long_cell(data, span, shape.columns[at])
        if values is None:
            return None
        columns[shape.columns[at].name] = values
    return Block(columns, block.rows, block.lines, block.total)


def _long_cell(data: bytes, span: tuple[int, int], column: CopyColumn) -> pa.Array | None:
    """A column of one text, without a copy where it has no escapes; None when the usual way must tell what is wrong with it."""
    size = span[1] - span[0]
    edges = pa.py_buffer(np.array([0, size], np.int32))
    cell = pa.Array.from_buffers(pa.binary(), 1, [None, edges, pa.py_buffer(data).slice(span[0], size)])
    try:
        if column.type == STRING and has_backslash(cell):
            return unescape_long_text(memoryview(data)[slice(*span)])
        values, problems = _text(cell.cast(STRING), column, textual=False)
    except pa.ArrowInvalid:
        return None
    return None if problems else values


def _parsed(data: bytes, shape: CopyShape) -> pa.Table | None:
    """All columns by Arrow; None when a line has another number of cells or is no UTF-8."""
    block_size = _PARALLEL
    for _ in range(len(shape.columns) + 2):
        try:
            table = csv.read_csv(
                pa.py_buffer(data),
                read_options=csv.ReadOptions(column_names=[str(at) for at in range(len(shape.columns))], block_size=block_size),
                parse_options=csv.ParseOptions(
                    delimiter=shape.delimiter.decode("latin-1"), quote_char=False, double_quote=False, ignore_empty_lines=False
                ),
                convert_options=csv.ConvertOptions(
                    column_types={str(at): _wanted(column, at in shape.textual) for at, column in enumerate(shape.columns)},
                    null_values=[shape.null.decode("utf-8", "replace")],
                    strings_can_be_null=True,
                    true_values=["t"],
                    false_values=["f"],
                ),
            )
        except pa.ArrowInvalid as error:
            found = _COLUMN.search(str(error))
            if "straddling" in str(error):
                block_size = len(data) + 1
            elif found is None or "invalid UTF8" in str(error) or int(found[1]) in shape.textual:
                return None
            else:
                shape.textual.add(int(found[1]))
            continue
        strange = {
            at for at, column in enumerate(shape.columns) if at not in shape.textual and _strange(table.column(at), column.type, data)
        }
        if not strange:
            return table
        shape.textual |= strange
    return None


def _wanted(column: CopyColumn, textual: bool) -> pa.DataType:
    return STRING if textual or column.type == BINARY else column.type


def _strange(values: pa.ChunkedArray, target: pa.DataType, data: bytes) -> bool:
    """What Arrow took and PostgreSQL would not: a float that overflows or vanishes, a year before 1. Such a column comes as text."""
    if target == FLOAT64:
        if pc.any(pc.is_inf(values)).as_py():
            return True
        return bool(pc.any(pc.equal(values, 0.0)).as_py()) and b"e-" in data
    if target in _YEAR_ONE and len(values) and values.null_count < len(values):
        lowest = pc.min(values).cast(pa.int32() if target == DATE else pa.int64()).as_py()
        return bool(lowest < _YEAR_ONE[target])
    return False


def _finished(
    table: pa.Table,
    shape: CopyShape,
    rows: np.ndarray,
    lines: np.ndarray,
    total: int,
    bad: list[BadLine],
    raw: Callable[[int], bytes],
) -> Block:
    """Escapes undone, bytea as bytes; rows whose cells are no text or no bytes leave. `raw` gives the line of a row of the table."""
    columns: dict[str, pa.Array] = {}
    wrong: dict[int, tuple[str, str]] = {}
    for at, column in enumerate(shape.columns):
        values = table.column(at).combine_chunks()
        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        if values.type == STRING:
            values, problems = _text(values, column, textual=at in shape.textual)
            for row, message in problems.items():
                wrong.setdefault(row, (column.name, message))
        columns[column.name] = values
    if not wrong:
        return Block(columns, rows, lines, total, tuple(bad))
    for row, (name, message) in sorted(wrong.items()):
        bad.append(BadLine(int(rows[row]), int(lines[row]), raw(row), "encoding-error", f"column {name}: {message}"))
    kept = np.ones(len(rows), dtype=bool)
    kept[list(wrong)] = False
    mask = pa.array(kept)
    ordered = tuple(sorted(bad, key=lambda one: one.row))
    return Block({name: values.filter(mask) for name, values in columns.items()}, rows[kept], lines[kept], total, ordered)


def _text(values: pa.StringArray, column: CopyColumn, *, textual: bool) -> tuple[pa.Array, dict[int, str]]:
    problems: dict[int, str] = {}
    if has_backslash(values):
        values, problems = unescape_column(values)
    if column.type == BINARY:
        values, more = bytea_column(values)
        problems = more | problems
    elif textual or column.type == BOOLEAN:
        values = stored(values, column.type, column.native)
    return values, problems


def _sifted(data: bytes, shape: CopyShape, encoding: str, crlf: bool) -> Block:
    """The same line by line: bad lines are set apart, the others go to Arrow together."""
    good: list[bytes] = []
    rows: list[int] = []
    lines: list[int] = []
    bad: list[BadLine] = []
    total = 0
    for number, line, decoded in _logical_lines(data, encoding):
        try:
            good.append(_checked(line, shape, encoding if not decoded else "utf-8", crlf))
            rows.append(total)
            lines.append(number)
        except _Refused as error:
            bad.append(BadLine(total, number, line, error.code, str(error)))
        total += 1
    places, numbers = np.array(rows, np.int64), np.array(lines, np.int64)
    if not good or not shape.columns:
        return Block({}, places, numbers, total, tuple(bad))
    plain = b"\n".join(good) + b"\n"
    marked = plain.startswith(b"\xef\xbb\xbf")
    # Arrow would take the first cell's U+FEFF for the mark of a file: a line before it keeps it.
    table = _parsed(
        b"\t".replace(b"\t", shape.delimiter).join([shape.null] * len(shape.columns)) + b"\n" + plain if marked else plain, shape
    )
    if table is None:
        raise AssertionError("lines that were looked at one by one do not fit")
    return _finished(table.slice(1) if marked else table, shape, places, numbers, total, bad, lambda row: good[row])


class _Refused(ValueError):
    """Why the server would not take a line."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _checked(line: bytes, shape: CopyShape, encoding: str, crlf: bool) -> bytes:
    """The line as UTF-8 without CR, continued lines as one. Raises _Refused."""
    try:
        plain = line if encoding == "utf-8" else line.decode(encoding).encode("utf-8")
        plain.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Refused("encoding-error", f"bytes that are no {encoding}: {error.reason} at byte {error.start} of the line") from error
    if crlf and plain.endswith(b"\r"):
        plain = plain[:-1]
    if b"\r" in plain:
        raise _Refused("syntax-error", "a carriage return stands in the line as it is; the server takes it as \\r only")
    if b"\0" in plain:
        raise _Refused("encoding-error", "a zero byte, which no text of the server can hold")
    if b"\n" in plain:
        plain = plain.replace(b"\\\n", b"\\n")
    found = _width(plain, shape)
    if found != len(shape.columns):
        code = "missing-cell" if found < len(shape.columns) else "extra-cell"
        raise _Refused(code, f"{found} values for {len(shape.columns)} columns")
    return plain


def _width(line: bytes, shape: CopyShape) -> int:
    if not shape.columns:
        return 1 if line else 0
    return line.count(shape.delimiter) + 1


def _logical_lines(data: bytes, encoding: str) -> Iterator[tuple[int, bytes, bool]]:
    """Lines with their numbers, and whether they are UTF-8 already. A backslash before the line end makes the end a part of the data;
    what is a backslash is known only after decoding: in some encodings it is the second byte of a character."""
    begun, held = 0, b""
    for number, raw in enumerate(data[:-1].split(b"\n")):
        try:
            line, decoded = raw.decode(encoding).encode("utf-8"), True
        except UnicodeDecodeError:
            line, decoded = raw, False
        begun, held = (begun, held + b"\n" + line) if held else (number, line)
        if line.endswith(b"\\") and decoded and _CONTINUED.search(line):
            continue
        yield begun, held, decoded
        held = b""
    if held:
        yield begun, held, True
