"""HTTP as a puller needs it: only to allowed hosts, patient with servers that are busy, bounded, and with errors that a person can use.

Answers 202, 429 and 5xx, cut bodies and lost connections are tried again, with growing pauses and jitter or after the pause that the
server asks for. No secret enters a message: URLs are shown without their query; none follows a redirect to another host or off https.
A body comes into memory, within a bound, or piece by piece to whoever saves it.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import DecodeError, HTTPError

from platform_assets.errors import PlatformError
from platform_assets.sources.topic import Access, Bounds

_AGAIN = {202, 408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}
_MAX_REDIRECTS = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_CHUNK = 1 << 18
_LEAST = 1 << 20
"""Bytes of a body that 20 timeouts bring at least."""

Save = Callable[[Iterator[bytes]], None]
"""Takes a body as the bytes that were sent. Called anew, from the beginning, when the one before was cut."""


class SourceError(PlatformError):
    """A place that is pulled from refused, failed or answered what cannot be understood. Nothing of the pull is half-loaded."""


class NoAnswer(SourceError):
    """A place gave no whole answer however often it was asked."""


@dataclass(frozen=True)
class Answer:
    """One answer, whole. `headers` have lower-case names; `asked` is the URL without its query."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked: str
    request_id: str = ""

    def complain(self, what: str) -> SourceError:
        """An error about this answer, with the id by which the server's people find it."""
        shown = self.body[:200].decode("utf-8", "replace").strip()
        known = f" (request id {self.request_id})" if self.request_id else ""
        return SourceError(
            f"{self.asked}: {what}; status {self.status}{known}. It begins with {shown!r}.",
            url=self.asked,
            status=self.status,
            request_id=self.request_id or "none was given",
        )


class _Plain(HTTPConnection):
    """A connection to a public address only. What a name meant when it was checked may be another address when it is dialled."""

    def _new_conn(self) -> socket.socket:
        return _public(super()._new_conn(), self.host)


class _Secure(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _public(super()._new_conn(), self.host)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _PublicOnly(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


def _public(connection: socket.socket, host: str) -> socket.socket:
    if _is_private(connection.getpeername()[0]):
        connection.close()
        raise _private(host, host)
    return connection


def _private(shown: str, host: str) -> SourceError:
    return SourceError(f"{shown}: {host} is a private address; if that is meant, set allow.private: true.", host=host)


def refuse_private(shown: str, host: str, port: int | None, access: Access) -> None:
    """Raises SourceError when a name means a private address now, unless the topic allows these. A name that means nothing passes."""
    if not access.private and any(map(_is_private, _addresses(host, port))):
        raise _private(shown, host)


def in_the_clear(url: str, access: Access) -> bool:
    """Whether others can read what goes there: it is not https, and no private address that the topic allows."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return False
    found = _addresses(parts.hostname or "", parts.port)
    return not (access.private and found and all(map(_is_private, found)))


@dataclass
class Web:
    """One session. `pause` and `clock` are for tests; `sent` counts requests."""

    access: Access
    bounds: Bounds
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    sent: int = 0

    def __post_init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        if not self.access.private:
            for scheme in ("http://", "https://"):
                self._session.mount(scheme, _PublicOnly())
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip", **self.headers})
        self._random = random.Random()
        self._last = -1e9

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._session.close()

    def ask(
        self,
        method: str,
        url: str,
        *,
        home: str,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        fine: frozenset[int] = frozenset({200}),
        save: Save | None = None,
    ) -> Answer:
        """One request, repeated while that can help. `home` is the topic's own host, with its port where it has one.

        With `save`, the body of a fine answer goes there and not into memory. Raises SourceError for any status that is not among the
        `fine` ones, a body beyond its bound, or a place that is not allowed; NoAnswer when every attempt failed.
        """
        kept = {"json": json, "data": data, "headers": headers}
        trouble = ""
        for attempt in range(1, self.bounds.attempts + 1):
            try:
                answer = self._once(method, url, home, {**kept, "params": params}, save, fine)
            except DecodeError:
                trouble, asked = "the compressed body is damaged", 0.0
            except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
                trouble, asked = f"{type(error).__name__}: the connection was refused, lost or too slow", 0.0
            except requests.RequestException as error:
                raise SourceError(f"{_bare(url)}: {type(error).__name__}; look at `from` in the topic.", url=_bare(url)) from None
            else:
                if answer.status in fine:
                    return answer
                if answer.status not in _AGAIN:
                    raise answer.complain(_advice(answer.status))
                known = f" (request id {answer.request_id})" if answer.request_id else ""
                trouble, asked = f"the server answered {answer.status}{known}", _retry_after(answer.headers)
            if attempt < self.bounds.attempts:
                grown = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))
                self.pause(max(asked, grown * self._random.uniform(0.5, 1.0)))
        raise NoAnswer(
            f"{_bare(url)}: given up after {self.bounds.attempts} attempts: {trouble}. Try again later; what was committed stands.",
            url=_bare(url),
        )

    def _once(self, method: str, url: str, home: str, rest: dict[str, Any], save: Save | None, fine: frozenset[int]) -> Answer:
        for _ in range(_MAX_REDIRECTS + 1):
            self._check(url, home)
            self._wait_turn()
            self.sent += 1
            with self._session.request(method, url, timeout=self.bounds.timeout, stream=True, allow_redirects=False, **rest) as response:
                if response.status_code not in _REDIRECTS:
                    return self._taken(response, url, save if response.status_code in fine and response.ok else None)
                asked, url = url, urljoin(url, response.headers.get("Location", ""))
                rest["params"] = None
                if response.status_code == 303:
                    method, rest["json"], rest["data"] = "GET", None, None
                if urlsplit(asked).scheme == "https" and urlsplit(url).scheme != "https":
                    raise SourceError(f"{_bare(asked)} redirects to {_bare(url)}, off https: ask what is meant.", url=_bare(asked))
                if urlsplit(asked).netloc != urlsplit(url).netloc:  # None takes a header of the session away
                    rest["headers"] = dict.fromkeys([*self.headers, *(rest["headers"] or {})])
                    if rest["data"]:  # a client's secret
                        raise SourceError(f"{_bare(asked)} redirects a form to another host: ask what is meant.", url=_bare(asked))
        raise SourceError(f"{_bare(url)}: more than {_MAX_REDIRECTS} redirects.", url=_bare(url))

    def _taken(self, response: requests.Response, url: str, save: Save | None) -> Answer:
        body = b""
        if save:
            save(self._parts(response, unpack=False))
        else:
            body = self._whole(response, url)
        headers = {name.lower(): value for name, value in response.headers.items()}
        known = headers.get("x-socrata-requestid") or headers.get("x-request-id") or headers.get("request-id") or ""
        return Answer(response.status_code, headers, body, _bare(url), known)

    def _whole(self, response: requests.Response, url: str) -> bytes:
        parts, size = [], 0
        for part in self._parts(response, unpack=True):
            size += len(part)
            if size > self.bounds.max_page_bytes:
                raise SourceError(f"{_bare(url)}: an answer is larger than limits.max_page_bytes ({self.bounds.max_page_bytes:,}).")
            parts.append(part)
        return b"".join(parts)

    def _parts(self, response: requests.Response, *, unpack: bool) -> Iterator[bytes]:
        """A body as it comes; no read waits for more than there is, so that one that drips is seen. Raises urllib3's HTTPError when it
        is shorter than its length says.
        """
        began, size = self.clock(), 0
        while part := response.raw.read1(_CHUNK, decode_content=unpack):
            size += len(part)
            if (now := self.clock()) - began > 20 * self.bounds.timeout:
                if size < _LEAST:
                    raise requests.Timeout("the body came too slowly")
                began, size = now, 0
            yield part

    def _wait_turn(self) -> None:
        if self.bounds.requests_per_second:
            wait = self._last + 1 / self.bounds.requests_per_second - self.clock()
            if wait > 0:
                self.pause(wait)
        self._last = self.clock()

    def _check(self, url: str, home: str) -> None:
        """Only http(s), only to the topic's own host or an allowed one, and to no private address unless that is allowed."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host:
            raise SourceError(f"{_bare(url)} is not an http address.", url=_bare(url))
        if parts.username is not None or parts.password is not None:
            raise SourceError(
                f"{_bare(url)}: its address holds a user or password. Name them in credentials, in variables.", url=_bare(url)
            )
        if parts.netloc != home and host not in self.access.hosts:
            raise SourceError(f"{_bare(url)}: {host} is not the topic's host {home}; add it to allow.hosts if it may be asked.", host=host)
        refuse_private(_bare(url), host, parts.port, self.access)


def _addresses(host: str, port: int | None) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)]
    except OSError:
        return []  # the request itself will say so


def _is_private(address: str) -> bool:
    return not ipaddress.ip_address(address.partition("%")[0]).is_global


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks to wait, at most ten minutes; 0 when it does not."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text) if text.replace(".", "", 1).isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), 600.0)


def _advice(status: int) -> str:
    return {
        400: "the server does not understand the request: look at columns, cursor and key in the topic",
        401: "the server wants other credentials: look at the topic's credentials",
        403: "the server refuses: look at the topic's credentials, and whether they may read this data set",
        404: "there is no such data set: look at `from` in the topic",
    }.get(status, "the server refused the request")


def moment_of(answer: Answer) -> str:
    """The server's clock; ours may be off, and versions are ordered by it."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).isoformat()
    except (ValueError, TypeError):
        return ""
