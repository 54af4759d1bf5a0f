"""Queries of a contract are bound to their tables when it is read: what cannot run is refused with file, line and table."""

from pathlib import Path

import pytest

from platform_assets.errors import SettingsError
from platform_assets.operations.contracts import usable_contract, usable_dictionary

HEAD = "apiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: 1.0.0\nstatus: active\nschema:\n"
TABLES = """  - name: goods
    properties:
      - {{name: id, logicalType: integer, primaryKey: true}}
      - name: price
        logicalType: number
        physicalType: decimal(8,2)
        quality:
          - {{type: library, metric: nullValues, mustBeLessThan: 5}}
          - type: sql
            query: {column}
            mustBe: 0
  - name: parts
    quality:
      - type: sql
        name: whole
        query: {table}
        mustBe: 0
    properties:
      - {{name: number, logicalType: integer}}
      - {{name: seen, logicalType: timestamp}}
"""
GOOD = {"column": "SELECT max(${property}) FROM ${object}", "table": "SELECT count(*) FROM ${object} WHERE seen > TIMESTAMP '2020-01-01'"}


def written(folder: Path, **queries: str) -> Path:
    path = folder / "shop.odcs.yaml"
    path.write_text(HEAD + TABLES.format(**{name: f'"{text}"' for name, text in (GOOD | queries).items()}))
    return path


def test_queries_that_fit_are_taken_and_none_is_run(tmp_path: Path) -> None:
    endless = "SELECT count(*) FROM range(1000000000000) AS r; -- all of them"
    written(tmp_path, column=endless.partition(";")[0] + " -- all of them", table="SELECT count(*) > 0 FROM ${object};")
    assert [len(table.measures) for table in usable_dictionary(tmp_path, "shop").values()] == [2, 1]
    assert usable_dictionary(tmp_path, "other") == {}


@pytest.mark.parametrize(
    ("which", "query", "said"),
    [
        ("column", "SELECT max(prize) FROM ${object}", "line 16: table goods: the query of the check sql:price cannot be run: .*prize"),
        ("table", "SELECT max(price) FROM ${object}", "line 22: table parts: the query of the check sql:whole cannot be run: .*price"),
        ("table", "SELEC 1", "line 22.*syntax error"),
        ("table", "SELECT sum(seen) FROM ${object}", "line 22.*sum"),
        ("table", "SELECT min(seen) FROM ${object}", "it gives TIMESTAMP, not a number"),
        ("table", "SELECT min(number), max(number) FROM ${object}", "it gives 2 columns, not one number"),
        ("table", "SELECT count(*) FROM goods", "goods"),
        ("table", "SELECT count(*) FROM read_csv('/etc/passwd')", "line 22.*disabled"),
        ("table", "SELECT 1) AS a; SELECT * FROM (SELECT 2", "more than one statement"),
        ("table", "DROP TABLE ${object}", "line 22.*syntax error"),
    ],
)
def test_a_query_that_cannot_run_is_named_with_its_line_and_table(which: str, query: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, **{which: query})
    with pytest.raises(SettingsError, match=said) as caught:
        usable_contract(path)
    assert caught.value.message.startswith(f"{path}, line ")
