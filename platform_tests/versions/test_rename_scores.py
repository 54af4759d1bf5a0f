"""Scores of possible renames: content decides, chance does not, hints alone stay weak."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import BOOLEAN, INT32, INT64, STRING
from platform_assets.versions.rename_scores import SHOWN, agreement_of, column_scores, equal_share, table_score

BEFORE = Table("people", (Column("id", INT32), Column("mail", STRING), Column("fax", STRING), Column("age", INT32)), key=("id",))
AFTER = Table("people", (Column("id", INT32), Column("email", STRING), Column("note", STRING), Column("age", INT32)), key=("id",))


def test_equal_values_agree_and_other_values_do_not():
    names = pa.array([f"name {n}" for n in range(300)])
    assert agreement_of(names, names) > 0.98
    assert agreement_of(names, pa.array([f"note {n}" for n in range(300)])) == 0


def test_values_that_changed_in_some_rows_still_agree():
    old = [f"name {n}" for n in range(300)]
    assert agreement_of(pa.array(old), pa.array([text if n % 10 else "other" for n, text in enumerate(old)])) > 0.85


def test_two_flags_that_are_the_same_by_chance_prove_nothing():
    dice = random.Random(1)
    one, two = ([dice.random() < 0.9 for _ in range(2_000)] for _ in range(2))
    assert agreement_of(pa.array(one, BOOLEAN), pa.array(two, BOOLEAN)) < 0.1
    assert equal_share(pa.array(one, BOOLEAN), pa.array(two, BOOLEAN)) > 0.8


@pytest.mark.parametrize("values", [[0, 0, 0], [None, None], []])
def test_constants_and_columns_without_values_say_nothing(values):
    assert agreement_of(pa.array(values, INT32), pa.array(values, INT32)) is None


def test_few_rows_count_less():
    few, many = (pa.array([f"n{n}" for n in range(rows)]) for rows in (3, 300))
    assert agreement_of(few, few) == 0.5 < agreement_of(many, many)


def test_a_number_that_became_a_text_is_compared_as_text():
    numbers = pa.array(range(300), INT64)
    assert agreement_of(numbers, numbers.cast(STRING)) > 0.98


def test_content_decides_against_name_and_position():
    agreements = {("mail", "note"): 0.99, ("mail", "email"): 0.0, ("fax", "email"): 0.0, ("fax", "note"): 0.0}
    best = column_scores(BEFORE, AFTER, lambda old, new: agreements[old, new])[0]
    assert (best.old, best.new) == ("mail", "note")
    assert best.score > SHOWN


def test_without_rows_a_near_name_in_the_same_place_is_proposed_weakly():
    scores = {(score.old, score.new): score for score in column_scores(BEFORE, AFTER, lambda old, new: None)}
    assert SHOWN < scores["mail", "email"].score <= 0.6
    assert scores["fax", "note"].score < SHOWN
    assert scores["mail", "email"].parts["values"] is None


def test_no_column_stands_in_two_proposals():
    scores = column_scores(BEFORE, AFTER, lambda old, new: 1.0)
    assert len({score.old for score in scores}) == len({score.new for score in scores}) == len(scores) == 2


def test_a_table_is_known_by_its_rows_and_columns():
    same = table_score(BEFORE, Table("clients", BEFORE.columns, key=("id",)), rows=0.95)
    other = table_score(BEFORE, Table("invoices", (Column("id", INT32), Column("total", INT32)), key=("id",)), rows=0.0)
    assert same.score > 0.8
    assert other.score < SHOWN
