"""Native types of MySQL as ours, and how the server fills them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from mysql_reading import one_column, read

from platform_assets.dictionary.types import BINARY, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIMESTAMP, decimal

TYPES: dict[str, pa.DataType] = {
    "tinyint(1)": INT32,
    "TINYINT": INT32,
    "smallint unsigned": INT32,
    "mediumint(8) unsigned": INT32,
    "int(11)": INT32,
    "integer": INT32,
    "int(10) unsigned": INT64,
    "int unsigned zerofill": INT64,
    "int(6) zerofill": INT64,
    "bigint(20)": INT64,
    "bigint(20) unsigned": decimal(20, 0),
    "serial": decimal(20, 0),
    "bool": INT32,
    "decimal": decimal(10, 0),
    "decimal(15,3)": decimal(15, 3),
    "DECIMAL(15, 3) UNSIGNED": decimal(15, 3),
    "numeric(5)": decimal(5, 0),
    "decimal(65,30)": decimal(38, 30),
    "float": FLOAT64,
    "float(7,4)": FLOAT64,
    "double": FLOAT64,
    "double precision": FLOAT64,
    "real": FLOAT64,
    "date": DATE,
    "datetime": TIMESTAMP,
    "datetime(6)": TIMESTAMP,
    "timestamp": TIMESTAMP,
    "timestamp(14)": TIMESTAMP,
    "year(4)": INT32,
    "time(3)": STRING,
    "bit(12)": BINARY,
    "binary(4)": BINARY,
    "varbinary(9)": BINARY,
    "longblob": BINARY,
    "geometry": BINARY,
    "POINT": BINARY,
    "char(3)": STRING,
    "varchar(255)": STRING,
    "national varchar(9)": STRING,
    "character varying(9)": STRING,
    "nvarchar(9)": STRING,
    "longtext": STRING,
    "json": STRING,
    "enum('a','b')": STRING,
    "set('a','b')": STRING,
    "uuid": STRING,
    "varchar(9) CHARACTER SET binary": BINARY,
    "text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin": STRING,
}


@pytest.mark.parametrize("native", TYPES)
def test_a_native_type_becomes_ours(native):
    column = read(f"CREATE TABLE `t` (`v` {native} NOT NULL COMMENT 'int');").tables["t"].column("v")
    assert (column.type, column.required, column.description) == (TYPES[native], True, "int")


@pytest.mark.parametrize(
    ("written", "native"),
    [
        ("enum( 'a' , 'b,c','d''e' )", "enum('a','b,c','d''e')"),
        ("DECIMAL(15, 3) UNSIGNED ZEROFILL", "DECIMAL(15,3) UNSIGNED ZEROFILL"),
        ("int(11)", "int(11)"),
        ("double precision", "double precision"),
        ("varchar(9) COLLATE utf8_bin", "varchar(9)"),
    ],
)
def test_the_native_text_is_kept(written, native):
    assert read(f"CREATE TABLE `t` (`v` {written} DEFAULT NULL);").tables["t"].column("v").native == native


ZONES = [("+00:00", INSTANT), ("UTC", INSTANT), ("-05:30", INSTANT), ("SYSTEM", TIMESTAMP), ("Europe/Rome", TIMESTAMP)]


@pytest.mark.parametrize(("zone", "arrow"), ZONES)
def test_a_timestamp_is_a_moment_when_its_zone_is_known(zone, arrow):
    assert read(f"SET TIME_ZONE='{zone}';CREATE TABLE `t` (`v` timestamp, `w` datetime);").tables["t"].column("v").type == arrow


@pytest.mark.parametrize(
    ("native", "literal", "value"),
    [
        ("binary(4)", "'A'", b"A\0\0\0"),
        ("binary(4)", "0x41", b"A\0\0\0"),
        ("binary", "''", b"\0"),
        ("varbinary(4)", "'A'", b"A"),
        ("bit(1)", "'\\0'", b"\0"),
        ("bit(12)", "0xAAA", b"\x0a\xaa"),
        ("bit(12)", "b'1'", b"\0\x01"),
        ("bit(64)", "18446744073709551615", b"\xff" * 8),
        ("bit(9)", "256", b"\x01\x00"),
        ("enum('a','b')", "2", "b"),
        ("enum('1','2','3')", "'2'", "2"),
        ("set('a','b','c')", "5", "a,c"),
        ("year", "'0'", "2000"),
        ("year", "99", "1999"),
        ("date", "'2020-1-2'", "2020-01-02"),
        ("datetime", "20200102030405", "2020-01-02 03:04:05"),
        ("int", "0xFF", "255"),
        ("bigint unsigned", "0xFFFFFFFFFFFFFFFF", "18446744073709551615"),
        ("varchar(9) CHARACTER SET latin1", "0xE9", "é"),
        ("time", "'-838:59:59'", "-838:59:59"),
        ("json", '\'{\\"a\\": \\"\\\\u00e9\\"}\'', '{"a": "\\u00e9"}'),
    ],
)
def test_a_literal_is_what_the_server_would_store(native, literal, value):
    assert one_column(native, literal) == [value]


KEYS = """CREATE TABLE `t` (
  `a` int NOT NULL, `b` int UNIQUE, `c` varchar(99), `d` int, `e` int CHECK (`e` > 0),
  `f` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP(6), `g` int REFERENCES `nobody` (`x`),
  CONSTRAINT `pk` PRIMARY KEY USING BTREE (`A`, `c`(10) DESC),
  UNIQUE KEY `u` (`c`(5),`d`) USING HASH, KEY `k` (`d`), FULLTEXT KEY `ft` (`c`), UNIQUE KEY `func` ((lower(`c`))),
  CONSTRAINT `fk` FOREIGN KEY `ix` (`d`, `b`) REFERENCES `other` (`x`, `y`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `ck` CHECK (`d` in (1,2,')'))
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COMMENT='c, d'
PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (5) COMMENT = 'no');
CREATE UNIQUE INDEX `more` ON `t` (`e`);
CREATE INDEX `plain` ON `t` (`d`);
"""


def test_keys_references_and_comments_come_from_wherever_they_stand():
    table = read(KEYS).tables["t"]
    assert table.key == ("a", "c")
    assert table.unique == (("b",), ("c", "d"), ("e",))
    assert [(one.columns, one.table, one.references) for one in table.foreign_keys] == [(("d", "b"), "other", ("x", "y"))]
    assert table.description == "c, d"
    assert [column.name for column in table.columns if column.required] == ["a", "c", "f"]
    assert table.column_names == ("a", "b", "c", "d", "e", "f", "g")


def test_a_table_like_another_has_its_columns_and_keys():
    table = read("CREATE TABLE `a` (`x` int NOT NULL, PRIMARY KEY (`x`));CREATE TABLE `b` LIKE `a`;").tables["b"]
    assert (table.name, table.key, table.column_names) == ("b", ("x",), ("x",))


def test_a_definition_that_is_not_understood_is_told_and_its_rows_are_texts():
    reading = read("CREATE TABLE `t` ();\nINSERT INTO `t` VALUES (1);")
    assert reading.codes() == ["unreadable-definition", "no-create-table"]
    assert reading.rows("t") == [("1",)]


def test_columns_that_alter_table_adds_or_drops_make_the_dump_partial():
    reading = read("CREATE TABLE `t` (`a` int);ALTER TABLE `t` ADD COLUMN `b` int, DROP COLUMN `a`;")
    assert [(notice.code, notice.data_bearing) for notice in reading.notices] == [("skipped-data-statement", True)]
    assert reading.verdict.completeness == "partial"


def test_alter_table_of_indexes_alone_changes_no_verdict():
    text = (
        "CREATE TABLE `t` (`a` int, PRIMARY KEY (`a`), KEY `k` (`a`));ALTER TABLE `t` DROP PRIMARY KEY, DROP KEY `k`, RENAME INDEX x TO y;"
    )
    reading = read(text)
    assert (reading.notices, reading.tables["t"].key) == ([], ())
