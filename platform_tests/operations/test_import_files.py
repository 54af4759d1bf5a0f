"""Topics of files: what is new elsewhere is taken in once, whole, and remembered only when it is there."""

from __future__ import annotations

import json
import re

import fsspec
import psycopg
import pytest

from platform_assets.errors import SettingsError
from platform_assets.operations.import_topic import import_topic, topic_named
from platform_assets.operations.parse import parse_version
from platform_assets.operations.register import found_at, located, register
from platform_assets.settings import Settings
from platform_assets.sources.files import Files
from platform_assets.sources.web import SourceError
from platform_assets.storage.files import temporary_sibling


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
    assert (home.dumps / "hr" / fetched / "a.csv").read_text() == "id\n1\n3\n"
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
        assert (home.dumps / "hr" / first / "a.csv").read_bytes() == b"id\n1\n2\n"
    finally:
        store.rm("/bucket", recursive=True)


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ({"url": "/nowhere/at/all"}, SourceError, "/nowhere/at/all"),
        ({"pattren": "x"}, SettingsError, "pattren"),
        ({"options": 5}, SettingsError, "from.options is 5, where a mapping is known"),
        ({"options_env": {"password": "SFTP_PASSWORD"}}, SettingsError, "SFTP_PASSWORD, which is not set"),
        ({"url": "nosuch://x/y"}, SourceError, "nosuch://x/y"),
    ],
)
def test_a_place_that_is_not_there_is_said(home, catalog, there, place, error, said):
    write_topic(home, there, **place)
    with pytest.raises(error, match=said):
        run(home, catalog)


@pytest.mark.parametrize(
    ("place", "host"),
    [
        ({"url": "ftp://127.0.0.1:9/out"}, "127.0.0.1"),
        ({"url": "ftp://me:s3cret@localhost:9/out"}, "localhost"),
        ({"url": "ftp://ftp.example.org/out", "options": {"host": "10.0.0.1"}}, "10.0.0.1"),
        ({"url": "memory://bucket", "options": {"endpoint_url": "http://192.168.0.1:9000"}}, "192.168.0.1"),
        ({"url": "memory://bucket", "options": {"client_kwargs": {"endpoint_url": "https://[::1]:9000"}}}, "::1"),
        ({"url": "memory://bucket", "options_env": {"endpoint_url": "ENDPOINT"}}, "169.254.169.254"),
    ],
)
def test_a_private_host_of_a_file_system_is_refused_before_it_is_dialled(home, catalog, there, place, host):
    write_topic(home, there, **place)
    settings = Settings(home.root)
    with pytest.raises(SourceError, match=rf"{re.escape(host)} is a private address; if that is meant, set allow\.private") as caught:
        import_topic(settings, catalog, topic_named(settings, "drop"), environment={"ENDPOINT": "http://169.254.169.254/"})
    assert "s3cret" not in str(caught.value)


def test_a_private_host_that_is_allowed_is_dialled(home, catalog, there):
    write_topic(home, there, url="ftp://127.0.0.1:9/out")
    path = home.topics / "drop.yaml"
    path.write_text(json.dumps({**json.loads(path.read_text()), "allow": {"private": True}}))
    with pytest.raises(SourceError, match=r"ftp://127\.0\.0\.1:9/out: ConnectionRefusedError"):
        run(home, catalog)


def test_files_of_which_only_a_size_is_known_are_told_by_their_bytes(home, catalog, there, monkeypatch):
    """A file of the same size with other rows would never have come."""
    monkeypatch.setattr("platform_assets.sources.files._MARKS", ())
    write_topic(home, there)
    assert run(home, catalog)[0] == ["a.csv", "b.csv"]
    assert run(home, catalog)[0] == []
    (there / "a.csv").write_text("id\n9\n")
    assert len(run(home, catalog)[0]) == 1


def test_a_file_beyond_the_limit_of_its_source_is_refused(home, catalog, there):
    (home.root / "platform.yaml").write_text("sources: {hr: {limits: {max_dump_bytes: 4}}}\n")
    (there / "b.csv").write_text("id\n")
    write_topic(home, there)
    settings = Settings.load(home.root, {})
    with pytest.raises(SourceError, match=r"1 files failed, 1 came.*a\.csv: the file is larger than limits\.max_dump_bytes"):
        import_topic(settings, catalog, topic_named(settings, "drop"), environment={})


def test_what_a_killed_fetch_left_is_swept(home, catalog, there):
    left = temporary_sibling(home.store / "work" / "fetch")
    left.mkdir(parents=True)
    write_topic(home, there)
    assert run(home, catalog)[0] == ["a.csv", "b.csv"]
    assert not left.exists()


class _Strange(fsspec.AbstractFileSystem):
    """What paramiko and botocore raise are classes of their own."""

    def ls(self, path, detail=True, **_):
        raise RuntimeError("no credentials")


def test_an_error_of_a_library_is_told_as_one_of_the_place(home, catalog, there):
    fsspec.register_implementation("strange", _Strange, clobber=True)
    write_topic(home, there, url="strange://bucket/out")
    with pytest.raises(SourceError, match=r"strange://bucket/out: RuntimeError: no credentials\. Look at `from`"):
        run(home, catalog)


def test_a_changed_file_is_another_version_of_its_table(home, catalog, there):
    """The dump's name has the hash in it, and gave the table another name."""
    write_topic(home, there)
    run(home, catalog)
    (there / "a.csv").write_text("id\n1\n3\n")
    (fetched,) = run(home, catalog)[0]
    settings = Settings(home.root)
    records = [register(settings, catalog, found_at(settings, "hr", home.dumps / "hr" / name))[0] for name in ("a.csv", fetched)]
    tables = [one.table.name for each in records for one in parse_version(settings, each, located(settings, catalog, each)).snapshots]
    assert (len({each.version for each in records}), tables) == (2, ["a", "a"])
