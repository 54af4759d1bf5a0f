"""Columns of row blocks -> Arrow arrays, whole columns at once where their cells are of plain forms.

The rest goes by mysql_columns' cell by cell way, each distinct literal once; that way is also what the quick one is tested against.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.cells import Flags, Octets, cut, fixed_cells, high_cells, is_high
from platform_assets.formats.mysql.columns import CANONICAL, Converted, all_match, one_by_one
from platform_assets.formats.mysql.literals import Reading
from platform_assets.formats.mysql.types import Kind
from platform_assets.formats.sql.blocks import Forms, RowBlock

_DAY = b"0000-00-00"
_MOMENT = b"0000-00-00 00:00:00"
_DIGIT = np.zeros(256, np.uint8)
_DIGIT[:] = 0xFF
_DIGIT[list(b"0123456789")] = np.arange(10)
_DIGIT[list(b"abcdef")] = _DIGIT[list(b"ABCDEF")] = np.arange(10, 16)


def convert_block(block: RowBlock, column: int, reading: Reading, target: pa.DataType) -> Converted:
    """What mysql_columns.convert gives for the block's literals."""
    forms = block.forms(column)
    wants_bytes = pa.types.is_binary(target)
    if not forms.count:
        return Converted(pa.nulls(len(block), target if wants_bytes else pa.string()))
    quick = _quick(block, column, forms, reading, wants_bytes)
    return _distinct(block.literals(forms), reading, target) if quick is None else quick


def _quick(block: RowBlock, column: int, forms: Forms, reading: Reading, wants_bytes: bool) -> Converted | None:
    """None when the column's cells are not all of plain forms."""
    kind = reading.native.kind
    if kind is Kind.BYTES:
        return _bytes(block, column, forms, reading) if wants_bytes and not forms.numbers else None
    if wants_bytes or kind is Kind.BITS:
        return None
    if forms.numbers == forms.count:
        plain = kind is Kind.NUMBER or (kind is Kind.YEAR and _longer(forms, 2))
        return Converted(_ascii(block.literals(forms))) if plain else None
    return _text(block, column, forms, reading) if forms.quoted == forms.count else None


def _longer(forms: Forms, size: int) -> bool:
    lengths = forms.stops - forms.starts
    return bool((lengths if forms.valid is None else lengths[forms.valid]).min() > size)


def _ascii(cells: pa.Array) -> pa.Array:
    """Binary that is known to be ASCII, as text."""
    return pa.Array.from_buffers(pa.string(), len(cells), cells.buffers(), cells.null_count)


def _text(block: RowBlock, column: int, forms: Forms, reading: Reading) -> Converted | None:
    cells, kind = block.text(column, forms), reading.native.kind
    found = _decoded(cells, block, forms, reading)
    if kind not in CANONICAL:
        return found
    return None if found.bad or reading.shift or not _canonical(found.values, cells, kind) else found


def _decoded(cells: pa.Array, block: RowBlock, forms: Forms, reading: Reading) -> Converted:
    """Text of its charset. What is not ASCII, and not UTF-8 all through, is decoded cell by cell."""
    if block.ascii or not _is_high(cells):
        return Converted(_ascii(cells))
    if reading.utf8:
        try:
            return Converted(cells.cast(pa.string()))
        except pa.ArrowInvalid:
            pass  # some cells are no UTF-8: the slow way tells which
    places = high_cells(cells)
    slow = _distinct(block.literals(forms).take(pa.array(places)), reading, pa.string())
    mask = np.zeros(len(cells), bool)
    mask[places] = True
    values = pc.replace_with_mask(cells, pa.array(mask), slow.values.cast(pa.binary()))
    return Converted(values.cast(pa.string()), {int(places[at]): reason for at, reason in slow.bad.items()})


def _is_high(cells: pa.Array) -> bool:
    data = cells.buffers()[2]
    return data is not None and is_high(np.frombuffer(data, np.uint8))


def _canonical(text: pa.Array, cells: pa.Array, kind: Kind) -> bool:
    """Whether all texts are what the server shows: looked at byte by byte where they are of one width."""
    if kind is Kind.NUMBER:
        data = np.frombuffer(cells.buffers()[2] or b"", np.uint8)
        if len(data) and data.min() >= 0x30 and data.max() <= 0x39 and pc.min(pc.binary_length(cells)).as_py():
            return True
    for form in (_DAY,) if kind is Kind.DATE else (_MOMENT, _MOMENT + b".000000") if kind is Kind.DATETIME else ():
        matrix = fixed_cells(cells, len(form))
        if matrix is not None:
            return _like(matrix, form)
    return all_match(text, CANONICAL[kind])


def _like(matrix: Octets, form: bytes) -> bool:
    """Whether all rows have digits where the form has zeros, and its own bytes elsewhere."""
    lowest = np.frombuffer(form, np.uint8)
    return bool((matrix - lowest <= np.where(lowest == 0x30, np.uint8(9), np.uint8(0))).all())


def _bytes(block: RowBlock, column: int, forms: Forms, reading: Reading) -> Converted | None:
    width = reading.native.padded
    if not forms.hexadecimal:
        return Converted(_padded(block.text(column, forms), width))
    places = block.hexadecimal(forms)
    decoded = _from_hexadecimal(block, forms, places)
    if decoded is not None and forms.hexadecimal < forms.count:
        decoded = pc.replace_with_mask(block.text(column, forms), pa.array(places), decoded.filter(pa.array(places)))
    return None if decoded is None else Converted(_padded(decoded, width))


def _from_hexadecimal(block: RowBlock, forms: Forms, places: Flags) -> pa.Array | None:
    """The bytes of the cells 0x.., nothing for the others; None when one has an odd number of digits."""
    starts = np.where(places, forms.starts + 2, forms.starts)
    stops = np.where(places, forms.stops, forms.starts)
    if ((stops - starts) & 1).any():
        return None
    cells = cut(pa.py_buffer(block.data), starts, stops)
    edges, data = np.frombuffer(cells.buffers()[1], np.int32)[: len(cells) + 1], cells.buffers()[2]
    halves = _DIGIT[np.frombuffer(data or b"", np.uint8)[: edges[-1]]]
    octets = (halves[0::2] << np.uint8(4)) | halves[1::2]
    bits = None if forms.valid is None else pa.py_buffer(np.packbits(forms.valid, bitorder="little"))
    return pa.Array.from_buffers(pa.binary(), len(cells), [bits, pa.py_buffer(edges >> 1), pa.py_buffer(octets)])


def _padded(cells: pa.Array, width: int | None) -> pa.Array:
    """BINARY(n): filled with zeros at the right."""
    if width is None or fixed_cells(cells, width) is not None:
        return cells
    return pa.array([None if cell is None else cell.ljust(width, b"\0") for cell in cells.to_pylist()], pa.binary())


def _distinct(literals: pa.Array, reading: Reading, target: pa.DataType) -> Converted:
    """Cell by cell, each literal once where they repeat."""
    encoded = literals.dictionary_encode()
    if len(encoded.dictionary) * 2 > len(literals):
        return one_by_one(literals.to_pylist(), reading, target)
    once = one_by_one(encoded.dictionary.to_pylist(), reading, target)
    bad: dict[int, str] = {}
    if once.bad:
        numbers = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        bad = {int(row): once.bad[int(numbers[row])] for row in np.flatnonzero(np.isin(numbers, list(once.bad)))}
    return Converted(once.values.take(encoded.indices), bad)
