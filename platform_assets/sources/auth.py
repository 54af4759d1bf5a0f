"""What a topic tells a host of HTTP about itself: the headers of its file and the one that its credentials make.

They go to the topic's own host alone, and credentials never where others could read them on the way.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from platform_assets.errors import SettingsError
from platform_assets.sources.topic import Topic
from platform_assets.sources.web import Answer, SourceError, Web, in_the_clear

_KINDS: dict[str, set[str]] = {"none": set(), "bearer": set(), "basic": set(), "header": {"header"}, "oauth2": {"token_url", "scope"}}


class Auth:
    """`from.headers` and `from.auth` of one topic, whose host is `home`. Raises SettingsError for a kind that is not known."""

    def __init__(self, topic: Topic, web: Web, secrets: Mapping[str, str], home: str) -> None:
        self._topic, self._web, self._secrets, self._home = topic, web, secrets, home
        self._given = part_of(topic, "auth", _KINDS)
        self._own = {str(name): str(value) for name, value in mapping_of(topic, "headers").items()}
        self._kind, self._token = str(self._given["kind"]), ""
        if self._kind == "oauth2":
            self.check(str(self._given.get("token_url", "")))

    def check(self, url: str) -> None:
        """Raises SettingsError when the topic has credentials and others could read what goes to `url`."""
        if self._kind != "none":
            refuse_in_the_clear(self._topic, url)

    def ask(
        self, method: str, url: str, *, fine: frozenset[int] = frozenset({200}), headers: Mapping[str, str] | None = None, **rest: Any
    ) -> Answer:
        """Web.ask with the topic's headers, if `url` is of its host; once more when a token has ended, as it may before a long pull does.

        Raises SourceError as Web.ask does, and when credentials would go off https.
        """
        if urlsplit(url).netloc != self._home:
            return self._web.ask(method, url, home=self._home, headers=headers, fine=fine, **rest)
        if self._kind != "none" and in_the_clear(url, self._topic.access):
            raise SourceError(f"{self._home}: the next page is off https, where credentials do not go.", topic=self._topic.name)
        once_more = frozenset({401}) if self._token else frozenset()
        answer = self._web.ask(method, url, home=self._home, headers={**self._headers(), **(headers or {})}, fine=fine | once_more, **rest)
        if answer.status == 401 and once_more:
            self._token = ""
            answer = self._web.ask(method, url, home=self._home, headers={**self._headers(), **(headers or {})}, fine=fine, **rest)
        return answer

    def _headers(self) -> dict[str, str]:
        headers = dict(self._own)
        if self._kind == "bearer":
            headers["Authorization"] = f"Bearer {self._secret('token')}"
        elif self._kind == "header":
            headers[self._given.get("header", "X-Api-Key")] = self._secret("token")
        elif self._kind == "basic":
            both = f"{self._secret('user')}:{self._secret('password')}"
            headers["Authorization"] = f"Basic {b64encode(both.encode()).decode()}"
        elif self._kind == "oauth2":
            self._token = self._token or self._client_credentials()
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _client_credentials(self) -> str:
        data = {"grant_type": "client_credentials", "client_id": self._secret("client_id"), "client_secret": self._secret("client_secret")}
        if scope := self._given.get("scope"):
            data["scope"] = scope
        url = str(self._given.get("token_url", ""))
        answer = self._web.ask("POST", url, home=urlsplit(url).netloc, data=data)
        try:
            return str(json.loads(answer.body)["access_token"])
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{answer.asked}: its answer holds no access_token; look at auth.token_url in the topic.") from error

    def _secret(self, purpose: str) -> str:
        if purpose not in self._secrets:
            raise SettingsError(f"{self._topic.path}: auth {self._kind} needs credentials.{purpose}_env.", topic=self._topic.name)
        return self._secrets[purpose]


def refuse_in_the_clear(topic: Topic, url: str) -> None:
    """Raises SettingsError when others could read the credentials that are to go to `url`."""
    if in_the_clear(url, topic.access):
        host = urlsplit(url).netloc.rpartition("@")[2] or "an address that is missing"
        raise SettingsError(
            f"{topic.path}: {host}: credentials go over https only, or over http to a private address that allow.private allows.",
            topic=topic.name,
        )


def part_of(topic: Topic, name: str, kinds: Mapping[str, set[str]]) -> dict[str, Any]:
    """A part of `from` that has a kind and the keys of that kind; `none` when it is left out. Raises SettingsError."""
    given = mapping_of(topic, name) or {"kind": "none"}
    kind = str(given.get("kind"))
    if kind not in kinds or set(given) - kinds[kind] - {"kind"}:
        known = "; ".join(f"{kind} ({', '.join(sorted(keys)) or 'nothing more'})" for kind, keys in kinds.items())
        raise SettingsError(f"{topic.path}: from.{name} is {given!r}; known kinds and their keys: {known}.", topic=topic.name)
    return given


def mapping_of(topic: Topic, name: str) -> dict[str, Any]:
    """A part of `from` that is a mapping; {} when it is left out. Raises SettingsError when it is something else."""
    given = topic.place.get(name) or {}
    if not isinstance(given, dict):
        raise SettingsError(f"{topic.path}: from.{name} is {given!r}, where a mapping is known.", topic=topic.name)
    return dict(given)
