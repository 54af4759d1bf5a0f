"""What a topic's file wants to be true after every pull, judged by the pulls that landed. A finding stops nothing: the rows are there.

`min_rows`: the newest full pull had at least so many. `max_age`: the cursor (of a topic without one, the newest landed pull) is at most so
old. `row_count_matches`: the pages of the newest pull brought as many rows as the place had counted before the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from platform_assets.sources.topic import Topic

DESCRIPTIONS = {
    "min_rows": "The newest full pull had at least as many rows as the topic wants.",
    "max_age": "The newest value of the cursor is at most as old as the topic allows.",
    "row_count_matches": "The newest pull brought as many rows as the place had counted.",
}


@dataclass(frozen=True)
class TopicFinding:
    """One check of one topic: what was found, and what to do where it failed."""

    name: str
    passed: bool
    said: str


def check_topic(topic: Topic, pulls: Sequence[Mapping[str, Any]], now: datetime | None = None) -> tuple[TopicFinding, ...]:
    """A finding for each of the topic's checks. `pulls`: manifests of those that landed, oldest first."""
    judges = {"min_rows": _min_rows, "max_age": _max_age, "row_count_matches": _row_count_matches}
    if not pulls:
        return tuple(TopicFinding(name, False, "no pull has landed yet") for name in topic.checks.names)
    return tuple(TopicFinding(name, *judges[name](topic, pulls, now or datetime.now(UTC))) for name in topic.checks.names)


def _min_rows(topic: Topic, pulls: Sequence[Mapping[str, Any]], now: datetime) -> tuple[bool, str]:
    rows = next((int(pull["rows"]) for pull in reversed(pulls) if pull["mode"] == "full"), None)
    wanted = topic.checks.min_rows
    if rows is None:
        return False, "no full pull has landed yet: import with --initialize"
    return rows >= wanted, f"{rows:,} rows in the newest full pull, at least {wanted:,} wanted{_look(rows >= wanted)}"


def _max_age(topic: Topic, pulls: Sequence[Mapping[str, Any]], now: datetime) -> tuple[bool, str]:
    newest = pulls[-1]
    value = newest.get("cursor") if newest.get("cursor") is not None else newest["moment"]
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return False, f"the cursor {value!r} is no time: max_age needs a cursor column of times"
    age = now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    shown = timedelta(seconds=round(age.total_seconds()))
    passed = age <= topic.checks.max_age
    return passed, f"the newest is of {value}, {shown} ago, at most {topic.checks.max_age} wanted{_look(passed)}"


def _row_count_matches(topic: Topic, pulls: Sequence[Mapping[str, Any]], now: datetime) -> tuple[bool, str]:
    newest = pulls[-1]
    counted = newest.get("total")
    if counted is None:
        return False, "the newest pull does not say how many rows the place had: import with --initialize"
    came = sum(int(chunk["facts"].get("rows_in_answer", chunk["rows"])) for chunk in newest["chunks"])
    more = "" if came == counted else "; rows may have come or gone meanwhile: if it stays so, import with --initialize"
    return came == counted, f"{came:,} rows came of {counted:,} that the place had counted{more}"


def _look(passed: bool) -> str:
    return "" if passed else ": look at what the place publishes"
