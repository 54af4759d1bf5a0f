"""Decimals keep value and sign at every byte boundary, through our bytes and for fastavro."""

from __future__ import annotations

import io
from decimal import Context, Decimal

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_cases import file_of, read_back

from platform_assets.dictionary.types import decimal
from platform_assets.storage.rows.avro_decimals import byte_width, decimals_from_bytes, decimals_to_bytes

WIDE = Context(prec=60)
BOUNDARIES = [sign * (2**bits + step) for bits in range(127) for step in (-1, 0, 1) for sign in (1, -1)]


def column(numbers: list[int | None], precision: int, scale: int) -> pa.Array:
    cells = [None if number is None else Decimal(number).scaleb(-scale, WIDE) for number in numbers]
    return pa.array(cells, decimal(precision, scale))


def fitting(precision: int) -> list[int | None]:
    return [number for number in BOUNDARIES if abs(number) < 10**precision] + [None]


@pytest.mark.parametrize(("precision", "scale"), [(1, 0), (2, 0), (5, 2), (9, 0), (15, 3), (18, 2), (19, 0), (38, 0), (38, 38)])
def test_numbers_at_every_byte_boundary_are_read_as_written(precision: int, scale: int) -> None:
    """polars 2.1 wrote 400.00 so that it was read as -255.36, silently; seen when this store was first tested."""
    array = column(fitting(precision), precision, scale)
    batch = pa.record_batch({"d": array})
    data, fields = file_of(batch)
    assert read_back(data, batch.schema, fields)[0].column(0).equals(array)
    assert [row["d"] for row in fastavro.reader(io.BytesIO(data))] == array.to_pylist()


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 38).flatmap(lambda p: st.tuples(st.just(p), st.lists(st.none() | st.integers(1 - 10**p, 10**p - 1), min_size=1))),
    st.data(),
)
def test_the_bytes_are_pythons_own(case: tuple[int, list[int | None]], data: st.DataObject) -> None:
    precision, numbers = case
    array = column(numbers, precision, 0)
    start = data.draw(st.integers(0, len(numbers) - 1))
    width = byte_width(precision)
    packed = decimals_to_bytes(array.slice(start))
    assert packed.to_pylist() == [None if n is None else n.to_bytes(width, "big", signed=True) for n in numbers[start:]]
    for kind in (pa.binary(), pa.large_binary()):
        whole = decimals_to_bytes(array).cast(kind)
        assert decimals_from_bytes(whole.slice(start), array.type).equals(array.slice(start))


@pytest.mark.parametrize("precision", range(1, 39))
def test_the_width_is_the_smallest_that_holds_all_digits_and_the_sign(precision: int) -> None:
    largest, width = 10**precision - 1, byte_width(precision)
    largest.to_bytes(width, "big", signed=True)
    if width > 1:
        with pytest.raises(OverflowError):
            largest.to_bytes(width - 1, "big", signed=True)


def test_bytes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="is not of 7 bytes"):
        decimals_from_bytes(pa.array([b"\0" * 7, b"\0"]), decimal(15, 3))
