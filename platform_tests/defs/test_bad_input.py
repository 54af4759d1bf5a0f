"""Dumps that are broken, hostile or in the wrong place, the whole way: each fails alone and says so, the others are loaded."""

import gzip
import io
import json
import os
import random
import threading
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from ingesting import ask, command, finished, ingest, leftovers, mysql, put, settle

from platform_assets.settings import Settings
from platform_assets.storage.home import Home

DAT = '[{"column_name": "id", "data_type": "int"}, {"column_name": "name", "data_type": "varchar"}]'


def zipped(members: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return packed.getvalue()


MANY = "id,name\n" + "".join(f"{i},name {i * 7919 % 10007}\n" for i in range(5_000))

UNREADABLE: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "unknown.bin": (bytes(range(256)) * 40, ("of no known format", "it begins with", "convert it or take it away")),
    "empty.csv": (b"", ("empty (0 bytes)", "Fetch the dump again")),
    "cut.zip": (zipped({"many.csv": MANY})[:-200], ("cut short or damaged", "Copy the complete file again")),
    "leaving.zip": (zipped({"../../x.csv": "id\n1\n"}), ("'../../x.csv'", "Nothing of the archive was read", "pack it again")),
    "absolute.zip": (zipped({"/x.csv": "id\n2\n"}), ("'/x.csv'", "pack it again")),
}
"""File -> its bytes, and what its error must say: what is wrong, and what to do."""

SALVAGED: dict[str, tuple[bytes, str, int, tuple[str, ...]]] = {
    "cut.sql.gz": (
        gzip.compress(mysql("cutgz", ((i, f"n{i * 7919 % 10007}") for i in range(20_000))).encode())[:-9_000],
        "cutgz",
        0,
        ("cut.sql.gz", "the stream breaks off", "Fetch the dump again"),
    ),
    "short.csv": (b"id,name,more\n1,a,b\n2,c\n3,d,e\n", "short", 2, ("short.csv, line 3", "2 fields where the table has 3")),
    "latin.csv": (b"id,name\n1,ok\n2,caf\xe9 \xff\n3,fine\n", "latin", 2, ("latin.csv, line 3", "byte 6", "set the source's encoding")),
}
"""File -> bytes, table, rows that arrive (0: some), and what is said of the rest."""


@pytest.fixture
def settings(home: Home, platform_database: str) -> Settings:
    return Settings.load(home.root)


def files_outside(home: Home) -> set[str]:
    """Everything beside the store and the dumps, in the home and above it, where a hostile name could have written."""
    places = [*home.root.iterdir(), *home.root.parent.iterdir()]
    return {str(path) for path in places if path not in (home.store, home.dumps)}


@pytest.mark.long
def test_every_broken_dump_fails_alone_and_says_what_where_and_what_to_do(home, settings, platform_database):
    for name, (content, _) in UNREADABLE.items():
        put(home.dumps / "shop" / name, content)
    for name, (content, *_) in SALVAGED.items():
        put(home.dumps / "shop" / name, content)
    put(home.dumps / "shop" / "good.sql", mysql("items", [(1, "a"), (2, "b")]))
    before = files_outside(home)

    first = ingest(settings)

    assert first.exit_code == 2
    found = {path: (state, error) for path, state, error in ask(platform_database, "SELECT path, state, error FROM catalog.versions")}
    for name, (_, words) in UNREADABLE.items():
        state, error = found.pop(f"dumps/shop/{name}")
        assert state == "failed" and name in error and all(word in error for word in words), error
        told = [line for line in first.lines if line.startswith("failed: ") and f"dumps/shop/{name}" in line]
        assert len(told) == 1 and error in told[0], first.lines
    assert {state for state, _ in found.values()} == {"published"}, found
    assert ask(platform_database, "SELECT count(*) FROM shop.items") == [(2,)]
    reasons = "\n".join([*first.lines, *(v[0]["message"] for (v,) in ask(platform_database, "SELECT violations FROM catalog.rejects"))])
    for _, table, count, words in SALVAGED.values():
        ((arrived,),) = ask(platform_database, f"SELECT count(*) FROM shop.{table}")
        assert (arrived == count) if count else (1_000 < arrived < 20_000)
        assert all(word in reasons for word in words), reasons
    assert files_outside(home) == before and leftovers(home) == []

    second = ingest(settings)
    assert (second.exit_code, second.rows, second.facts["new"]) == (0, [], [])
    assert f"all but {len(UNREADABLE)} of them loaded" in second.lines[0]
    assert sum(line.startswith("failed earlier: ") for line in second.lines) == len(UNREADABLE)

    again = ingest(settings, [home.dumps / "shop" / "empty.csv"])
    assert (again.exit_code, len(again.facts["new"])) == (2, 1), "asked for by name, a failed dump is tried again"

    put(home.dumps / "shop" / "empty.csv", "id,name\n7,now it is whole\n")
    mended = ingest(settings)
    assert mended.exit_code == 0
    assert ask(platform_database, "SELECT id, name FROM shop.empty") == [("7", "now it is whole")]
    assert not [line for line in mended.lines if "empty.csv" in line], "what was replaced is not complained about any more"


def test_a_dat_row_with_too_few_fields_is_rejected_with_its_line_and_the_rest_arrives(home, platform_database):
    (home.root / "platform.yaml").write_text("sources:\n  lms:\n    delimited: {separator: '|', quote: '`', null: 'NULL'}\n")
    put(home.dumps / "lms" / "dump.zip", zipped({"users.json": DAT, "users.dat": "`id`|`name`\n`1`|`a`\n`2`\n`3`|`c`\n"}))
    report = ingest(Settings.load(home.root))
    assert report.exit_code == 1, report.lines
    assert ask(platform_database, "SELECT id FROM lms.users ORDER BY 1") == [(1,), (3,)]
    ((file, line, raw),) = ask(platform_database, "SELECT file, line, raw FROM catalog.rejects")
    assert (Path(file).name, line, raw) == ("users.dat", 3, "`2`")


def test_what_cannot_be_a_dump_is_named_with_its_remedy_and_never_read(home, settings, platform_database):
    secret = put(home.root / "secret.csv", "id\n7\n")
    put(home.dumps / "shop" / "good.sql", mysql("items", [(1, "a")]))
    put(home.dumps / "loose.csv", "id\n1\n")
    put(home.dumps / "pg_bad" / "a.csv", "id\n1\n")
    (home.dumps / "shop" / "link.csv").symlink_to(secret)
    (home.dumps / "shop" / "gone.csv").symlink_to(home.root / "nowhere")
    put(home.dumps / "shop" / "folder" / "a.csv", "id\n1\n")
    (home.dumps / "shop" / "folder" / "link.csv").symlink_to(secret)
    os.mkfifo(home.dumps / "shop" / "pipe.csv")
    (home.dumps / "shop" / os.fsdecode(b"\xff.csv")).write_text("id\n1\n")

    report = ingest(settings)

    assert report.exit_code == 2
    said = "\n".join(report.lines)
    for words in (
        ("loose.csv lies directly in dumps/", "move it into dumps/<source>/"),
        ("'pg_bad' cannot be the name of a source", "Rename the folder"),
        ("shop/link.csv is a link that leads out", "Put the file itself in its place"),
        ("member link.csv is a link that leads out", "Put the file itself in its place"),
        ("pipe.csv is neither a file nor a folder", "Take it away"),
        ("a name that is not UTF-8", "Rename it"),
    ):
        assert all(word in said for word in words), said
    assert ask(platform_database, "SELECT source || '.' || table_name FROM catalog.tables") == [("shop.items",)]
    said.encode()


def test_a_file_that_is_growing_waits_and_is_taken_whole(home, platform_database):
    settings = Settings.load(home.root)
    path = put(home.dumps / "shop" / "good.sql", mysql("items", [(1, "a")]))
    whole = path.read_text()
    put(home.dumps / "shop" / "other.sql", mysql("other", [(1, "a")]))
    path.write_text(whole[:20])
    (home.dumps / "shop" / "half.sql.part").write_text(whole[:20])
    waiting = ingest_while_growing(settings, path)
    assert waiting.exit_code == 1
    assert [line for line in waiting.lines if "not taken yet" in line and "good.sql" in line and "run ingest again" in line]
    assert ask(platform_database, "SELECT table_name FROM catalog.tables") == [("other",)]
    path.write_text(whole)
    settle(path)
    assert ingest(settings).exit_code == 0
    assert ask(platform_database, "SELECT name FROM shop.items") == [("a",)]


def ingest_while_growing(settings: Settings, path: Path):
    """Something goes on writing to the file all the while."""
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.05):
            with path.open("a") as file:
                file.write(" ")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return ingest(settings)
    finally:
        stop.set()
        writer.join()


def test_one_content_under_two_names_is_one_version_and_one_name_with_two_contents_two(home, settings, platform_database, tmp_path):
    put(home.dumps / "shop" / "a.sql", mysql("items", [(1, "old")]))
    put(home.dumps / "shop" / "b.sql", mysql("items", [(1, "old")]))
    report = ingest(settings)
    assert report.exit_code == 0
    assert [line for line in report.lines if "b.sql holds the same bytes as version shop.a." in line]
    assert len(ask(platform_database, "SELECT 1 FROM catalog.versions")) == 1

    put(home.dumps / "shop" / "a.sql", mysql("items", [(1, "new"), (2, "new")]))
    ingest(settings)
    other = put(tmp_path / "elsewhere" / "a.sql", mysql("items", [(3, "third")]))
    assert ingest(settings, [other], "shop").exit_code == 0
    assert ask(platform_database, "SELECT id FROM shop.items ORDER BY 1") == [(1,), (2,), (3,)]
    assert ask(platform_database, "SELECT count(DISTINCT _version) FROM shop_versions.items") == [(3,)]
    assert len(list((home.dumps / "shop").iterdir())) == 3, "nothing in dumps/ was overwritten"


LONG = "very_long_name_" * 5
TABLES = (
    *("Users", "users", "a'b\"c;--", "../../etc/x", "..", "new\nline", "ctid", "_row", f"{LONG}one", f"{LONG}two"),
    *("täble ☃", "se`lect", "%s", "{}", "\\"),
)
COLUMNS = (
    *("Users", "users", "a'b\"c;--", "../x", "new\nline", "ctid", "_row", "_version", "_raw", "_instance", "_line"),
    *(f"{LONG}one", f"{LONG}two", "cöl ☃", "select", "xmin", "%s", "{x}", "back\\slash", "version", "row", "instance", "place", "k0", "c1"),
)


def hostile_sql() -> str:
    columns = "`id` int, " + ", ".join(f"`{name.replace('`', '``')}` varchar(40)" for name in COLUMNS)
    tables = [
        mysql(table, [(row, *(f"{place}.{row}.{column}" for column in range(len(COLUMNS)))) for row in (1, 2)], columns, "`id`, `users`")
        for place, table in enumerate(TABLES)
    ]
    return "".join(tables)


def hostile_csv(start: int) -> str:
    quoted = ['"' + name.replace('"', '""') + '"' for name in ("", *COLUMNS, "Users")]
    lines = [",".join(f"{row}.{column}" if column < 2 else "same" for column in range(len(quoted))) for row in range(start, start + 2)]
    return "\n".join([",".join(quoted), *lines]) + "\n"


@pytest.mark.long
def test_hostile_names_pass_all_stations_with_their_content_and_touch_nothing_else(home, settings, platform_database):
    put(home.dumps / "host" / "tables.sql", hostile_sql())
    put(home.dumps / "host" / "heads.csv", hostile_csv(1))
    put(home.dumps / "host" / "x'; drop table y;--.csv", "id,name\n1,a\n")
    before = files_outside(home)
    report = ingest(settings)
    assert report.exit_code == 0, report.lines
    assert files_outside(home) == before

    printed = finished(command(home.root, "tables", "--json", url=platform_database))
    assert printed[0] == 0
    listed = {row["table"]: row for row in json.loads(printed[1])}
    assert set(listed) == {"host.heads", "host.x'; drop table y;--", *(f"host.{table}" for table in TABLES)}
    relations = [row["relation"] for row in listed.values()]
    assert len(set(relations)) == len(relations) and all(len(name.split(".", 1)[1].encode()) <= 63 for name in relations)
    for place, table in enumerate(TABLES):
        schema, relation = ask(platform_database, "SELECT schema_name, relation FROM catalog.tables WHERE table_name = %s", table)[0]
        quoted = relation.replace('"', '""')
        rows = ask(platform_database, f'SELECT * FROM {schema}."{quoted}" ORDER BY id')
        wanted = [(row, *(f"{place}.{row}.{column}" for column in range(len(COLUMNS)))) for row in (1, 2)]
        assert [row[: len(COLUMNS) + 1] for row in rows] == wanted, table
    code, printed = finished(command(home.root, "show", "host...", "--json", url=platform_database))
    assert code == 0 and len(json.loads(printed)) == 2
    code, printed = finished(command(home.root, "dumps", url=platform_database))
    assert code == 0 and "new\\nline" in printed, "a name cannot break a line of the listing"

    code, printed = finished(command(home.root, "backup", "host...", "--json", url=platform_database))
    assert code == 0 and json.loads(printed[printed.index("[") :])[0]["restores"] is True, printed
    code, printed = finished(command(home.root, "restore", "host...", "--as", 'again"; --', url=platform_database))
    assert code == 0, printed
    assert ask(platform_database, 'SELECT count(*) FROM host."again""; --"') == [(2,)]
    assert files_outside(home) == before


def test_columns_that_differ_in_case_alone_are_told_apart_when_versions_are_merged(home, settings, platform_database):
    """DuckDB takes `Users` and `users` for one column: rows that differed in the second alone were taken for repetitions."""
    put(home.dumps / "host" / "t1" / "t.csv", "A,a,version\nx,1,v\nx,2,v\n")
    put(home.dumps / "host" / "t2" / "t.csv", "A,a,version\nx,2,v\nx,3,v\n")
    assert ingest(settings).exit_code == 0
    assert ask(platform_database, 'SELECT "A", a, version FROM host.t ORDER BY a') == [("x", "1", "v"), ("x", "2", "v"), ("x", "3", "v")]


def test_values_that_no_type_holds_are_null_and_verbatim_in_raw_in_version_table_and_latest_state(home, settings, platform_database):
    digits = "1" * 65
    columns = "`id` int, `big` bigint, `day` date, `much` decimal(65,0), `text` varchar(20), `fits` bigint"
    dump = f"CREATE TABLE `odd` ({columns}, PRIMARY KEY (`id`));\n"
    dump += f"INSERT INTO `odd` VALUES (1,99999999999999999999,'0000-00-00',{digits},'a\\0b',9223372036854775807);\n"
    put(home.dumps / "shop" / "odd.sql", dump)
    report = ingest(settings)
    assert report.exit_code in (0, 1), report.lines
    for relation in ("shop_versions.odd", "shop.odd"):
        ((big, day, much, text, fits, raw),) = ask(platform_database, f"SELECT big, day, much, text, fits, _raw FROM {relation}")
        assert (day, text, fits) == (None, None, 9223372036854775807)
        kept = {"big": "99999999999999999999", "day": "0000-00-00", "much": digits, "text": "a\0b"}
        assert raw == {name: value for name, value in kept.items() if name in raw} and {"day", "text"} <= set(raw)
        assert (str(big) if big is not None else raw["big"]) == kept["big"]
        assert (Decimal(much) if much is not None else Decimal(raw["much"])) == Decimal(digits)


def test_a_dump_of_rejected_rows_alone_is_loaded_as_such(home, platform_database):
    home.dictionary.mkdir()
    (home.dictionary / "shop.odcs.yaml").write_text(
        "apiVersion: v3.1.0\nkind: DataContract\nid: shop\nversion: 1.0.0\nstatus: active\nschema:\n"
        "  - {name: items, properties: [{name: id, logicalType: integer}, {name: name, logicalType: string, required: true}]}\n"
    )
    put(home.dumps / "shop" / "items.csv", "id,name\n" + "".join(f"{i},\n" for i in range(20_000)))
    report = ingest(Settings.load(home.root))
    assert report.exit_code == 1
    assert ask(platform_database, "SELECT count(*), count(DISTINCT line), min(line), max(line) FROM catalog.rejects") == [
        (20_000, 20_000, 2, 20_001)
    ]
    assert ask(platform_database, "SELECT count(*) FROM shop.items") == [(0,)]


def test_a_table_beyond_postgresqls_limits_fails_for_good_and_says_which_limit(home, settings, platform_database):
    wide = ",".join(f"c{i}" for i in range(1_700))
    put(home.dumps / "shop" / "wide.csv", f"{wide}\n{wide}\n")
    key = "".join(map(chr, random.Random(1).choices(range(0x4E00, 0x9FFF), k=3_000)))
    put(home.dumps / "shop" / "key.sql", mysql("long_key", [(key, "a")], "`id` varchar(4000) NOT NULL, `name` text"))
    put(home.dumps / "shop" / "good.sql", mysql("items", [(1, "a")]))
    report = ingest(settings)
    assert report.exit_code == 2
    assert [line for line in report.lines if "wide.csv" in line and "1600 columns" in line and "fewer columns" in line], report.lines
    assert [line for line in report.lines if "shop.long_key" in line and "index row" in line and "a shorter key" in line], report.lines
    assert ask(platform_database, "SELECT label, state FROM catalog.versions ORDER BY 1") == [
        ("good", "published"),
        ("key", "published"),
        ("wide", "failed"),
    ]
