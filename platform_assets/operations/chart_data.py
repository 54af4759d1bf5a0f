"""What a chart shows, from the rows of a query: categories, series, sums. At most a number per category and series is held."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from platform_assets.errors import RefusedQuery
from platform_assets.operations.metric_files import Metric
from platform_assets.storage.warehouse.queries import Answer

MOST_CATEGORIES = 100_000
MOST_SERIES = 8
OTHERS = "others"


@dataclass(frozen=True)
class ChartData:
    """`values[series][category]`; `note` says what is not drawn."""

    title: str
    kind: str
    x: str
    categories: tuple[str, ...]
    series: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    note: str = ""


def chart_data(metric: Metric, answer: Answer) -> ChartData:
    """Sums the rows per category and series. Raises RefusedQuery for a column that is not there, is no number, or too many categories."""
    spec = metric.chart
    assert spec is not None
    wanted = [spec.x, *spec.y, *([spec.series] if spec.series else [])]
    if missing := [name for name in wanted if name not in answer.columns]:
        raise RefusedQuery(f"{metric.path}: the chart names {', '.join(missing)}, but the query has {', '.join(answer.columns)}.")
    place = {name: answer.columns.index(name) for name in wanted}
    sums: dict[str, dict[str, float]] = {}
    totals: dict[str, float] = {} if spec.series else dict.fromkeys(spec.y, 0.0)
    for row in answer.rows:
        category = sums.setdefault(_label(row[place[spec.x]]), {})
        if len(sums) > MOST_CATEGORIES:
            raise RefusedQuery(f"{metric.path}: the chart has more than {MOST_CATEGORIES:,} values of {spec.x}.")
        for name in spec.y:
            one = _label(row[place[spec.series]]) if spec.series else name
            number = _number(metric, name, row[place[name]])
            category[one] = category.get(one, 0.0) + number
            totals[one] = totals.get(one, 0.0) + abs(number)
    series = list(totals)
    if len(series) > MOST_SERIES:
        kept = sorted(totals, key=lambda name: -totals[name])[: MOST_SERIES - 1]
        series = [name for name in series if name in set(kept)] + [OTHERS]
        for found in sums.values():
            found[OTHERS] = sum(number for name, number in found.items() if name not in set(kept))
    shown = list(sums)[: spec.top]
    note = f"The first {len(shown)} of {len(sums):,} values of {spec.x}." if len(shown) < len(sums) else ""
    values = tuple(tuple(sums[category].get(name, 0.0) for category in shown) for name in series)
    return ChartData(metric.title, spec.kind, spec.x, tuple(shown), tuple(series), values, note)


def _label(value: Any) -> str:
    return "(none)" if value is None else str(value)


def _number(metric: Metric, name: str, value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise RefusedQuery(f"{metric.path}: the chart draws {name}, but {str(value)[:40]!r} is no number.")
    number = float(value)
    if not math.isfinite(number):
        raise RefusedQuery(f"{metric.path}: the chart draws {name}, but {value} has no length.")
    return number
