"""The order of real dumps: from the bytes to the recorded order, what was believed before, and what happens to wrong declarations."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from platform_assets.errors import SettingsError, UnknownSource
from platform_assets.operations.ordering import judged_order, order_rows, record_source_order, source_order, stale_orders
from platform_assets.operations.parse import commit_version, parse_version
from platform_assets.operations.publish import publish_version
from platform_assets.operations.register import located, register, scan
from platform_assets.settings import Settings
from platform_assets.storage.catalog import order_log
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home

SERVER = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
LOG = "-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.{:06d}', MASTER_LOG_POS=157;\n"


def mysql(rows: str = "(1,'a')", *, at: str = "", before: str = "", counter: int = 0, key: str = ", PRIMARY KEY (`id`)") -> str:
    number = f" AUTO_INCREMENT={counter}" if counter else ""
    ended = f"-- Dump completed{f' on {at}' if at else ''}\n"
    table = f"CREATE TABLE `people` (`id` int NOT NULL, `name` varchar(20){key}) ENGINE=InnoDB{number};\n"
    return f"-- MySQL dump 10.13  Distrib 8.0.36\n{before}{table}INSERT INTO `people` VALUES {rows};\n{ended}"


def postgres(rows: str, *, last: int) -> str:
    table = "CREATE TABLE public.people (id integer NOT NULL, name text);\n"
    data = f"COPY public.people (id, name) FROM stdin;\n{rows}\\.\n"
    key = "ALTER TABLE ONLY public.people ADD CONSTRAINT people_pkey PRIMARY KEY (id);\n"
    sequence = f"SELECT pg_catalog.setval('public.people_id_seq', {last}, true);\n"
    first, end = (f"--\n-- PostgreSQL database dump{word}\n--\n" for word in ("", " complete"))
    return f"{first}{table}{data}{sequence}{key}{end}"


@pytest.fixture
def settings(home: Home) -> Settings:
    return Settings(home.root)


def load(settings: Settings, catalog: Catalog, **dumps: str) -> None:
    """Loads dumps in the order given; `a=` is the file a.sql of the source crm."""
    home = Home(settings.home)
    for name, text in dumps.items():
        path = home.dumps / "crm" / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for found in scan(home, catalog.known_files(), settle_seconds=0).new:
            record, _ = register(settings, catalog, found)
            commit_version(home, parse_version(settings, record, located(settings, catalog, record)))
            publish_version(settings, catalog, record, run_id="test")


def labels(places) -> list[str]:
    return [place.version.split(".")[1] for place in places]


def declare(settings: Settings, text: str, name: str = "crm.yaml") -> None:
    folder = settings.home / "order"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


HEAPS = {
    "dump-time": [mysql(at="2024-01-01 10:00:00"), mysql(at="2024-01-02 10:00:00"), mysql(at="2024-01-03 10:00:00")],
    "log-position": [mysql(before=LOG.format(n)) for n in (9, 10, 11)],
    "log-position: GTID": [mysql(before=f"SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '{SERVER}:1-{n}';\n") for n in (9, 10, 11)],
    "high-water: AUTO_INCREMENT": [mysql(counter=n) for n in (9, 10, 11)],
    "high-water: keys": [mysql("(1,'a')"), mysql("(1,'a'),(3,'b')"), mysql("(1,'a'),(4,'b')")],
    "high-water: sequences": [postgres("1\ta\n", last=n) for n in (9, 10, 11)],
    "high-water: late key": [postgres("1\ta\n", last=1), postgres("1\ta\n2\tb\n", last=1), postgres("1\ta\n3\tb\n", last=1)],
    "key-growth": [mysql(rows, key=", PRIMARY KEY (`name`)") for rows in ("(1,'a')", "(1,'a'),(1,'z')", "(1,'a'),(1,'z'),(1,'c')")],
}


@pytest.mark.parametrize("evidence", HEAPS)
def test_a_heap_is_ordered_by_what_its_dumps_tell_in_every_order_of_arrival(settings, catalog, evidence):
    names = ("c", "a", "b")
    dumps = dict(zip(names, HEAPS[evidence], strict=True))
    load(settings, catalog, **{name: dumps[name] for name in ("a", "b", "c")})
    ordered = judged_order(settings, catalog, "crm")
    assert labels(ordered.places) == list(names)
    assert {place.evidence for place in ordered.places} == {evidence.partition(":")[0]}
    assert ordered.findings == ()


@pytest.mark.parametrize("arrival", list(itertools.permutations("abcd")), ids="".join)
def test_mixed_evidence_gives_one_order_for_every_arrival(settings, catalog, arrival):
    dumps = {
        "a": mysql(at="2024-01-01 10:00:00", counter=5),
        "b": mysql(counter=7),
        "c": mysql(at="2024-01-03 10:00:00", counter=9),
        "d": mysql(key=", PRIMARY KEY (`name`)"),
    }
    load(settings, catalog, **{name: dumps[name] for name in arrival})
    ordered = judged_order(settings, catalog, "crm")
    assert labels(ordered.places) == ["d", "a", "b", "c"]
    assert [place.ambiguous for place in ordered.places] == [True, False, False, False]


def test_a_cut_dump_tells_nothing_by_what_it_lacks(settings, catalog):
    whole = mysql("(1,'a'),(9,'b')", at="2024-01-01 10:00:00")
    cut = mysql("(1,'a')", before="-- Date: 2024-02-01 10:00:00\n").partition("-- Dump completed")[0] + "INSERT INTO `people` VALUES (2,'b"
    load(settings, catalog, a=whole, b=cut)
    assert catalog.versions()[1].completeness == "partial"
    ordered = judged_order(settings, catalog, "crm")
    assert labels(ordered.places) == ["a", "b"]
    assert ordered.findings == ()


def test_a_contradiction_names_both_versions_and_both_facts(settings, catalog):
    older, newer = mysql(at="2024-01-01 10:00:00", before=LOG.format(12)), mysql(at="2024-02-01 10:00:00", before=LOG.format(3))
    load(settings, catalog, a=older, b=newer)
    (finding,) = judged_order(settings, catalog, "crm").findings
    assert finding.kind == "contradiction"
    assert "crm.a." in finding.text and "crm.b." in finding.text
    assert "dump time (2024-01-01 10:00:00 before 2024-02-01 10:00:00)" in finding.text
    assert "binlog.000012:157 against binlog.000003:157" in finding.text


# late and corrected dumps; what was believed before


def test_a_late_dump_is_put_in_its_place_and_what_was_believed_before_stays_visible(settings, catalog):
    load(settings, catalog, a=mysql(at="2024-01-01 10:00:00"), c=mysql(at="2024-01-03 10:00:00"))
    record_source_order(settings, catalog, "crm")
    before = _now(catalog)
    load(settings, catalog, b=mysql(at="2024-01-02 10:00:00"))
    recorded = record_source_order(settings, catalog, "crm")
    assert labels(recorded.ordered.places) == labels(catalog.order("crm")) == ["a", "b", "c"]
    assert recorded.moved == (), "those that were there follow each other as before"
    assert labels(order_log.believed(catalog, "crm", before)) == ["a", "c"]
    assert labels(order_log.believed(catalog, "crm", _now(catalog))) == ["a", "b", "c"]
    assert order_log.believed(catalog, "crm", before - timedelta(days=1)) == []
    entered = {one.version.split(".")[1]: one.entered_at for one in catalog.order("crm")}
    assert entered["a"] == entered["c"] < before < entered["b"], "when it came in stands beside when it was true"
    assert catalog.order("crm")[1].moment == "2024-01-02 10:00:00"


def test_a_late_dump_changes_two_rows_of_the_log_only(settings, catalog, database):
    load(settings, catalog, **{f"d{n}": mysql(at=f"2024-01-{n:02} 10:00:00") for n in (1, 3, 4, 5, 6)})
    record_source_order(settings, catalog, "crm")
    load(settings, catalog, d2=mysql(at="2024-01-02 10:00:00"))
    record_source_order(settings, catalog, "crm")
    record_source_order(settings, catalog, "crm")
    with psycopg.connect(database) as connection:
        counts = connection.execute("SELECT count(*), count(believed_until) FROM catalog.version_order_log").fetchone()
    assert counts == (7, 1), "d2 is new, and d3 has another version before it"


def test_a_corrected_dump_is_a_version_of_its_own_and_the_order_says_that_they_share_a_label(home, catalog):
    settings = Settings.load(_yaml(home, r"{crm: {pattern: '(?P<label>[a-z]+)\d*\.sql'}}"))
    load(settings, catalog, may1=mysql(at="2024-05-01 10:00:00"), may2=mysql("(1,'b')", at="2024-05-01 11:00:00"))
    rows, findings = order_rows(settings, catalog, "crm")
    assert [row["label"] for row in rows] == ["may", "may"]
    assert [row["same_label"] for row in rows] == [[rows[1]["version"]], [rows[0]["version"]]]
    assert findings == []


def test_tables_whose_versions_change_places_are_merged_again_and_no_others(settings, catalog):
    other = mysql(at="2024-01-03 10:00:00").replace("people", "places")
    load(settings, catalog, a=mysql(at="2024-01-01 10:00:00"), b=mysql(at="2024-01-02 10:00:00"), c=other)
    record_source_order(settings, catalog, "crm")
    changed = {table.table_name: table.changed_load_id for table in catalog.tables()}
    declare(settings, "order: [b, a]\n")
    assert record_source_order(settings, catalog, "crm").moved == ("people",)
    now = {table.table_name: table.changed_load_id for table in catalog.tables()}
    assert now["people"] > changed["people"]
    assert now["places"] == changed["places"]


# declarations


def test_an_order_is_stale_when_a_version_comes_or_a_declaration_changes(settings, catalog):
    load(settings, catalog, a=mysql(at="2024-01-01 10:00:00"))
    for change in (lambda: None, lambda: declare(settings, "order: [a]\n"), lambda: load(settings, catalog, b=mysql())):
        change()
        assert list(stale_orders(settings, catalog)) == ["crm"]
        record_source_order(settings, catalog, "crm")
        assert stale_orders(settings, catalog) == {}


def test_the_override_file_is_read_anew_each_time_and_wins(home, catalog):
    settings = Settings.load(_yaml(home, "{crm: {order: [a, b]}}"))
    load(settings, catalog, a=mysql(), b=mysql("(1,'b')"))
    assert labels(source_order(settings, catalog, "crm")) == ["a", "b"]
    declare(settings, "moments: {a: 2024-02-01, b: '2024-01-01T10:00:00+02:00'}\n")
    places = source_order(settings, catalog, "crm")
    assert labels(places) == ["b", "a"]
    assert places[0].moment == datetime(2024, 1, 1, 8)
    assert {place.evidence for place in places} == {"declared"}
    assert [finding.kind for finding in judged_order(settings, catalog, "crm").findings] == ["contradiction"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ordr: [a]", "unknown key ordr; known are moments, order"),
        ("order: a", "order must be a list"),
        ("order: [a, b, a]", "order names 'a' at places 1 and 3"),
        ("order: [{a: 1}]", "order must be a list of labels"),
        ("moments: [a]", "moments must be a mapping"),
        ("moments: {a: yesterday}", "moments.a: 'yesterday' is no moment"),
        ("order: [a, b]\nmoments: {a: 2024-02-01, b: 2024-01-01}", "order says that 'a' is older than 'b', moments say"),
        ("format_version: 2", "format_version 2 is not known"),
        ("order: [", "is not valid YAML"),
    ],
)
def test_an_override_file_that_cannot_be_understood_is_an_error_that_names_it_and_changes_nothing(settings, catalog, text, message):
    load(settings, catalog, a=mysql(at="2024-01-01 10:00:00"), b=mysql())
    record_source_order(settings, catalog, "crm")
    before = catalog.order("crm")
    declare(settings, text)
    with pytest.raises(SettingsError, match=r"crm\.yaml") as raised:
        record_source_order(settings, catalog, "crm")
    assert message in raised.value.message
    assert catalog.order("crm") == before
    assert list(stale_orders(settings, catalog)) == ["crm"]


def test_an_override_file_of_no_source_is_told_at_the_source_that_was_meant(settings, catalog):
    load(settings, catalog, a=mysql())
    declare(settings, "order: [a]", name="cmr.yaml")
    (finding,) = judged_order(settings, catalog, "crm").findings
    assert "order/cmr.yaml is not read" in finding.text and "order/crm.yaml" in finding.text


def test_the_order_of_a_source_that_is_not_there_is_an_error_that_names_those_that_are(settings, catalog):
    load(settings, catalog, a=mysql())
    with pytest.raises(UnknownSource, match="Sources: crm"):
        order_rows(settings, catalog, "crn")


def _now(catalog: Catalog) -> datetime:
    with psycopg.connect(catalog.url) as connection:
        return connection.execute("SELECT clock_timestamp()").fetchone()[0].astimezone(UTC)


def _yaml(home: Home, sources: str):
    (home.root / "platform.yaml").write_text(f"sources: {sources}\n")
    return home.root
