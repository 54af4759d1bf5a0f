"""Settings: the only reader of the environment and of platform.yaml. Everything else gets values."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from platform_assets.dictionary.source import Declared, DelimitedOptions, GpgOptions, Limits, Retention, SourceSettings, TabOptions
from platform_assets.errors import SettingsError
from platform_assets.versions.evidence import naive
from platform_assets.versions.keys import checked_source

FORMAT_VERSION = 1
BACKUP_CODECS = ("deflate", "snappy", "zstandard")


@dataclass(frozen=True)
class BackupSettings:
    """How and when tables are backed up, and which backups `prune` keeps; with every keep_ at 0 it removes none."""

    codec: str = "snappy"
    schedule: str = "0 2 * * *"
    """Cron, in UTC; empty: no schedule."""
    history: bool = False
    """Whether the table's history goes with it."""
    rejects: bool = False
    """Whether the table's rejected rows go with it."""
    keep_last: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0

    @property
    def prunes(self) -> bool:
        return any((self.keep_last, self.keep_daily, self.keep_weekly, self.keep_monthly))


@dataclass(frozen=True)
class Settings:
    """One home and how to work on it."""

    home: Path
    database_url: str | None = None
    """A PostgreSQL of one's own instead of the embedded server."""
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    memory_limit: str = "300MB"
    """What DuckDB may hold in memory before it spills to the store."""
    threads: int = 0
    redis_password: str | None = field(default=None, repr=False)
    """For exports to Redis whose address names none."""
    settle_seconds: float = 2.0
    """A dump younger than this may still be growing."""
    backup: BackupSettings = field(default_factory=BackupSettings)
    service_hosts: tuple[str, ...] = ()
    """Names, beside localhost and addresses, by which browsers reach the HTTP service."""

    def source(self, name: str) -> SourceSettings:
        """What platform.yaml says of a source; the defaults for one it does not name."""
        return self.sources.get(name) or SourceSettings(checked_source(name))

    @classmethod
    def load(cls, home: str | Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
        """Reads PLATFORM_HOME, PLATFORM_DATABASE_URL, PLATFORM_REDIS_PASSWORD and `<home>/platform.yaml`.

        Raises SettingsError naming file and key.
        """
        root = Path(home or environment.get("PLATFORM_HOME") or "data").expanduser().resolve()
        path = root / "platform.yaml"
        data = _read_yaml(path)
        version = data.pop("format_version", FORMAT_VERSION)
        if version != FORMAT_VERSION:
            raise SettingsError(f"{path}: format_version {version!r} is not known; this program reads {FORMAT_VERSION}.")
        raw_sources = data.pop("sources", None) or {}
        limits = _fill(Limits, data.pop("limits", None) or {}, f"{path}: limits")
        engine = data.pop("engine", None) or {}
        _refuse_unknown(engine, {"memory_limit", "threads"}, f"{path}: engine")
        hosts = _hosts(data.pop("service", None) or {}, f"{path}: service")
        backup = _backup(data.pop("backup", None) or {}, f"{path}: backup")
        _refuse_unknown(data, {"settle_seconds"}, str(path))
        sources = {
            name: _source(name, body or {}, limits, f"{path}: sources.{name}", root, environment) for name, body in raw_sources.items()
        }
        return cls(
            home=root,
            database_url=environment.get("PLATFORM_DATABASE_URL") or None,
            redis_password=environment.get("PLATFORM_REDIS_PASSWORD") or None,
            sources=sources,
            memory_limit=str(engine.get("memory_limit", cls.memory_limit)),
            threads=int(engine.get("threads", 0)),
            settle_seconds=float(data.get("settle_seconds", cls.settle_seconds)),
            backup=backup,
            service_hosts=hosts,
        )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not valid YAML: {error}", path=str(path)) from error
    if not isinstance(data, dict):
        raise SettingsError(f"{path} must be a mapping at its top level.", path=str(path))
    return data


def _refuse_unknown(given: Mapping[str, Any], known: set[str], place: str) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise SettingsError(f"{place}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}.", keys=unknown)


def _fill(kind: Any, given: Mapping[str, Any], place: str) -> Any:
    """A dataclass from a YAML mapping: lists become tuples, one text where a tuple is wanted becomes a tuple of one."""
    given = {"null" if key is None else key: value for key, value in given.items()}  # a bare `null:` is no text in YAML
    _refuse_unknown(given, {f.name for f in fields(kind)}, place)
    values: dict[str, Any] = {}
    for f in fields(kind):
        if f.name not in given:
            continue
        value = given[f.name]
        if str(f.type).startswith("tuple"):
            items = value if isinstance(value, list) else [value]
            if None in items:
                raise SettingsError(f"{place}.{f.name}: YAML reads a bare NULL, null or ~ as nothing; write it in quotes.")
            value = tuple(str(item) for item in items)
        values[f.name] = value
    return kind(**values)


def _backup(body: Mapping[str, Any], place: str) -> BackupSettings:
    """YAML reads a bare off as false and on as true: the schedule takes both."""
    if not isinstance(body, Mapping):
        raise SettingsError(f"{place} must be a mapping.")
    body = dict(body)
    schedule = body.pop("schedule", True)
    schedule = (BackupSettings.schedule if schedule else "") if isinstance(schedule, bool) or schedule is None else str(schedule)
    if schedule and len(schedule.split()) != 5:
        raise SettingsError(f"{place}.schedule: {schedule!r} is neither off nor five fields of cron, as in '0 2 * * *'.")
    settings: BackupSettings = _fill(BackupSettings, body, place)
    if settings.codec not in BACKUP_CODECS:
        raise SettingsError(f"{place}.codec: {settings.codec!r} is none of {', '.join(BACKUP_CODECS)}.")
    for name in ("history", "rejects"):
        if not isinstance(getattr(settings, name), bool):
            raise SettingsError(f"{place}.{name}: {getattr(settings, name)!r} is neither true nor false.")
    for name in ("keep_last", "keep_daily", "keep_weekly", "keep_monthly"):
        number = getattr(settings, name)
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise SettingsError(f"{place}.{name}: {number!r} is no count of backups.")
    return replace(settings, schedule=schedule)


def _hosts(body: Mapping[str, Any], place: str) -> tuple[str, ...]:
    _refuse_unknown(body, {"hosts"}, place)
    hosts = body.get("hosts") or []
    if not isinstance(hosts, list) or not all(isinstance(name, str) for name in hosts):
        raise SettingsError(f"{place}.hosts must be a list of names.")
    return tuple(name.lower() for name in hosts)


def _gpg(body: Mapping[str, Any], place: str, home: Path, environment: Mapping[str, str]) -> GpgOptions:
    """The named variables are looked up here; one that is not set matters only when a dump is encrypted."""
    _refuse_unknown(body, {"passphrase_env", "keyring", "key_env"}, place)
    if wrong := [key for key, value in body.items() if not isinstance(value, str) or not value]:
        raise SettingsError(f"{place}.{wrong[0]} must be the name of {'a folder' if wrong[0] == 'keyring' else 'an environment variable'}.")
    if {"keyring", "key_env"} <= set(body):
        raise SettingsError(f"{place} names both a keyring and a key_env; name one of them.")
    keyring = body.get("keyring")
    return GpgOptions(
        passphrase_env=body.get("passphrase_env"),
        keyring=str(home / Path(keyring).expanduser()) if keyring else None,
        key_env=body.get("key_env"),
        passphrase=environment.get(body.get("passphrase_env", "")) or None,
        key=environment.get(body.get("key_env", "")) or None,
    )


def _retention(body: Mapping[str, Any], place: str) -> Retention:
    kept: Retention = _fill(Retention, body, place)
    if kept.keep_last is not None and (not isinstance(kept.keep_last, int) or isinstance(kept.keep_last, bool) or kept.keep_last < 1):
        raise SettingsError(f"{place}.keep_last: {kept.keep_last!r} is no number of versions; it is 1 or more.")
    if kept.then not in ("detach", "drop"):
        raise SettingsError(f"{place}.then: {kept.then!r} is none of detach, drop.")
    return kept


def _source(name: str, body: Mapping[str, Any], limits: Limits, place: str, home: Path, environment: Mapping[str, str]) -> SourceSettings:
    checked_source(name)
    body = dict(body)
    delimited = _fill(DelimitedOptions, body.pop("delimited", None) or {}, f"{place}.delimited")
    tab = _fill(TabOptions, body.pop("mysql_tab", None) or {}, f"{place}.mysql_tab")
    limits = _fill(Limits, body.pop("limits"), f"{place}.limits") if "limits" in body else limits
    gpg = _gpg(body.pop("gpg", None) or {}, f"{place}.gpg", home, environment)
    versions = _retention(body.pop("versions", None) or {}, f"{place}.versions")
    types = tuple((str(k).lower(), str(v)) for k, v in (body.pop("types", None) or {}).items())
    declared = _declared(body, place)
    body = {key: value for key, value in body.items() if key not in ("order", "moments")}
    confirmed = tuple(str(item) for item in body.pop("deletes_confirmed", None) or ())
    _check_thresholds(body, place)
    known = {"pattern", "date_format", "dumps", "partial", "references", "max_errors", "max_error_ratio", "format", "encoding"}
    _refuse_unknown(body, {*known, "delete_guard"}, place)
    if body.get("dumps", "successive") not in ("successive", "full", "partial"):
        raise SettingsError(f"{place}.dumps: {body['dumps']!r} is none of successive, full, partial.")
    if body.get("partial", "load") not in ("load", "refuse"):
        raise SettingsError(f"{place}.partial: {body['partial']!r} is none of load, refuse.")
    if body.get("references", "reject") not in ("reject", "wait", "report"):
        raise SettingsError(f"{place}.references: {body['references']!r} is none of reject, wait, report.")
    _check_pattern(body, place)
    return SourceSettings(
        name,
        delimited=delimited,
        mysql_tab=tab,
        limits=limits,
        types=types,
        order=declared.order,
        moments=declared.moments,
        deletes_confirmed=confirmed,
        gpg=gpg,
        versions=versions,
        **body,
    )


def _check_thresholds(body: Mapping[str, Any], place: str) -> None:
    errors, ratio = body.get("max_errors"), body.get("max_error_ratio")
    if errors is not None and (not isinstance(errors, int) or isinstance(errors, bool) or errors < 0):
        raise SettingsError(f"{place}.max_errors: {errors!r} is no number of rows.")
    if ratio is not None and (not isinstance(ratio, int | float) or isinstance(ratio, bool) or not 0 <= ratio <= 1):
        raise SettingsError(f"{place}.max_error_ratio: {ratio!r} is no share from 0 to 1.")


def _check_pattern(body: Mapping[str, Any], place: str) -> None:
    if not body.get("pattern"):
        if body.get("date_format"):
            raise SettingsError(f"{place}.date_format needs a pattern with a group (?P<date>...).")
        return
    try:
        groups = set(re.compile(body["pattern"]).groupindex)
    except re.error as error:
        raise SettingsError(f"{place}.pattern is not a regular expression: {error}.") from error
    if not groups & {"instance", "label", "date"}:
        raise SettingsError(f"{place}.pattern has neither a group (?P<instance>...) nor (?P<label>...).")
    if ("date" in groups) != bool(body.get("date_format")):
        raise SettingsError(
            f"{place}: a group (?P<date>...) in the pattern and date_format, its strptime form, go together; one of them is missing."
        )


def named_secret(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """The value of an environment variable that a user named. Raises SettingsError when it is not set."""
    if not environment.get(name):
        raise SettingsError(f"The environment variable {name} is not set.", name=name)
    return environment[name]


def override_file(home: Path, source: str) -> Declared | None:
    """What `order/<source>.yaml` declares; None when there is none. Raises SettingsError naming file and key."""
    path = home / "order" / f"{checked_source(source)}.yaml"
    if not path.exists():
        return None
    data = _read_yaml(path)
    version = data.pop("format_version", FORMAT_VERSION)
    if version != FORMAT_VERSION:
        raise SettingsError(f"{path}: format_version {version!r} is not known; this program reads {FORMAT_VERSION}.")
    _refuse_unknown(data, {"order", "moments"}, str(path))
    return _declared(data, str(path), shown=f"order/{path.name}")


def _declared(body: Mapping[str, Any], place: str, *, shown: str = "") -> Declared:
    """The keys `order` and `moments`, which must not contradict each other. Raises SettingsError naming both sides."""
    order, moments = body.get("order") or [], body.get("moments") or {}
    if not isinstance(order, list) or not all(isinstance(item, str | int | date) for item in order):
        raise SettingsError(f"{place}.order must be a list of labels or version keys, oldest first.")
    if not isinstance(moments, dict):
        raise SettingsError(f"{place}.moments must be a mapping of labels or version keys to moments.")
    names = [str(item) for item in order]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        at = [number + 1 for number, name in enumerate(names) if name == twice[0]]
        raise SettingsError(f"{place}.order names {twice[0]!r} at places {at[0]} and {at[1]}: a version has one place.", name=twice[0])
    times = {str(name): _said_moment(value, f"{place}.moments.{name}") for name, value in moments.items()}
    for first, second in pairwise(name for name in names if name in times):
        if times[first] > times[second]:
            raise SettingsError(
                f"{place}: order says that {first!r} is older than {second!r}, moments say that it is of {times[first]} and "
                f"{second!r} of {times[second]}. Take one of the two back.",
                versions=[first, second],
            )
    return Declared(shown or place, tuple(names), times)


def _said_moment(value: object, place: str) -> datetime:
    """A moment as it is compared: in UTC where a zone is named, else as it is written. A date alone is its first moment."""
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        form = "2008-11-26 or '2008-11-26 17:00:00', with +02:00 behind it for a zone"
        raise SettingsError(f"{place}: {value!r} is no moment; write it as {form}.") from None
    return naive(found)
