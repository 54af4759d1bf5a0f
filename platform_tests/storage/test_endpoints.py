"""Where the server listens, whatever the path of its home and whoever has its port."""

from __future__ import annotations

import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_processes import home_of, query

from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer, pg_bin
from platform_assets.storage.server.start import ServerAddress


def test_a_port_that_is_taken_is_replaced_and_a_free_one_kept(embedded: EmbeddedServer) -> None:
    port = embedded.ensure_running().port
    embedded.stop()
    assert embedded.ensure_running().port == port
    embedded.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert embedded.ensure_running().port != port


HOMES = {
    "too long for a socket": "x" * 120,
    "comma": "a,b",
    "quotes and blanks": ' it\'s "a" home ',
    "colon and backslash": "c:\\data",
    "letters": "дом",
}


@pytest.fixture(params=HOMES.values(), ids=HOMES)
def moved(embedded: EmbeddedServer, request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """The server of a home that was moved, as a folder may be while nobody uses it."""
    usual = home_of(embedded).root
    embedded.ensure_running()
    embedded.stop()
    there = EmbeddedServer(Home(usual.rename(usual.with_name(request.param))))
    yield there
    there.stop(force=True)
    home_of(there).root.rename(usual)


def test_any_path_of_a_home_works_over_tcp_and_socket(moved: EmbeddedServer) -> None:
    address = moved.ensure_running()
    assert query(address.url("postgres"), "SELECT 1") == 1
    assert query(address.url("postgres", socket=True), "SELECT 1") == 1
    assert stat.S_IMODE(address.socket_folder.stat().st_mode) == 0o700
    psql = [str(pg_bin() / "psql"), "-Atc", "SELECT 7", address.url("postgres")]
    assert subprocess.run(psql, capture_output=True, text=True, check=False).stdout == "7\n"
    moved.stop()
    assert address.socket_folder == moved.folder.socket or not address.socket_folder.exists()


def test_urls_quote_what_stands_in_them(tmp_path: Path) -> None:
    address = ServerAddress("127.0.0.1", 5432, Path("/s o&ck"), "platform", Path("/a b/p?g"))
    assert address.url("we/ird?") == "postgresql://platform@127.0.0.1:5432/we%2Fird%3F?passfile=/a%20b/p%3Fg"
    assert address.url("d", "psycopg2").startswith("postgresql+psycopg2://platform@")
    assert address.url("d", socket=True) == "postgresql://platform@/d?host=/s%20o%26ck&port=5432&passfile=/a%20b/p%3Fg"
