"""Settings: the only reader of the environment and of platform.yaml. Everything else gets values."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from platform_assets.dictionary.source import DelimitedOptions, GpgOptions, Limits, SourceSettings, TabOptions
from platform_assets.errors import SettingsError
from platform_assets.versions.keys import checked_source

FORMAT_VERSION = 1


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
    settle_seconds: float = 2.0
    """A dump younger than this may still be growing."""

    def source(self, name: str) -> SourceSettings:
        """What platform.yaml says of a source; the defaults for one it does not name."""
        return self.sources.get(name) or SourceSettings(checked_source(name))

    @classmethod
    def load(cls, home: str | Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
        """Reads PLATFORM_HOME, PLATFORM_DATABASE_URL and `<home>/platform.yaml`. Raises SettingsError naming file and key."""
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
        _refuse_unknown(data, {"settle_seconds"}, str(path))
        sources = {
            name: _source(name, body or {}, limits, f"{path}: sources.{name}", root, environment) for name, body in raw_sources.items()
        }
        return cls(
            home=root,
            database_url=environment.get("PLATFORM_DATABASE_URL") or None,
            sources=sources,
            memory_limit=str(engine.get("memory_limit", cls.memory_limit)),
            threads=int(engine.get("threads", 0)),
            settle_seconds=float(data.get("settle_seconds", cls.settle_seconds)),
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


def _source(name: str, body: Mapping[str, Any], limits: Limits, place: str, home: Path, environment: Mapping[str, str]) -> SourceSettings:
    checked_source(name)
    body = dict(body)
    delimited = _fill(DelimitedOptions, body.pop("delimited", None) or {}, f"{place}.delimited")
    tab = _fill(TabOptions, body.pop("mysql_tab", None) or {}, f"{place}.mysql_tab")
    limits = _fill(Limits, body.pop("limits"), f"{place}.limits") if "limits" in body else limits
    gpg = _gpg(body.pop("gpg", None) or {}, f"{place}.gpg", home, environment)
    types = tuple((str(k).lower(), str(v)) for k, v in (body.pop("types", None) or {}).items())
    order = tuple(str(item) for item in body.pop("order", None) or ())
    confirmed = tuple(str(item) for item in body.pop("deletes_confirmed", None) or ())
    _refuse_unknown(body, {"pattern", "dumps", "partial", "format", "encoding", "delete_guard"}, place)
    if body.get("dumps", "successive") not in ("successive", "full", "partial"):
        raise SettingsError(f"{place}.dumps: {body['dumps']!r} is none of successive, full, partial.")
    if body.get("partial", "load") not in ("load", "refuse"):
        raise SettingsError(f"{place}.partial: {body['partial']!r} is none of load, refuse.")
    if body.get("pattern"):
        try:
            groups = set(re.compile(body["pattern"]).groupindex)
        except re.error as error:
            raise SettingsError(f"{place}.pattern is not a regular expression: {error}.") from error
        if not groups & {"instance", "label"}:
            raise SettingsError(f"{place}.pattern has neither a group (?P<instance>...) nor (?P<label>...).")
    return SourceSettings(
        name, delimited=delimited, mysql_tab=tab, limits=limits, types=types, order=order, deletes_confirmed=confirmed, gpg=gpg, **body
    )
