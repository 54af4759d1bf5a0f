"""How far a cursor is moved back: in its own words, never later than it should be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from platform_assets.errors import SettingsError
from platform_assets.sources.pull import earlier


@pytest.mark.parametrize(
    ("cursor", "overlap", "moved"),
    [
        ("2024-01-07T10:00:00Z", timedelta(minutes=10), "2024-01-07T09:50:00Z"),
        ("2024-01-07T00:00:00.000Z", timedelta(seconds=1), "2024-01-06T23:59:59.000Z"),
        ("2024-01-07T10:00:00.5+02:00", timedelta(seconds=1), "2024-01-07T09:59:59.5+02:00"),
        ("2024-01-07 10:00:00.1234567", timedelta(seconds=1), "2024-01-07 09:59:59.1234567"),
        ("2024-01-07 10:00:00", timedelta(days=7), "2023-12-31 10:00:00"),
        ("2024-01-07T10:00Z", timedelta(seconds=30), "2024-01-07T09:59Z"),
        ("2024-03-01", timedelta(minutes=10), "2024-02-29"),
        ("2024-03-01", timedelta(0), "2024-03-01"),
        (17, timedelta(0), 17),
    ],
)
def test_the_overlap_moves_a_cursor_back_and_leaves_its_form(cursor, overlap, moved):
    assert earlier(cursor, overlap) == moved


@pytest.mark.parametrize("cursor", [17, "17", "soon", "2024-13-01", "0000-00-00 00:00:00", "0001-01-01", None])
def test_an_overlap_of_what_is_no_time_is_refused(cursor):
    with pytest.raises(SettingsError, match=r"the cursor .* is none: take overlap out of the topic"):
        earlier(cursor, timedelta(days=1))
