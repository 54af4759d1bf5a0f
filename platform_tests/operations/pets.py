"""What the tests of topics share: the topic `pets` of a hostile Socrata server, pulled and loaded in this process. No test stands here."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import psycopg

from platform_assets.operations.import_log import ImportLog
from platform_assets.operations.import_topic import Imported, import_topic, topic_named
from platform_assets.operations.latest import merge_table
from platform_assets.operations.parse import commit_version, parse_version
from platform_assets.operations.publish import publish_current, publish_version
from platform_assets.operations.register import located, register, scan
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home

sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
from socrata_server import DataSet, Socrata

COLUMNS = {"name": "text", "age": "number", "born": "calendar_date", "tame": "checkbox", "where": "point"}


def write_topic(home: Home, site: Socrata, **more) -> None:
    data = {
        "source": "city",
        "table": "pets",
        "kind": "socrata",
        "from": {"domain": site.domain, "dataset": "abcd-1234"},
        "page_size": 3,
        "allow": {"private": True},
        "limits": {"attempts": 2, "timeout": 5},
        **more,
    }
    home.topics.mkdir(exist_ok=True)
    (home.topics / "pets.yaml").write_text(json.dumps(data))


def pull(settings: Settings, catalog: Catalog, **options) -> Imported:
    return import_topic(settings, catalog, topic_named(settings, "pets"), environment={}, **options)


def load(settings: Settings, catalog: Catalog) -> None:
    """What a run does with the dumps that are new."""
    home, new = Home(settings.home), False
    for found in scan(home, catalog.known_files(), settle_seconds=0).new:
        record, _ = register(settings, catalog, found)
        commit_version(home, parse_version(settings, record, located(settings, catalog, record)))
        publish_version(settings, catalog, record, run_id="test")
        new = True
    if new:
        publish_current(settings, catalog, merge_table(settings, catalog, "city", "pets").state.commit(), run_id="test")


def loaded(catalog: Catalog):
    with psycopg.connect(catalog.url) as connection:
        rows = connection.execute('SELECT ":id", name, age::text, born::text FROM city.pets').fetchall()
    return {row[0]: row[1:] for row in rows}


def there(data: DataSet):
    def moment(text):
        return text and text[:10] + " " + text[11:19]

    return {key: (row.get("name"), row.get("age"), moment(row.get("born"))) for key, row in data.rows.items()}


def killed_import(root: Path, url: str, step: int, options: dict[str, bool]) -> None:
    """For a process of its own: an import that is killed when it comes to its `step`th change of a folder or row of the import log."""
    left, write = step, ImportLog._write

    def kill_at_last() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def written(self: ImportLog, *args, **named) -> None:
        kill_at_last()
        write(self, *args, **named)

    sys.addaudithook(lambda event, _: kill_at_last() if event in ("os.mkdir", "os.remove", "os.rename") else None)
    ImportLog._write = written  # type: ignore[method-assign]
    pull(Settings(root), Catalog(url), **options)
