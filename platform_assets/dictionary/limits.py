"""What a rule compares with, as a value of its column's type, so that SQL and Arrow compare like with like.

A contract states limits in JSON's types; the column may be the dump's, so a limit that its type cannot meet is found here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation, localcontext
from typing import Any, NoReturn

import pyarrow as pa

from platform_assets.dictionary.model import Rule, Table
from platform_assets.dictionary.types import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INSTANT,
    INT32,
    INT64,
    MAX_PRECISION,
    STRING,
    TIME,
    TIMESTAMP,
    type_name,
)
from platform_assets.errors import SettingsError

RANGE_KINDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
TEXT_KINDS = frozenset({"minLength", "maxLength", "pattern", "format"})
MULTIPLE_DIGITS = 18
"""Digits of a column's type up to which multiples are told exactly: in 64-bit integers."""
_INWARD = {"minimum": ROUND_CEILING, "exclusiveMaximum": ROUND_CEILING, "maximum": ROUND_FLOOR, "exclusiveMinimum": ROUND_FLOOR}
"""How a limit between two values of an exact type is moved to one of them without changing what it admits."""


def check_limit(rule: Rule, table: Table) -> None:
    """Raises SettingsError naming table, column and rule when the rule cannot be applied to the column's type."""
    if rule.kind in RANGE_KINDS:
        typed_limit(rule, table)
    elif rule.kind == "enum":
        typed_values(rule, table)
    elif rule.kind == "multipleOf":
        typed_step(rule, table)
    elif rule.kind in TEXT_KINDS and table.column(rule.columns[0]).type not in (STRING, INT32, INT64):
        _refuse(rule, table, "only text has a length or a pattern")


def typed_limit(rule: Rule, table: Table) -> pa.Scalar:
    """The limit of a range. On whole numbers and decimals it is moved to the nearest value that admits the same rows."""
    arrow = table.column(rule.columns[0]).type
    if arrow in (STRING, BOOLEAN) or pa.types.is_binary(arrow):
        _refuse(rule, table, "its values have no order that every engine shares")
    try:
        if arrow not in (INT32, INT64) and not pa.types.is_decimal(arrow):
            return pa.scalar(_convert(rule.limit, arrow), arrow)
        scale = arrow.scale if pa.types.is_decimal(arrow) else 0
        with localcontext(prec=2 * MAX_PRECISION):
            moved = Decimal(str(rule.limit)).quantize(Decimal(1).scaleb(-scale), rounding=_INWARD[rule.kind])
        return pa.scalar(moved, pa.decimal128(MAX_PRECISION, scale)) if pa.types.is_decimal(arrow) else pa.scalar(int(moved), INT64)
    except (ValueError, TypeError, InvalidOperation, OverflowError, pa.ArrowException):
        _refuse(rule, table, f"{rule.limit!r} is no limit for it")


def typed_step(rule: Rule, table: Table) -> tuple[int | Decimal, pa.DataType]:
    """The step of a multipleOf and the exact type in which it is reckoned: a whole number, or a decimal of the column's scale."""
    arrow = table.column(rule.columns[0]).type
    number = isinstance(rule.limit, (int, float)) and not isinstance(rule.limit, bool)
    step = Decimal(str(rule.limit)) if number else Decimal(0)
    if not step.is_finite() or step <= 0:
        _refuse(rule, table, f"{rule.limit!r} is no step: a number above 0 is")
    if arrow in (INT32, INT64) and step == step.to_integral_value():
        return int(step), INT64
    if pa.types.is_decimal(arrow) and arrow.precision <= MULTIPLE_DIGITS and step == round(step, arrow.scale):
        return round(step, arrow.scale), arrow
    return _refuse(rule, table, "multiples are told of whole numbers, and of decimals of at most 18 digits whose scale holds the step")


def typed_values(rule: Rule, table: Table) -> pa.Array:
    """The values of an enum as an array of the column's type."""
    arrow = table.column(rule.columns[0]).type
    try:
        return pa.array([_convert(value, arrow) for value in rule.limit], arrow)
    except (ValueError, TypeError, InvalidOperation, OverflowError, pa.ArrowException):
        _refuse(rule, table, "not all of its values are of that type")


def _refuse(rule: Rule, table: Table, why: str) -> NoReturn:
    name = rule.columns[0]
    arrow = type_name(table.column(name).type)
    raise SettingsError(
        f"{table.name}.{name}: the rule {rule.id} cannot be applied to the type {arrow}: {why}. Change the rule or the column's type.",
        table=table.name,
        column=name,
        rule=rule.id,
        type=arrow,
    )


def _convert(value: Any, arrow: pa.DataType) -> Any:
    if isinstance(value, bool) != (arrow == BOOLEAN):
        raise TypeError(value)
    if pa.types.is_decimal(arrow):
        return Decimal(str(value))
    return _CONVERSIONS[arrow](value)


def _whole(value: Any) -> int:
    number = Decimal(str(value))
    if number != number.to_integral_value():
        raise ValueError(value)
    return int(number)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _naive(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo:
        raise ValueError(value)
    return moment


def _instant(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


_CONVERSIONS: dict[pa.DataType, Callable[[Any], Any]] = {
    BOOLEAN: bool,
    INT32: _whole,
    INT64: _whole,
    FLOAT64: lambda value: float(str(value)),
    STRING: _text,
    DATE: date.fromisoformat,
    TIMESTAMP: _naive,
    INSTANT: _instant,
    TIME: time.fromisoformat,
}
