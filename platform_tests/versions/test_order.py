"""The order of versions depends on their facts alone."""

from __future__ import annotations

import itertools
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from platform_assets.versions.order import VersionFacts, order_versions

JULY, AUGUST = datetime(2008, 7, 1), datetime(2008, 8, 1)


def facts(version, *, instance="default", dump_time=None, row_version_max=None, label=None):
    return VersionFacts(version, instance, label or version, f"sha-{version}", dump_time, row_version_max)


def names(places):
    return [place.version for place in places]


def test_a_header_time_and_a_row_version_order_versions_together():
    places = order_versions([facts("b", dump_time=AUGUST), facts("a", row_version_max=JULY)])
    assert names(places) == ["a", "b"]
    assert [place.evidence for place in places] == ["row-version", "dump-time"]
    assert not any(place.ambiguous for place in places)


def test_a_declared_order_wins_over_every_time():
    places = order_versions([facts("a", dump_time=JULY), facts("b", dump_time=AUGUST)], declared=("b", "a"))
    assert names(places) == ["b", "a"]
    assert {place.evidence for place in places} == {"declared"}


def test_versions_that_nothing_tells_apart_are_ambiguous():
    places = order_versions([facts("a"), facts("b"), facts("c", dump_time=JULY)])
    assert {place.version: place.ambiguous for place in places} == {"a": True, "b": True, "c": False}


def test_equal_moments_are_ambiguous():
    places = order_versions([facts("a", dump_time=JULY), facts("b", row_version_max=JULY)])
    assert all(place.ambiguous for place in places)


def test_the_only_version_of_an_instance_is_never_ambiguous():
    places = order_versions([facts("a", instance="v1"), facts("b", instance="v2")])
    assert [(place.instance, place.place, place.ambiguous) for place in places] == [("v1", 0, False), ("v2", 0, False)]


times = st.none() | st.integers(0, 3).map(lambda month: datetime(2020, 1 + month, 1))


@given(st.lists(st.tuples(times, times, st.sampled_from(["x", "y"])), min_size=1, max_size=4), st.data())
def test_the_order_is_the_same_for_every_order_of_arrival(drawn, data):
    versions = [facts(f"v{n}", dump_time=d, row_version_max=r, instance=i) for n, (d, r, i) in enumerate(drawn)]
    declared = tuple(data.draw(st.lists(st.sampled_from([v.version for v in versions]), unique=True)))
    expected = order_versions(versions, declared)
    for permutation in itertools.permutations(versions):
        assert order_versions(permutation, declared) == expected
