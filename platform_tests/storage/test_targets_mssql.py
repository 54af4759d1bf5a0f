"""What is sent to SQL Server: none is here, so a driver that only writes down stands in its place. What the server says is not tested."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIME, TIMESTAMP, decimal
from platform_assets.storage.rows.row_hash import hash_of
from platform_assets.storage.targets.database import Reference, TargetDatabase, TargetTable

COLUMNS = (
    *(("id", INT64), ("code", STRING), ("text", STRING), ("mark", BINARY), ("ok", BOOLEAN), ("share", FLOAT64), ("n", INT32)),
    *(("d", DATE), ("t", TIMESTAMP), ("i", INSTANT), ("c", TIME), ("m", decimal(38, 10)), ("a]b%", STRING)),
)
ROW = {
    "id": 1,
    "code": "äÄ",
    "text": "x" * 9000,
    "mark": b"\x00\xff",
    "ok": True,
    "share": 0.1,
    "n": -1,
    "d": date(1, 1, 1),
    "t": datetime(2024, 1, 1, 1, 2, 3, 456),
    "i": datetime(2024, 1, 1, tzinfo=UTC),
    "c": time(23, 59, 59, 999_999),
    "m": Decimal("1.5"),
}
TABLE = TargetTable(
    "orders",
    COLUMNS,
    ("id", "code"),
    (("mark",), ("text",)),
    {"code": 20, "mark": 16, "text": 9000},
    (Reference(("code",), "codes", ("code",)),),
    {"n": "'7'", "ok": "'true'", "text": "'it''s 5%'", "t": "now()", "share": "random()"},
)


class Server:
    """A DB-API connection and its cursor: keeps the statements, and gives what was inserted to whoever selects."""

    def __init__(self, columns: int) -> None:
        self.columns, self.sent, self.rows = columns, [], []
        self.parameters: list[int] = []
        self.description: Any = None
        self.rowcount, self.tables = 0, {"codes"}

    def cursor(self) -> Server:
        return self

    def execute(self, statement: str, parameters: Any = ()) -> None:
        self.sent.append(statement)
        self.description, self.answer = None, []
        if statement.startswith("INSERT"):
            self.parameters.append(len(parameters))
            self.rows += [tuple(parameters[at : at + self.columns]) for at in range(0, len(parameters), self.columns)]
        elif statement.lstrip().startswith("WITH"):  # which foreign keys there are
            self.description = [("x", None, None, None, None, None, None)]
        elif statement.startswith("SELECT"):
            inside = "sys." in statement or "INFORMATION_SCHEMA" in statement
            names = ["x"] if inside else re.findall(r"\[((?:[^]]|]])+)\]", statement.partition(" FROM ")[0]) or ["x"]
            self.description = [(name, None, None, None, None, None, None) for name in names]
            there = self.tables & set(parameters if isinstance(parameters, tuple) else parameters.values())
            self.answer = [(name,) for name in there] if inside else list(self.rows)

    def fetchmany(self, size: int) -> list[tuple]:
        part, self.answer = self.answer[:size], self.answer[size:]
        return part

    def fetchall(self) -> list[tuple]:
        return self.fetchmany(len(self.answer))

    def fetchone(self) -> tuple | None:
        return next(iter(self.fetchmany(1)), None)

    def close(self) -> None: ...

    commit = rollback = close


@pytest.fixture(params=["pymssql", "pyodbc"])
def server(request) -> Server:
    made = Server(len(COLUMNS))
    made.driver = request.param
    return made


@pytest.fixture
def target(server):
    facts = {"version": "5.2", "__version__": "2.3", "Error": Exception, "Cursor": Server}
    driver = SimpleNamespace(paramstyle={"pymssql": "pyformat", "pyodbc": "qmark"}[server.driver], **facts)
    url, own = f"mssql+{server.driver}://x", {"use_setinputsizes": False} if server.driver == "pyodbc" else {}
    engine = sa.create_engine(url, module=driver, creator=lambda: server, poolclass=sa.NullPool, _initialize=False, **own)
    with engine.connect() as connection:
        yield TargetDatabase(connection, "mssql", "mssql://there", None)


def batch(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{**ROW, "id": number} for number in range(rows)], schema=TABLE.schema)


def test_the_table_has_types_that_hold_every_value(server, target):
    target.fill(TABLE, [batch(1)])
    (create,) = [" ".join(statement.split()) for statement in server.sent if "CREATE TABLE" in statement]
    binary = "COLLATE Latin1_General_100_BIN2"
    assert create == (
        f"CREATE TABLE {TABLE.staged} ( id BIGINT NOT NULL, code NVARCHAR(20) {binary} NOT NULL, text NVARCHAR(max) {binary} NULL, "
        "mark VARBINARY(16) NULL, ok BIT NULL, share DOUBLE PRECISION NULL, n INTEGER NULL, d DATE NULL, t DATETIME2(6) NULL, "
        f"i DATETIME2(6) NULL, c TIME(6) NULL, m NUMERIC(38, 10) NULL, [a]]b%] NVARCHAR(max) {binary} NULL )"
    )


@pytest.mark.parametrize("width", [1, 2, 13, 1024], ids=str)
def test_no_insert_has_more_rows_or_values_than_the_server_takes(server, target, width):
    server.columns = width
    table = TargetTable("wide", tuple((f"c{number}", INT32) for number in range(width)))
    rows = 2_500 if width < 1024 else 5
    whole = pa.RecordBatch.from_arrays([pa.array(range(rows), INT32)] * width, schema=table.schema)
    assert target.fill(table, [whole]) == rows
    assert sum(server.parameters) == rows * width
    assert max(server.parameters) <= 2_100 and max(server.parameters) <= 1_000 * width
    assert hash_of(target.read(table, table.staged)) == hash_of([whole])
    inserts = [statement for statement in server.sent if statement.startswith("INSERT")]
    mark = "?" if server.driver == "pyodbc" else "%s"
    assert [statement.count(mark) for statement in inserts] == server.parameters


def test_keys_defaults_and_names_are_put_on_as_the_server_wants_them(server, target):
    whole = batch(3)
    target.fill(TABLE, [whole])
    assert hash_of(target.read(TABLE, TABLE.staged)) == hash_of([whole])
    server.sent.clear()
    undone = target.add_keys(TABLE) + target.add_defaults(TABLE)
    assert undone == (
        "unique index on text: its values are too long for an index of mssql",
        "default of share (random()): mssql has none that means the same",
    )
    staged = f"[{TABLE.staged}]"
    sent = [re.sub(r"unique_[0-9a-f]{12}", "unique_", statement) for statement in server.sent]
    assert sent == [
        f"ALTER TABLE {staged} ADD PRIMARY KEY ([id], [code])",
        f"CREATE UNIQUE INDEX [unique_] ON {staged} ([mark]) WHERE [mark] IS NOT NULL",
        f"ALTER TABLE {staged} ADD DEFAULT 7 FOR [n]",
        f"ALTER TABLE {staged} ADD DEFAULT 1 FOR [ok]",
        f"ALTER TABLE {staged} ADD DEFAULT 'it''s 5%' FOR [text]",
        f"ALTER TABLE {staged} ADD DEFAULT SYSDATETIME() FOR [t]",
    ]
    server.sent.clear()
    assert target.rename(TABLE) == []
    assert [statement for statement in server.sent if "sp_rename" in statement]
    server.sent.clear()
    server.tables.add("orders")
    assert target.add_reference("orders", TABLE.references[0]) is None
    assert re.sub(r"copied_[0-9a-f]{16}", "copied_", server.sent[-1]) == (
        "ALTER TABLE [orders] ADD CONSTRAINT [copied_] FOREIGN KEY ([code]) REFERENCES [codes] ([code])"
    )


def test_a_key_is_as_long_as_the_server_counts(target):
    """NVARCHAR(n) is n pairs of bytes: what is beyond the first plane takes two."""
    assert target.longest(pa.array(["aé", "😀x😀", None])) == 5
    assert target.longest(pa.array([b"\x00\xff", None], BINARY)) == 2
    assert target.longest(pa.array([None, None], STRING)) == 0


def test_a_column_that_numbers_itself_is_made_so_with_the_table_and_takes_the_numbers_of_the_rows(server, target):
    """The server goes on behind the highest number that it was given."""
    server.columns = 2
    table = TargetTable("t", (("id", decimal(20, 0)), ("n", INT32)), ("id",), numbered=("id", "n"))
    whole = pa.RecordBatch.from_pylist([{"id": Decimal(number), "n": number} for number in range(3)], schema=table.schema)
    assert target.fill(table, [whole]) == 3
    sent = [" ".join(statement.split()) for statement in server.sent if "CREATE TABLE" in statement or "IDENTITY_INSERT" in statement]
    assert sent == [
        f"CREATE TABLE {table.staged} ( id NUMERIC(20, 0) NOT NULL IDENTITY(1,1), n INTEGER NULL )",
        f"SET IDENTITY_INSERT [{table.staged}] ON",
        f"SET IDENTITY_INSERT [{table.staged}] OFF",
    ]
    assert target.add_defaults(table) == ("numbering of n: mssql is asked to number a column of the key only",)
    assert target.add_numbers(table) == ()
    assert hash_of(target.read(table, table.staged)) == hash_of([whole])


def test_a_foreign_key_acts_as_it_did(server, target):
    server.tables.add("orders")

    def sent(on_update: str, on_delete: str) -> str:
        server.sent.clear()
        assert target.add_reference("orders", Reference(("code",), "codes", ("code",), on_update, on_delete)) is None
        return server.sent[-1].partition(" REFERENCES [codes] ([code])")[2]

    assert sent("CASCADE", "SET NULL") == " ON UPDATE CASCADE ON DELETE SET NULL"
    assert sent("RESTRICT", "SET DEFAULT") == " ON DELETE SET DEFAULT", "the server has no RESTRICT: it waits for nothing anyhow"
    assert sent("NO ACTION", "") == ""
