"""The lives of keys as they leave: played back they are every state of the past; into Redis twice is the same as once."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import INT32, STRING
from platform_assets.errors import KeyMissing, PlatformError
from platform_assets.operations.latest import merged
from platform_assets.operations.lives import key_lives
from platform_assets.operations.timeline import Timeline
from platform_assets.settings import Settings
from platform_assets.storage.exports.key_value import write_lives
from platform_assets.storage.exports.redis_store import fill
from platform_tests.operations.timelines import snapshot_of, timeline_over, version_of

TABLE = Table("t", (Column("id", INT32), Column("part", STRING), Column("note", STRING)), key=("id", "part"))
row = st.tuples(st.integers(0, 2), st.sampled_from(['"', "é"]), st.sampled_from([None, "", "a\nb"]))
contents = st.lists(st.tuples(st.lists(row, max_size=5, unique_by=lambda row: row[:2]), st.booleans()), min_size=1, max_size=4)


def settings_at(root: Path) -> Settings:
    return Settings(root, sources={"s": SourceSettings("s", delete_guard=1.0)})


def lives_of(root: Path, timeline: Timeline) -> list[dict[str, Any]]:
    stream = io.BytesIO()
    with key_lives(settings_at(root), timeline) as lives:
        rows = write_lives(lives, stream).rows
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(found) == rows
    return found


@hypothesis_settings(max_examples=30, deadline=None)
@given(contents=contents)
def test_lives_played_back_to_a_version_are_the_state_then(contents):
    with TemporaryDirectory() as folder:
        root = Path(folder)
        timeline = timeline_over(root, TABLE, contents)
        lives = lives_of(root, timeline)
        keys = [key for key, _ in groupby(lives, lambda state: state["key"])]
        assert len(keys) == len({json.dumps(key) for key in keys}), "the states of a key stand together"
        places = {version.version: version.place.place for version in timeline.versions}
        for place in range(len(contents)):
            played: dict[str, Any] = {}
            for state in lives:
                if places[state["version"]] <= place:
                    played[json.dumps(state["key"])] = state["value"]
            state = merged(settings_at(root), timeline.narrowed(timeline.versions[: place + 1]), root / "then")
            names = TABLE.column_names
            then = [tuple(row[name] for name in names) for batch in state.batches() for row in batch.to_pylist()]
            state.discard()
            assert sorted((tuple(value.values()) for value in played.values() if value), key=repr) == sorted(then, key=repr)


def test_each_instance_has_lives_of_its_own_and_a_state_says_when_it_came(tmp_path):
    versions = [version_of(snapshot_of(tmp_path, TABLE, f"s.{name}.0", [(1, "a", name)], instance=name), 0) for name in ("eu", "us")]
    lives = lives_of(tmp_path, Timeline("s", "t", tuple(versions)))
    assert [(state["instance"], state["key"], state["operation"], state["moment"]) for state in lives] == [
        ("eu", [1, "a"], "insert", "2024-01-01T00:00:00"),
        ("us", [1, "a"], "insert", "2024-01-01T00:00:00"),
    ]


def test_a_table_without_a_key_has_no_lives(tmp_path):
    timeline = timeline_over(tmp_path, Table("t", TABLE.columns), [([(1, "a", "b")], False)])
    with pytest.raises(KeyMissing, match="has no key"), key_lives(settings_at(tmp_path), timeline):
        pass


# Redis


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The socket of a Redis server of this module's own, with a password."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server: apt-get install redis-server")
    with TemporaryDirectory() as folder:
        socket = Path(folder) / "s"
        options = ["--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", "", "--requirepass", "s3cret"]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 20
            while not socket.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            yield str(socket)
        finally:
            process.terminate()
            process.wait(20)


def everything(server: str) -> dict[str, Any]:
    with redis.Redis(unix_socket_path=server, password="s3cret", decode_responses=True) as client:
        readers = {"string": client.get, "list": lambda name: client.lrange(name, 0, -1), "set": client.smembers}
        return {name: readers[client.type(name)](name) for name in client.scan_iter()}


def put(server: str, root: Path, timeline: Timeline, password: str | None = "s3cret") -> Any:
    with key_lives(settings_at(root), timeline) as lives:
        return fill(f"unix://{server}", lives, name="s.t", prefix="p", password=password)


def test_redis_holds_each_keys_newest_value_and_its_history_in_order(server, tmp_path):
    many = [(n, "a", "x") for n in range(1_200)]
    timeline = timeline_over(tmp_path, TABLE, [(many, True), ([(0, "a", "y"), *many[1:1_199]], True)])
    counts = put(server, tmp_path, timeline)
    assert (counts.keys, counts.deleted, counts.states, counts.removed) == (1_199, 1, 1_202, 0)
    found = everything(server)
    assert json.loads(found['p:s.t:value:default:[0,"a"]']) == {"id": 0, "part": "a", "note": "y"}
    assert [json.loads(text)["value"]["note"] for text in found['p:s.t:history:default:[0,"a"]']] == ["x", "y"]
    assert 'p:s.t:value:default:[1199,"a"]' not in found
    assert [json.loads(text)["operation"] for text in found['p:s.t:history:default:[1199,"a"]']] == ["insert", "delete"]
    again = put(server, tmp_path, timeline)
    assert (again, everything(server)) == (counts, found)


def test_what_an_earlier_export_left_is_removed(server, tmp_path):
    put(server, tmp_path / "a", timeline_over(tmp_path / "a", TABLE, [([(1, "a", "x"), (2, "a", "x")], False)]))
    counts = put(server, tmp_path / "b", timeline_over(tmp_path / "b", TABLE, [([(2, "a", "z")], False)]))
    assert counts.removed >= 1
    assert set(everything(server)) == {"p:s.t:keys", 'p:s.t:value:default:[2,"a"]', 'p:s.t:history:default:[2,"a"]'}


@pytest.mark.parametrize("password", [None, "wr0ng"])
def test_a_refusal_of_redis_is_an_error_without_the_password(server, tmp_path, password):
    timeline = timeline_over(tmp_path, TABLE, [([(1, "a", "x")], False)])
    with pytest.raises(PlatformError) as refused:
        put(server, tmp_path, timeline, password)
    assert "s3cret" not in refused.value.message
    assert "wr0ng" not in refused.value.message


@pytest.mark.parametrize("url", ["redis://:s3cret@localhost:1/0", "http://:s3cret@localhost/", "redis://:s3cret@localhost:x/0"])
def test_an_address_without_redis_is_an_error_without_the_password(url):
    with pytest.raises(PlatformError) as refused:
        fill(url, [], name="s.t", prefix="p")
    assert "s3cret" not in refused.value.message
