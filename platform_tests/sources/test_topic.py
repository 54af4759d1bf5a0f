"""Topic files: what they say is understood whole, or refused with file and line."""

from __future__ import annotations

from datetime import timedelta

import pytest

from platform_assets.errors import SettingsError
from platform_assets.sources.topic import Access, Bounds, Checks, load_topic, load_topics

GOOD = """
source: city
table: pets
kind: socrata
from: {domain: data.example.org, dataset: abcd-1234}
columns: "*"
cursor: ":updated_at"
overlap: 5m
page_size: 500
schedule: "0 3 * * *"
credentials: {app_token_env: TOKEN}
sweep_every: 7
allow: {hosts: [mirror.example.org]}
limits: {timeout: 10}
checks: {min_rows: 5, max_age: 2d, row_count_matches: true}
"""


def test_a_topic_is_read_with_its_defaults(tmp_path):
    (tmp_path / "pets.yaml").write_text(GOOD)
    topic = load_topics(tmp_path)["pets"]
    assert (topic.columns, topic.overlap, topic.target, topic.page_size) == ((), timedelta(minutes=5), "merge", 500)
    assert (topic.access, topic.bounds) == (Access(("mirror.example.org",)), Bounds(timeout=10))
    assert topic.checks == Checks(5, timedelta(days=2), True)
    assert topic.checks.names == ("min_rows", "max_age", "row_count_matches")
    assert Checks().names == ()
    assert topic.secret("app_token", {"TOKEN": "x"}) == "x"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("page_size: 500", "page_size: 0", "line 9: page_size must be a whole number of at least 1"),
        ("kind: socrata", "kind: soda", "line 4: kind: 'soda' is none of socrata, rest, database, files"),
        ("kind: socrata", "", "kind is missing"),
        ("overlap: 5m", "overlap: soon", "'soon' is no duration; write it like 30s"),
        ("overlap: 5m", "overlapp: 5m", "line 8: the key 'overlapp' is unknown"),
        ("from: {", "from: [", "not valid YAML"),
        ("{app_token_env: TOKEN}", "{app_token: hush}", "the key 'app_token' is unknown"),
        ('columns: "*"', "columns: [1]", "columns must be a name or a list of names"),
        ("kind: socrata", "kind: rest", "target merge needs a key"),
        ("kind: socrata", "kind: rest\nkey: id", "sweep_every is for socrata; of rest, use target replace"),
        ('schedule: "0 3 * * *"', "schedule: daily", "line 10: schedule: 'daily' is not five fields of cron"),
        ("timeout: 10", "timeout: soon", "line 14: timeout must be a number above 0, not 'soon'"),
        ("timeout: 10", "attempts: 0", "line 14: attempts must be a whole number above 0"),
        ("timeout: 10", "max_page_bytes: 1.5", "line 14: max_page_bytes must be a whole number"),
        ("hosts: [mirror.example.org]", 'private: "false"', "line 13: private: 'false' is neither true nor false"),
        ('cursor: ":updated_at"', "cursor: [a]", r"line 7: cursor: \['a'\] is no name"),
        ("min_rows: 5", "min_row: 5", "line 15: the key 'min_row' is unknown; known are max_age, min_rows, row_count_matches"),
        ("min_rows: 5", "min_rows: few", "line 15: min_rows must be a whole number"),
        ("max_age: 2d", "max_age: old", "line 15: max_age: 'old' is no duration"),
        ("matches: true", "matches: 3", "line 15: row_count_matches: 3 is neither true nor false"),
        ("kind: socrata", "kind: files\nsweep_every: 0", "line 7: columns is for rows that are pulled"),
        ("kind: socrata", "kind: rest\nkey: id\nsweep_every: 0", "row_count_matches needs a place that counts"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, old, new, said):
    path = tmp_path / "pets.yaml"
    path.write_text(GOOD.replace("sweep_every: 7\n", "" if "sweep_every: 0" in new else "sweep_every: 7\n").replace(old, new))
    with pytest.raises(SettingsError, match=said) as caught:
        load_topic(path)
    assert str(path) in caught.value.message
    assert "hush" not in caught.value.message


def test_a_name_that_cannot_be_one_is_refused(tmp_path):
    (tmp_path / "My Pets.yaml").write_text(GOOD)
    with pytest.raises(SettingsError, match="cannot be a topic's name"):
        load_topics(tmp_path)


def test_a_topic_of_files_has_no_checks_of_rows(tmp_path):
    path = tmp_path / "drop.yaml"
    path.write_text("{source: hr, table: any, kind: files, from: {url: /there}, checks: {min_rows: 5}}")
    with pytest.raises(SettingsError, match="a files topic has no checks"):
        load_topic(path)
