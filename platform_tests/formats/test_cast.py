"""Text to type: tables of cases, and property tests against plain Python (int, Decimal, float, datetime) with strict expressions."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIME, TIMESTAMP, decimal
from platform_assets.errors import SettingsError
from platform_assets.formats.cast import cast_batch, cast_column

FAILED = "failed"
FORMATS = {"sybase": "%b %d %Y %I:%M%p", "slashes": "%d/%m/%y", "dotted": "%Y.%m.%d %H:%M:%S.%f", "zoned": "%d %B %Y %H:%M %z"}


def cast(texts: list[str | None], target: pa.DataType, formats: tuple[str, ...] = ()) -> list[Any]:
    """Values, None, or FAILED."""
    values, failed = cast_column(pa.array(texts, STRING), Column("c", target, formats=formats))
    assert values.type == target and len(values) == len(texts)
    misses = failed.to_pylist() if failed is not None else [False] * len(texts)
    return [FAILED if miss else value for miss, value in zip(misses, values.to_pylist(), strict=True)]


CASES: list[tuple[pa.DataType, str, Any]] = [
    (INT64, "007", 7),
    (INT64, "+1", 1),
    (INT64, "-0", 0),
    (INT64, "9223372036854775807", 2**63 - 1),
    (INT64, "-9223372036854775808", -(2**63)),
    (INT64, "9007199254740993", 9007199254740993),
    *[
        (INT64, text, FAILED)
        for text in ("9223372036854775808", "1_000", "0x1F", "0X1f", "1.0", " 1", "1 ", "1\n", "", "+", "--1", "1e3", "٣")
    ],
    (INT32, "2147483647", 2**31 - 1),
    (INT32, "2147483648", FAILED),
    (decimal(6, 3), "1.50000", Decimal("1.500")),
    (decimal(6, 3), "1." + "5" + "0" * 60, Decimal("1.500")),
    (decimal(6, 3), "+000000000000000000000000000000000000000000000001.5", Decimal("1.500")),
    (decimal(6, 3), ".5", Decimal("0.500")),
    (decimal(6, 3), "5.", Decimal("5.000")),
    (decimal(6, 3), "-999.999", Decimal("-999.999")),
    *[(decimal(6, 3), text, FAILED) for text in ("1.5001", "1000", "1e2", "1E-2", ".", "", "-", "1,5", " 1", "1_0", "nan", "inf", "0x1")],
    (decimal(38, 0), "9" * 38, Decimal("9" * 38)),
    (decimal(38, 0), "12.000", Decimal("12")),
    (decimal(38, 0), "9" * 39, FAILED),
    (decimal(3, 3), "0.125", Decimal("0.125")),
    (decimal(3, 3), "1.125", FAILED),
    (FLOAT64, "1.1000000000000000888", 1.1),
    (FLOAT64, "-.5e+3", -500.0),
    (FLOAT64, "4.9e-324", 5e-324),
    (FLOAT64, "0e-999", 0.0),
    (FLOAT64, "Infinity", math.inf),
    (FLOAT64, "-INF", -math.inf),
    *[
        (FLOAT64, text, FAILED)
        for text in ("1e999", "-1e999", "1e-999", "nan(1)", "0x1p3", "1_0", "1e", "e1", " 1", "", "1f", "infinit", "1,5")
    ],
    (BOOLEAN, "TRUE", True),
    (BOOLEAN, "t", True),
    (BOOLEAN, "0", False),
    *[(BOOLEAN, text, FAILED) for text in ("yes", "2", "", " true", "10")],
    (DATE, "2024-02-29", date(2024, 2, 29)),
    (DATE, "0001-01-01", date(1, 1, 1)),
    (DATE, "0009-12-31", date(9, 12, 31)),
    *[
        (DATE, text, FAILED)
        for text in ("0000-00-00", "0000-01-01", "2009-00-00", "2023-02-29", "1900-02-29", "2021-1-2", "20210102", "2021-01-02 00:00:00")
    ],
    *[(DATE, text, FAILED) for text in ("today", "now", "infinity", "2021/01/02", "10000-01-01", "-2021-01-01", "", " 2021-01-02")],
    (TIMESTAMP, "2021-01-02T03:04:05.1", datetime(2021, 1, 2, 3, 4, 5, 100_000)),
    (TIMESTAMP, "2021-01-02 03:04:05.123456000", datetime(2021, 1, 2, 3, 4, 5, 123_456)),
    (TIMESTAMP, "9999-12-31 23:59:59.999999", datetime(9999, 12, 31, 23, 59, 59, 999_999)),
    *[
        (TIMESTAMP, text, FAILED)
        for text in (
            "2021-01-02",
            "2021-01-02 03",
            "2021-01-02 03:04",
            "2021-01-02 03:04:05.",
            "2021-01-02 03:04:05.1234567",
            "2021-01-02 24:00:00",
            "2021-01-02 23:59:60",
            "2021-01-02 03:04:05Z",
            "2021-01-02 03:04:05+01:00",
            "0000-00-00 00:00:00",
            "0000-01-01 00:00:00",
            "2021-02-30 00:00:00",
            "2021-01-02  03:04:05",
            "2021-01-02t03:04:05",
            "infinity",
            "now",
        )
    ],
    (INSTANT, "2021-11-07T02:48:42Z", datetime(2021, 11, 7, 2, 48, 42, tzinfo=UTC)),
    (INSTANT, "2021-11-07 02:48:42", datetime(2021, 11, 7, 2, 48, 42, tzinfo=UTC)),
    (INSTANT, "2020-12-29 19:00:00-05", datetime(2020, 12, 30, 0, 0, tzinfo=UTC)),
    (INSTANT, "2020-12-29 19:00:00.5000000+0530", datetime(2020, 12, 29, 13, 30, 0, 500_000, tzinfo=UTC)),
    *[
        (INSTANT, text, FAILED)
        for text in ("2021-11-07 02:48:42z", "2021-11-07 02:48Z", "2021-11-07 02:48:42+24:00", "0001-01-01 00:00:00+01:00", "2021-11-07Z")
    ],
    (TIME, "23:59:59.999999", time(23, 59, 59, 999_999)),
    *[(TIME, text, FAILED) for text in ("24:00:00", "1:00:00", "10:00", "-01:00:00", "838:59:59", "10:00:00Z")],
]


@pytest.mark.parametrize("beside", [[], ["junk"], [None]], ids=["alone", "beside junk", "beside null"])
@pytest.mark.parametrize(("target", "text", "expected"), CASES, ids=[f"{t}-{text[:30]!r}" for t, text, _ in CASES])
def test_a_cell_means_the_same_alone_and_beside_bad_cells(target: pa.DataType, text: str, expected: Any, beside: list[str | None]) -> None:
    """Both ways through the code: the plain cast when all pass, the strict expressions when one does not."""
    assert cast([text, *beside], target)[0] == expected


def test_not_a_number_is_a_float() -> None:
    assert all(math.isnan(value) for value in cast(["nan", "NaN", "NAN"], FLOAT64))


FORMAT_CASES: list[tuple[pa.DataType, tuple[str, ...], str, Any]] = [
    (TIMESTAMP, (FORMATS["sybase"],), "Dec 22 2000 11:04PM", datetime(2000, 12, 22, 23, 4)),
    (TIMESTAMP, (FORMATS["sybase"],), "Jan 28 2019  5:55AM", datetime(2019, 1, 28, 5, 55)),
    (TIMESTAMP, (FORMATS["sybase"],), "Feb 27 2019  11:59AM", datetime(2019, 2, 27, 11, 59)),
    (TIMESTAMP, (FORMATS["sybase"],), "Jan  8 2019 12:05am", datetime(2019, 1, 8, 0, 5)),
    (TIMESTAMP, (FORMATS["sybase"],), "jan 8 2019 1:05AM", datetime(2019, 1, 8, 1, 5)),
    *[
        (TIMESTAMP, (FORMATS["sybase"],), text, FAILED)
        for text in (
            "Feb 30 2019 1:05AM",
            "Jan 28 0000 5:55AM",
            "Jan 28 2019 13:05PM",
            "Jan 28 2019 0:05AM",
            " Jan 28 2019 5:55AM",
        )
    ],
    (TIMESTAMP, (FORMATS["sybase"],), "2019-01-28 05:55:00", datetime(2019, 1, 28, 5, 55)),
    (DATE, (FORMATS["sybase"],), "Jan 28 2019 12:00AM", date(2019, 1, 28)),
    (DATE, (FORMATS["sybase"],), "Jan 28 1969 12:00AM", date(1969, 1, 28)),
    (DATE, (FORMATS["sybase"],), "Jan 28 2019 12:01AM", FAILED),
    (DATE, (FORMATS["slashes"],), "31/12/68", date(2068, 12, 31)),
    (DATE, (FORMATS["slashes"],), "1/2/69", date(1969, 2, 1)),
    (DATE, (FORMATS["slashes"],), "1/2/1969", FAILED),
    (DATE, ("%Y%m%d", "%d.%m.%Y"), "20240229", date(2024, 2, 29)),
    (DATE, ("%Y%m%d", "%d.%m.%Y"), "29.2.2024", date(2024, 2, 29)),
    (DATE, ("%Y%m%d", "%d.%m.%Y"), "2024229", FAILED),
    (TIMESTAMP, (FORMATS["dotted"],), "2024.02.29 01:02:03.5", datetime(2024, 2, 29, 1, 2, 3, 500_000)),
    (TIMESTAMP, ("%b %d %Y %I:%M:%S:%f%p",), "Dec 22 2000 11:04:05:123PM", datetime(2000, 12, 22, 23, 4, 5, 123_000)),
    (TIMESTAMP, ("%Y-%m-%d",), "2024-02-29", datetime(2024, 2, 29)),
    (TIMESTAMP, (FORMATS["zoned"],), "1 March 2024 00:30 +01:00", FAILED),
    (INSTANT, (FORMATS["zoned"],), "1 March 2024 00:30 +01:00", datetime(2024, 2, 29, 23, 30, tzinfo=UTC)),
    (INSTANT, (FORMATS["sybase"],), "Dec 22 2000 11:04PM", datetime(2000, 12, 22, 23, 4, tzinfo=UTC)),
    (DATE, ("%a %d %b %Y",), "Thu 29 Feb 2024", date(2024, 2, 29)),
    (DATE, ("%a %d %b %Y",), "Fri 29 Feb 2024", FAILED),
    (TIME, ("%I:%M %p",), "12:05 am", time(0, 5)),
    (DATE, ("100%% %d+%m+%Y",), "100% 29+02+2024", date(2024, 2, 29)),
]


@pytest.mark.parametrize(("target", "formats", "text", "expected"), FORMAT_CASES, ids=[f"{t}-{text}" for t, _, text, _ in FORMAT_CASES])
def test_declared_formats_are_read_to_the_letter(target: pa.DataType, formats: tuple[str, ...], text: str, expected: Any) -> None:
    assert cast([text], target, formats) == [expected]
    assert cast(["?", None, text], target, formats) == [FAILED, None, expected]


@pytest.mark.parametrize(
    "bad",
    [
        "%Q",
        "%d.%m",
        "%H",
        "%I:%M",
        "%H:%M %p",
        "%Y %y %m %d",
        "%d %d %m %Y",
        "%Y-%m-%d %M",
        "%S",
        "%Y%m%d%H%M%S%f",
        "nothing",
        "",
        "%Y-%m-%d %",
    ],
)
def test_a_format_that_cannot_give_a_whole_value_is_refused(bad: str) -> None:
    with pytest.raises(SettingsError, match="date format"):
        cast(["2024-01-01"], TIMESTAMP, (bad,))


def _integer(text: str) -> Any:
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) and -(2**31) <= int(text) < 2**31 else FAILED


def _exact(text: str) -> Any:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
        return FAILED
    value = Decimal(text)
    return value if value == round(value, 3) and abs(value) < 1000 else FAILED


def _float(text: str) -> Any:
    if re.fullmatch(r"[+-]?(inf|infinity)", text.lower()):
        return float(text)
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return FAILED
    value = float(text)
    vanished = value == 0 and re.search("[1-9]", re.split("[eE]", text)[0])
    return FAILED if math.isinf(value) or vanished else value


def _moment(text: str) -> Any:
    found = re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6})0*)?", text)
    if not found:
        return FAILED
    try:
        return datetime(*map(int, found.groups()[:6]), int((found[7] or "0").ljust(6, "0")))  # type: ignore[misc]
    except ValueError:
        return FAILED


def _instant(text: str) -> Any:
    found = re.fullmatch(r"(.{19}(?:\.[0-9]+)?)(?:Z|([+-])([0-9]{2}):?([0-9]{2})?)?", text)
    local = _moment(found[1]) if found else FAILED
    if found is None or local == FAILED:
        return FAILED
    minutes = int(found[3] or 0) * 60 + int(found[4] or 0)
    if int(found[3] or 0) > 23 or int(found[4] or 0) > 59 or text.endswith(":"):
        return FAILED
    try:
        return (local.replace(tzinfo=timezone(timedelta(minutes=-minutes if found[2] == "-" else minutes)))).astimezone(UTC)
    except OverflowError:
        return FAILED


def _sybase(text: str) -> Any:
    if not re.fullmatch(r"[A-Za-z]{3} +[0-9]{1,2} +[0-9]{4} +[0-9]{1,2}:[0-9]{2}[aApP][mM]", text):
        return _moment(text)
    try:
        return datetime.strptime(text, FORMATS["sybase"])
    except ValueError:
        return FAILED


def _slashes(text: str) -> Any:
    if not re.fullmatch(r"([0-9]{2}| ?[0-9])/([0-9]{2}| ?[0-9])/[0-9]{2}", text):
        moment = _moment(f"{text} 00:00:00")
        return moment if moment == FAILED else moment.date()
    try:
        return datetime.strptime(text.replace(" ", ""), FORMATS["slashes"]).date()
    except ValueError:
        return FAILED


digits = st.text("0123456789", max_size=12)
numbers = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "+", "-", " "]),
    digits,
    st.sampled_from(["", ".", ".0", ".000", ".1250", "_"]),
    digits,
    st.sampled_from(["", "", "", "e3", "E-400", "e400", "e-5", " ", "x"]),
)
words = st.sampled_from(["", "inf", "-Infinity", "0x10", "1e5", "nan(1)", "NaN(2)", ".", "-", "0", "-0.0", "0e9", "2147483648"])
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))
zones = st.sampled_from(["", "Z", "z", "+00", "-05", "+05:30", "-0530", "+24", "+12:60", "+1", " +01:00", "+01:"])


def _mutated(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Mostly as it is, sometimes with one character put in, replaced or taken out."""

    def mutate(text: str, at: int, char: str, cut: int) -> str:
        at %= len(text) + 1
        return text[:at] + char + text[at + cut :]

    character = st.sampled_from("0123456789 -:T.Z/+aAP")
    return st.one_of(texts, st.builds(mutate, texts, st.integers(0, 40), character, st.integers(0, 1)))


iso = _mutated(
    st.builds(
        lambda m, sep, f: m.isoformat(sep, f),
        moments,
        st.sampled_from("T "),
        st.sampled_from(["seconds", "milliseconds", "microseconds", "minutes"]),
    )
)
instants = _mutated(st.builds("{}{}".format, iso, zones))
sybase = _mutated(
    st.builds(
        lambda m, pad: m.strftime("%b ") + f"{m.day:{pad}} {m.year:04} {(m.hour - 1) % 12 + 1:{pad}}" + m.strftime(":%M%p"),
        moments,
        st.sampled_from(["", "2", "02"]),
    )
)
slashes = _mutated(st.builds(lambda m, pad: f"{m.day:{pad}}/{m.month:{pad}}/{m.year % 100:02}", moments, st.sampled_from(["", "2", "02"])))
REFERENCES: list[tuple[pa.DataType, tuple[str, ...], Callable[[str], Any], st.SearchStrategy[str]]] = [
    (INT32, (), _integer, st.one_of(numbers, words)),
    (decimal(6, 3), (), _exact, st.one_of(numbers, words)),
    (FLOAT64, (), _float, st.one_of(numbers, words)),
    (TIMESTAMP, (), _moment, iso),
    (INSTANT, (), _instant, instants),
    (TIMESTAMP, (FORMATS["sybase"],), _sybase, st.one_of(sybase, iso)),
    (DATE, (FORMATS["slashes"],), _slashes, slashes),
]


@pytest.mark.parametrize("number", range(len(REFERENCES)), ids=[f"{target}-{formats}" for target, formats, _, _ in REFERENCES])
def test_whole_columns_agree_with_plain_python(number: int) -> None:
    target, formats, reference, texts = REFERENCES[number]

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.lists(st.one_of(st.none(), texts), min_size=1, max_size=12))
    @example(["2024-02-29 00:00:00"])
    @example(["2024-02-29 00:00:00+23:59", "0001-01-01 00:00:00+00:01"])
    def check(cells: list[str | None]) -> None:
        assert cast(cells, target, formats) == [None if cell is None else reference(cell) for cell in cells]

    check()


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.binary()])
def test_every_arrow_form_of_text_is_read(kind: pa.DataType) -> None:
    values, failed = cast_column(pa.array(["1", None, "3"]).cast(kind), Column("c", INT64))
    assert values.to_pylist() == [1, None, 3] and failed is None


def test_chunks_slices_and_nulls_over_junk_do_not_confuse() -> None:
    text = pa.chunked_array([pa.array(["x", "1", "2"]).slice(1), pa.array(["3", None])])
    values, failed = cast_column(text, Column("c", INT64))
    assert values.to_pylist() == [1, 2, 3, None] and failed is None
    assert cast_column(pa.array([], STRING), Column("c", TIMESTAMP))[0].type == TIMESTAMP
    assert cast_column(pa.array([None, None], STRING), Column("c", INSTANT))[0].null_count == 2


def test_bytes_that_are_no_text_fail_in_a_text_column() -> None:
    values, failed = cast_column(pa.array([b"ok", b"\xff", None], BINARY), Column("c", STRING))
    assert values.to_pylist() == ["ok", None, None] and failed is not None and failed.to_pylist() == [False, True, False]


TABLE = Table("t", (Column("id", INT64), Column("absent", DATE), Column('na"me', STRING), Column("on", DATE)))


def test_a_batch_gets_all_columns_of_its_table_and_keeps_what_failed_word_for_word() -> None:
    batch = pa.record_batch({"on": ["2024-01-01", "now", "0000-00-00"], 'na"me': ["a", None, "ü"], "id": [b"1", b"\xff2", None]})
    result = cast_batch(batch, TABLE)
    assert result.batch.schema == TABLE.arrow_schema()
    assert result.batch.to_pylist() == [
        {"id": 1, "absent": None, 'na"me': "a", "on": date(2024, 1, 1)},
        {"id": None, "absent": None, 'na"me': None, "on": None},
        {"id": None, "absent": None, 'na"me': "ü", "on": None},
    ]
    assert [raw and json.loads(raw) for raw in result.raw.to_pylist()] == [None, {"id": "\\xff2", "on": "now"}, {"on": "0000-00-00"}]
    assert result.failures == {"id": 1, "on": 2}


def test_a_column_that_the_table_does_not_have_is_never_dropped_in_silence() -> None:
    with pytest.raises(ValueError, match="stranger"):
        cast_batch(pa.record_batch({"stranger": ["1"]}), TABLE)


def test_boolean_words_are_the_declared_ones() -> None:
    column = Column("c", BOOLEAN)
    values, failed = cast_column(pa.array(["Ja", "NEIN", "true"]), column, true=("ja",), false=("nein",))
    assert values.to_pylist() == [True, False, None] and failed is not None


def test_a_typed_column_that_would_lose_is_an_error_of_the_reader() -> None:
    assert cast_column(pa.array([1], INT32), Column("c", INT64))[0].type == INT64
    with pytest.raises(pa.ArrowInvalid):
        cast_column(pa.array([2**40], INT64), Column("c", INT32))
