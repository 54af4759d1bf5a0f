"""The checks of a topic, judged by what landed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from platform_assets.operations.topic_checks import DESCRIPTIONS, check_topic
from platform_assets.sources.topic import Checks, Topic

NOW = datetime(2024, 5, 3, tzinfo=UTC)
TOPIC = Topic("pets", Path("topics/pets.yaml"), "city", "pets", "socrata", {}, checks=Checks(10, timedelta(days=2), True))


def pull(mode="full", rows=10, came=(6, 4), total=10, cursor="2024-05-02T00:00:00.000Z"):
    chunks = [{"rows": n, "facts": {"rows_in_answer": n}} for n in came]
    return {"mode": mode, "rows": rows, "chunks": chunks, "total": total, "cursor": cursor, "moment": "2024-05-02T00:00:00+00:00"}


CASES = {
    "all well": ([pull()], set()),
    "changes do not count as the whole": ([pull(), pull("changes", 1, (1,), 1)], set()),
    "no pull": ([], {"min_rows", "max_age", "row_count_matches"}),
    "no full pull": ([pull("changes")], {"min_rows"}),
    "the newest full pull is small": ([pull(rows=50), pull(rows=9)], {"min_rows"}),
    "old": ([pull(cursor="2024-04-30T23:59:59.000Z")], {"max_age"}),
    "old without a zone": ([pull(cursor="2024-04-30T23:59:59")], {"max_age"}),
    "just young enough": ([pull(cursor="2024-05-01T00:00:00")], set()),
    "no time": ([pull(cursor=17)], {"max_age"}),
    "no cursor": ([pull(cursor=None)], set()),
    "a page is missing": ([pull(came=(6,))], {"row_count_matches"}),
    "more came than there were": ([pull(came=(6, 5))], {"row_count_matches"}),
    "not counted": ([pull(total=None)], {"row_count_matches"}),
}


@pytest.mark.parametrize("case", CASES)
def test_each_check_fails_where_it_should_and_nowhere_else(case):
    pulls, failing = CASES[case]
    findings = check_topic(TOPIC, pulls, NOW)
    assert {finding.name for finding in findings if not finding.passed} == failing
    assert [finding.name for finding in findings] == list(TOPIC.checks.names) == list(DESCRIPTIONS)


def test_only_what_is_wanted_is_checked():
    topic = replace(TOPIC, checks=Checks(min_rows=11))
    (finding,) = check_topic(topic, [pull()], NOW)
    assert finding.said == "10 rows in the newest full pull, at least 11 wanted: look at what the place publishes"
