"""Random tables in a real MariaDB: what its programs dump is read as what SELECT gives, and as what LOAD DATA makes of the same files.

3 random databases per way of dumping, or PLATFORM_EXAMPLES / 100; PLATFORM_SEED begins elsewhere. A failure tells its seed.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import canonical
import mysql_reading
import pytest
from random_tables import Chance
from servers.mariadb import MariaDb

from platform_assets.dictionary.source import SourceSettings, TabOptions
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose

DATABASES = max(3, int(os.environ.get("PLATFORM_EXAMPLES", "0")) // 100)
FIRST = int(os.environ.get("PLATFORM_SEED", "0"))
SEEDS = range(FIRST, FIRST + DATABASES)


def octets(value: bytes) -> str:
    return f"x'{value.hex()}'"


def text(value: str) -> str:
    return f"CONVERT(x'{value.encode().hex()}' USING utf8mb4)"


@dataclass(frozen=True)
class Kind:
    """A type: its declaration, a random literal, and the SQL that gives the bytes by which its values are compared."""

    native: str
    shown: str = "CONVERT(CAST({} AS CHAR) USING utf8mb4)"


WORDS = "CONVERT({} USING utf8mb4)"
KINDS = {
    "integer": Kind("int"),
    "unsigned": Kind("bigint(20) unsigned"),
    "decimal": Kind("decimal(65,30)"),
    "money": Kind("decimal(12,2)"),
    "double": Kind("double"),
    "varchar": Kind("varchar(20)", WORDS),
    "latin": Kind("text CHARACTER SET latin1", WORDS),
    "char": Kind("char(8)", WORDS),
    "varbinary": Kind("varbinary(20)", "{}"),
    "binary": Kind("binary(4)", "{}"),
    "blob": Kind("blob", "{}"),
    "bit": Kind("bit(10)", "UNHEX(LPAD(HEX({}), 4, '0'))"),
    "date": Kind("date"),
    "datetime": Kind("datetime(6)"),
    "timestamp": Kind("timestamp(3) NULL"),
    "time": Kind("time(2)"),
    "year": Kind("year"),
    "enum": Kind("enum('a','it''s','b,c','\\\\')", WORDS),
    "set": Kind("set('x','y','z')", WORDS),
}
SESSION = "SET sql_mode='ALLOW_INVALID_DATES', time_zone='+00:00';\n"
BINARY = ("varbinary", "binary", "blob")


def literal(kind: str, chance: Chance, *, latin: bool) -> str:
    if chance.random() < 0.15:
        return "NULL"
    match kind:
        case "integer":
            return str(chance.randrange(-(2**31), 2**31))
        case "unsigned":
            return str(chance.choice([0, 2**64 - 1, chance.randrange(2**64)]))
        case "decimal":
            return chance.decimal(65, 30)
        case "money":
            return chance.decimal(12, 2)
        case "double":
            return chance.real()
        case "varchar" | "char":
            return text(chance.text(8, latin=latin))
        case "latin":
            return text(chance.text(latin=True))
        case "varbinary" | "blob":
            return octets(chance.octets())
        case "binary":
            return octets(chance.octets(4))
        case "bit":
            return str(chance.randrange(1024))
        case "date":
            return chance.choice([f"'{chance.moment(1, 9998).date()}'", "'0000-00-00'", "'2009-00-00'", "'0009-01-02'"])
        case "datetime":
            return f"'{chance.moment(1000, 9998, places=6)}'"
        case "timestamp":
            return f"'{chance.moment(places=3)}'"
        case "time":
            sign, hours = chance.choice(["", "-"]), chance.randrange(838)
            return f"'{sign}{hours}:{chance.moment():%M:%S}.{chance.randrange(100):02}'"
        case "year":
            return str(chance.randrange(1901, 2156))
        case "enum":
            return chance.choice(["'a'", "'it''s'", "'b,c'", "'\\\\'"])
    return chance.choice(["''", "'x'", "'x,y'", "'x,y,z'"])


Tables = dict[str, list[str]]
"""Table -> the kinds of its columns c0, c1, ... behind `id`."""


def filled(server: MariaDb, database: str, seed: int, *, latin: bool = False, without: tuple[str, ...] = ()) -> Tables:
    """Random tables with random rows; every kind stands in the first one."""
    chance = Chance(seed)
    kinds = [kind for kind in KINDS if kind not in without]
    tables = {
        "all kinds": kinds,
        "t`2": chance.choices(kinds, k=4),
        "empty": chance.sample(kinds, 2),
        "one": [chance.choice(["varchar", "latin"])],
    }
    script = SESSION
    for name, columns in tables.items():
        quoted = name.replace("`", "``")
        defined = ", ".join(f"`c{at}` {KINDS[kind].native}" for at, kind in enumerate(columns))
        script += f"CREATE TABLE `{quoted}` (`id` int NOT NULL PRIMARY KEY, {defined});\n"
        for number in range(0 if name == "empty" else chance.randrange(1, 25)):
            values = ", ".join(literal(kind, chance, latin=latin) for kind in columns)
            script += f"INSERT INTO `{quoted}` VALUES ({number}, {values});\n"
    server.client(database, text=script)
    return tables


def held(server: MariaDb, database: str, name: str, kinds: list[str]) -> list[bytes]:
    """The rows as SELECT gives them, as sorted canonical lines."""
    shown = [KINDS[kind].shown.format(f"`c{at}`") for at, kind in enumerate(kinds)]
    cells = ", ".join(f"IFNULL(HEX({one}), '-')" for one in ["CAST(id AS CHAR)", *shown])
    quoted = name.replace("`", "``")
    lines = server.client(database, text=f"SET time_zone='+00:00'; SELECT {cells} FROM `{quoted}`;").decode().splitlines()
    return sorted(
        canonical.joined([None if cell == "-" else _held(cell, kind) for cell, kind in zip(line.split("\t"), ["", *kinds], strict=True)])
        for line in lines
    )


def _held(cell: str, kind: str) -> str | bytes:
    data = bytes.fromhex(cell)
    return data if kind in (*BINARY, "bit") else data.decode()


def read(path: Path, options: TabOptions | None = None, encoding: str | None = None) -> mysql_reading.Reading:
    source = SourceSettings("shop", encoding=encoding, mysql_tab=options or TabOptions())
    dump = open_dump(path, source)
    reading = mysql_reading.Reading()
    for event in choose(dump, source)[0].read(dump, source, {}):
        reading.take(event)
    assert reading.unreadable == []
    return reading


def lines_of(reading: mysql_reading.Reading, name: str) -> list[bytes]:
    return sorted(canonical.line(reading.tables[name].columns, row, canonical.mysql) for row in reading.rows(name))


WAYS = {
    "plain": (),
    "hex-blob": ("--hex-blob",),
    "row-by-row": ("--skip-extended-insert",),
    "complete": ("--complete-insert",),
    "ansi": ("--compatible=ansi", "--default-character-set=utf8mb4"),
    "ansi-latin1": ("--compatible=ansi",),
    "latin1": ("--default-character-set=latin1",),
    "small-statements": ("--net-buffer-length=4096", "--replace"),
    "bare": ("--skip-opt", "--skip-quote-names", "--hex-blob", "--insert-ignore"),
    "xml": ("--xml",),
    "xml-hex-blob": ("--xml", "--hex-blob"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", WAYS)
def test_what_mariadb_dump_writes_is_read_as_what_select_gives(mariadb, tmp_path, way, seed):
    with mariadb.database("random") as database:
        tables = filled(mariadb, database, seed, latin="latin1" in way)
        (tmp_path / "dump").write_bytes(mariadb.dump(*WAYS[way], database))
        expected = {name: held(mariadb, database, name, kinds) for name, kinds in tables.items()}
    # --compatible alone means latin1, and no SET NAMES says so: platform.yaml must.
    reading = read(tmp_path / "dump", encoding="latin1" if way == "ansi-latin1" else None)
    assert reading.verdict.completeness == "complete"
    assert {name: lines_of(reading, name) for name in reading.tables} == expected


TABS = {
    "default": (),
    "csv": ("--fields-terminated-by=,", '--fields-enclosed-by="', "--lines-terminated-by=\r\n"),
    "optionally": ("--fields-terminated-by=;", "--fields-optionally-enclosed-by='"),
    "long-ends": ("--fields-terminated-by=<|>", "--lines-terminated-by=|#|\n"),
    "quoted-long-ends": ("--fields-terminated-by=||", '--fields-enclosed-by="', "--lines-terminated-by=--\r\n"),
    "other-escape": ("--fields-escaped-by=|", "--fields-terminated-by=,"),
}


def options_of(way: str) -> TabOptions:
    given = dict(one.removeprefix("--").split("=", 1) for one in TABS[way])
    return TabOptions(
        given.get("fields-terminated-by", "\\t"),
        given.get("fields-enclosed-by", given.get("fields-optionally-enclosed-by", "")),
        given.get("fields-escaped-by", "\\"),
        "",
        given.get("lines-terminated-by", "\n"),
    )


def clauses(way: str) -> str:
    options = options_of(way)
    quoted = [
        octets(one.encode())
        for one in (options.fields_terminated_by.replace("\\t", "\t"), options.fields_enclosed_by, options.fields_escaped_by)
    ]
    optionally = "OPTIONALLY " * ("--fields-optionally-enclosed-by" in " ".join(TABS[way]))
    return (
        f"FIELDS TERMINATED BY {quoted[0]} {optionally}ENCLOSED BY {quoted[1]} ESCAPED BY {quoted[2]} "
        f"LINES TERMINATED BY {octets((options.lines_terminated_by or '').encode())}"
    )


@pytest.mark.parametrize("charset", ["binary", "utf8mb4"])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", TABS)
def test_my18_what_tab_writes_is_read_as_what_load_data_makes_of_it(mariadb, tmp_path, way, seed, charset):
    """Under utf8mb4 the server writes `?` for bytes that are no text: SELECT of the original has more, LOAD DATA has what the file has.

    Without BIT, whose bytes the server writes bare and cannot always read back; the next test has it.
    """
    folder = mariadb.folder / f"tab-{tmp_path.name}"
    folder.mkdir()
    try:
        with mariadb.database("random") as database:
            tables = filled(mariadb, database, seed, without=("bit",))
            mariadb.dump(f"--tab={folder}", f"--default-character-set={charset}", *TABS[way], database)
            found = {name: lines_of(read(folder, options_of(way)), name) for name in tables}
            expected = {name: loaded(mariadb, database, name, folder, kinds, way, charset) for name, kinds in tables.items()}
            original = {name: held(mariadb, database, name, kinds) for name, kinds in tables.items()}
        assert found == expected
        if charset == "binary":
            assert found == original
    finally:
        shutil.rmtree(folder)


def loaded(server: MariaDb, database: str, name: str, folder: Path, kinds: list[str], way: str, charset: str) -> list[bytes]:
    """The rows of the file, as LOAD DATA reads them into an empty table."""
    quoted = name.replace("`", "``")
    file = next(path for path in folder.glob("*.txt") if path.stem.replace("@0020", " ").replace("@0060", "`") == name)
    load = f"LOAD DATA INFILE '{file}' INTO TABLE back CHARACTER SET {charset} {clauses(way)}"
    server.client(database, text=f"{SESSION} CREATE TABLE back LIKE `{quoted}`; {load};")
    try:
        return held(server, database, "back", kinds)
    finally:
        server.client(database, text="DROP TABLE back;")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", TABS)
def test_my18_bits_of_tab_are_read_as_what_select_gives(mariadb, tmp_path, way, seed):
    folder = mariadb.folder / f"tab-{tmp_path.name}"
    folder.mkdir()
    try:
        with mariadb.database("random") as database:
            tables = filled(mariadb, database, seed)
            mariadb.dump(f"--tab={folder}", "--default-character-set=binary", *TABS[way], database)
            expected = {name: held(mariadb, database, name, kinds) for name, kinds in tables.items()}
        reading = read(folder, options_of(way))
        assert {name: lines_of(reading, name) for name in tables} == expected
    finally:
        shutil.rmtree(folder)
