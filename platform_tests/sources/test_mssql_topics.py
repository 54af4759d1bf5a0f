"""What SQL Server would be asked by a database topic, as its dialect writes it. No server is here: that it takes it is not shown."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql

from platform_assets.sources.database import _described, _stored, chunk_query, isolation_of
from platform_assets.sources.pull import Plan

ORDERS = sa.Table(
    "order lines",
    sa.MetaData(),
    sa.Column("region", mssql.NVARCHAR(10), primary_key=True),
    sa.Column("no", sa.BigInteger, primary_key=True),
    sa.Column("select", mssql.DATETIME2(7)),
    sa.Column("stamp", mssql.TIMESTAMP),
    schema="sales",
)
PLAN = Plan("full", tuple(_described(column, mssql.dialect()) for column in ORDERS.columns), ("region", "no"))


def written(query: sa.Select) -> str:
    compiled = query.compile(dialect=mssql.dialect(), compile_kwargs={"literal_binds": True})
    return " ".join(str(compiled).split())


def test_chunks_are_the_first_rows_behind_a_key_in_its_order():
    columns = "[sales].[order lines].region AS region, [sales].[order lines].no AS no, [sales].[order lines].[select] AS [select]"
    columns = f"{columns}, [sales].[order lines].stamp AS stamp".replace("[sales]", "sales")
    source = "FROM sales.[order lines]"
    assert written(chunk_query(ORDERS, PLAN, None, 1000)) == (
        f"SELECT TOP 1001 {columns} {source} ORDER BY sales.[order lines].region, sales.[order lines].no"
    )
    behind = "sales.[order lines].region > N'it''s' OR sales.[order lines].region = N'it''s' AND sales.[order lines].no > 7"
    assert written(chunk_query(ORDERS, PLAN, ["it's", 7], 1000)) == (
        f"SELECT TOP 1001 {columns} {source} WHERE {behind} ORDER BY sales.[order lines].region, sales.[order lines].no"
    )


def test_a_row_version_and_a_time_are_cursors():
    by_stamp = Plan("changes", PLAN.columns, PLAN.key, "stamp", since="AAAAAAAAB9E=")
    asked = chunk_query(ORDERS, by_stamp, None, 10).compile(dialect=mssql.dialect())
    assert "WHERE sales.[order lines].stamp >= :stamp_1 ORDER" in " ".join(asked.string.split())
    assert bytes.fromhex("00000000000007d1") in asked.params.values()
    assert _stored("2024-01-01 10:00:00.123457", ORDERS.c["select"]) == datetime(2024, 1, 1, 10, 0, 0, 123457)
    by_time = Plan("changes", PLAN.columns, PLAN.key, "select", since="2024-01-01 10:00:00")
    assert "WHERE sales.[order lines].[select] >= '2024-01-01 10:00:00" in written(chunk_query(ORDERS, by_time, None, 10))


def test_types_are_ours():
    types = [
        (mssql.BIT(), "boolean"),
        (mssql.TINYINT(), "int32"),
        (mssql.DATETIME(), "timestamp"),
        (mssql.DATETIMEOFFSET(), "instant"),
        (mssql.UNIQUEIDENTIFIER(), "string"),
        (mssql.MONEY(), "string"),
        (mssql.DECIMAL(38, 4), "decimal(38,4)"),
        (mssql.VARBINARY("max"), "binary"),
        (mssql.ROWVERSION(), "binary"),
        (mssql.XML(), "string"),
    ]
    assert [_described(sa.Column("c", kind), mssql.dialect()).type for kind, _ in types] == [name for _, name in types]


class Session:
    """A driver's connection that writes down what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def cursor(self) -> Session:
        return self

    def execute(self, text: str) -> None:
        self.said.append(text)

    def commit(self) -> None:
        self.said.append("commit")

    def close(self) -> None:
        """Nothing to close."""


def test_one_snapshot_is_asked_for():
    session = Session()
    mssql.dialect().set_isolation_level(session, "SNAPSHOT")
    assert session.said[0] == "SET TRANSACTION ISOLATION LEVEL SNAPSHOT"


@pytest.mark.parametrize(("state", "isolation"), [(1, "SNAPSHOT"), (0, None), (2, None)])
def test_where_the_database_does_not_allow_snapshots_none_is_asked_for(state, isolation):
    """The question itself, asked of an SQLite that has a view like SQL Server's."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:")
        connection.create_function("DB_NAME", 0, lambda: "shop")
        connection.executescript("ATTACH ':memory:' AS sys; CREATE TABLE sys.databases (name, snapshot_isolation_state);")
        connection.execute("INSERT INTO sys.databases VALUES ('other', 1 - ?), ('shop', ?)", (state, state))
        connection.commit()
        return connection

    with sa.create_engine("sqlite://", creator=connect).connect() as connection:
        assert isolation_of("mssql", connection) == isolation
