"""Metrics: each file of `metrics/` a view in the warehouse, what state it is in, its rows and its chart. A broken file breaks no other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from platform_assets.errors import Conflict, DatabaseUnavailable, NoSuchMetric, PlatformError, RefusedQuery, SettingsError
from platform_assets.operations.chart_data import ChartData, chart_data
from platform_assets.operations.metric_files import Metric, load_metric, metric_files
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.warehouse.metric_views import MetricFault, MetricView, answered, drop_view, make_view, metric_views, published
from platform_assets.storage.warehouse.queries import Answer

State = Literal["ready", "waiting", "broken"]
_SUFFIXES = ("_versions", "_history")


@dataclass(frozen=True)
class Standing:
    """One metric as it stands. `problem` says why it is not ready: `waiting` for a table that has not come yet, or `broken`.

    `tables` are those that it reads (`schema.relation`), `sources` whose they are.
    """

    name: str
    state: State
    metric: Metric | None
    problem: str | None = None
    tables: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """As GET /v1/metrics lists it."""
        metric = self.metric
        chart = metric.chart if metric else None
        return {
            "metric": self.name,
            "state": self.state,
            "problem": self.problem,
            "title": metric.title if metric else None,
            "description": metric.description if metric else None,
            "relation": f"metrics.{self.name}" if self.state == "ready" else None,
            "tables": list(self.tables),
            "refresh": metric.refresh if metric else None,
            "chart": {"kind": chart.kind, "x": chart.x, "y": list(chart.y), "series": chart.series, "top": chart.top} if chart else None,
            "parameters": [
                {"name": one.name, "type": one.type, "default": one.default, "description": one.description}
                for one in (metric.parameters if metric else ())
            ],
        }


def standings(settings: Settings, catalog: Catalog) -> list[Standing]:
    """All metrics of a home by name. Views of new and changed files are made, those of files that are gone are dropped.

    Two queries where nothing changed, however many versions and tables there are.
    """
    there = metric_views(catalog.url)
    files = metric_files(Home(settings.home).metrics)
    found = {path.stem: _loaded(path) for path in files}
    changed = False
    for name in there.keys() - found.keys():
        with suppress(Conflict):  # a view of a user reads it: it stays until that one is gone
            drop_view(catalog.url, name)
    for name, one in found.items():
        if isinstance(one, Metric) and (name not in there or there[name].said != _said(one)):
            found[name] = _made(catalog, one)
            changed = True
    views = metric_views(catalog.url) if changed else there
    return [one if isinstance(one, Standing) else _ready(one, views[name]) for name, one in found.items()]


def standing(settings: Settings, catalog: Catalog, name: str) -> Standing:
    """One of them. Raises NoSuchMetric."""
    found = standings(settings, catalog)
    for one in found:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in found) or "none; a metric is one SQL file in metrics/"
    raise NoSuchMetric(f"There is no metric {name!r}. There are: {known}.", name=name)


def _loaded(path: Any) -> Metric | Standing:
    try:
        return load_metric(path)
    except SettingsError as error:
        return Standing(path.stem, "broken", None, error.message)


def _said(metric: Metric) -> str:
    """The comment of a view: what it tells, and of which text it was made."""
    text = metric.bound({}).for_view
    return f"{metric.title}. {metric.description}\nmetrics/{metric.name}.sql {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _made(catalog: Catalog, metric: Metric) -> Metric | Standing:
    try:
        make_view(catalog.url, metric.name, metric.bound({}).for_view, _said(metric))
    except MetricFault as fault:
        where = f"{metric.path}, line {metric.line + fault.offset}: {fault.message}"
        if fault.waits:
            return Standing(metric.name, "waiting", metric, f"{where}: no dump with it has been loaded yet.")
        return Standing(metric.name, "broken", metric, f"{where}.")
    except PlatformError as error:
        if isinstance(error, DatabaseUnavailable):
            raise
        return Standing(metric.name, "broken", metric, f"{metric.path}: {error.message}")
    return metric


def _ready(metric: Metric, view: MetricView) -> Standing:
    sources = {schema if schema == "catalog" else _source(schema) for schema in view.schemas}
    return Standing(metric.name, "ready", metric, None, view.reads, tuple(sorted(sources)))


def _source(schema: str) -> str:
    for suffix in _SUFFIXES:
        if schema.endswith(suffix):
            return schema.removesuffix(suffix)
    return schema


@contextmanager
def asked(catalog: Catalog, one: Standing, given: Mapping[str, str], *, timeout_seconds: int = 60) -> Iterator[Answer]:
    """The rows of a metric, with the parameters that were given, streamed inside the block.

    Raises RefusedQuery for a metric that is not ready, a parameter or value that is none, a query that fails or takes too long.
    """
    if one.metric is None or one.state != "ready":
        raise RefusedQuery(one.problem or f"{one.name} is not ready.", metric=one.name)
    with answered(catalog.url, one.metric.bound(given), timeout_seconds=timeout_seconds) as answer:
        yield answer


def charted(catalog: Catalog, one: Standing, given: Mapping[str, str], *, timeout_seconds: int = 60) -> ChartData:
    """What the chart of a metric shows. Raises RefusedQuery as `asked` does, and where the chart names a column that the query has not."""
    with asked(catalog, one, given, timeout_seconds=timeout_seconds) as answer:
        assert one.metric is not None
        if one.metric.chart is None:
            raise RefusedQuery(f"{one.name} has no chart: its front matter has no `chart`.", metric=one.name)
        return chart_data(one.metric, answer)


def basis(catalog: Catalog, found: list[Standing]) -> dict[str, str]:
    """Per metric that is ready and follows its tables: what its values depend on, as a short text that changes when they may have."""
    tables = published(catalog.url)
    bases = {}
    for one in found:
        if one.state == "ready" and one.metric is not None and one.metric.refresh == "on_change":
            parts = [_said(one.metric), *(f"{name} {tables.get(name)}" for name in one.tables)]
            bases[one.name] = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return bases
