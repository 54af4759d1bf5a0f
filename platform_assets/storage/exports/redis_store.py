"""The lives of keys in Redis: the newest value of each under a key of its own, all its states in a list beside it.

`<prefix>:<source>.<table>:value:<instance>:<key>` is a JSON object, `...:history:<instance>:<key>` a list of JSON objects, oldest first,
`...:keys` the set of `<instance>:<key>` that are there. What is written is a function of the table alone: twice gives the same, and
what an earlier export left and the table no longer has is removed. Each key changes in one transaction.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from platform_assets.errors import PlatformError

_KEYS_AT_ONCE = 500
_DAY = 86_400
_SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True)
class RedisCounts:
    """`keys` have a value now, `deleted` only a history; `states` stand in the lists; `removed` were there and are no longer."""

    keys: int
    deleted: int
    states: int
    removed: int


def place_of(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def fill(
    url: str,
    lives: Iterable[pa.RecordBatch],
    *,
    name: str,
    prefix: str,
    password: str | None = None,
    progress: Callable[[int], None] = lambda keys: None,
) -> RedisCounts:
    """Puts the lives of one table there; `name` is `source.table`, `lives` are batches by instance and key, each key's states in order.

    Raises PlatformError, which never holds the password, when the server cannot be reached or refuses, or the package is not there.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        raise PlatformError(f"{place_of(url)} is no address of Redis: write it like redis://host:6379/0.")
    try:
        import redis
    except ImportError:
        raise PlatformError("Export to Redis needs the package redis: install platform-assets[redis].") from None
    try:
        with redis.Redis.from_url(url, **({"password": password} if password else {})) as server:
            server.ping()
            return _Filling(server, f"{prefix}:{name}").run(lives, progress)
    except (redis.RedisError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise PlatformError(f"Redis at {place_of(url)} did not take {name}: {reason}. Run it again; twice gives the same.") from error


class _Filling:
    def __init__(self, server: Any, base: str) -> None:
        self._server, self._base = server, base
        self._coming = f"{base}:keys:{secrets.token_hex(6)}"

    def run(self, lives: Iterable[pa.RecordBatch], progress: Callable[[int], None]) -> RedisCounts:
        keys = deleted = states = held = 0
        pipe = self._server.pipeline(transaction=True)
        for member, life in _by_key(lives):
            there = self._put(pipe, member, life)
            keys, deleted, states, held = keys + there, deleted + (not there), states + len(life), held + 1
            if held == _KEYS_AT_ONCE:
                self._send(pipe)
                progress(held)
                held = 0
        self._send(pipe)
        progress(held)
        return RedisCounts(keys, deleted, states, self._remove())

    def _put(self, pipe: Any, member: str, life: list[dict[str, Any]]) -> bool:
        value, history = f"{self._base}:value:{member}", f"{self._base}:history:{member}"
        newest = life[-1]["value"]
        pipe.delete(history)
        pipe.rpush(history, *(_entry(state) for state in life))
        if newest is None:
            pipe.delete(value)
        else:
            pipe.set(value, newest)
        pipe.sadd(self._coming, member)
        return newest is not None

    def _send(self, pipe: Any) -> None:
        pipe.expire(self._coming, _DAY)  # what a killed export leaves goes by itself
        pipe.execute()

    def _remove(self) -> int:
        """Removes what is there from an earlier export only, and makes the new set of keys the one that counts."""
        gone = self._server.sdiff(f"{self._base}:keys", self._coming)
        pipe = self._server.pipeline(transaction=True)
        for member in gone:
            name = member.decode() if isinstance(member, bytes) else str(member)
            pipe.delete(f"{self._base}:value:{name}", f"{self._base}:history:{name}")
        if self._server.exists(self._coming):
            pipe.rename(self._coming, f"{self._base}:keys")
            pipe.persist(f"{self._base}:keys")
        else:
            pipe.delete(f"{self._base}:keys")
        pipe.execute()
        return len(gone)


def _by_key(lives: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    states = (state for batch in lives for state in batch.to_pylist())
    for (instance, key), life in groupby(states, lambda state: (state["instance"], state["key"])):
        yield f"{instance}:{key}", list(life)


def _entry(state: dict[str, Any]) -> str:
    """The value stands last, as it came: its text is JSON already."""
    told = json.dumps({name: state[name] for name in ("version", "moment", "operation")}, ensure_ascii=False, separators=(",", ":"))
    return f'{told[:-1]},"value":{state["value"] if state["value"] is not None else "null"}}}'
