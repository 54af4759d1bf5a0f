"""An import topic: a data set that is pulled on a schedule, set up by one YAML file in `topics/` and no code.

Read strictly: an unknown key, a missing one or an impossible value names file and line. Secrets are never in the file: it names
environment variables.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from platform_assets.dictionary.yaml_lines import YamlFile, read_yaml
from platform_assets.errors import SettingsError

Kind = Literal["socrata", "rest", "database", "files"]
Target = Literal["append", "merge", "replace"]
Value = str | int | float | bool | None

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
_DURATION = re.compile(r"(\d+)\s*(s|m|h|d|seconds?|minutes?|hours?|days?)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_KEYS = {"source", "table", "kind", "from", "columns", "key", "cursor", "overlap", "page_size", "schedule", "credentials", "target"}
_KEYS |= {"sweep_every", "allow", "description", "limits", "checks"}
_ROWS = ("columns", "key", "cursor", "overlap", "page_size", "target")
_MANNERS = {"version", "headers", "auth", "paginator", "options", "options_env"}
_CREDENTIALS = {"app_token_env", "token_env", "user_env", "password_env", "client_id_env", "client_secret_env", "url_env"}


@dataclass(frozen=True)
class Access:
    """Which places a topic may speak to. Its own host is always allowed; private addresses and redirects elsewhere only when named."""

    hosts: tuple[str, ...] = ()
    private: bool = False


@dataclass(frozen=True)
class Bounds:
    """How long and how much. Seconds, bytes; `requests_per_second` 0 is no limit of ours."""

    timeout: float = 60.0
    attempts: int = 6
    max_page_bytes: int = 512 << 20
    requests_per_second: float = 0.0


@dataclass(frozen=True)
class Checks:
    """What is to be true of a topic after every pull; operations.topic_checks says what each means. Nothing is checked by default."""

    min_rows: int = 0
    max_age: timedelta = timedelta(0)
    row_count_matches: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, wanted in self.__dict__.items() if wanted)


@dataclass(frozen=True)
class Topic:
    """One topic. `place` is what stands under `from`, by kind; `credentials` names environment variables by their purpose.

    `columns`: those wanted, none for all. `overlap`: how far an incremental pull reaches back behind its cursor, for rows that came
    late. `sweep_every`: every so many pulls the keys of all rows are fetched, which is how deletions are found.
    """

    name: str
    path: Path
    source: str
    table: str
    kind: Kind
    place: Mapping[str, Any]
    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    cursor: str | None = None
    overlap: timedelta = timedelta(0)
    page_size: int = 10_000
    schedule: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict)
    target: Target = "merge"
    sweep_every: int = 0
    description: str = ""
    access: Access = Access()
    bounds: Bounds = Bounds()
    checks: Checks = Checks()

    @property
    def asks(self) -> str:
        """A hash of what decides which rows come; how they are asked for (pages, credentials, the version of an interface) is not in it."""
        place = {name: value for name, value in self.place.items() if name not in _MANNERS}
        asked = [self.source, self.table, self.kind, place, self.columns, self.key, self.cursor]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def secret(self, purpose: str, environment: Mapping[str, str]) -> str | None:
        """The value of the environment variable named for a purpose; None when the topic names none.

        Raises SettingsError when it names one that is not set.
        """
        name = self.credentials.get(f"{purpose}_env")
        if name is None:
            return None
        value = environment.get(name)
        if not value:
            raise SettingsError(f"{self.path}: credentials.{purpose}_env names {name}, which is not set in the environment.", variable=name)
        return value

    def secrets(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The values of all environment variables that the topic names, by purpose. Raises SettingsError as `secret` does."""
        purposes = [name.removesuffix("_env") for name in self.credentials]
        return {purpose: value for purpose in purposes if (value := self.secret(purpose, environment)) is not None}


def load_topics(folder: Path) -> dict[str, Topic]:
    """The topics of a home by name; {} when there is no folder. Raises SettingsError for the first that cannot be understood."""
    return {topic.name: topic for topic in map(load_topic, topic_files(folder))}


def topic_files(folder: Path) -> list[Path]:
    """The topic files of a home by name."""
    return sorted(path for path in folder.glob("*.y*ml") if path.suffix in (".yaml", ".yml")) if folder.is_dir() else []


def load_topic(path: Path) -> Topic:
    """One topic file; its name is the file's. Raises SettingsError naming file and line."""
    file = read_yaml(path)
    data = file.data
    if not isinstance(data, dict):
        file.refuse((), "a topic is a mapping at its top level.")
    if not _NAME.fullmatch(path.stem):
        file.refuse((), f"{path.stem!r} cannot be a topic's name: use lower-case letters, digits, '_' and '-', beginning with a letter.")
    data.pop("format_version", None)
    _known(file, (), data, _KEYS)
    for wanted in ("source", "table", "kind", "from"):
        if not data.get(wanted):
            file.refuse((wanted,), f"{wanted} is missing.")
    _choice(file, "kind", data["kind"], Kind)
    target = _choice(file, "target", data.get("target", "merge"), Target)
    place = _mapping(file, "from", data["from"])
    credentials = _mapping(file, "credentials", data.get("credentials") or {})
    _known(file, ("credentials",), credentials, _CREDENTIALS)
    allow = _mapping(file, "allow", data.get("allow") or {})
    _known(file, ("allow",), allow, {"hosts", "private"})
    limits = _mapping(file, "limits", data.get("limits") or {})
    _known(file, ("limits",), limits, set(Bounds.__dataclass_fields__))
    for name, value in limits.items():
        _number(file, name, value)
    cursor = data.get("cursor")
    if cursor is not None and not (isinstance(cursor, str) and cursor):
        file.refuse(("cursor",), f"cursor: {cursor!r} is no name of a column.")
    key = _texts(file, "key", data.get("key"))
    if target == "merge" and not key and data["kind"] in ("rest", "database"):
        file.refuse(("key",), "target merge needs a key: which columns name a row. Without one, use append or replace.")
    if data.get("sweep_every") and data["kind"] != "socrata":
        file.refuse(("sweep_every",), f"sweep_every is for socrata; of {data['kind']}, use target replace to find what was deleted.")
    for name in _ROWS if data["kind"] == "files" else ():
        if name in data:
            file.refuse((name,), f"{name} is for rows that are pulled: what a file holds is found when it is loaded.")
    schedule = data.get("schedule")
    if schedule is not None and len(str(schedule).split()) != 5:
        file.refuse(("schedule",), f"schedule: {schedule!r} is not five fields of cron, as in '0 4 * * *'.")
    return Topic(
        name=path.stem,
        path=path,
        source=str(data["source"]),
        table=str(data["table"]),
        kind=data["kind"],
        place=place,
        columns=_texts(file, "columns", None if data.get("columns") == "*" else data.get("columns")),
        key=key,
        cursor=cursor,
        overlap=_duration(file, "overlap", data.get("overlap", 0)),
        page_size=_count(file, "page_size", data.get("page_size", 10_000), 1),
        schedule=None if schedule is None else str(schedule),
        credentials=credentials,
        target=target,
        sweep_every=_count(file, "sweep_every", data.get("sweep_every", 0), 0),
        description=str(data.get("description") or ""),
        access=Access(_texts(file, "allow", allow.get("hosts")), _yes(file, ("allow", "private"), allow.get("private", False))),
        bounds=Bounds(**limits),
        checks=_checks(file, data["kind"], _mapping(file, "checks", data.get("checks") or {})),
    )


def _checks(file: YamlFile, kind: Kind, given: Mapping[str, Any]) -> Checks:
    _known(file, ("checks",), given, set(Checks.__dataclass_fields__))
    if kind == "files" and given:
        file.refuse(("checks",), "a files topic has no checks of its own: its files are checked as the dumps that they become.")
    matches = _yes(file, ("checks", "row_count_matches"), given.get("row_count_matches", False))
    if matches and kind == "rest":
        file.refuse(("checks", "row_count_matches"), "row_count_matches needs a place that counts its rows: socrata or database.")
    least = _count(file, "min_rows", given.get("min_rows", 0), 0, ("checks",))
    return Checks(least, _duration(file, "max_age", given.get("max_age", 0), ("checks",)), matches)


def _known(file: YamlFile, place: Sequence[str], given: Mapping[str, Any], known: set[str]) -> None:
    for key in given:
        if key not in known:
            file.refuse((*place, key), f"the key {key!r} is unknown; known are {', '.join(sorted(known))}.")


def _choice(file: YamlFile, key: str, value: Any, choices: Any) -> Any:
    if value not in get_args(choices):
        file.refuse((key,), f"{key}: {value!r} is none of {', '.join(get_args(choices))}.")
    return value


def _mapping(file: YamlFile, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        file.refuse((key,), f"{key} must be a mapping.")
    return dict(value)


def _texts(file: YamlFile, key: str, value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(item, str) and item for item in items):
        file.refuse((key,), f"{key} must be a name or a list of names.")
    return tuple(items)


def _count(file: YamlFile, key: str, value: Any, least: int, within: tuple[str, ...] = ()) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        file.refuse((*within, key), f"{key} must be a whole number of at least {least}, not {value!r}.")
    return value


def _yes(file: YamlFile, place: tuple[str, str], value: Any) -> bool:
    if not isinstance(value, bool):
        file.refuse(place, f"{place[-1]}: {value!r} is neither true nor false.")
    return value


def _number(file: YamlFile, name: str, value: Any) -> None:
    """A bound; 0 means none where that has a meaning. Raises SettingsError."""
    whole = isinstance(getattr(Bounds, name), int)
    wanted = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, wanted) or value < 0 or (value == 0 and name != "requests_per_second"):
        file.refuse(("limits", name), f"{name} must be a {'whole ' if whole else ''}number above 0, not {value!r}.")


def _duration(file: YamlFile, key: str, value: Any, within: tuple[str, ...] = ()) -> timedelta:
    found = _DURATION.fullmatch(str(value)) if value else None
    if value and not found:
        file.refuse((*within, key), f"{key}: {value!r} is no duration; write it like 30s, 5m, 2h or 1d.")
    return timedelta(**{_UNITS[found[2][0]]: int(found[1])}) if found else timedelta(0)
