"""JSON documents and lines: cases as files, any table there and back, cuts, flips and sizes."""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import read

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import DelimitedOptions, SourceSettings
from platform_assets.dictionary.types import BOOLEAN, DATE, INT64, STRING, decimal
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Rows
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose
from platform_assets.formats.json_records.reader import Json, JsonLines
from platform_assets.formats.json_records.structure import stripped, structure_of

CASES = Path(__file__).parent / "cases" / "json"
APP = SourceSettings("app")
EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "60"))
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def shown(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else "nan" if value != value else value


@pytest.mark.parametrize("path", sorted(CASES.glob("*.expected.json")), ids=lambda path: path.name.removesuffix(".expected.json"))
def test_a_case_gives_what_stands_beside_it(path: Path) -> None:
    expected = json.loads(path.read_text(encoding="utf-8"))
    dump = path.with_name(path.name.removesuffix(".expected.json"))
    chosen, _ = choose(open_dump(dump, APP), APP)
    assert chosen.name == expected["format"]
    found = read(chosen, dump)
    assert {table: found.types(table) for table in found.tables} == expected["types"]
    rows = {
        table: [
            [number, line, [shown(value) for value in row.values()]]
            for number, line, row in zip(found.numbers[table], found.lines[table], values, strict=True)
        ]
        for table, values in found.rows.items()
    }
    assert rows == expected["rows"]
    assert [[bad.row, bad.line, bad.raw] for bad in found.bad] == expected["unreadable"]
    assert found.codes() == expected["notices"]
    assert found.completeness == expected["completeness"]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KINDS: list[st.SearchStrategy[Any]] = [
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
    st.booleans(),
    st.lists(JSONS, max_size=3) | st.dictionaries(TEXTS, JSONS, max_size=3),
]


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records whose columns are each of one kind, with NULLs and missing keys."""
    names = draw(st.lists(TEXTS.filter(bool), min_size=1, max_size=4, unique=True))
    kinds = {name: draw(st.sampled_from(KINDS)) for name in names}
    record = st.fixed_dictionaries({}, optional={name: st.none() | kind for name, kind in kinds.items()})
    return draw(st.lists(record, min_size=1, max_size=12).filter(any))


def expected_value(value: Any, dumped: str) -> Any:
    return dumped if isinstance(value, list | dict) else value


@MANY
@given(records=tables(), spaced=st.booleans(), ascii_only=st.booleans(), by_line=st.booleans())
def test_any_table_comes_back_as_it_was(
    tmp_path: Path, records: list[dict[str, Any]], spaced: bool, ascii_only: bool, by_line: bool
) -> None:
    separators = (", ", ": ") if spaced else (",", ":")

    def dumped(value: Any) -> str:
        return json.dumps(value, ensure_ascii=ascii_only, separators=separators)

    lines = [dumped(record) for record in records]
    text = "".join(f"{line}\n" for line in lines) if by_line else f"[{separators[0].join(lines)}]"
    path = tmp_path / ("t.jsonl" if by_line else "t.json")
    path.write_text(text, encoding="utf-8", newline="")
    found = read(JsonLines() if by_line else Json(), path)
    names = list(dict.fromkeys(name for record in records for name in record))
    assert names
    assert found.completeness == ("unknown" if by_line else "complete")
    assert list(found.tables["t"].column_names) == names
    for record, row in zip(records, found.rows["t"], strict=True):
        assert row == {name: expected_value(record.get(name), dumped(record.get(name))) for name in names}


@MANY
@given(value=JSONS)
def test_a_nested_value_is_kept_to_the_letter(tmp_path: Path, value: Any) -> None:
    token = json.dumps([value], indent=1)
    (tmp_path / "t.json").write_text(f'[{{"v": {token}, "n": 1}}]', encoding="utf-8", newline="")
    assert read(Json(), tmp_path / "t.json").rows["t"] == [{"v": token, "n": 1}]


NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,44})(\.[0-9]{1,44})?([eE][+-]?[0-9]{1,4})?\Z")


@MANY
@given(tokens=st.lists(NUMBERS, min_size=1, max_size=5))
def test_no_digit_of_a_number_is_lost(tmp_path: Path, tokens: list[str]) -> None:
    (tmp_path / "t.json").write_text("[" + ",".join(f'{{"n": {token}}}' for token in tokens) + "]")
    found = read(Json(), tmp_path / "t.json")
    assert found.raw["t"] == [None] * len(tokens)
    for token, row in zip(tokens, found.rows["t"], strict=True):
        value = row["n"]
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        assert exact == Decimal(token) or value == token


@MANY
@given(data=st.binary(max_size=200).map(lambda data: bytes(b'{}[],:"\\ \n1a'[byte % 12] for byte in data)))
def test_any_bytes_are_read_to_an_end(tmp_path: Path, data: bytes) -> None:
    for name, chosen in (("t.json", Json()), ("t.jsonl", JsonLines())):
        (tmp_path / name).write_bytes(b'[{"a": 1},' + data if name == "t.json" else b'{"a": 1}\n' + data)
        found = read(chosen, tmp_path / name)
        assert found.rows["t"][0].get("a") in (1, "1")


@MANY
@given(lines=st.lists(st.text("{}[],:\"\\ 1a'", max_size=15), min_size=1, max_size=8))
def test_a_line_is_read_when_python_reads_it_as_an_object_with_plain_digits(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n' + "\n".join(lines), encoding="utf-8", newline="")
    found = read(JsonLines(), tmp_path / "t.jsonl")
    good = 1
    for line in lines:
        try:
            good += isinstance(json.loads(line), dict)
        except ValueError:
            good += line.strip().endswith(",}") and loosely(line)
    assert len(found.rows["t"]) == good
    assert len(found.rows["t"]) + len(found.bad) == 1 + sum(bool(line.strip()) for line in lines)


def loosely(line: str) -> bool:
    try:
        return isinstance(json.loads(line.strip()[:-2].rstrip() + "}"), dict) and line.strip()[:-2].strip() != "{"
    except ValueError:
        return False


def test_a_cut_document_is_never_complete_and_shows_no_row_that_was_not_there(tmp_path: Path) -> None:
    text = b'{"n": 1, "rows": [{"a": 1, "b": "x]"}, {"a": 22, "b": "y\\"}"}, {"a": 333, "b": null}], "end": {"k": [1]}}'
    whole = [{"a": 1, "b": "x]"}, {"a": 22, "b": 'y"}'}, {"a": 333, "b": None}]
    for cut in range(20, len(text)):
        (tmp_path / "t.json").write_bytes(text[:cut])
        source = SourceSettings("app", format="json")
        try:
            found = read(Json(), tmp_path / "t.json", source)
        except UnreadableDump:
            continue
        assert found.completeness == "partial", cut
        rows = [{"a": row.get("a"), "b": row.get("b")} for row in found.rows.get("t", found.rows.get("rows", []))]
        assert rows == whole[: len(rows)]


def test_flipped_bytes_are_never_taken_in_silence_for_a_broken_document(tmp_path: Path) -> None:
    text = b"[" + b",\n".join(b'{"id": %d, "name": "user %d", "l": [1, {"k": 2}]}' % (n, n) for n in range(40)) + b"]"
    picked = random.Random(5)
    for _ in range(150):
        flipped = bytearray(text)
        flipped[picked.randrange(1, len(text))] ^= 1 << picked.randrange(8)
        (tmp_path / "t.json").write_bytes(bytes(flipped))
        try:
            found = read(Json(), tmp_path / "t.json", SourceSettings("app", format="json"))
        except UnreadableDump:
            continue
        try:
            json.loads(flipped)
        except ValueError:
            if b",}" in flipped.replace(b" ", b"") or b",]" in flipped.replace(b" ", b""):
                continue
            assert found.completeness == "partial"


def test_a_cut_gz_gives_its_rows_and_is_partial(tmp_path: Path) -> None:
    text = b"".join(b'{"id": %d, "x": "%s"}\n' % (n, os.urandom(20).hex().encode()) for n in range(5000))
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(text)[:-9000])
    found = read(JsonLines(), tmp_path / "t.jsonl.gz")
    assert 1000 < len(found.rows["t"]) < 5000
    assert found.completeness == "partial"


def test_types_widen_when_a_later_record_needs_it(tmp_path: Path) -> None:
    records = [{"id": n} for n in range(200_000)]
    text = "[" + ",".join(json.dumps(record) for record in records) + ',{"id": 1.5, "late": true}]'
    (tmp_path / "t.json").write_text(text)
    found = read(Json(), tmp_path / "t.json")
    assert found.types("t") == {"id": "float64", "late": "boolean"}
    assert (len(found.rows["t"]), found.rows["t"][-1]) == (200_001, {"id": 1.5, "late": True})


def test_the_dictionary_types_what_it_knows(tmp_path: Path) -> None:
    columns = (Column("id", STRING), Column("price", decimal(8, 3)), Column("day", DATE), Column("ok", BOOLEAN), Column("gone", INT64))
    source = SourceSettings("app", delimited=DelimitedOptions(formats=("%d.%m.%Y",), true=("ja",), false=("nein",)))
    (tmp_path / "T.json").write_text('[{"id": 1, "price": "1.5", "day": "24.12.2020", "ok": true, "x": 1}]')
    found = read(Json(), tmp_path / "T.json", source, {"t": Table("t", columns, key=("id",))})
    assert found.types("t") == {"id": "string", "price": "decimal(8,3)", "day": "date", "ok": "boolean", "x": "int64"}
    assert found.tables["t"].key == ("id",)
    assert "table-case" in found.codes()
    words = next(
        event
        for event in Json().read(open_dump(tmp_path / "T.json", source), source, {"t": Table("t", columns)})
        if isinstance(event, Rows)
    )
    assert words.strict
    assert words.batch.to_pylist() == [{"id": "1", "price": "1.5", "day": "24.12.2020", "ok": "ja", "x": "1"}]


def test_exponents_are_digits_where_the_dictionary_wants_digits(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[{"i": 1E3, "d": 25e-1}, {"i": null, "d": 1}, {"i": "1e3", "d": 1e999999}]')
    columns = (Column("i", INT64), Column("d", decimal(8, 3)))
    found = read(Json(), tmp_path / "t.json", APP, {"t": Table("t", columns)})
    assert [list(map(shown, row.values())) for row in found.rows["t"]] == [[1000, "2.500"], [None, "1.000"], [None, None]]
    assert found.raw["t"][2] == '{"i": "1e3", "d": "1e999999"}'


def test_an_empty_list_is_a_table_where_the_dictionary_knows_it(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("[]")
    found = read(Json(), tmp_path / "t.json", APP, {"t": Table("t", (Column("id", INT64),))})
    assert (found.rows, found.types("t"), found.completeness) == ({"t": []}, {"id": "int64"}, "complete")
    (tmp_path / "u.json").write_text('{"t": [], "u": [{"a": 1}]}')
    assert set(read(Json(), tmp_path / "u.json", APP, {"T": Table("T", (Column("id", INT64),))}).tables) == {"T", "u"}
    with pytest.raises(UnreadableDump, match="no list of objects is in it, only empty list"):
        read(Json(), tmp_path / "t.json")


def test_keys_that_are_data_do_not_become_a_thousand_columns(tmp_path: Path) -> None:
    rows = [{f"key {n} of {m}": 1 for n in range(400)} for m in range(5)]
    (tmp_path / "t.json").write_text(json.dumps({"wide": rows, "t": [{"a": 1}]}))
    found = read(Json(), tmp_path / "t.json")
    assert set(found.tables) == {"t"}
    assert (found.completeness, "too-many-columns" in found.codes()) == ("partial", True)


def test_deep_nesting_is_an_unreadable_record_not_a_crash(tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    (tmp_path / "t.json").write_text(f'[{{"a": {deep}}}, {{"a": 1}}]')
    found = read(Json(), tmp_path / "t.json")
    assert (found.rows["t"], [bad.row for bad in found.bad]) == ([{"a": 1}], [1])


def test_memory_stays_flat_over_one_large_list(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    record = b'{"id": 1, "name": "a name of some length", "list": [1, 2, 3], "more": "%s"},' % (b"x" * 150)
    with path.open("wb") as file:
        file.write(b"[")
        for _ in range(90):
            file.write(record * 2_000)
        file.write(record[:-1] + b"]")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(len(event.rows) for event in Json().read(open_dump(path, APP), APP, {}) if isinstance(event, Rows))
    assert count == 180_001
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_blanks_at_the_ends_of_spans_are_left_out_however_many() -> None:
    data = np.frombuffer(b" " * 300 + b"a b" + b"\t" * 300 + b",   ,", np.uint8)
    starts, stops = stripped(data, np.array([0, 604]), np.array([603, 607]))
    assert (starts.tolist(), stops.tolist()) == ([300, 607], [303, 607])


@pytest.mark.parametrize("text", [r'{"a\\": "b\"{", "c": "\\\\"}', r'["\\", "\\\"", ","]', ""])
def test_the_structure_knows_escaped_quotes(text: str) -> None:
    structure = structure_of(np.frombuffer(text.encode(), np.uint8))
    inside, expected = False, []
    at = 0
    while at < len(text):
        if inside and text[at] == "\\":
            at += 1
        elif text[at] == '"':
            inside = not inside
        elif not inside and text[at] in "{}[],:":
            expected.append(at)
        at += 1
    assert structure.marks.tolist() == expected


def test_a_document_with_undecodable_bytes_where_its_error_is_shown_is_told(tmp_path: Path) -> None:
    """The 20 bytes that are shown end within the three that stand for one that UTF-16 could not decode."""
    data = (
        b'\xff\xfe[\0\xcb\xfb\x85\x1dz6\x8e\xa0\x92\xa2\xc5\xc3{\0"\0n\0\xe4\0m\0e\0"\0:\0 \0b\0\xe9\0"\0,\0 \x80"\0n\0"\0:\0 \x001\0}\0,\0'
        b'\n\0 \0{\0"\0n\0\xe4\0m\0e\0"\0:\0 \0"\0\xfc\0"\0\0:\0 \x002\0}\0]\0\n\0'
    )
    (tmp_path / "t.json").write_bytes(data)
    with pytest.raises(UnreadableDump, match="a bracket is never closed"):
        read(Json(), tmp_path / "t.json", SourceSettings("app", format="json"))
