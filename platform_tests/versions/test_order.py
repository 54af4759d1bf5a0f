"""The order of versions depends on their facts alone."""

from __future__ import annotations

import itertools
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.versions.evidence import KeySet, LogPosition, VersionFacts, gtid_set
from platform_assets.versions.order import order_versions, ranked, settle

JUNE, JULY, AUGUST = datetime(2008, 6, 1), datetime(2008, 7, 1), datetime(2008, 8, 1)
SERVER = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def facts(version, *, instance="default", label=None, **known):
    return VersionFacts(version, instance, label or version, f"sha-{version}", **known)


def log(number, offset, base="bin"):
    return LogPosition(base, number, offset)


def gtid(last):
    return gtid_set(f"{SERVER}:1-{last}")


def keys(count, *hashes):
    return {"users": KeySet(count, tuple(hashes))}


def names(places):
    return [place.version for place in places]


def test_a_header_time_and_a_row_version_order_versions_together():
    places = order_versions([facts("b", dump_time=AUGUST), facts("a", row_version_max=JULY)])
    assert names(places) == ["a", "b"]
    assert [place.evidence for place in places] == ["row-version", "dump-time"]
    assert not any(place.ambiguous for place in places)


def test_g18_a_dump_that_is_newer_by_name_and_older_inside_is_the_older():
    places = order_versions([facts("sales_2024", dump_time=JUNE), facts("sales_2023", dump_time=AUGUST)])
    assert names(places) == ["sales_2024", "sales_2023"]
    assert {place.evidence for place in places} == {"dump-time"}


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


# each kind of evidence alone, and what it leaves open


@pytest.mark.parametrize(
    ("older", "newer", "evidence", "confidence"),
    [
        ({"log": log(9, 900)}, {"log": log(10, 4)}, "log-position", "medium"),
        ({"gtid": gtid(7)}, {"gtid": gtid(70)}, "log-position", "medium"),
        ({"counters": {"AUTO_INCREMENT of users": 9}}, {"counters": {"AUTO_INCREMENT of users": 10}}, "high-water", "low"),
        ({"marks": {"users.id": 9, "old.id": 1}}, {"marks": {"users.id": 10, "new.id": 1}}, "high-water", "low"),
        ({"keys": keys(2, 5, 9)}, {"keys": keys(3, 1, 5, 9)}, "key-growth", "low"),
        ({"row_version_max": JULY}, {"row_version_max": AUGUST}, "row-version", "medium"),
        ({"dump_time": JULY}, {"dump_time": AUGUST}, "dump-time", "high"),
        ({"declared_at": JULY}, {"declared_at": AUGUST}, "declared", "high"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_kind_of_evidence_orders_versions_by_itself(older, newer, evidence, confidence):
    places = order_versions([facts("a", **newer), facts("b", **older)])
    assert names(places) == ["b", "a"]
    assert {(place.evidence, place.confidence, place.ambiguous) for place in places} == {(evidence, confidence, False)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"log": log(9, 900)}, {"log": log(10, 4, base="other")}),
        ({"gtid": gtid(7)}, {"gtid": gtid_set("4e11fa47-71ca-11e1-9e33-c80aa9429562:1-9")}),
        ({"marks": {"users.id": 9, "orders.id": 3}}, {"marks": {"users.id": 10, "orders.id": 2}}),
        ({"marks": {"users.id": 9}}, {"marks": {"orders.id": 2}}),
        ({"keys": keys(2, 5, 9)}, {"keys": keys(2, 5, 8)}),
        ({"dump_time": JULY}, {"log": log(1, 4)}),
    ],
)
def test_evidence_that_cannot_be_compared_leaves_the_order_open_and_says_so(one, other):
    ordered = settle([facts("a", **one), facts("b", **other)])
    assert any(place.ambiguous and place.confidence == "none" for place in ordered.places)
    assert {finding.kind for finding in ordered.findings} == {"undecided"}


def test_a_version_that_only_weaker_evidence_tells_of_is_put_between_the_others():
    chain = [facts(f"d{n}", dump_time=datetime(2020, n, 1), counters={"c": n * 10}) for n in (1, 2, 3)]
    ordered = settle([facts("x", counters={"c": 25}), *chain])
    assert names(ordered.places) == ["d1", "d2", "x", "d3"]
    assert [place.evidence for place in ordered.places] == ["dump-time", "dump-time", "high-water", "dump-time"]
    assert ordered.findings == ()


def test_a_version_that_fits_at_two_places_stands_at_the_earliest_and_is_ambiguous():
    ordered = settle(
        [
            facts("d1", dump_time=JUNE, counters={"c": 1}),
            facts("d2", dump_time=JULY),
            facts("d3", dump_time=AUGUST, counters={"c": 9}),
            facts("x", counters={"c": 5}),
        ]
    )
    assert names(ordered.places) == ["d1", "x", "d2", "d3"]
    assert {place.version: place.ties for place in ordered.places if place.ambiguous} == {"x": ("d2",)}
    (finding,) = ordered.findings
    assert finding.kind == "undecided" and finding.versions == ("x",) and "d2" in finding.text


def test_what_nothing_places_never_stands_behind_what_has_evidence():
    assert names(order_versions([facts("a", dump_time=JULY), facts("z")])) == ["z", "a"]


def test_row_versions_compare_with_row_versions_before_they_compare_with_dump_times():
    """A dump's newest row is always older than the dump: of two dumps of one day, the one without a time would come out too old."""
    places = order_versions(
        [facts("a", dump_time=AUGUST, row_version_max=JUNE), facts("b", row_version_max=JULY), facts("c", dump_time=datetime(2008, 9, 1))]
    )
    assert names(places) == ["a", "b", "c"]


def test_equal_moments_are_told_apart_by_what_is_weaker():
    places = order_versions([facts("a", dump_time=JULY, log=log(2, 1)), facts("b", dump_time=JULY, log=log(1, 1))])
    assert [(place.version, place.evidence, place.ambiguous) for place in places] == [
        ("b", "log-position", False),
        ("a", "log-position", False),
    ]


def test_a_month_in_the_name_leaves_the_day_to_the_dump_time():
    month = {"declared_at": JULY, "dated_by_name": True}
    places = order_versions([facts("a", dump_time=datetime(2008, 7, 20), **month), facts("b", dump_time=datetime(2008, 7, 9), **month)])
    assert names(places) == ["b", "a"]
    assert not any(place.ambiguous for place in places)


def test_a_tie_names_all_versions_and_the_fact_that_they_share():
    ordered = settle([facts(name, dump_time=JULY) for name in "abc"])
    (finding,) = ordered.findings
    assert (finding.kind, sorted(finding.versions)) == ("tie", ["a", "b", "c"])
    assert "2008-07-01 00:00:00" in finding.text
    assert all(len(place.ties) == 2 for place in ordered.places)


# contradictions


@pytest.mark.parametrize(
    ("late", "early", "said"),
    [
        ({"row_version_max": JULY}, {"row_version_max": JUNE}, "highest row version (2008-07-01 00:00:00 against 2008-06-01 00:00:00)"),
        ({"log": log(3, 7)}, {"log": log(2, 9)}, "log position (bin.000003:7 against bin.000002:9)"),
        ({"gtid": gtid(9)}, {"gtid": gtid(4)}, "GTID set (9 transactions against 4 transactions)"),
        ({"counters": {"AUTO_INCREMENT of t": 9}}, {"counters": {"AUTO_INCREMENT of t": 5}}, "counters (AUTO_INCREMENT of t 9 against"),
        ({"marks": {"t.id": 9}}, {"marks": {"t.id": 5}}, "highest keys (t.id 9 against t.id 5)"),
    ],
)
def test_weaker_evidence_against_the_order_is_a_contradiction_that_names_both_versions_and_both_facts(late, early, said):
    ordered = settle([facts("a", dump_time=JULY, **late), facts("b", dump_time=AUGUST, **early)])
    assert names(ordered.places) == ["a", "b"]
    (finding,) = ordered.findings
    assert (finding.kind, finding.versions) == ("contradiction", ("a", "b"))
    assert "a stands before b by dump time (2008-07-01 00:00:00 before 2008-08-01 00:00:00)" in finding.text
    assert said in finding.text
    assert {place.confidence for place in ordered.places} == {"low"}
    assert all(place.contradictions == (finding.text,) for place in ordered.places)


@pytest.mark.parametrize(
    ("late", "early"),
    [
        ({"keys": keys(3, 1, 5, 9)}, {"keys": keys(2, 5, 9)}),
        ({"row_version_max": JULY}, {"row_version_max": JUNE, "whole": False}),
        ({"marks": {"t.id": 9}}, {"marks": {"t.id": 5}, "whole": False}),
        ({"marks": {"t.id": 9, "u.id": 1}}, {"marks": {"t.id": 5, "u.id": 2}}),
    ],
)
def test_deleted_rows_and_dumps_that_are_not_whole_contradict_nothing(late, early):
    assert settle([facts("a", dump_time=JULY, **late), facts("b", dump_time=AUGUST, **early)]).findings == ()


def test_a_contradiction_is_found_across_versions_without_that_evidence():
    between = [facts(f"m{n}", dump_time=datetime(2008, 7, 2 + n)) for n in range(3)]
    ordered = settle([facts("a", dump_time=JULY, log=log(5, 1)), *between, facts("b", dump_time=AUGUST, log=log(4, 1))])
    assert [finding.versions for finding in ordered.findings] == [("a", "b")]


def test_what_a_person_declared_overrules_evidence_and_is_told_but_is_settled():
    ordered = settle(ranked([facts("a", dump_time=JULY), facts("b", dump_time=AUGUST)], ("b", "a")))
    assert names(ordered.places) == ["b", "a"]
    assert {place.confidence for place in ordered.places} == {"high"}
    (finding,) = ordered.findings
    assert (finding.kind, finding.open) == ("overruled", False)


def test_a_key_in_the_declared_list_says_more_than_a_label():
    corrected = [facts("crm.may.1", label="may"), facts("crm.may.2", label="may"), facts("crm.june.3", label="june")]
    assert names(order_versions(corrected, ("may", "crm.may.1", "june"))) == ["crm.may.2", "crm.may.1", "crm.june.3"]


# any facts

moments = st.none() | st.integers(0, 3).map(lambda month: datetime(2020, 1 + month, 1))
numbers = st.dictionaries(st.sampled_from(["t", "u"]), st.integers(0, 3), max_size=2)
known = st.fixed_dictionaries(
    {
        "instance": st.sampled_from(["x", "y"]),
        "dump_time": moments,
        "row_version_max": moments,
        "declared_at": st.none() | moments,
        "log": st.none() | st.builds(log, st.integers(1, 3), st.just(1), st.sampled_from(["bin", "other"])),
        "gtid": st.just({}) | st.integers(1, 3).map(gtid),
        "counters": numbers,
        "marks": numbers,
        "keys": st.just({}) | st.sets(st.integers(1, 4), min_size=1).map(lambda found: keys(len(found), *sorted(found))),
        "whole": st.booleans(),
    }
)


@given(st.lists(known, min_size=1, max_size=4), st.data())
def test_the_order_and_what_is_told_of_it_are_the_same_for_every_order_of_arrival(drawn, data):
    versions = [facts(f"v{n}", **known) for n, known in enumerate(drawn)]
    declared = tuple(data.draw(st.lists(st.sampled_from([v.version for v in versions]), unique=True)))
    expected = settle(ranked(versions, declared))
    for permutation in itertools.permutations(versions):
        found = settle(ranked(permutation, declared))
        assert found.places == expected.places
        assert found.findings == expected.findings


@given(st.lists(known, min_size=1, max_size=6))
def test_every_version_has_one_place_and_a_doubt_is_told(drawn):
    versions = [facts(f"v{n}", **known) for n, known in enumerate(drawn)]
    ordered = settle(versions)
    assert sorted(names(ordered.places)) == sorted(one.version for one in versions)
    for instance in ("x", "y"):
        places = [place for place in ordered.places if place.instance == instance]
        assert [place.place for place in places] == list(range(len(places)))
    told = {version for finding in ordered.findings for version in finding.versions}
    assert {place.version for place in ordered.places if place.ambiguous or place.contradictions} <= told


@given(st.lists(st.integers(0, 20), min_size=2, max_size=8, unique=True))
def test_a_heap_in_which_every_fact_agrees_comes_out_in_its_true_order_with_nothing_to_settle(true_times):
    def at(time):
        return facts(f"v{time:02}", dump_time=datetime(2020, 1, 1 + time) if time % 3 else None, counters={"t": time}, log=log(1, time))

    ordered = settle(at(time) for time in true_times)
    assert names(ordered.places) == [f"v{time:02}" for time in sorted(true_times)]
    assert ordered.findings == ()
