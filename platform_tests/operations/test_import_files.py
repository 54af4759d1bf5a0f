"""Topics of files: what is new elsewhere is taken in once, whole, and remembered only when it is there."""

from __future__ import annotations

import json

import fsspec
import psycopg
import pytest

from platform_assets.errors import SettingsError
from platform_assets.operations.import_topic import import_topic, topic_named
from platform_assets.settings import Settings
from platform_assets.sources.files import Files
from platform_assets.sources.web import SourceError


@pytest.fixture
def there(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "a.csv").write_text("id\n1\n")
    (folder / "b.csv").write_text("id\n2\n")
    (folder / "notes.txt").write_text("no dump")
    (folder / "c.csv.part").write_text("id\n")
    return folder


def write_topic(home, there, **place) -> None:
    home.topics.mkdir(exist_ok=True)
    topic = {"source": "hr", "table": "any", "kind": "files", "from": {"url": str(there), "pattern": "*.csv*", **place}}
    (home.topics / "drop.yaml").write_text(json.dumps(topic))


def run(home, catalog, **options):
    settings = Settings(home.root)
    done = import_topic(settings, catalog, topic_named(settings, "drop"), environment={}, **options)
    return [path.name for path in done.dumps], done.said


def test_new_and_changed_files_are_fetched_once(home, catalog, there):
    write_topic(home, there)
    assert run(home, catalog, dry_run=True) == ([], "drop: 2 new files: a.csv, b.csv")
    assert run(home, catalog)[0] == ["a.csv", "b.csv"]
    assert (home.dumps / "hr" / "a.csv").read_text() == "id\n1\n"
    assert run(home, catalog)[0] == []
    (there / "a.csv").write_text("id\n1\n3\n")
    (fetched,) = run(home, catalog)[0]
    assert fetched.startswith("a.") and fetched != "a.csv", "what came before is never overwritten"
    with psycopg.connect(catalog.url) as connection:
        assert connection.execute("SELECT count(*) FROM catalog.import_log WHERE operation = 'import_file'").fetchone() == (3,)


def test_a_lost_memory_brings_no_file_twice(home, catalog, there):
    write_topic(home, there)
    run(home, catalog)
    (home.pull("drop") / "seen.json").unlink()
    run(home, catalog)
    assert sorted(path.name for path in (home.dumps / "hr").iterdir()) == ["a.csv", "b.csv"]


def test_a_file_that_comes_short_is_fetched_again(home, catalog, there, monkeypatch):
    write_topic(home, there)
    listed = Files.listed
    monkeypatch.setattr(Files, "listed", lambda self: [type(f)(f.path, f.name, (f.size or 0) + 1, f.mark) for f in listed(self)])
    with pytest.raises(SourceError, match="of 6 bytes came; it is fetched again"):
        run(home, catalog)
    assert not (home.dumps / "hr").exists()
    monkeypatch.undo()
    assert run(home, catalog)[0] == ["a.csv", "b.csv"]


def test_an_object_store_is_watched_through_fsspec(home, catalog):
    """Keys without folders, written in one go, as S3 has them; fsspec's store in memory."""
    store = fsspec.filesystem("memory")
    try:
        store.pipe({"/bucket/out/a.csv": b"id\n1\n", "/bucket/out/deeper/x.csv": b"id\n", "/bucket/b.csv": b"id\n"})
        write_topic(home, "memory://bucket/out", pattern="*.csv")
        assert run(home, catalog)[0] == ["a.csv"]
        assert run(home, catalog)[0] == []
        store.pipe({"/bucket/out/a.csv": b"id\n1\n2\n", "/bucket/out/c.csv": b"id\n3\n"})
        first, second = run(home, catalog)[0]
        assert (first[:2], second) == ("a.", "c.csv")
        assert (home.dumps / "hr" / first).read_bytes() == b"id\n1\n2\n"
    finally:
        store.rm("/bucket", recursive=True)


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ({"url": "/nowhere/at/all"}, SourceError, "/nowhere/at/all"),
        ({"pattren": "x"}, SettingsError, "pattren"),
        ({"options_env": {"password": "SFTP_PASSWORD"}}, SettingsError, "SFTP_PASSWORD, which is not set"),
        ({"url": "nosuch://x/y"}, SourceError, "nosuch://x/y"),
    ],
)
def test_a_place_that_is_not_there_is_said(home, catalog, there, place, error, said):
    write_topic(home, there, **place)
    with pytest.raises(error, match=said):
        run(home, catalog)
