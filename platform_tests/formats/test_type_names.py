"""Type names of applications and databases."""

from __future__ import annotations

import pytest

from platform_assets.dictionary.types import type_name
from platform_assets.errors import SettingsError
from platform_assets.formats.type_names import type_of

NAMES = {
    "int": "int32",
    "INT": "int32",
    "int(11)": "int32",
    "int(10) unsigned": "int64",
    "bigint unsigned": "decimal(20,0)",
    "bigint(20)": "int64",
    "tinyint(1)": "int32",
    "smallint": "int32",
    "int identity": "int32",
    "serial": "int32",
    "bool": "boolean",
    "bit": "boolean",
    "bit(1)": "boolean",
    "bit(8)": "string",
    "decimal(10,2)": "decimal(10,2)",
    "numeric( 12 , 4 )": "decimal(12,4)",
    "numeric(5)": "decimal(5,0)",
    "decimal(65,30)": "decimal(38,30)",
    "decimal": "decimal(38,9)",
    "number(10)": "decimal(10,0)",
    "money": "decimal(19,4)",
    "smallmoney": "decimal(10,4)",
    "float": "float64",
    "double precision": "float64",
    "Double  Precision": "float64",
    "real": "float64",
    "varchar": "string",
    "varchar(20)": "string",
    "nvarchar(max)": "string",
    "character varying(20)": "string",
    "enum('a','b')": "string",
    "uniqueidentifier": "string",
    "jsonb": "string",
    "int[]": "string",
    "varbinary(max)": "binary",
    "bytea": "binary",
    "rowversion": "binary",
    "date": "date",
    "datetime": "timestamp",
    "datetime2(7)": "timestamp",
    "smalldatetime": "timestamp",
    "timestamp": "timestamp",
    "timestamp(3) without time zone": "timestamp",
    "timestamp(3) with time zone": "instant",
    "timestamptz": "instant",
    "datetimeoffset(7)": "instant",
    "time": "time",
    "time(0)": "time",
    "timetz": "string",
    "text": "string",
    "year(4)": "int32",
}


@pytest.mark.parametrize("native", NAMES)
def test_a_native_name_has_its_type(native: str) -> None:
    found = type_of(native)
    assert found is not None
    assert type_name(found) == NAMES[native]


@pytest.mark.parametrize("native", ["", "wibble", "integerish", "decimal(x)", "decimal(0)", "number(10,-2)", "decimal(1,2,3)", "varchar20"])
def test_an_unknown_name_has_none(native: str) -> None:
    assert type_of(native) is None


@pytest.mark.parametrize(
    ("native", "expected"),
    [
        ("tinyint(1)", "boolean"),
        ("TINYINT( 1 )", "boolean"),
        ("tinyint(4)", "int64"),
        ("flag", "boolean"),
        ("Flag not null", "boolean"),
        ("amount(3)", "decimal(15,3)"),
        ("int", "int32"),
    ],
)
def test_a_source_may_name_its_own(native: str, expected: str) -> None:
    own = (("tinyint(1)", "boolean"), ("tinyint", "int64"), ("flag", "boolean"), ("amount", "decimal(15,3)"))
    found = type_of(native, own)
    assert found is not None
    assert type_name(found) == expected


def test_an_override_to_no_type_of_ours_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match=r"types: flag: 'bool' is not a type"):
        type_of("flag", (("flag", "bool"),))
