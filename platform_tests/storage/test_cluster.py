"""How the cluster is made and set up, and what stops it from being made."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import psycopg
import pytest
from server_processes import query

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.server import cluster
from platform_assets.storage.server.embedded import EmbeddedServer
from platform_assets.storage.server.folder import ServerFolder


def test_the_first_start_makes_a_cluster_as_designed(fresh: EmbeddedServer) -> None:
    address = fresh.ensure_running()
    expected = {
        "server_encoding": "UTF8",
        "data_checksums": "on",
        "wal_level": "minimal",
        "password_encryption": "scram-sha-256",
        "listen_addresses": "127.0.0.1",
        "fsync": "on",
        "synchronous_commit": "on",
        "TimeZone": "UTC",
        "jit": "off",
        "shared_buffers": "128MB",
    }
    found = {name: query(address.url("postgres"), f'SHOW "{name}"') for name in expected}
    assert found == expected
    assert (
        query(address.url("postgres"), "SELECT lower('ÄŁ') || (SELECT string_agg(x, '' ORDER BY x) FROM unnest('{b,A,a}'::text[]) x)")
        == "äłAab"
    )
    assert query(address.url("postgres", socket=True), "SELECT current_user") == "platform"
    assert query(address.with_password("postgres"), "SELECT 1") == 1


def test_a_password_is_really_asked_and_a_wrong_one_refused(embedded: EmbeddedServer) -> None:
    address = embedded.ensure_running()
    for way in ({"host": address.host}, {"host": str(address.socket_folder)}):
        parts = {**way, "port": address.port, "user": address.user, "dbname": "postgres", "passfile": "/dev/null"}
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(**parts, password="wrong")  # type: ignore[arg-type]
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(**parts)  # type: ignore[arg-type]


def test_secrets_are_private_and_in_no_command_line_environment_or_log(embedded: EmbeddedServer) -> None:
    address = embedded.ensure_running()
    folder = embedded.folder
    secret = folder.password.read_text()
    assert len(secret) >= 40
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in (folder.password, folder.passfile)} == {
        "password": "0o600",
        "pgpass": "0o600",
    }
    assert stat.S_IMODE(address.socket_folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.data.stat().st_mode) == 0o700
    query(address.url("postgres"), "SELECT 1")
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            assert secret not in " ".join(process.cmdline())
            if process.pid != os.getpid():
                assert secret not in str(process.environ())
    for path in (folder.state, folder.supervisor_log, *folder.log.iterdir()):
        assert secret not in path.read_text(errors="replace"), path
    assert secret not in address.url("postgres") + repr(address)


def test_values_of_statements_never_come_into_the_log(embedded: EmbeddedServer) -> None:
    url = embedded.ensure_running().url("postgres")
    query(url, "CREATE TABLE t (id int PRIMARY KEY, x int)")
    for statement in ("INSERT INTO t VALUES (1, 'hidden-value')", "INSERT INTO t VALUES (77123, 1), (77123, 2)"):
        with pytest.raises(psycopg.Error):
            query(url, statement)
    text = "".join(path.read_text() for path in embedded.folder.log.iterdir())
    assert "database system is ready" in text
    assert "hidden-value" not in text and "77123" not in text


def test_a_lost_password_file_is_named_with_the_remedy(embedded: EmbeddedServer) -> None:
    embedded.ensure_running()
    embedded.stop()
    aside = embedded.folder.password.rename(embedded.folder.root / "aside")
    with pytest.raises(DatabaseUnavailable, match=r"password is missing.*rebuilt from the dumps"):
        embedded.ensure_running()
    aside.rename(embedded.folder.password)


def test_a_full_disk_is_refused_before_anything_is_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ServerFolder(place / "postgres")
    folder.create()
    _pretend_free(monkeypatch, 499)
    with pytest.raises(DatabaseUnavailable, match="500 MB free space are needed to create the database server, 499 MB are there"):
        cluster.Cluster.open(folder).prepare()
    assert list(folder.root.iterdir()) == []


def test_a_server_whose_disk_is_full_is_not_started(embedded: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.ensure_running()
    embedded.stop()
    _pretend_free(monkeypatch, 200)
    cluster.Cluster.open(embedded.folder).prepare()
    _pretend_free(monkeypatch, 199)
    with pytest.raises(DatabaseUnavailable, match="200 MB free space are needed to run"):
        cluster.Cluster.open(embedded.folder).prepare()


def _pretend_free(monkeypatch: pytest.MonkeyPatch, megabytes: int) -> None:
    monkeypatch.setattr(cluster.shutil, "disk_usage", lambda path: SimpleNamespace(free=megabytes << 20))  # type: ignore[attr-defined]


def test_the_remains_of_an_interrupted_first_start_are_swept(fresh: EmbeddedServer) -> None:
    folder = fresh.folder
    folder.create()
    half = folder.root / ".data.tmp-0123456789ab"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    assert query(fresh.ensure_running().url("postgres"), "SELECT 1") == 1
    assert not half.exists()
