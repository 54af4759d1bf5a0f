"""Metrics: a file becomes a view and rows; what is wrong in one names file and line and breaks no other; values are bound."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from warehouse_tables import query

from platform_assets.errors import RefusedQuery, SettingsError
from platform_assets.operations import charts
from platform_assets.operations.chart_data import ChartData
from platform_assets.operations.metric_files import load_metric
from platform_assets.operations.metrics import asked, basis, charted, standing, standings

HEAD = "/*\ntitle: Animals\ndescription: How many.\n%s*/\n"


def put(home, name: str, sql: str, front: str = "") -> None:
    home.metrics.mkdir(exist_ok=True)
    (home.metrics / f"{name}.sql").write_text(HEAD % front + sql)


def rows(catalog, one, given=None):
    with asked(catalog, one, given or {}) as answer:
        return list(answer.rows)


BROKEN = {
    "syntax": ("SELECT 1,\n  2 FORM x", "line 6: syntax error"),
    "unknown column": ("SELECT\n\n  nothing FROM zoo.animals", "line 7: column"),
    "two statements": ("SELECT 1; DROP TABLE zoo.animals", "second statement"),
    "drop": ("DROP TABLE zoo.animals", "line 5: syntax error"),
    "update": ("UPDATE zoo.animals SET n = 0", "line 5: syntax error"),
    "delete in with": ("WITH x AS (DELETE FROM zoo.animals RETURNING n) SELECT * FROM x", "data-modifying"),
    "into": ("SELECT n INTO zoo.copy FROM zoo.animals", "SELECT INTO"),
    "two columns of a name": ("SELECT 1 AS n, 2 AS n", "more than once"),
    "a bound value outside": ("SELECT :year", "line 5: syntax error"),
}


def test_a_broken_file_names_its_line_and_breaks_no_other(settings, catalog, home, database):
    query(database, "CREATE SCHEMA zoo; CREATE TABLE zoo.animals (n int); INSERT INTO zoo.animals VALUES (1), (2)")
    for number, (sql, _) in enumerate(BROKEN.values()):
        put(home, f"broken_{number}", sql)
    put(home, "early", "SELECT * FROM zoo.plants")
    put(home, "fine", "SELECT sum(n) AS n FROM zoo.animals;\n")
    (home.metrics / "front.sql").write_text("/*\ntitle: x\ncolour: red\n*/ SELECT 1")
    (home.metrics / "Bytes.sql").write_bytes(b"\xff\xfe")
    found = {one.name: one for one in standings(settings, catalog)}
    for number, (name, (_, said)) in enumerate(BROKEN.items()):
        one = found[f"broken_{number}"]
        assert (one.state, said in (one.problem or "")) == ("broken", True), (name, one.problem)
        assert f"broken_{number}.sql" in (one.problem or "")
    assert "line 3: the key 'colour' is unknown" in (found["front"].problem or "")
    assert found["Bytes"].state == "broken"
    assert found["early"].state == "waiting"
    assert "no dump with it has been loaded yet" in (found["early"].problem or "")
    with pytest.raises(RefusedQuery, match="no dump with it"):
        rows(catalog, found["early"])
    assert (found["fine"].state, found["fine"].tables, found["fine"].sources) == ("ready", ("zoo.animals",), ("zoo",))
    assert rows(catalog, found["fine"]) == [(3,)]
    assert query(database, "SELECT n FROM metrics.fine") == [(3,)]
    assert query(database, "SELECT to_regclass('zoo.copy'), to_regclass('metrics._trial')") == [(None, None)]


def test_a_view_follows_its_file_and_keeps_the_views_of_users(settings, catalog, home, database):
    put(home, "animals", "SELECT 1 AS a")
    first = standings(settings, catalog)
    query(database, "CREATE VIEW public.mine AS SELECT a FROM metrics.animals; CREATE VIEW metrics.other AS SELECT 1 AS own")
    before = query(database, "SELECT 'metrics.animals'::regclass::oid")
    standings(settings, catalog)
    assert query(database, "SELECT 'metrics.animals'::regclass::oid") == before, "nothing changed, nothing was made"
    put(home, "animals", "SELECT 'x' AS b, 2 AS a")
    second = standings(settings, catalog)
    assert (second[0].state, query(database, "SELECT * FROM metrics.animals")) == ("ready", [("x", 2)]), second
    assert query(database, "SELECT a FROM public.mine") == [(2,)]
    assert basis(catalog, first) != basis(catalog, second)
    put(home, "other", "SELECT 3 AS a")
    assert "was not made from a file" in (standing(settings, catalog, "other").problem or "")
    query(database, "DROP VIEW public.mine")
    (home.metrics / "animals.sql").unlink()
    standings(settings, catalog)
    assert query(database, "SELECT to_regclass('metrics.animals'), to_regclass('metrics.other') IS NULL") == [(None, False)]


PARAMETERS = "parameters:\n  n: {type: integer, default: 2}\n  word: {type: text, default: it's}\n"


def test_parameters_are_bound_and_typed(settings, catalog, home, database):
    put(home, "bound", "SELECT :n + 1 AS n, :word AS word, ':n' AS quoted, '50%'::text AS rest /* :word */ WHERE :n > 0", PARAMETERS)
    one = standing(settings, catalog, "bound")
    assert one.state == "ready", one.problem
    assert query(database, "SELECT * FROM metrics.bound") == [(3, "it's", ":n", "50%")]
    for text in ("'; DROP TABLE x; --", "%s", "\\", "${x}", ""):
        assert rows(catalog, one, {"word": text, "n": "7"}) == [(8, text, ":n", "50%")]
    wrong = {"no integer": {"n": "1; DROP"}, "'9223372036854775808' is no": {"n": str(2**63)}, "no text": {"word": "a\0"}}
    for said, values in {**wrong, "no parameter": {"m": "1"}}.items():
        with pytest.raises(RefusedQuery, match=said):
            rows(catalog, one, values)


def test_a_query_may_not_write_nor_take_too_long(settings, catalog, home):
    put(home, "writes", "SELECT setval('catalog.import_log_id_seq', 1) AS n")
    put(home, "sleeps", "SELECT pg_sleep(30) IS NULL AS n")
    put(home, "reads_files", "SELECT pg_read_file('/etc/hostname') AS n")
    for name in ("writes", "reads_files"):
        with pytest.raises(RefusedQuery):
            rows(catalog, standing(settings, catalog, name))
    with pytest.raises(RefusedQuery, match="longer than 1 s"), asked(catalog, standing(settings, catalog, "sleeps"), {}, timeout_seconds=1):
        pass


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("chart: {kind: pie, x: a, y: b}\n", "line 4: a chart's kind"),
        ("chart: {kind: bars, x: a}\n", "line 4: chart.y"),
        ("parameters:\n  n: {type: int, default: 1}\n", "line 5: a parameter's type"),
        ("parameters:\n  n: {type: integer, default: x}\n", "line 5: 'x' is no integer"),
        ("parameters:\n  n: {type: integer, default: 1}\n", "line 5: the query does not use :n"),
        ("refresh: hourly\n", "line 4: refresh is"),
        ("title: again\n", "line 4: 'title' stands in line 2 already"),
    ],
)
def test_front_matter_that_is_wrong_names_its_line(home, front, said):
    put(home, "wrong", "SELECT 1", front)
    with pytest.raises(SettingsError, match=said):
        load_metric(home.metrics / "wrong.sql")


def test_a_chart_sums_groups_and_cuts(settings, catalog, home):
    sql = "SELECT i % 50 AS x, 'k' || i % 12 AS kind, 1 AS n FROM generate_series(0, 599) i ORDER BY i"
    put(home, "many", sql, "chart: {kind: columns, x: x, y: n, series: kind, top: 20}\n")
    put(home, "wrong", "SELECT 'a' AS x, 'b' AS y", "chart: {kind: bars, x: x, y: y}\n")
    put(home, "absent", "SELECT 'a' AS x", "chart: {kind: bars, x: x, y: y}\n")
    data = charted(catalog, standing(settings, catalog, "many"), {})
    assert (len(data.categories), len(data.series), data.series[-1]) == (20, 8, "others")
    assert data.note == "The first 20 of 50 values of x."
    assert sum(map(sum, data.values)) == 20 * 12
    with pytest.raises(RefusedQuery, match="no number"):
        charted(catalog, standing(settings, catalog, "wrong"), {})
    with pytest.raises(RefusedQuery, match="names y, but the query has x"):
        charted(catalog, standing(settings, catalog, "absent"), {})


NUMBERS = st.floats(-1e12, 1e12)


@examples(max_examples=40, deadline=None)
@given(
    st.sampled_from(["bars", "columns", "lines"]),
    st.lists(st.tuples(st.text(max_size=60), NUMBERS, NUMBERS), max_size=12),
    st.text(max_size=200),
)
def test_a_chart_of_any_names_and_numbers_is_whole_xml_and_a_png(kind, found, title):
    names, first, second = zip(*found, strict=True) if found else ((), (), ())
    data = ChartData(title, kind, "x", tuple(names), ("a<b", "&"), (tuple(first), tuple(second)))
    for alone in (True, False):
        root = ElementTree.fromstring(charts.svg(data, alone=alone))
        assert not [one for one in root.iter() if one.tag.rpartition("}")[2] not in ("svg", "title", "style", "rect", "polyline", "text")]
    assert charts.png(data).startswith(b"\x89PNG\r\n\x1a\n")
    assert "<script" not in charts.page(data, title, names, [first], False)
