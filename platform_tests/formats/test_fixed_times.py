"""Times taken from their places: the same as Python's strptime where they are taken at all, and nothing decided where they are not."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.dictionary.timeformats import time_format
from platform_assets.formats.fixed_times import read_fixed

FORMATS = ("%b %d %Y %I:%M%p", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y", "%Y%m%d%H%M%S", "%d.%b.%Y")
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda moment: moment.replace(microsecond=0))


def written(moment: datetime, fmt: str) -> str:
    return moment.strftime(fmt.replace("%Y", f"{moment.year:04}"))


@pytest.mark.parametrize("fmt", FORMATS)
@given(moments=st.lists(st.none() | MOMENTS, min_size=1, max_size=20), before=st.integers(0, 3))
def test_whole_columns_are_read_as_strptime_reads_them(fmt, moments, before):
    texts = [None if moment is None else written(moment, fmt) for moment in moments]
    array = pa.array(["x" * 5] * before + texts, pa.string()).slice(before)
    found = read_fixed(array, time_format(fmt))
    if not any(texts):
        assert found is None
    else:
        assert found.to_pylist() == [None if text is None else datetime.strptime(text, fmt) for text in texts]


def test_a_digit_may_stand_behind_a_blank_where_the_format_lets_it():
    fmt = time_format("%b %d %Y %I:%M%p")
    texts = ["Jan 28 2019  5:55AM", "dec  2 2000 11:04pm", None, "FEB 29 2000 12:00AM"]
    moments = [datetime(2019, 1, 28, 5, 55), datetime(2000, 12, 2, 23, 4), None, datetime(2000, 2, 29)]
    assert read_fixed(pa.array(texts), fmt).to_pylist() == moments
    assert read_fixed(pa.array(["2019 128"]), time_format("%Y%m%d")) is None


WRONG = """
Feb 29 2001 05:55AM|Jan 00 2019 05:55AM|Jan 28 0000 05:55AM|Jan 28 2019 13:55AM|Jan 28 2019 00:55AM|Jan 28 2019 05:60AM|Jan 28 2019 05:55XM
Jan 28 2019 05:55AN|Jax 28 2019 05:55AM|Jan 28-2019 05:55AM|Jan 28 20x9 05:55AM|Jan 28 2019  :55AM|Jan 2  2019 05:55AM|Jan 28 2019 5:55AM
Jan 28 2019 05:55AM |\u0130an 8 2019 05:55AM
"""


@pytest.mark.parametrize("text", WRONG.strip().replace("\n", "|").split("|"))
def test_one_cell_that_does_not_fit_leaves_the_column_to_the_other_way(text):
    fmt = time_format("%b %d %Y %I:%M%p")
    good = "Jan 28 2019 05:55AM"
    assert read_fixed(pa.array([good, good]), fmt) is not None
    assert read_fixed(pa.array([good, text]), fmt) is None


@pytest.mark.parametrize("fmt", ["%H:%M:%S", "%d %B %Y", "%d/%m/%y", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M %z"])
def test_formats_without_a_fixed_width_are_left_to_the_other_way(fmt):
    assert read_fixed(pa.array([datetime(2020, 5, 6).strftime(fmt)]), time_format(fmt)) is None
