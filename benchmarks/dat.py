"""Makes the input of the bulk benchmark: one table of 20 columns as a JSON schema and a DAT file, the same bytes for the same row count."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

TABLE = "sales"


@dataclass(frozen=True)
class Made:
    """One generated column: its name, the type that the JSON schema declares, PostgreSQL's type, and the text of row i in DuckDB's SQL."""

    name: str
    declared: str
    postgres: str
    sql: str


COLUMNS: tuple[Made, ...] = (
    Made("id", "bigint", "bigint", "i"),
    Made("customer_id", "int", "integer", "h % 50000"),
    Made("product_id", "int", "integer", "h % 997"),
    Made("region", "varchar(12)", "text", "['north', 'south', 'east', 'west', 'overseas'][1 + h % 5]"),
    Made("status", "varchar(12)", "text", "CASE WHEN h % 11 = 0 THEN NULL ELSE ['open', 'paid', 'sent', 'returned'][1 + h % 4] END"),
    Made("is_gift", "bit", "boolean", "h % 2"),
    Made("is_export", "bit", "boolean", "CASE WHEN h % 7 = 0 THEN NULL ELSE (h // 3) % 2 END"),
    Made("quantity", "int", "integer", "1 + h % 40"),
    Made("price", "decimal(12,2)", "numeric(12,2)", "((h % 1000000) / 100)::decimal(12,2)"),
    Made("tax", "decimal(10,4)", "numeric(10,4)", "CASE WHEN h % 13 = 0 THEN NULL ELSE ((h % 9999) / 10000)::decimal(10,4) END"),
    Made("total", "decimal(16,2)", "numeric(16,2)", "((h % 40000000) / 100)::decimal(16,2)"),
    Made("weight", "float", "double precision", "(h % 100003) / 64.0::double"),
    Made("score", "float", "double precision", "CASE WHEN h % 17 = 0 THEN NULL ELSE (h % 4096) / 4096.0::double END"),
    Made("code", "char(10)", "text", "substr(md5(i::varchar), 1, 10)"),
    Made("email", "varchar(80)", "text", "'c' || (h % 50000) || '@example.org'"),
    Made(
        "note",
        "varchar(200)",
        "text",
        "CASE WHEN h % 3 = 0 THEN NULL ELSE 'ring | \"twice\", ' || substr(md5(i::varchar), 1, 12) END",
    ),
    Made("ordered_on", "date", "date", "DATE '2015-01-01' + (h % 3650)::int"),
    Made("created_at", "datetime", "timestamp", "TIMESTAMP '2015-01-01' + to_seconds(h % 300000000)"),
    Made("updated_at", "datetime", "timestamp", "TIMESTAMP '2020-01-01' + to_seconds(i % 150000000)"),
    Made("shipped_at", "datetime", "timestamp", "strftime(TIMESTAMP '2020-01-01' + to_seconds(h % 150000000), '%b %d %Y %I:%M%p')"),
)

PLATFORM_YAML = """format_version: 1
settle_seconds: 0
sources:
  bench:
    delimited:
      separator: '|'
      quote: '`'
      null: ['NULL']
      formats: ['%b %d %Y %I:%M%p']
"""

DICTIONARY = f"""apiVersion: v3.1.0
kind: DataContract
id: bench
version: 1.0.0
status: active
schema:
  - name: {TABLE}
    logicalType: object
    properties:
      - {{name: id, logicalType: integer, physicalType: bigint, required: true, primaryKey: true, primaryKeyPosition: 1}}
"""


def write_home(home: Path) -> None:
    """platform.yaml and the dictionary of the source `bench` with the key `id`."""
    (home / "dictionary").mkdir(parents=True)
    (home / "platform.yaml").write_text(PLATFORM_YAML, encoding="utf-8")
    (home / "dictionary" / "bench.odcs.yaml").write_text(DICTIONARY, encoding="utf-8")


def write_dump(folder: Path, rows: int) -> Path:
    """`<folder>/sales.json` and `<folder>/sales.dat` (`|`, backtick quotes, header, unquoted NULL); gives the latter's path."""
    folder.mkdir(parents=True)
    schema = [{"column_name": column.name, "column_type": column.declared} for column in COLUMNS]
    (folder / f"{TABLE}.json").write_text(json.dumps(schema, indent=1), encoding="utf-8")
    data = folder / f"{TABLE}.dat"
    texts = ", ".join(f'({column.sql})::varchar AS "{column.name}"' for column in COLUMNS)
    numbers = f"(SELECT i, (i * 2654435761 + 12345) % 4294967291 AS h FROM range(1, {rows} + 1) AS numbers(i))"
    with duckdb.connect() as connection:
        options = "FORMAT csv, HEADER, DELIMITER '|', QUOTE '`', ESCAPE '`', FORCE_QUOTE *, NULLSTR 'NULL'"
        connection.execute(f"COPY (SELECT {texts} FROM {numbers}) TO '{data}' ({options})")
    return data


def create_table_sql(name: str) -> str:
    """The typed table that `psql \\copy` loads into: the same types, no key."""
    return f"CREATE TABLE {name} (" + ", ".join(f'"{column.name}" {column.postgres}' for column in COLUMNS) + ")"
