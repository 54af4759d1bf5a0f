"""Which of many rows the second look takes, and how many of them are Python objects at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.operations.judge_again import _Rows
from platform_assets.operations.reading import HELD_CELLS, of_few_cells, places_among

row_numbers = st.sets(st.integers(1, 60)).map(lambda rows: np.array(sorted(rows), np.int64))


@given(st.lists(st.integers(1, 60)), row_numbers)
def test_the_rows_that_wait_are_found_by_their_numbers(numbers: list[int], waiting: np.ndarray) -> None:
    wanted = [place for place, number in enumerate(numbers) if number in waiting]
    assert places_among(np.array(numbers, np.int64), waiting).tolist() == wanted


@given(row_numbers)
def test_a_set_of_rows_holds_these_and_no_others(rows: np.ndarray) -> None:
    held = _Rows(rows)
    assert [row for row in range(80) if row in held] == rows.tolist()
    assert None not in held


def test_parts_of_a_wide_table_have_few_rows() -> None:
    places = np.arange(1_000)
    parts = list(of_few_cells(places, 1_600))
    assert np.concatenate(parts).tolist() == places.tolist()
    assert max(map(len, parts)) * 1_600 <= HELD_CELLS
    assert [len(part) for part in of_few_cells(np.arange(2), 10 * HELD_CELLS)] == [1, 1]
