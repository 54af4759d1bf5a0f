"""The states of every key in order as SQL, from spans and the rows that they are spans of. Not here: how spans come about (history)."""

from __future__ import annotations


def lives_sql() -> str:
    """The states of every key, oldest first, a deletion as one without a value.

    From `spans(instance, from_place, "row", until_place, inserted, deleted)`, `states(instance, place, "row", key, value)` and
    `versions(instance, place, version, moment)`.
    """
    joined = 'FROM spans AS s JOIN states AS c ON c.instance = s.instance AND c.place = s.from_place AND c."row" = s."row"'
    operation = "CASE WHEN s.inserted THEN 'insert' ELSE 'update' END AS operation"
    begun = f"SELECT s.instance, c.key, s.from_place AS place, {operation}, c.value {joined}"
    gone = f"SELECT s.instance, c.key, s.until_place AS place, 'delete' AS operation, NULL AS value {joined} WHERE s.deleted"
    return f"""SELECT l.instance, l.key, v.version, v.moment, l.operation, l.value FROM ({begun} UNION ALL {gone}) AS l
        JOIN versions AS v ON v.instance = l.instance AND v.place = l.place ORDER BY l.instance, l.key, l.place"""
