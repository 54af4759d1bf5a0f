"""A metric's file, `metrics/<name>.sql`: front matter in a leading comment, then one query. Read strictly; what is wrong names its line.

Not here: whether the query runs (metrics), what a chart looks like (charts).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from platform_assets.dictionary.yaml_lines import YamlFile, yaml_in
from platform_assets.errors import RefusedQuery, SettingsError
from platform_assets.storage.warehouse.metric_views import Bound

TYPES: Mapping[str, str] = {
    "integer": "bigint",
    "number": "numeric",
    "text": "text",
    "date": "date",
    "timestamp": "timestamp",
    "boolean": "boolean",
}
"""A parameter's type to PostgreSQL's."""
CHARTS = ("bars", "columns", "lines")
MOST_BYTES = 1 << 20
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_KEYS = ("title", "description", "chart", "parameters", "refresh")
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$(?:[A-Za-z_]\w*)?\$).*?\1|::|:([a-z][a-z0-9_]*)""",
    re.DOTALL,
)
"""What a `:name` may stand in without being a parameter, and the parameter itself."""


@dataclass(frozen=True)
class Parameter:
    """What may be given when a metric is asked for; `default` is its text in the view."""

    name: str
    type: str
    default: str
    description: str = ""

    def checked(self, text: str) -> str:
        """The text, if it is a value of the type. Raises RefusedQuery."""
        try:
            if "\0" in text:
                raise ValueError("a NUL")
            _CHECKS[self.type](text)
        except (ValueError, InvalidOperation):
            raise RefusedQuery(f"{text[:40]!r} is no {self.type}, which the parameter {self.name} is.", parameter=self.name) from None
        return text


def _whole(text: str) -> None:
    if not -(2**63) <= int(text) < 2**63 or not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(text)


def _finite(text: str) -> None:
    if not re.fullmatch(r"[+-]?\d{1,100}(\.\d{1,100})?", text):
        raise ValueError(text)
    Decimal(text)


def _truth(text: str) -> None:
    if text not in ("true", "false"):
        raise ValueError(text)


_CHECKS: Mapping[str, Any] = {
    "integer": _whole,
    "number": _finite,
    "text": str,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "boolean": _truth,
}


@dataclass(frozen=True)
class ChartSpec:
    """`x`: the column of the categories; `y`: those of the numbers, one series each, or one that `series` tells apart. Rows that share
    a category are summed; at most `top` categories are drawn, in the order of the query."""

    kind: str
    x: str
    y: tuple[str, ...]
    series: str | None = None
    top: int = 30


@dataclass(frozen=True)
class Metric:
    """One file. `line` is that of the query's first character; `refresh` is `on_change`, `manual` or a cron expression."""

    name: str
    path: Path
    title: str
    description: str
    chart: ChartSpec | None
    parameters: tuple[Parameter, ...]
    refresh: str
    sql: str
    line: int

    def bound(self, given: Mapping[str, str]) -> Bound:
        """The query as pieces of text with typed values between them. Raises RefusedQuery for no parameter or a wrong value."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise RefusedQuery(f"{self.name} has no parameter {name!r}; it has: {', '.join(known) or 'none'}.", parameter=name)
        texts, values, done = [], [], 0
        for found in _TOKEN.finditer(self.sql):
            parameter = known.get(found[2] or "")
            if parameter is not None:
                texts.append(self.sql[done : found.start()])
                values.append((parameter.checked(given.get(parameter.name, parameter.default)), TYPES[parameter.type]))
                done = found.end()
        return Bound((*texts, self.sql[done:]), tuple(values))


def metric_files(folder: Path) -> list[Path]:
    """The metrics of a home by name."""
    return sorted(folder.glob("*.sql")) if folder.is_dir() else []


def load_metric(path: Path) -> Metric:
    """One file; its name is the metric's. Raises SettingsError naming file and line."""
    text = _text(path)
    front = re.match(r"\s*/\*(.*?)\*/\s*", text, re.DOTALL)
    if front is None:
        raise SettingsError(f"{path}, line 1: a metric begins with its title in a comment: /* title: ... */.", path=str(path), line=1)
    begins = text.count("\n", 0, front.start(1))
    file = yaml_in(path, "\n" * begins + front[1])
    if not _NAME.fullmatch(path.stem):
        file.refuse((), f"{path.stem!r} cannot be a metric's name: use lower-case letters, digits and '_', beginning with a letter.")
    data = _mapping(file, (), file.data, _KEYS)
    for key in ("title", "description"):
        if not isinstance(data.get(key), str) or not data[key].strip():
            file.refuse((key,), f"{key} is missing: a text that says what the metric tells.")
    sql = text[front.end() :].rstrip().removesuffix(";").rstrip()
    line = text.count("\n", 0, front.end()) + 1
    if not sql:
        raise SettingsError(f"{path}, line {line}: no query follows the comment.", path=str(path), line=line)
    metric = Metric(
        name=path.stem,
        path=path,
        title=data["title"].strip(),
        description=data["description"].strip(),
        chart=_chart(file, data.get("chart")),
        parameters=_parameters(file, data.get("parameters") or {}),
        refresh=_refresh(file, data.get("refresh", "on_change")),
        sql=sql,
        line=line,
    )
    used = {found[2] for found in _TOKEN.finditer(sql) if found[2]}
    for parameter in metric.parameters:
        if parameter.name not in used:
            file.refuse(("parameters", parameter.name), f"the query does not use :{parameter.name}.")
    return metric


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if len(raw) > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
        text = raw.decode("utf-8-sig")
        if "\0" in text:
            raise ValueError("it has a NUL")
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}, line 1: not a readable text in UTF-8: {error}.", path=str(path), line=1) from error
    return text.replace("\r\n", "\n")


def _mapping(file: YamlFile, place: tuple[str, ...], value: Any, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        file.refuse(place, f"{'.'.join(place) or 'the front matter'} must be a mapping with {', '.join(known)}.")
    for key in value:
        if key not in known:
            file.refuse((*place, key), f"the key {key!r} is unknown; known are {', '.join(known)}.")
    return dict(value)


def _chart(file: YamlFile, value: Any) -> ChartSpec | None:
    if value is None:
        return None
    data = _mapping(file, ("chart",), value, ("kind", "x", "y", "series", "top"))
    if data.get("kind") not in CHARTS:
        file.refuse(("chart", "kind"), f"a chart's kind is one of {', '.join(CHARTS)}.")
    y: list[Any] = data["y"] if isinstance(data.get("y"), list) else [data.get("y")]
    for key, one in (("x", data.get("x")), *(("y", one) for one in y), ("series", data.get("series", "-"))):
        if not isinstance(one, str) or not one:
            file.refuse(("chart", key), f"chart.{key} names a column of the query{', or a list of them' if key == 'y' else ''}.")
    if data.get("series") and len(y) != 1:
        file.refuse(("chart", "series"), "with a series column a chart has one y column.")
    top = data.get("top", 30)
    if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= 200:
        file.refuse(("chart", "top"), "chart.top is a whole number from 1 to 200.")
    return ChartSpec(data["kind"], data["x"], tuple(y), data.get("series"), top)


def _parameters(file: YamlFile, value: Any) -> tuple[Parameter, ...]:
    if not isinstance(value, dict):
        file.refuse(("parameters",), "parameters must be a mapping of names to type and default.")
    found = []
    for name, given in value.items():
        place = ("parameters", name)
        if not _NAME.fullmatch(name):
            file.refuse(place, f"{name!r} cannot be a parameter's name: use lower-case letters, digits and '_', beginning with a letter.")
        data = _mapping(file, place, given, ("type", "default", "description"))
        if data.get("type") not in TYPES:
            file.refuse((*place, "type"), f"a parameter's type is one of {', '.join(TYPES)}.")
        if data.get("default") is None:
            file.refuse(place, "a parameter has a default, with which the view is made.")
        default = data["default"]
        text = str(default).lower() if isinstance(default, bool) else str(default)
        parameter = Parameter(name, data["type"], text, str(data.get("description") or ""))
        try:
            parameter.checked(text)
            if "\n" in text:
                raise RefusedQuery("A default has no line breaks.")
        except RefusedQuery as error:
            file.refuse((*place, "default"), error.message)
        found.append(parameter)
    return tuple(found)


def _refresh(file: YamlFile, value: Any) -> str:
    if value not in ("on_change", "manual") and not re.fullmatch(r"(?:[\d*/,-]+ ){4}[\d*/,-]+", str(value)):
        file.refuse(("refresh",), "refresh is on_change, manual, or a cron expression of five fields in UTC.")
    return str(value)
