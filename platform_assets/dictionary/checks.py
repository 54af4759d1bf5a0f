"""Row-local rules over Arrow columns: the same verdicts as the SQL of dictionary.rules, without a database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.limits import check_limit, typed_limit, typed_step, typed_values
from platform_assets.dictionary.model import Rule, Table
from platform_assets.dictionary.patterns import whole
from platform_assets.dictionary.text_formats import TEXT_FORMATS
from platform_assets.dictionary.types import STRING

Check = Callable[[pa.Array], pa.BooleanArray]
"""A column to a mask of its length: True where the rule is broken, False or NULL where it holds. NULL cells break `required` alone."""
PART_ROWS = 16_384
"""Rows of which a thread is worth its start."""
_HOLDS = {"minimum": pc.greater_equal, "exclusiveMinimum": pc.greater, "maximum": pc.less_equal, "exclusiveMaximum": pc.less}


def check_of(rule: Rule, table: Table) -> Check:
    """The check of a row-local rule. Raises SettingsError when the column's type does not suit the rule, ValueError for a set rule."""
    check_limit(rule, table)
    if rule.kind == "required":
        return pc.is_null
    if rule.kind in _HOLDS:
        return _range(_HOLDS[rule.kind], typed_limit(rule, table))
    if rule.kind in ("minLength", "maxLength"):
        return _length(pc.less if rule.kind == "minLength" else pc.greater, int(rule.limit))
    if rule.kind == "pattern":
        return _pattern(whole(rule.limit))
    if rule.kind == "format":
        return _pattern(whole(TEXT_FORMATS[rule.limit]))
    if rule.kind == "multipleOf":
        return _multiple(*typed_step(rule, table))
    if rule.kind == "enum":
        return _enum(typed_values(rule, table))
    raise ValueError(f"{rule.id} is no row-local rule")


def _range(holds: Callable[..., pa.BooleanArray], limit: pa.Scalar) -> Check:
    # "Does not hold" rather than "is below": so a NaN, which is neither, breaks a range.
    return lambda column: pc.invert(holds(column, limit))


def _length(broken: Callable[..., pa.BooleanArray], limit: int) -> Check:
    return lambda column: broken(pc.utf8_length(_text(column)), limit)


def _pattern(pattern: str) -> Check:
    """The one check that costs more than reading its column, so it takes all cores; Arrow's own takes one."""

    def broken(column: pa.Array) -> pa.BooleanArray:
        return pc.invert(pc.match_substring_regex(_text(column), pattern))

    def side_by_side(column: pa.Array) -> pa.BooleanArray:
        if len(column) <= PART_ROWS:
            return broken(column)
        with ThreadPoolExecutor(pa.cpu_count()) as pool:
            return pa.concat_arrays(list(pool.map(broken, (column.slice(at, PART_ROWS) for at in range(0, len(column), PART_ROWS)))))

    return side_by_side


def _enum(values: pa.Array) -> Check:
    return lambda column: pc.and_(pc.is_valid(column), pc.invert(pc.is_in(column, values)))


def _multiple(step: int | Decimal, exact: pa.DataType) -> Check:
    """Arrow has no remainder: how often the step goes into the value, and whether that makes the value again. Exact, so in integers."""
    scale = exact.scale if pa.types.is_decimal(exact) else 0
    whole_step = int(step.scaleb(scale)) if isinstance(step, Decimal) else step

    def broken(column: pa.Array) -> pa.BooleanArray:
        if scale or pa.types.is_decimal(column.type):
            scaled = pc.multiply(column, pa.scalar(Decimal(10) ** scale, pa.decimal128(scale + 1, 0)))
            column = scaled.cast(pa.decimal128(38, 0)).cast(pa.int64(), safe=True)
        column = column.cast(pa.int64())
        return pc.not_equal(pc.multiply(pc.divide(column, whole_step), whole_step), column)

    return broken


def _text(column: pa.Array) -> pa.Array:
    return column if column.type == STRING else column.cast(STRING)
