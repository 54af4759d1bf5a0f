"""Socrata data sets (SODA 2.0, 2.1 and 3): by domain and data set id, in keyset pages, always ordered.

Facts of the interface, from its documentation and from real answers: rows come in no order without $order; NULLs are left out of rows;
numbers come as strings; floating timestamps have no zone; system fields are :id, :created_at, :updated_at; version 3 takes a query by
POST and wants a token; 202 means that the answer is being prepared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from platform_assets.sources.auth import refuse_in_the_clear
from platform_assets.sources.pull import Before, Page, Plan, Position, PulledColumn, earlier, number_width, records_of
from platform_assets.sources.topic import Topic
from platform_assets.sources.web import Answer, SourceError, Web, moment_of
from platform_assets.storage.rows.key_set import KeySet

VERSIONS = ("2.0", "2.1", "3")
SYSTEM = (
    PulledColumn(":id", "row_identifier", "string"),
    PulledColumn(":created_at", "fixed_timestamp", "instant"),
    PulledColumn(":updated_at", "fixed_timestamp", "instant"),
)
_TYPES = {
    "text": "string",
    "url": "string",
    "email": "string",
    "phone": "string",
    "html": "string",
    "checkbox": "boolean",
    "calendar_date": "timestamp",
    "floating_timestamp": "timestamp",
    "date": "instant",
    "fixed_timestamp": "instant",
    "row_identifier": "string",
}
_CONDITIONS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
_NUMBERS = {"number", "money", "percent", "double", "stars"}


class Socrata:
    """One data set. `from: {domain, dataset, version}`; `domain` may have a port, and a scheme of its own for a server of one's own."""

    def __init__(self, topic: Topic, web: Web) -> None:
        place = dict(topic.place)
        self._topic, self._web = topic, web
        domain = str(place.pop("domain", ""))
        self._dataset = str(place.pop("dataset", ""))
        self._version = str(place.pop("version", "2.1"))
        if not domain or not self._dataset or place or self._version not in VERSIONS:
            raise SourceError(
                f"{topic.path}: `from` of a Socrata topic is domain, dataset (like abcd-1234) and version ({', '.join(VERSIONS)}); "
                f"{'unknown: ' + ', '.join(place) if place else 'one of them is missing or wrong'}.",
                topic=topic.name,
            )
        self._base = domain if "://" in domain else f"https://{domain}"
        self._home = self._base.partition("://")[2].rstrip("/")
        if web.headers:  # an application token
            refuse_in_the_clear(topic, self._base)

    def plan(self, before: Before | None) -> Plan | None:
        """One request for the metadata; another for counts when something changed."""
        fine = frozenset({200, 304})
        marks = dict(before.marks) if before else {}
        headers = {header: marks[mark] for mark, header in _CONDITIONS.items() if mark in marks}
        answer = self._web.ask("GET", f"{self._base}/api/views/{self._dataset}.json", home=self._home, headers=headers, fine=fine)
        if answer.status == 304 and before and not before.sweep:
            return None
        described = _object(answer) if answer.status == 200 else {}
        updated = str(described.get("rowsUpdatedAt", ""))
        if before and not before.sweep and updated and updated == marks.get("rows_updated_at"):
            return None
        if answer.status == 304:
            answer = self._web.ask("GET", f"{self._base}/api/views/{self._dataset}.json", home=self._home)
            described = _object(answer)
        new_marks = {"rows_updated_at": updated} if updated else {}
        new_marks |= {mark: answer.headers[mark] for mark in _CONDITIONS if mark in answer.headers}
        columns = (*SYSTEM, *self._columns(described, answer))
        return self._counted(before, columns, new_marks, moment_of(answer))

    def _counted(self, before: Before | None, columns: tuple[PulledColumn, ...], marks: Mapping[str, str], moment: str) -> Plan | None:
        total, newest = self._count(None)
        full = Plan("full", columns, (":id",), ":updated_at", total, None, newest, marks, moment, stable=True)
        if before is None or before.cursor is None or self._topic.target == "replace":
            return full
        since = earlier(before.cursor, self._topic.overlap)
        changed, _ = self._count(f":updated_at >= '{since}'")
        if changed and changed == total:  # every row is new: the data set was replaced as a whole, and its rows have other ids now
            return replace(full, replaces=True)
        if before.sweep and self._lost(before):
            return full
        if not changed:
            return None
        return Plan("changes", columns, (":id",), ":updated_at", changed, since, None, marks, moment)

    def _lost(self, before: Before) -> bool:
        """Whether keys that the warehouse has are gone at the source. The keys of both are compared, never their number alone."""
        pages = self._keyset("id", ":id", None, {})
        there = KeySet(pa.array([value[":id"] for value in values], pa.string()) for _, values in pages)
        return any(there.lacks(keys) for keys in before.keys)

    def pages(self, plan: Plan, position: Position | None) -> Iterator[Page]:
        order = "id" if plan.mode == "full" else "updated"
        numbers = [column.name for column in plan.columns if not column.type]
        for answer, values in self._keyset(order, self._selected(), plan.since, dict(position or {})):
            last = values[-1]
            where = {"id": last[":id"], "updated": last.get(":updated_at")}
            yield Page(
                lines=b"".join(text.encode() + b"\n" for text in values.texts),
                rows=len(values),
                position=where,
                facts={
                    "asked": answer.asked,
                    "request_id": answer.request_id,
                    "bytes": len(answer.body),
                    "numbers": {name: number_width(value.get(name) for value in values) for name in numbers},
                },
                cursor=last.get(":updated_at") if order == "updated" else None,
            )
            position = where

    def _keyset(self, order: str, select: str, since: str | None, position: dict[str, Any]) -> Iterator[tuple[Answer, _Rows]]:
        """Pages behind a position, ordered by `:id`, or by `:updated_at` and `:id`; the last is the first that is not full."""
        while True:
            conditions = [f":updated_at >= '{since}'"] if since else []
            if position:
                behind = f":id > '{_quoted(position['id'])}'"
                if order == "updated":
                    at = _quoted(position["updated"])
                    behind = f"(:updated_at > '{at}' OR (:updated_at = '{at}' AND {behind}))"
                conditions.append(behind)
            answer = self._query(select, " AND ".join(conditions), ":id" if order == "id" else ":updated_at,:id", self._topic.page_size)
            rows = _Rows(answer)
            if not rows:
                return
            ends = {"id": rows[-1].get(":id"), "updated": rows[-1].get(":updated_at")}
            if ends["id"] is None or ends == position:
                raise answer.complain("its rows have no :id, or the same page came again")
            yield answer, rows
            if len(rows) < self._topic.page_size:
                return
            position = ends

    def _count(self, where: str | None) -> tuple[int, str | None]:
        answer = self._query("count(*) AS rows,max(:updated_at) AS newest", where or "", "", None)
        rows = _Rows(answer)
        try:
            return int(rows[0]["rows"]), rows[0].get("newest")
        except (IndexError, KeyError, ValueError) as error:
            raise answer.complain("it does not say how many rows there are") from error

    def _query(self, select: str, where: str, order: str, limit: int | None) -> Answer:
        if self._version == "3":
            parts = [
                f"SELECT {select}",
                f"WHERE {where}" if where else "",
                f"ORDER BY {order}" if order else "",
                f"LIMIT {limit}" if limit else "",
            ]
            body = {"query": " ".join(part for part in parts if part), "includeSynthetic": True}
            return self._web.ask("POST", f"{self._base}/api/v3/views/{self._dataset}/query.json", home=self._home, json=body)
        params = {"$select": select, "$where": where, "$order": order, "$limit": str(limit) if limit else ""}
        given = {name: value for name, value in params.items() if value}
        return self._web.ask("GET", f"{self._base}/resource/{self._dataset}.json", home=self._home, params=given)

    def _selected(self) -> str:
        return ",".join([*(column.name for column in SYSTEM), *(self._topic.columns or ("*",))])

    def _columns(self, described: Mapping[str, Any], answer: Answer) -> Iterator[PulledColumn]:
        known = {str(c["fieldName"]): str(c.get("dataTypeName", "")) for c in described.get("columns", []) if "fieldName" in c}
        if not known:
            raise answer.complain("it describes no columns")
        if missing := [name for name in self._topic.columns if name not in known]:
            raise SourceError(
                f"{self._topic.path}: the data set {self._dataset} has no column {', '.join(missing)}; it has {', '.join(known)}. "
                "Nothing was pulled; change `columns` in the topic.",
                columns=missing,
            )
        for name, native in known.items():
            if not name.startswith(":") and (not self._topic.columns or name in self._topic.columns):
                yield PulledColumn(name, native, "" if native in _NUMBERS else _TYPES.get(native, "string"))


class _Rows:
    """The rows of an answer with their own texts. Raises SourceError for what is no list of objects, an HTML page say."""

    def __init__(self, answer: Answer) -> None:
        self.texts: list[str] = []
        self._values: list[dict[str, Any]] = []
        try:
            for text, value in records_of(answer.body.decode()):
                if not isinstance(value, dict):
                    raise ValueError("an element is no object")
                self.texts.append(text)
                self._values.append(value)
        except (ValueError, RecursionError) as error:
            raise answer.complain(f"the answer is no list of rows ({error})") from error

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, at: int) -> dict[str, Any]:
        return self._values[at]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._values)


def _object(answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except ValueError as error:
        raise answer.complain(f"the answer is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise answer.complain("the description of the data set is no object")
    return value


def _quoted(text: Any) -> str:
    return str(text).replace("'", "''")
