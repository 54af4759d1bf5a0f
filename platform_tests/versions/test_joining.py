"""Two orders into one: by what both know, by the versions' own times, else by the order of the arguments, which is said."""

from __future__ import annotations

from datetime import datetime

import pytest

from platform_assets.errors import PlatformError
from platform_assets.versions.joining import joined
from platform_assets.versions.order import Place


def places(*names: str, days: dict[str, int] | None = None, evidence: str = "dump-time") -> list[Place]:
    return [
        Place(name, "default", number, evidence, False, datetime(2024, 1, days[name]) if days and name in days else None)
        for number, name in enumerate(names)
    ]


@pytest.mark.parametrize(("first", "second"), [("ab", "abc"), ("abc", "ab"), ("abc", "ac"), ("abc", "abc"), ("", "ab")])
def test_the_longer_history_orders_the_shorter(first, second):
    found, note = joined(places(*first), places(*second))
    assert ("".join(place.version for place in found), note) == (max(first, second, key=len), None)
    assert [place.place for place in found] == list(range(len(found)))


def test_times_decide_where_no_document_knows_all():
    days = {"a": 1, "b": 2, "c": 3}
    found, note = joined(places("a", "c", days=days), places("b", days=days))
    assert ("".join(place.version for place in found), note) == ("abc", None)


@pytest.mark.parametrize("days", [{"a": 1}, {"a": 1, "b": 1, "c": 2}, {"a": 3, "c": 1, "b": 2}])
def test_without_times_that_tell_the_arguments_decide_and_that_is_said(days):
    found, note = joined(places("a", "c", days=days), places("b", days=days))
    assert "".join(place.version for place in found) == "acb"
    assert "nothing tells whether c or b is newer" in (note or "")


def test_an_order_that_was_only_by_hash_is_no_evidence():
    days = {"a": 1, "b": 2}
    assert joined(places("b", days=days, evidence="none"), places("a", days=days))[1] is not None


def test_documents_that_contradict_each_other_are_refused_with_both_orders():
    with pytest.raises(PlatformError, match=r"one has the order a, b, the other b, a"):
        joined(places("a", "b"), places("b", "a"))
