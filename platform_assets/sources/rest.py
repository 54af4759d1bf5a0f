"""Any JSON interface over HTTP, by configuration: where its records stand, how its pages follow each other, how it wants to be asked.

What a place does not promise is not claimed: pages of an interface without a stable order may lose a row between them, so a pull counts
as holding every row only where the topic says `target: replace`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from platform_assets.errors import SettingsError
from platform_assets.sources.auth import Auth, mapping_of, part_of
from platform_assets.sources.pull import Before, Page, Plan, Position, earlier, members_of, place_of, records_of
from platform_assets.sources.topic import Topic
from platform_assets.sources.web import Answer, Web, moment_of

_PLACE = {"url", "params", "headers", "records", "paginator", "since_param", "auth"}
_PAGINATORS: dict[str, set[str]] = {
    "none": set(),
    "page": {"param", "size_param", "first"},
    "offset": {"param", "size_param"},
    "cursor": {"param", "size_param", "path"},
    "link": {"size_param"},
    "next_url": {"size_param", "path"},
}
_LINK = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


class Rest:
    """One interface. `from` has url, params, headers, records (a dotted path), paginator, since_param, auth; docs/topics.md tells each."""

    def __init__(self, topic: Topic, web: Web, secrets: Mapping[str, str]) -> None:
        self._topic = topic
        place = topic.place
        self._url = str(place.get("url", ""))
        self._home = urlsplit(self._url).netloc.rpartition("@")[2]
        self._records = [step for step in str(place.get("records", "")).split(".") if step]
        self._named = dict.fromkeys([*topic.columns, *topic.key, *([topic.cursor] if topic.cursor else [])])
        self._wanted = self._named if topic.columns else None
        self._paginator = part_of(topic, "paginator", _PAGINATORS)
        self._params = {str(name): str(value) for name, value in mapping_of(topic, "params").items()}
        if not isinstance(self._paginator.get("first", 1), int):
            raise SettingsError(f"{topic.path}: from.paginator.first is no known number of a page.", topic=topic.name)
        if not self._home or set(place) - _PLACE:
            wrong = ", ".join(sorted(set(place) - _PLACE)) or "url is missing"
            raise SettingsError(f"{topic.path}: `from` of a rest topic: {wrong}; known are {', '.join(sorted(_PLACE))}.", topic=topic.name)
        self._auth = Auth(topic, web, secrets, self._home)
        self._auth.check(self._url)

    def plan(self, before: Before | None) -> Plan | None:
        """No request: such an interface can rarely tell what it has. Columns are those of the rows. The cursor is theirs as well: no
        clock, neither ours nor that of the place, has a part in it.
        """
        full = Plan("full", (), self._topic.key, self._topic.cursor, stable=self._topic.target == "replace")
        incremental = self._topic.cursor and self._topic.place.get("since_param") and self._topic.target != "replace"
        if before is None or before.cursor is None or not incremental:
            return full
        return replace(full, mode="changes", since=earlier(before.cursor, self._topic.overlap), stable=False)

    def pages(self, plan: Plan, position: Position | None) -> Iterator[Page]:
        state: dict[str, Any] = dict(position) if position else {"next": None, "at": int(self._paginator.get("first", 1)), "rows": 0}
        before: list[str] = []
        if position and self._ended(int(state["page_rows"]), state):
            return
        while True:
            answer = self._ask(plan, state)
            texts, values, document = self._rows(answer)
            if not state["rows"]:
                self._refuse_unknown(values, answer)
            highest = self._highest(values, state.get("cursor"), answer)
            if texts and texts == before:
                raise answer.complain("the same page came again: look at from.paginator")
            before = texts
            state = {
                "next": self._next(answer, document),
                "at": state["at"] + 1,
                "rows": state["rows"] + len(texts),
                "page_rows": len(texts),
                "cursor": highest,
            }
            if texts:
                yield Page(
                    lines=b"".join(text.encode() + b"\n" for text in texts),
                    rows=len(texts),
                    position=state,
                    facts={"asked": answer.asked, "request_id": answer.request_id, "bytes": len(answer.body), "moment": moment_of(answer)},
                    cursor=highest,
                )
            if not texts or self._ended(len(texts), state):
                return

    def _ask(self, plan: Plan, state: Mapping[str, Any]) -> Answer:
        kind, params = self._paginator["kind"], dict(self._params)
        if size := self._paginator.get("size_param"):
            params[size] = str(self._topic.page_size)
        if plan.since is not None:
            params[self._topic.place["since_param"]] = str(plan.since)
        url = self._url
        if kind == "page":
            params[self._paginator.get("param", "page")] = str(state["at"])
        elif kind == "offset":
            params[self._paginator.get("param", "offset")] = str(state["rows"])
        elif kind == "cursor" and state["next"]:
            params[self._paginator.get("param", "cursor")] = str(state["next"])
        elif kind in ("link", "next_url") and state["next"]:
            url, params = urljoin(self._url, str(state["next"])), {}
        return self._auth.ask("GET", url, params=params)

    def _rows(self, answer: Answer) -> tuple[list[str], list[dict[str, Any]], Any]:
        """The records' own texts and values, and the document around them."""
        try:
            text = answer.body.decode()
            pairs = list(records_of(text, place_of(text, self._records)))
            if not all(isinstance(value, dict) for _, value in pairs):
                raise ValueError("a record is no object")
            texts = [members_of(text, self._wanted) if self._wanted else text for text, _ in pairs]
            return texts, [value for _, value in pairs], json.loads(text)
        except (ValueError, RecursionError) as error:
            where = ".".join(self._records) or "the top of the document"
            raise answer.complain(f"there is no list of objects at {where} ({error}); look at from.records") from error

    def _next(self, answer: Answer, document: Any) -> Any:
        kind = self._paginator["kind"]
        if kind == "link":
            found = _LINK.search(answer.headers.get("link", ""))
            return found[1] if found else None
        if kind in ("cursor", "next_url"):
            try:
                return _at(document, str(self._paginator.get("path", "next")).split("."))
            except (KeyError, TypeError, IndexError):
                return None
        return None

    def _ended(self, rows: int, state: Mapping[str, Any]) -> bool:
        kind = self._paginator["kind"]
        if kind == "none":
            return True
        if kind in ("page", "offset"):  # a short page is the last where the size was asked for; else only an empty one is
            return bool(self._paginator.get("size_param")) and rows < self._topic.page_size
        return not state["next"]

    def _refuse_unknown(self, values: list[dict[str, Any]], answer: Answer) -> None:
        for name in self._named:
            if values and not any(name in value for value in values):
                raise answer.complain(f"no record has {name!r}, they have {', '.join(values[0])}: look at columns, key and cursor")

    def _highest(self, values: list[dict[str, Any]], before: Any, answer: Answer) -> Any:
        """The highest cursor so far. Raises SourceError when they cannot be compared."""
        name = self._topic.cursor
        found = [value[name] for value in values if value.get(name) is not None] if name else []
        try:
            return max([*found, *([] if before is None else [before])], default=None)
        except TypeError:
            raise answer.complain(f"the values of the cursor {name!r} are of several kinds: choose another in the topic") from None


def _at(document: Any, path: list[str]) -> Any:
    for step in path:
        document = document[step]
    return document
