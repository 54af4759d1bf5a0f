"""A REST topic through the whole way, from a server whose clock is not ours."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import psycopg
import pytest

from platform_assets.operations.import_topic import describe_topics, import_topic, topic_named
from platform_assets.settings import Settings
from platform_assets.sources.web import SourceError
from platform_tests.operations.pets import load

sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
from test_rest import serving


class Shop:
    """Rows with a time of their last change, and a clock."""

    def __init__(self, now: datetime) -> None:
        self.now, self.asked = now, list[str | None]()
        self.rows = {n: {"id": n, "name": f"pet {n}", "changed": f"2024-01-{n:02d}T10:00:00Z"} for n in range(1, 6)}

    def answer(self, path, query, headers):
        since = query.get("since")
        self.asked.append(since)
        found = [row for row in self.rows.values() if since is None or row["changed"] >= since]
        return 200, {"Date": format_datetime(self.now, usegmt=True)}, json.dumps(found)


def names(catalog):
    with psycopg.connect(catalog.url) as connection:
        return dict(connection.execute("SELECT id, name FROM city.pets").fetchall())


@pytest.mark.parametrize("years", [-9, 0, 9], ids=["far behind ours", "ours", "far before ours"])
def test_clocks_have_no_part_in_the_cursor(home, catalog, years):
    """Neither the server's nor ours: late rows within the overlap come, the newer of two words for a row wins, and none comes twice."""
    shop = Shop(datetime.now(UTC).replace(microsecond=0) + timedelta(days=365 * years))
    with serving(shop.answer) as base:
        home.topics.mkdir()
        topic = {"source": "city", "table": "pets", "kind": "rest", "key": ["id"], "cursor": "changed", "overlap": "2d"}
        topic |= {"from": {"url": base, "since_param": "since"}, "allow": {"private": True}}
        (home.topics / "pets.yaml").write_text(json.dumps(topic))
        settings = Settings(home.root)

        def pull():
            done = import_topic(settings, catalog, topic_named(settings, "pets"), environment={})
            load(settings, catalog)
            return done.mode, done.rows, done.cursor

        assert pull() == ("full", 5, "2024-01-05T10:00:00Z")
        (dump,) = (home.dumps / "city").iterdir()
        assert f"{shop.now:%Y%m%dT%H%M%S}" in dump.name, "a pull is dated by the place's clock"
        assert pull() == ("changes", 0, "2024-01-05T10:00:00Z")
        shop.now += timedelta(hours=1)
        shop.rows[9] = {"id": 9, "name": "late", "changed": "2024-01-04T00:00:00Z"}
        shop.rows[5] |= {"name": "changed", "changed": "2024-01-06T00:00:00Z"}
        assert pull() == ("changes", 2, "2024-01-06T00:00:00Z")
        assert names(catalog) == {row["id"]: row["name"] for row in shop.rows.values()}
        shop.now -= timedelta(days=1)
        shop.rows[1] |= {"name": "newer", "changed": "2024-01-07T00:00:00Z"}
        with pytest.raises(SourceError, match=r"the clock of the place says .*before the last pull"):
            pull()
        assert describe_topics(settings)[0]["cursor"] == "2024-01-06T00:00:00Z"
        shop.now += timedelta(days=2)
        assert pull() == ("changes", 1, "2024-01-07T00:00:00Z")
        assert names(catalog) == {row["id"]: row["name"] for row in shop.rows.values()}
    since = ["2024-01-03T10:00:00Z", "2024-01-03T10:00:00Z", "2024-01-04T00:00:00Z", "2024-01-04T00:00:00Z"]
    assert shop.asked == [None, *since]
