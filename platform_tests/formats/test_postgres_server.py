"""Random tables in a real PostgreSQL: whatever form pg_dump writes them in is read as what SELECT gives.

3 random databases per form, or PLATFORM_EXAMPLES / 100; PLATFORM_SEED begins elsewhere. A failure tells its seed.
"""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from itertools import zip_longest
from pathlib import Path

import canonical
import postgres_reading
import psycopg
import pytest
from archives import PACKERS
from psycopg import sql
from random_tables import Chance

from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose
from platform_assets.formats.postgres.programs import program_folder

DATABASES = max(3, int(os.environ.get("PLATFORM_EXAMPLES", "0")) // 100)
FIRST = int(os.environ.get("PLATFORM_SEED", "0"))
SEEDS = range(FIRST, FIRST + DATABASES)
KINDS = [
    *("integer", "bigint", "smallint", "numeric", "numeric(20,5)", "double precision", "real", "text", "character varying(9)"),
    *("character(8)", "bytea", "boolean", "date", "timestamp without time zone", "timestamp(3) with time zone", "time without time zone"),
    *("interval", "uuid", "jsonb", "json", "text[]", "integer[]", "bit(5)", "bit varying", "inet", "int4range", "mood", "pair"),
]
SETUP = "CREATE TYPE mood AS ENUM ('a', 'it''s', 'b,c'); CREATE TYPE pair AS (n integer, t text);"


def cell(kind: str, chance: Chance, *, latin: bool) -> str | bytes | None:
    """A random value as the text that the server takes for it."""
    if chance.random() < 0.15:
        return None
    match kind:
        case "integer" | "bigint" | "smallint":
            bits = {"integer": 31, "bigint": 63, "smallint": 15}[kind]
            return str(chance.randrange(-(2**bits), 2**bits))
        case "numeric":
            return chance.choice(["NaN", chance.decimal(60, 25), chance.decimal(9, 0), "1e40"])
        case "numeric(20,5)":
            return chance.decimal(20, 5)
        case "double precision":
            return chance.choice(["NaN", "-Infinity", chance.real()])
        case "real":
            return repr(chance.choice([0.1, 1e10, -3.5, 16777216.0]))
        case "bytea":
            return chance.octets()
        case "boolean":
            return chance.choice("tf")
        case "date":
            return chance.choice([str(chance.moment(1, 9998).date()), "infinity", "0044-03-15 BC"])
        case "timestamp without time zone":
            return chance.choice([str(chance.moment(1, 9998, places=6)), "-infinity"])
        case "timestamp(3) with time zone":
            return f"{chance.moment(1900, 2100, places=3)}+00"
        case "time without time zone":
            return chance.choice(["24:00:00", str(chance.moment(places=6).time())])
        case "interval":
            return f"{chance.randrange(-99, 99)} months {chance.randrange(99)} days {chance.randrange(10**6)}.5 seconds"
        case "uuid":
            return str(uuid.UUID(int=chance.getrandbits(128)))
        case "jsonb" | "json":
            return json.dumps(chance.choice([{"k": chance.text(latin=latin)}, [1.10, None], chance.text(latin=latin)]), ensure_ascii=False)
        case "text[]":
            return "{" + ",".join(chance.choice(["NULL", quoted(chance.text(latin=latin))]) for _ in range(chance.randrange(4))) + "}"
        case "integer[]":
            return chance.choice(["{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={5,6}"])
        case "bit(5)" | "bit varying":
            return "".join(chance.choice("01") for _ in range(5))
        case "inet":
            return chance.choice(["10.0.0.1", "10.1.0.0/16", "::1"])
        case "int4range":
            return chance.choice(["empty", "[1,5)", "(,)", "[3,)"])
        case "mood":
            return chance.choice(["a", "it's", "b,c"])
        case "pair":
            return f"({chance.choice(['', '7'])},{quoted(chance.text(latin=latin))})"
    return chance.text(8, latin=latin)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def filled(connection: psycopg.Connection, seed: int, *, latin: bool) -> dict[str, list[str]]:
    """Random tables with random rows in an empty database: per table the kinds of c0, c1, ... Every kind stands in the first one."""
    chance = Chance(seed)
    tables = {"all kinds": KINDS, 'T"2': chance.choices(KINDS, k=4), "empty": chance.sample(KINDS, 2), "one": ["text"], "none": []}
    connection.execute(SETUP)
    for name, kinds in tables.items():
        table = sql.Identifier(name)
        columns = ", ".join(f"c{at} {kind}" for at, kind in enumerate(kinds))
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(columns)))
        for _ in range(0 if name == "empty" else chance.randrange(1, 25)):
            values = sql.SQL(", ").join(sql.SQL(f"%s::{kind}") for kind in kinds)
            insert = sql.SQL("INSERT INTO {} VALUES ({})") if kinds else sql.SQL("INSERT INTO {} DEFAULT VALUES")
            connection.execute(insert.format(table, values), [cell(kind, chance, latin=latin) for kind in kinds] or None)
    return tables


def held(connection: psycopg.Connection, name: str, kinds: list[str]) -> list[bytes]:
    """The rows as SELECT gives them in a session as realdata/README.md has it, as sorted canonical lines.

    A real is shown as the double that its text is: that is what the platform stores.
    """
    columns = ", ".join(f"c{at}{'::text::float8' * (kind == 'real')}" for at, kind in enumerate(kinds))
    result = connection.execute(sql.SQL("SELECT {} FROM {}").format(sql.SQL(columns), sql.Identifier(name))).pgresult
    assert result is not None
    rows = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
    return sorted(canonical.joined([None if value is None else value.decode() for value in row]) for row in rows)


def dumped(url: str, form: tuple[str, ...], target: Path) -> None:
    """Runs pg_dump in a session far from UTC: its offsets must be taken back."""
    folder = program_folder("pg_dump")
    assert folder is not None
    command = [str(folder / "pg_dump"), *form, f"--file={target}", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.defpath, "PGTZ": "America/New_York"})
    assert done.returncode == 0, done.stderr


def repacked(folder: Path, how: str) -> None:
    """Makes of a directory that is not packed what a pg_dump built with lz4 and zstd writes (real ones: test_postgres_archives)."""
    suffix = {"lz4": ".lz4", "zstd": ".zst"}[how]
    for path in folder.glob("*.dat"):
        if path.name == "toc.dat":
            contents = path.read_bytes()
            path.write_bytes(contents[:11] + bytes([{"lz4": 2, "zstd": 3}[how]]) + contents[12:])
        else:
            path.with_name(path.name + suffix).write_bytes(PACKERS[how](path.read_bytes()))
            path.unlink()


PACKED_AFTERWARDS = ("lz4", "zstd")
"""The embedded pg_dump is built without them."""
FORMS = {
    "copy": ("-Fp",),
    "inserts": ("-Fp", "--inserts"),
    "column-inserts": ("-Fp", "--column-inserts"),
    "rows-per-insert": ("-Fp", "--rows-per-insert=7"),
    "on-conflict": ("-Fp", "--inserts", "--on-conflict-do-nothing", "--quote-all-identifiers"),
    "create": ("-Fp", "--create", "--clean", "--if-exists"),
    "latin": ("-Fp", "--encoding=WIN1252"),
    "latin-inserts": ("-Fp", "--encoding=WIN1252", "--inserts"),
    **{f"custom-{how}": ("-Fc", f"--compress={how}") for how in ("none", "gzip")},
    **{f"directory-{how}": ("-Fd", f"--compress={how}") for how in ("none", "gzip")},
    **{f"directory-{how}": ("-Fd", "--compress=none") for how in PACKED_AFTERWARDS},
    "custom-inserts": ("-Fc", "--inserts"),
    "directory-inserts": ("-Fd", "--rows-per-insert=3"),
    "tar": ("-Ft",),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("form", FORMS)
def test_what_pg_dump_writes_is_read_as_what_select_gives(database, tmp_path, form, seed):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'; SET datestyle = 'ISO'; SET bytea_output = 'hex'; SET extra_float_digits = 1")
        tables = filled(connection, seed, latin=form.startswith("latin"))
        expected = {name: held(connection, name, kinds) for name, kinds in tables.items()}
    target = tmp_path / "dump"
    dumped(database, FORMS[form], target)
    if (how := form.partition("-")[2]) in PACKED_AFTERWARDS:
        repacked(target, how)
    dump = open_dump(target, postgres_reading.SOURCE)
    assert choose(dump, postgres_reading.SOURCE)[0].name == "postgres"
    reading = postgres_reading.read_dump(dump)
    assert (reading.unreadable, reading.verdict.reasons, reading.verdict.completeness) == ([], (), "complete")
    rows = postgres_reading.typed_rows(dump)
    found = {name: sorted(canonical.joined([text(value) for value in row]) for row in values) for name, values in rows.items()}
    assert set(found) == set(expected)
    assert [different for name in expected for different in zip_longest(found[name], expected[name]) if different[0] != different[1]] == []


def text(value: object) -> str | None:
    return None if value is None else postgres_reading.server_text(value)
