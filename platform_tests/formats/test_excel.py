"""Workbooks: cells to types, sheets to tables, and what is damaged or hostile."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import read
from workbook_files import Raw, number, ods, sheet_xml, xls, xlsx, zipped
from xlsb_file import xlsb

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import DelimitedOptions, Limits, SourceSettings
from platform_assets.dictionary.types import DATE, INT64, STRING, decimal
from platform_assets.errors import LimitExceeded, UnreadableDump
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose
from platform_assets.formats.excel import reader
from platform_assets.formats.excel.old import OldWorkbookError, old_steps
from platform_assets.formats.excel.reader import Excel
from platform_assets.formats.excel.styles import shows_of

APP = SourceSettings("app")


def stored(tmp_path: Path, data: bytes, name: str = "book.xlsx") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_each_sheet_is_a_table_with_types_from_its_cells(tmp_path: Path) -> None:
    rows = [
        ["id", "code", "price", "born", "seen", "at", "ok", "mixed"],
        [1, "007", 1.5, number("43831", 1), number("43831.5", 2), number("0.25", 3), True, 1],
        [number("2.0"), "8", number("1.1000000000000001"), number("43832", 1), number("43832", 2), number("0.5", 3), False, "a"],
    ]
    path = stored(tmp_path, xlsx({"users": rows, "jobs": [["n"], [1]]}))
    assert choose(open_dump(path, APP), APP)[0].name == "excel"
    found = read(Excel(), path)
    assert found.types("users") == {
        "id": "int64",
        "code": "string",
        "price": "float64",
        "born": "date",
        "seen": "timestamp",
        "at": "time",
        "ok": "boolean",
        "mixed": "string",
    }
    first, second = found.rows["users"]
    assert list(first.values()) == [
        1,
        "007",
        1.5,
        dt.date(2020, 1, 1),
        dt.datetime(2020, 1, 1, 12),
        dt.time(6),
        True,
        "1",
    ]
    assert (second["id"], second["price"], second["seen"], second["mixed"]) == (2, 1.1, dt.datetime(2020, 1, 2), "a")
    assert found.rows["jobs"] == [{"n": 1}]
    assert found.completeness == "complete"
    assert found.codes() == ["kinds-mixed"]


def test_numbers_keep_the_digits_that_the_file_has(tmp_path: Path) -> None:
    values = ["9007199254740993", "123456789012345678901234567890", "-5", "1E+3"]
    found = read(Excel(), stored(tmp_path, xlsx({"t": [["a", "b"], *[[number(text), number("0.1")] for text in values]]})))
    assert [str(row["a"]) for row in found.rows["t"]] == ["9007199254740993", "123456789012345678901234567890", "-5", "1000"]
    assert found.types("t") == {"a": "decimal(38,0)", "b": "float64"}


@pytest.mark.parametrize(
    ("code", "date", "time"),
    [
        ("General", False, False),
        ("0.00E+00", False, False),
        ('0 "days"', False, False),
        ("[Red]0.0", False, False),
        ("[h]:mm:ss", False, False),
        ("mm/dd/yy", True, False),
        ("d\\. mmmm yyyy", True, False),
        ("h:mm AM/PM", False, True),
        ("mm:ss.0", False, True),
        ("[$-409]m/d/yy h:mm", True, True),
        ("mmm", True, False),
    ],
)
def test_a_number_format_says_whether_a_number_is_a_date(code: str, date: bool, time: bool) -> None:
    assert shows_of(170, code) == (date, time)


def test_days_of_both_epochs_and_days_that_never_were(tmp_path: Path) -> None:
    days = [["d"], [number("1", 1)], [number("59", 1)], [number("61", 1)], [number("2958465", 1)]]
    found = read(Excel(), stored(tmp_path, xlsx({"t": days})))
    assert [row["d"].isoformat() for row in found.rows["t"]] == ["1900-01-01", "1900-02-28", "1900-03-01", "9999-12-31"]
    found = read(Excel(), stored(tmp_path, xlsx({"t": [["d"], [number("0", 1)], [number("42369", 1)]]}, epoch_1904=True)))
    assert [row["d"].isoformat() for row in found.rows["t"]] == ["1904-01-01", "2020-01-01"]
    found = read(Excel(), stored(tmp_path, xlsx({"t": [["d"], [number("60", 1)], [number("-3", 1)], [number("2958466", 1)]]})))
    assert [row["d"] for row in found.rows["t"]] == [60, -3, 2958466]


def test_error_cells_are_null_kept_as_raw_and_told(tmp_path: Path) -> None:
    error = Raw(' t="e"', "<v>#N/A</v>")
    found = read(Excel(), stored(tmp_path, xlsx({"t": [["n", "s"], [1, "a"], [error, Raw(' t="e"', "<v>#REF!</v>")]]})))
    assert found.rows["t"] == [{"n": 1, "s": "a"}, {"n": None, "s": None}]
    assert found.raw["t"] == [None, '{"n": "#N/A"}']
    notice = next(notice for notice in found.notices if notice.code == "error-cells")
    assert notice.message.startswith("2 cells") and "#N/A in column n of row 3" in notice.message


def test_odd_headers_and_gaps(tmp_path: Path) -> None:
    rows = {3: [None, "id", "id", None, "end"], 4: [None, 1, 2, "x"], 7: [None, 3, 4, None, 5]}
    found = read(Excel(), stored(tmp_path, xlsx({"t": rows})))
    assert found.rows["t"] == [{"id": 1, "id_2": 2, "column_3": "x", "end": None}, {"id": 3, "id_2": 4, "column_3": None, "end": 5}]
    assert found.lines["t"] == [4, 7]
    assert found.codes() == ["header-renamed", "rows-empty"]
    assert "2 empty rows" in next(notice.message for notice in found.notices if notice.code == "rows-empty")


def test_without_header_the_dictionary_or_numbers_name_the_columns(tmp_path: Path) -> None:
    source = SourceSettings("app", delimited=DelimitedOptions(header=False))
    path = stored(tmp_path, xlsx({"t": [[1, "a"], [2, "b"]]}))
    assert read(Excel(), path, source).rows["t"] == [{"c1": 1, "c2": "a"}, {"c1": 2, "c2": "b"}]
    dictionary = {"t": Table("t", (Column("id", STRING), Column("name", STRING)), key=("id",))}
    found = read(Excel(), path, source, dictionary)
    assert found.rows["t"] == [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]
    assert found.tables["t"].key == ("id",)


def test_the_dictionary_types_what_it_knows(tmp_path: Path) -> None:
    small = {"t": Table("t", (Column("d", decimal(12, 9)), Column("day", DATE)))}
    rows = [["d", "day"], [1e-7, number("43831", 2)]]
    assert read(Excel(), stored(tmp_path, xlsx({"t": rows})), APP, small).rows["t"] == [{"d": Decimal("1e-7"), "day": dt.date(2020, 1, 1)}]
    dictionary = {"t": Table("t", (Column("id", INT64), Column("day", DATE, formats=("%d.%m.%Y",))))}
    found = read(Excel(), stored(tmp_path, xlsx({"t": [["id", "day", "more"], ["12", "24.12.2020", 1]]})), APP, dictionary)
    assert found.rows["t"] == [{"id": 12, "day": dt.date(2020, 12, 24), "more": 1}]


def test_hidden_merged_empty_and_valueless_are_told(tmp_path: Path) -> None:
    formula = Raw("", "<f>A1+1</f>")
    tails = {"t": '<mergeCells count="1"><mergeCell ref="A1:B2"/></mergeCells>'}
    sheets = {"t": [["a", "b"], [1, formula], [2, Raw("", "<f>A3</f><v>2</v>")]], "none": []}
    found = read(Excel(), stored(tmp_path, xlsx(sheets, hidden=("t",), tails=tails)))
    assert found.rows["t"] == [{"a": 1, "b": None}, {"a": 2, "b": 2}]
    assert found.codes() == ["cells-merged", "formulas-without-value", "sheet-empty", "sheet-hidden"]
    assert found.completeness == "partial"


def test_texts_of_all_forms(tmp_path: Path) -> None:
    inline = Raw(' t="inlineStr"', "<is><r><t>ri</t></r><r><t>ch</t></r><rPh><t>no</t></rPh></is>")
    rows = [["a"], [inline], [Raw(' t="str"', "<v>=&quot;x&quot;</v>")], ["line_x000D_\nend"], [" blank "], ["_x005F_x0041_"]]
    found = read(Excel(), stored(tmp_path, xlsx({"t": rows})))
    assert [row["a"] for row in found.rows["t"]] == ["rich", '="x"', "line\r\nend", " blank ", "_x0041_"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False, width=32),
            st.text(st.characters(codec="utf-8", min_codepoint=32, exclude_characters="_￾￿"), min_size=1),
            st.booleans(),
        ),
        min_size=1,
    )
)
def test_any_table_comes_back_as_it_was(tmp_path: Path, rows: list[tuple[int, float, str, bool]]) -> None:
    found = read(Excel(), stored(tmp_path, xlsx({"t": [["i", "f", "s", "b"], *rows]})))
    back = [tuple(row.values()) for row in found.rows["t"]]
    assert [(i, float(f), s, b) for i, f, s, b in back] == [(i, float(f), s, b) for i, f, s, b in rows]


def test_an_archive_of_workbooks_and_a_folder_name_tables_apart(tmp_path: Path) -> None:
    one, two = xlsx({"t": [["a"], [1]]}), xlsx({"t": [["a"], [2]]})
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "x.xlsx").write_bytes(one)
    (folder / "y.xlsx").write_bytes(two)
    found = read(Excel(), folder)
    assert found.rows == {"t": [{"a": 1}], "y.t": [{"a": 2}]}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.xlsx", one)
    path = stored(tmp_path, buffer.getvalue(), "d.zip")
    assert choose(open_dump(path, APP), APP)[0].name == "excel"
    assert read(Excel(), path).rows == {"t": [{"a": 1}]}


def test_every_cut_is_refused_or_partial(tmp_path: Path) -> None:
    data = xlsx({"t": [["a"], *[[n, f"text {n}"] for n in range(50)]]})
    for cut in range(0, len(data), max(1, len(data) // 60)):
        path = stored(tmp_path, data[:cut])
        try:
            found = read(Excel(), path)
        except UnreadableDump:
            continue
        raise AssertionError(f"cut at {cut}: {found.completeness}")


def test_an_old_workbook_is_read_by_its_sheets(tmp_path: Path) -> None:
    rows = [["id", "name", "price", "born", "ok"], [1, "é", 1.5, dt.date(2024, 2, 29), True], [2, None, 0.1, dt.date(1999, 12, 31), False]]
    path = stored(tmp_path, xls({"users": rows, "jobs": [["n"], [7]]}), "book.bin")
    assert choose(open_dump(path, APP), APP)[0].name == "excel"
    found = read(Excel(), path)
    assert found.rows == {"users": [dict(zip(rows[0], row, strict=True)) for row in rows[1:]], "jobs": [{"n": 7}]}
    assert found.types("users") == {"id": "int64", "name": "string", "price": "float64", "born": "date", "ok": "boolean"}
    assert (found.completeness, found.bad) == ("complete", [])


def test_a_binary_workbook_is_read_by_its_sheets(tmp_path: Path) -> None:
    rows = [["id", "name", "price", "ok"], [1, "é", 1.5, True], [2, None, 0.1, False]]
    path = stored(tmp_path, xlsb({"users": rows, "jobs": [["n"], [7]]}), "book.bin")
    assert choose(open_dump(path, APP), APP)[0].name == "excel"
    found = read(Excel(), path)
    assert found.rows == {"users": [dict(zip(rows[0], row, strict=True)) for row in rows[1:]], "jobs": [{"n": 7}]}
    assert (found.completeness, found.bad) == ("complete", [])


def test_a_binary_workbook_cut_anywhere_is_refused_or_partial(tmp_path: Path) -> None:
    data = xlsb({"t": [["a"], *[[n] for n in range(50)]]})
    for cut in range(1, len(data), max(len(data) // 25, 1)):
        path = stored(tmp_path, data[:cut], "book.bin")
        try:
            found = read(Excel(), path)
        except UnreadableDump:
            continue
        assert found.completeness == "partial", cut


def test_an_old_workbook_that_is_cut_is_refused_or_partial_and_mostly_without_a_process(tmp_path: Path, monkeypatch) -> None:
    data = xls({"t": [["a"], *[[n] for n in range(50)]]})
    started = []
    monkeypatch.setattr(reader, "old_steps", lambda path, size: started.append(size) or old_steps(path, size))
    for cut in (*range(8, len(data) - 512, 97), len(data) - 513, len(data) - 512, len(data) - 511, len(data) - 1):
        try:
            found = read(Excel(), stored(tmp_path, data[:cut]))
        except UnreadableDump:
            continue
        assert found.completeness == "partial", cut
    assert set(started) == {len(data) - 511, len(data) - 1}, "what misses whole sectors is not handed on"


def test_flipped_bytes_never_crash_nor_pass_for_complete_with_other_rows(tmp_path: Path) -> None:
    data = xlsx({"t": [["a", "b"], *[[number(str(n), 1), f"text {n}"] for n in range(1, 50)]]})
    whole = read(Excel(), stored(tmp_path, data)).rows
    for at in range(4, len(data), max(1, len(data) // 200)):
        flipped = bytearray(data)
        flipped[at] ^= 0x20
        try:
            found = read(Excel(), stored(tmp_path, bytes(flipped)))
        except (UnreadableDump, zlib.error):  # a broken directory makes it an archive, whose first part may not even begin to unpack
            continue
        assert found.completeness != "complete" or found.rows == whole, at


@pytest.mark.parametrize("part", ["xl/styles.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"])
def test_a_part_that_is_named_and_missing_is_told(tmp_path: Path, part: str) -> None:
    with zipfile.ZipFile(io.BytesIO(xlsx({"t": [["a"], ["x"]]}))) as archive:
        kept = {name: archive.read(name).decode() for name in archive.namelist() if name != part}
    with pytest.raises(UnreadableDump, match=f"its part {part} is missing"):
        read(Excel(), stored(tmp_path, zipped(kept)))


def test_a_document_type_is_refused_before_it_grows(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    text = sheet_xml({1: ["a"], 2: [Raw(' t="inlineStr"', "<is><t>&b;</t></is>")]}, [], prefix=bomb)
    with pytest.raises(UnreadableDump, match="document type"):
        read(Excel(), stored(tmp_path, xlsx({"t": text})))


def test_a_workbook_that_unpacks_beyond_the_limits_stops(tmp_path: Path) -> None:
    source = SourceSettings("app", limits=Limits(max_dump_bytes=1_000_000))
    data = xlsx({"t": [["a"], *[[number("1")] for _ in range(60_000)]]})
    with pytest.raises(LimitExceeded, match="max_dump_bytes"):
        read(Excel(), stored(tmp_path, data), source)


def test_an_archive_that_only_looks_like_a_workbook_stays_an_archive(tmp_path: Path) -> None:
    path = stored(tmp_path, zipped({"xl/data.csv": "a,b\n1,2\n"}), "d.zip")
    assert choose(open_dump(path, APP), APP)[0].name == "delimited"


def test_an_ods_workbook_is_read_through_calamine(tmp_path: Path) -> None:
    def cell(kind: str, value: str, text: str = "x") -> str:
        named = {"float": "value", "boolean": "boolean-value", "date": "date-value"}.get(kind)
        attribute = f' office:{named}="{value}"' if named else ""
        shown = value if kind == "string" else text
        return f'<table:table-cell office:value-type="{kind}"{attribute}><text:p>{shown}</text:p></table:table-cell>'

    rows = [[("string", "id"), ("string", "code"), ("string", "day"), ("string", "ok")]]
    rows.append([("float", "1"), ("string", "007"), ("date", "2020-01-02"), ("boolean", "true")])
    xml = "".join(f"<table:table-row>{''.join(cell(*value) for value in row)}</table:table-row>" for row in rows)
    path = stored(tmp_path, ods(xml), "book.ods")
    found = read(Excel(), path)
    assert found.rows == {"S1": [{"id": 1, "code": "007", "day": dt.date(2020, 1, 2), "ok": True}]}
    assert found.completeness == "complete"


def test_a_damaged_old_workbook_is_refused_with_advice(tmp_path: Path) -> None:
    path = stored(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000), "old.xls")
    with pytest.raises(UnreadableDump, match=r"save it as \.xlsx"):
        read(Excel(), path)


def test_a_large_sheet_is_streamed_in_two_passes_and_a_prefix_is_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform_assets.formats.excel.reader._KEPT_CELLS", 10)
    rows = [["a", "b"], *[[n, f"text {n}"] for n in range(100)]]
    data = xlsx({"t": rows})
    found = read(Excel(), stored(tmp_path, data))
    assert found.rows["t"] == [{"a": n, "b": f"text {n}"} for n in range(100)]
    title = Raw(' t="str"', "<v>a</v>")
    text = sheet_xml({1: [title], 2: [number("7")]}, [])
    prefixed = text.replace("<", "<x:").replace("<x:/", "</x:").replace("<x:?", "<?").replace("xmlns=", "xmlns:x=")
    assert read(Excel(), stored(tmp_path, xlsx({"t": prefixed, "u": [["a"]]}))).rows["t"] == [{"a": 7}]


def _ods_with(tmp_path: Path, change: Callable[[bytes], bytes]) -> Path:
    """An .ods whose archive is whole and whose content is not."""
    whole = ods('<table:table-row><table:table-cell office:value-type="string"><text:p>a</text:p></table:table-cell></table:table-row>')
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return stored(tmp_path, zipped({**parts, "content.xml": change(parts["content.xml"])}), "book.ods")


@pytest.mark.parametrize("cut", [1, 40, 75, 120])
def test_an_ods_whose_content_breaks_off_is_refused_before_calamine_reads_it_for_ever(tmp_path: Path, cut: int) -> None:
    with pytest.raises(UnreadableDump, match="it is no XML"):
        read(Excel(), _ods_with(tmp_path, lambda content: content[:-cut]))


def test_a_process_that_reads_for_ever_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform_assets.formats.excel.old.LEAST_SECONDS", 1)
    path = _ods_with(tmp_path, lambda content: content[: content.index(b"</table:table>")])
    with pytest.raises(OldWorkbookError, match="more than 1 seconds"):
        list(old_steps(path, path.stat().st_size))
