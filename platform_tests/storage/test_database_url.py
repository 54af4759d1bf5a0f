"""URLs as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.storage.server.database_url import database_name, with_database, with_driver, without_password


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u@h:1/d?passfile=/p", "postgresql://u@h:1/d?passfile=/p"),
        ("postgresql://u:p@h:1/d", "postgresql://u:***@h:1/d"),
        ("postgresql+psycopg2://u:p%40x@h/d", "postgresql+psycopg2://u:***@h/d"),
        ("postgresql://h/d?user=u&password=p&sslmode=require", "postgresql://h/d?user=u&password=***&sslmode=require"),
        ("postgresql://h/d?sslpassword=p", "postgresql://h/d?sslpassword=***"),
        ("postgresql://u:p:q@h/d", "postgresql://u:***@h/d"),
        ("postgresql:///d?host=/run/sock", "postgresql:///d?host=/run/sock"),
    ],
)
def test_a_url_for_a_message_has_no_password(url: str, expected: str) -> None:
    assert without_password(url) == expected


@given(st.text(min_size=1, max_size=40, alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_database_of_any_name_goes_into_a_url_and_comes_out(name: str) -> None:
    url = with_database("postgresql://u:p@h1:1,h2:2/old?sslmode=require&passfile=/a%20b", name)
    assert database_name(url) == name
    assert url.startswith("postgresql://u:p@h1:1,h2:2/") and url.endswith("?sslmode=require&passfile=/a%20b")


@pytest.mark.parametrize(
    ("url", "driver", "expected"),
    [
        ("postgres://h/d", None, "postgresql://h/d"),
        ("postgresql+psycopg2://h/d", None, "postgresql://h/d"),
        (" postgresql://h/d\n", "psycopg", "postgresql+psycopg://h/d"),
    ],
)
def test_the_driver_in_a_url_is_exchanged(url: str, driver: str | None, expected: str) -> None:
    assert with_driver(url, driver) == expected
