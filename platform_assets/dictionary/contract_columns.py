"""One property of an ODCS contract: its column and the rules it states. Whatever is not understood is refused, never passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import pyarrow as pa

from platform_assets.dictionary.contract_words import WORDS, Refuse, stated_words
from platform_assets.dictionary.measures import stated_measure
from platform_assets.dictionary.model import Column, Measure, Rule, RuleKind
from platform_assets.dictionary.patterns import checked_pattern
from platform_assets.dictionary.text_formats import TEXT_FORMATS
from platform_assets.dictionary.timeformats import time_format
from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIME, TIMESTAMP, decimal
from platform_assets.errors import SettingsError

_RANGE = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
OPTIONS: dict[str, set[str]] = {
    "string": {"minLength", "maxLength", "pattern", "format"},
    "integer": {*_RANGE, "multipleOf", "format"},
    "number": {*_RANGE, "multipleOf", "format"},
    "date": {*_RANGE, "format"},
    "timestamp": {*_RANGE, "format", "timezone", "defaultTimezone"},
    "time": {*_RANGE, "format"},
    "boolean": set(),
}
_INT32 = re.compile(r"(?:tiny|small|medium)?int(?:eger|2|4|32)?(?:\(\d+\))?|(?:small)?serial", re.IGNORECASE)
_DECIMAL = re.compile(r"(?:decimal|numeric|number|dec)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", re.IGNORECASE)
_BYTES = re.compile(r"(?:bytea|\w*blob|(?:var)?binary|image)(?:\(.*\))?", re.IGNORECASE)
_JDK = {
    "yyyy": "%Y",
    "uuuu": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%m",
    "dd": "%d",
    "d": "%d",
    "a": "%p",
    "HH": "%H",
    "H": "%H",
    "hh": "%I",
    "h": "%I",
    "mm": "%M",
    "ss": "%S",
    "EEE": "%a",
    "EEEE": "%A",
    "X": "%z",
    "XX": "%z",
    "XXX": "%z",
    "Z": "%z",
    "xx": "%z",
    "xxx": "%z",
}
_METRICS = ("rowCount", "nullValues", "invalidValues", "duplicateValues")
_OURS = {"sql", "duckdb", "spark", "platform", "platform-assets", "platform_assets"}
"""Names under which a check of type custom might be meant for us."""
_UTC = {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Z"}


@dataclass(frozen=True)
class Stated:
    """What one property says. `unique` and `required` as errors are the table's; as warnings they are among the rules."""

    column: Column
    rules: tuple[Rule, ...]
    unique: bool
    measures: tuple[Measure, ...] = ()
    not_run: tuple[str, ...] = ()


def stated_column(data: Mapping[str, Any], refuse: Refuse) -> Stated:
    """The column and rules of one property. Raises SettingsError by `refuse`."""
    name = data["name"]
    logical = str(data.get("logicalType"))
    if logical not in OPTIONS:
        refuse(("logicalType",), f"logicalType {logical!r} cannot be a column; known are {', '.join(OPTIONS)}.")
    for key in ("properties", "items", "map"):
        if key in data:
            refuse((key,), f"{key} belongs to nested data; a column has none.")
    if data.get("physicalName", name) != name:
        refuse(("physicalName",), "columns go by `name`; give it the name that stands in the dumps.")
    if data.get("semanticType", "column") != "column":
        refuse(("semanticType",), "only columns can be judged, not measures or dimensions.")
    options = data.get("logicalTypeOptions") or {}
    for key in options:
        if key not in OPTIONS[logical]:
            known = ", ".join(sorted(OPTIONS[logical])) or "none"
            refuse(("logicalTypeOptions", key), f"the option {key} is not evaluated for {logical}; known are {known}.")
    arrow = _type(logical, data.get("physicalType") or "", options, refuse)
    custom = custom_properties(data, {"formats", "enum", *WORDS}, refuse)
    rules = [*_option_rules(name, options, refuse, logical), *_enums(name, data, custom, refuse)]
    required, unique = bool(data.get("required")), bool(data.get("unique"))
    measures, not_run = [], []
    for rule in quality_rules(data.get("quality") or [], name, refuse):
        if isinstance(rule, Measure):
            measures.append(rule)
        elif isinstance(rule, str):
            not_run.append(rule)
        elif rule.severity == "error" and rule.kind in ("required", "unique"):
            required, unique = required or rule.kind == "required", unique or rule.kind == "unique"
        else:
            rules.append(rule)
    column = Column(
        name,
        arrow,
        native=data.get("physicalType") or "",
        required=required,
        description=data.get("description") or "",
        formats=_formats(arrow, options, custom, refuse),
        words=stated_words(arrow, custom, refuse),
    )
    return Stated(column, tuple(rules), unique, tuple(measures), tuple(not_run))


def custom_properties(data: Mapping[str, Any], known: set[str], refuse: Refuse) -> dict[str, Any]:
    """The custom properties that are ours. Those of another `vendor` are left to it; an unknown one without vendor may be a typo."""
    found: dict[str, Any] = {}
    for at, item in enumerate(data.get("customProperties") or []):
        name = item.get("property")
        if item.get("vendor"):
            continue
        if name not in known or "value" not in item or name in found:
            why = "is unknown here" if name not in known else "stands there twice" if name in found else "has no value"
            remedy = f"Known are {', '.join(sorted(known))}; give properties of other tools their `vendor`."
            refuse(("customProperties", at), f"the custom property {name!r} {why}. {remedy}")
        found[name] = item["value"]
    return found


def _type(logical: str, physical: str, options: Mapping[str, Any], refuse: Refuse) -> pa.DataType:
    if logical == "integer":
        width = options.get("format")
        if width not in (None, "i32", "i64"):
            refuse(("logicalTypeOptions", "format"), f"the format {width!r} is not evaluated; use i32 or i64 with minimum and maximum.")
        narrow = width == "i32" if width else _INT32.fullmatch(physical) is not None
        return INT32 if narrow else INT64
    if logical == "number":
        found = _DECIMAL.fullmatch(physical)
        if options.get("format") not in (None, "f64") or (options.get("format") and found):
            refuse(("logicalTypeOptions", "format"), "numbers are f64, or exact by a physicalType such as decimal(15,3).")
        if found and (int(found[1]) < 1 or int(found[2] or 0) > int(found[1])):
            refuse(("physicalType",), f"{physical} has more digits after the point than digits.")
        if not found and re.match(r"dec|num", physical, re.IGNORECASE):
            refuse(("physicalType",), f"{physical} needs its digits, as in decimal(15,3).")
        return decimal(int(found[1]), int(found[2] or 0)) if found else FLOAT64
    if logical == "timestamp":
        zone = options.get("defaultTimezone", "UTC")
        if zone not in _UTC:
            refuse(("logicalTypeOptions", "defaultTimezone"), f"the default time zone {zone!r} is not evaluated; only UTC is.")
        if not isinstance(options.get("timezone", False), bool):
            refuse(("logicalTypeOptions", "timezone"), "timezone is true or false.")
        return INSTANT if options.get("timezone") else TIMESTAMP
    if logical == "string" and _BYTES.fullmatch(physical):
        return BINARY
    return {"string": STRING, "boolean": BOOLEAN, "date": DATE, "time": TIME}[logical]


def _option_rules(name: str, options: Mapping[str, Any], refuse: Refuse, logical: str) -> Iterator[Rule]:
    for kind in get_args(RuleKind):
        if kind not in options or (kind == "format" and logical != "string"):
            continue
        limit = options[kind]
        if kind == "format" and limit not in TEXT_FORMATS:
            refuse(("logicalTypeOptions", "format"), f"the format {limit!r} is not evaluated; known are {', '.join(TEXT_FORMATS)}.")
        if kind == "pattern":
            limit = _pattern(limit, ("logicalTypeOptions", "pattern"), refuse)
        elif kind in ("minLength", "maxLength") and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
            refuse(("logicalTypeOptions", kind), f"{kind} is a number of characters, not {limit!r}.")
        yield Rule(f"{kind}:{name}", kind, (name,), limit)


def _pattern(pattern: Any, place: tuple[str | int, ...], refuse: Refuse) -> str:
    if not isinstance(pattern, str):
        refuse(place, f"a pattern is text, not {pattern!r}.")
    try:
        return checked_pattern(pattern)
    except SettingsError as error:
        refuse(place, error.message)


def _enums(name: str, data: Mapping[str, Any], custom: Mapping[str, Any], refuse: Refuse) -> Iterator[Rule]:
    if "enum" in data:
        yield _enum(name, [item.get("value") for item in data["enum"]], ("enum",), refuse)
    if "enum" in custom:
        yield _enum(name, custom["enum"], ("customProperties",), refuse)


def _enum(name: str, values: Any, place: tuple[str | int, ...], refuse: Refuse) -> Rule:
    if not isinstance(values, list) or not values or any(value is None or isinstance(value, (list, dict)) for value in values):
        refuse(place, "an enum is a list of one or more values.")
    return Rule(f"enum:{name}", "enum", (name,), tuple(values))


def quality_rules(checks: list[Mapping[str, Any]], name: str | None, refuse: Refuse) -> Iterator[Rule | Measure | str]:
    """`quality` of kind library: nullValues, invalidValues (validValues, pattern), duplicateValues; with `mustBe: 0` a rule on each row,
    with other bounds, as rowCount and kind sql, a measure of the table.

    `name` is the column, None for the checks of a table. Kind text is for people. Kind custom is another engine's: it is no rule, but
    words that say so, since a contract that other tools read as well cannot leave it out.
    """
    taken: list[str] = []
    for at, check in enumerate(checks):
        place = ("quality", at)
        if check.get("type") == "text":
            continue
        if check.get("type") == "custom":
            yield _of_another_engine(check, name, place, refuse)
            continue
        metric = str(check.get("metric") or check.get("rule") or check.get("type"))
        severity = check.get("severity") or "error"
        wishes = {key: value for key, value in check.items() if key.startswith("must")}
        kind = check.get("type", "library")
        if kind not in ("library", "sql") or (kind == "library" and metric not in _METRICS):
            refuse(place, f"the check {metric} is not evaluated; known are {', '.join(_METRICS)}, and checks of type sql.")
        if severity not in ("error", "warning"):
            refuse((*place, "severity"), f"severity {severity!r} is neither error nor warning.")
        rules: list[Rule] = []
        if kind == "library" and metric != "rowCount":
            rules = list(_library(metric, check.get("arguments") or {}, name, severity, place, refuse))
        if rules and wishes == {"mustBe": 0} and not isinstance(wishes["mustBe"], bool):
            yield from rules
            continue
        if len(rules) > 1:
            refuse(place, "with a bound above zero state validValues and pattern in a check each.")
        columns = rules[0].columns if rules else (name,) if name else ()
        looked_for = rules[0] if metric == "invalidValues" else None
        measure = stated_measure(check, columns, looked_for, place, refuse, taken)
        taken.append(measure.id)
        yield measure


def _of_another_engine(check: Mapping[str, Any], name: str | None, place: tuple[str | int, ...], refuse: Refuse) -> str:
    engine = str(check.get("engine") or "")
    if not engine:
        refuse(place, "a check of type custom names the engine that it is written for.")
    if engine.lower() in _OURS:
        refuse((*place, "engine"), f"the engine {engine!r} has no checks of type custom here: write it as type: sql, with its query.")
    called = check.get("name") or check.get("id") or check.get("description") or "without a name"
    return f"{f'column {name}: ' if name else ''}the check {called} is for the engine {engine} and is not run here"


def _library(
    metric: str, arguments: Mapping[str, Any], name: str | None, severity: Any, place: tuple[str | int, ...], refuse: Refuse
) -> Iterator[Rule]:
    known: set[str] = {"invalidValues": {"validValues", "pattern"}, "duplicateValues": set() if name else {"properties"}}.get(metric, set())
    if set(arguments) - known or (metric == "invalidValues" and not arguments) or (name is None and not arguments.get("properties")):
        refuse(place, f"{metric} takes the arguments {', '.join(sorted(known)) or 'none'} here, not {', '.join(arguments) or 'none'}.")
    columns = (name,) if name else tuple(arguments["properties"])
    listed = ",".join(columns)
    if metric == "nullValues":
        yield Rule(f"required:{listed}", "required", columns, severity=severity)
    elif metric == "duplicateValues":
        yield Rule(f"unique:{listed}", "unique", columns, severity=severity)
    else:
        if "validValues" in arguments:
            enum = _enum(listed, arguments["validValues"], (*place, "arguments", "validValues"), refuse)
            yield Rule(enum.id, "enum", columns, enum.limit, severity)
        if "pattern" in arguments:
            pattern = _pattern(arguments["pattern"], (*place, "arguments", "pattern"), refuse)
            yield Rule(f"pattern:{listed}", "pattern", columns, pattern, severity)


def _formats(arrow: pa.DataType, options: Mapping[str, Any], custom: Mapping[str, Any], refuse: Refuse) -> tuple[str, ...]:
    """The option `format` (Java's letters, as the standard has it), then the custom property `formats` (strptime patterns)."""
    stated = custom.get("formats") or []
    stated = stated if isinstance(stated, list) else [stated]
    timed = arrow in (DATE, TIMESTAMP, INSTANT, TIME)
    if "format" in options and timed:
        stated = [_strptime(str(options["format"]), refuse), *stated]
    for text in stated:
        try:
            if not timed or not time_format(str(text)).fits(arrow):
                refuse(("customProperties",), f"the date format {text!r} does not suit the type of the column.")
        except SettingsError as error:
            if error.facts.get("format") is None:
                raise
            refuse(("customProperties",), error.message)
    return tuple(map(str, stated))


def _strptime(pattern: str, refuse: Refuse) -> str:
    """A DateTimeFormatter pattern as a strptime pattern."""
    parts = []
    for token in (found[0] for found in re.finditer(r"'[^']*'|([A-Za-z])\1*|.", pattern)):
        if token[0] == "'":
            parts.append((token[1:-1] or "'").replace("%", "%%"))
        elif re.fullmatch("S+", token):
            parts.append("%f")
        elif not token[0].isalpha():
            parts.append(token.replace("%", "%%"))
        elif token in _JDK:
            parts.append(_JDK[token])
        else:
            refuse(("logicalTypeOptions", "format"), f"the letters {token} of the format {pattern!r} are not known.")
    return "".join(parts)
