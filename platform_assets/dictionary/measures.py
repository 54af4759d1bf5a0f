"""Checks of a table as a whole: from an ODCS `quality` entry to a Measure, from a Measure to SQL, from a number to its verdict.

Not here: entries that hold for each row (contract_columns.quality_rules) and who runs the SQL (operations.measuring).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from platform_assets.dictionary.contract_words import Refuse
from platform_assets.dictionary.model import Measure, Rule, Table
from platform_assets.dictionary.rules import broken_sql, quoted

BOUNDS = {
    "mustBe": lambda value, limit: value == limit,
    "mustNotBe": lambda value, limit: value != limit,
    "mustBeGreaterThan": lambda value, limit: value > limit,
    "mustBeGreaterOrEqualTo": lambda value, limit: value >= limit,
    "mustBeLessThan": lambda value, limit: value < limit,
    "mustBeLessOrEqualTo": lambda value, limit: value <= limit,
    "mustBeBetween": lambda value, limit: limit[0] <= value <= limit[1],
    "mustNotBeBetween": lambda value, limit: not limit[0] <= value <= limit[1],
}
RELATION = "measured"
_PLACEHOLDER = re.compile(r"[$]?\{(object|table|model|property|column)\}")


def stated_measure(
    check: Mapping[str, Any],
    columns: tuple[str, ...],
    rule: Rule | None,
    place: tuple[str | int, ...],
    refuse: Refuse,
    taken: list[str],
) -> Measure:
    """A quality entry whose bounds are not simply zero. Raises SettingsError by `refuse`."""
    metric = "sql" if check.get("type") == "sql" else str(check.get("metric") or check.get("rule"))
    bounds = tuple((word, _limit(word, limit, place, refuse)) for word, limit in check.items() if word.startswith("must"))
    if not bounds:
        refuse(place, f"{metric} has no bound: say mustBe, mustBeLessThan or another of {', '.join(BOUNDS)}.")
    unit = check.get("unit") or "rows"
    if unit not in ("rows", "percent") or (unit == "percent" and metric in ("rowCount", "sql")):
        refuse((*place, "unit"), f"the unit {unit!r} is not evaluated for {metric}; it is rows, or percent of them.")
    query = str(check.get("query") or "")
    if metric == "sql" and not query.strip():
        refuse(place, "a check of type sql needs its query.")
    name = str(check.get("name") or check.get("id") or ",".join(columns) or "table")
    kind = f"{metric}:{name}"
    number = next(n for n in range(1, len(taken) + 2) if (kind if n == 1 else f"{kind} {n}") not in taken)
    return Measure(
        id=kind if number == 1 else f"{kind} {number}",
        metric=metric,
        columns=columns,
        rule=rule,
        query=_PLACEHOLDER.sub(lambda found: _named(found[1], columns, place, refuse), query),
        bounds=bounds,
        percent=unit == "percent",
        severity=check.get("severity") or "error",
        place=place,
    )


def _limit(word: str, limit: Any, place: tuple[str | int, ...], refuse: Refuse) -> Any:
    pair = word.endswith("Between")
    numbers = limit if pair and isinstance(limit, list) else [limit]
    if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in numbers) or len(numbers) != (2 if pair else 1):
        refuse((*place, word), f"{word} takes {'two numbers, the lower one first' if pair else 'a number'}, not {limit!r}.")
    return tuple(numbers) if pair else limit


def _named(word: str, columns: tuple[str, ...], place: tuple[str | int, ...], refuse: Refuse) -> str:
    if word in ("object", "table", "model"):
        return quoted(RELATION)
    if not columns:
        refuse((*place, "query"), f"{{{word}}} stands for a column, and this check is the table's.")
    return quoted(columns[0])


def measure_sql(measure: Measure, table: Table) -> str:
    """One row with one number, over the relation RELATION. In the subset that the engines share, but for the text of sql."""
    relation = quoted(RELATION)
    if measure.metric == "sql":
        return f"SELECT * FROM ({measure.query.strip().rstrip(';')}\n) AS answer"  # the line's end also ends a comment
    columns = [quoted(name) for name in measure.columns]
    if measure.metric == "rowCount":
        return f"SELECT count(*) FROM {relation}"
    if measure.metric == "duplicateValues":
        there = " AND ".join(f"{column} IS NOT NULL" for column in columns)
        listed = ", ".join(columns)
        distinct = f"SELECT count(*) FROM (SELECT {listed} FROM {relation} WHERE {there} GROUP BY {listed}) AS d"
        found = f"(SELECT count(*) FROM {relation} WHERE {there}) - ({distinct})"
    else:
        rule = measure.rule
        wrong = f"{columns[0]} IS NULL" if rule is None else f"{columns[0]} IS NOT NULL AND ({broken_sql(rule, table, columns[0])})"
        found = f"(SELECT count(*) FROM {relation} WHERE {wrong})"
    if measure.percent:
        return f"SELECT CAST({found} AS DOUBLE) * 100 / greatest((SELECT count(*) FROM {relation}), 1)"
    return f"SELECT {found}"


def within(measure: Measure, value: float | None) -> bool:
    """Whether a number keeps all bounds; one that is not there keeps none."""
    return value is not None and all(BOUNDS[word](value, limit) for word, limit in measure.bounds)
