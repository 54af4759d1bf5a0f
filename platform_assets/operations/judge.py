"""Which rows of a version are rejected, and every reason why. Fed while the version is parsed; holds key columns and reasons only.

Row-local rules are decided batch by batch in Arrow. Keys and references are decided at the end, in DuckDB, over tables that hold
nothing but row numbers and key columns; broken rules are kept there too, so that a million rejects cost disk, not memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.checks import check_of
from platform_assets.dictionary.model import ForeignKey, Rule, Table, Violation
from platform_assets.dictionary.rules import SET_KINDS, key_rules_sql, rules_of, sql_type, type_rule
from platform_assets.dictionary.types import BINARY, TIME
from platform_assets.engines.duckdb import Engine
from platform_assets.operations.broken_rules import BrokenRules, load
from platform_assets.operations.docket import Docket
from platform_assets.operations.kept_keys import KeptKeys
from platform_assets.operations.reference_order import reference_groups
from platform_assets.operations.standing import Standing, no_rows

_instances = count()


@dataclass(frozen=True, eq=False)
class Verdict:
    """What became of one table. A row is rejected when it broke a rule of severity error.

    `rejected_rows`: row numbers, int64, ascending. `rule_counts`: rule id -> (rows checked, rows failed); 0 checked means not
    evaluated, as for a reference whose table is not in the version. `warnings` are those of `rule_counts` that never reject.
    """

    table: str
    rows: int
    rejected_rows: np.ndarray
    rule_counts: Mapping[str, tuple[int, int]]
    warnings: Mapping[str, tuple[int, int]]
    _judge: VersionJudge = field(repr=False)

    @property
    def rejected(self) -> int:
        return len(self.rejected_rows)

    def violations(self) -> Iterator[tuple[int, tuple[Violation, ...]]]:
        """Per rejected row, ascending, all rules of severity error that it broke. Streamed; valid while the judge's connection is open."""
        return self._judge.violations(self.table, "error")

    def warned(self) -> Iterator[tuple[int, tuple[Violation, ...]]]:
        """Likewise the rules of severity warning, also of rows that were accepted."""
        return self._judge.violations(self.table, "warning")


class VersionJudge:
    """The verdict on all tables of one version, on a DuckDB connection of its own or shared; its tables there bear a prefix of its own.

    `table` for every table that the version holds, `add` for its batches in any order of tables, at the end `verdicts`.
    Tables of `known` only lend their references: which of their parents' columns must be kept. `standing` are accepted rows of before,
    by the name under which references know their table. `lend` gives the parents that other versions hold, for references that are judged
    over versions (ForeignKey.over_versions); without it these see the version alone, as others do.
    """

    def __init__(
        self,
        connection: Engine,
        known: Mapping[str, Table] | None = None,
        standing: Mapping[str, Standing] | None = None,
        lend: Callable[[ForeignKey], Standing | None] | None = None,
    ) -> None:
        self._connection = connection
        self._lend = lend
        self._lent: dict[str, Standing] = {}
        self._standing = standing or {}
        self._dockets: dict[str, Docket] = {}
        self._referring: dict[str, dict[str, tuple[str, ...]]] = {}
        """Table -> tables that refer to it -> the columns of it that they name."""
        self._tables: dict[str, Table] = {}
        for other in (known or {}).values():
            self._refer(other)
        self._prefix = f"judge_{next(_instances)}_"
        self._broken = BrokenRules(connection, f"{self._prefix}broken")
        self._next = count()

    def table(self, table: Table) -> None:
        """The version holds this table, or its definition is now known better. Raises SettingsError for a rule its types cannot meet."""
        docket = self._dockets.get(table.name)
        if docket is None:
            docket = self._dockets[table.name] = Docket(next(self._next), table)
        self._refer(table)
        docket.table = table
        docket.rules = rules_of(table)
        for rule in docket.row_rules:
            check_of(rule, table)

    def _refer(self, table: Table) -> None:
        """Notes whom the table refers to, in place of what it said before."""
        before = self._tables.get(table.name)
        self._tables[table.name] = table
        for key in before.foreign_keys if before is not None else ():
            self._referring.get(key.table, {}).pop(table.name, None)
        for key in table.foreign_keys:
            columns = self._referring.setdefault(key.table, {})
            columns[table.name] = (*columns.get(table.name, ()), *key.references)

    def restart(self, name: str) -> None:
        """Forgets the rows of a table: it came again, or its rules came after its rows (`late`)."""
        docket = self._dockets[name]
        self._broken.forget(docket.number)
        if docket.keys:
            docket.keys.drop()
        self._dockets[name] = Docket(next(self._next), docket.table, docket.rules)

    def add(self, name: str, batch: pa.RecordBatch, rows: pa.Int64Array, raw: pa.StringArray, strict: bool) -> None:
        """Judges typed rows by what a row alone tells and keeps their keys.

        `rows` are their numbers, unique within the table; `raw` holds the cells that their types could not hold, as JSON by column. Such a
        cell is a type-error when `strict`, and always in a key column, since a row without its key cannot be merged; no other rule
        looks at it. Columns that no rule needs may be absent.
        """
        docket = self._dockets[name]
        if docket.began is None:
            self._begin(docket)
        docket.rows += batch.num_rows
        docket.strict = docket.strict or strict
        failed = self._failed_cells(docket, rows, raw, strict) if raw.null_count < len(raw) else {}
        for rule, check in docket.checks:
            column = batch.column(rule.columns[0])
            if rule.kind == "required" and not column.null_count:
                continue
            broken = check(column)
            if rule.kind == "required" and rule.columns[0] in failed:
                broken = pc.and_not(broken, failed[rule.columns[0]])
            if pc.any(broken).as_py():
                self._broken.note(docket.number, rule, rows.filter(broken), column.filter(broken))
        if docket.keys:
            docket.keys.add(rows, [batch.column(column) for column in docket.kept])

    def late(self) -> dict[str, tuple[str, ...]]:
        """Tables whose rules came after their first rows, with the columns that these rules need.

        For each: `restart` it, `add` its rows again (these columns and the `raw` of before suffice).
        """
        return {
            name: tuple(dict.fromkeys(column for rule in docket.rules for column in rule.columns if column in docket.table.column_names))
            for name, docket in self._dockets.items()
            if docket.began is not None and not self._covered(docket)
        }

    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on every table of the version. Raises ValueError while there are `late` tables."""
        late = self.late()
        if late:
            raise ValueError(
                f"The rules of {', '.join(sorted(late))} came after their rows: restart these tables and add their rows again."
            )
        for name, standing in self._standing.items():
            if name not in self._dockets and name in self._referring:
                self._dockets[name] = Docket(next(self._next), replace(standing.table, name=name), lent=True)
        self._borrow()
        for docket in self._dockets.values():
            self._evaluate(docket, docket.key_rules, {})
        there = self._dockets.keys()
        references = {name: {key.table for key in docket.table.foreign_keys} & there for name, docket in self._dockets.items()}
        for group in reference_groups(references):
            self._settle(group)
        return {name: self._verdict(docket) for name, docket in self._dockets.items() if not docket.lent}

    def _borrow(self) -> None:
        """Finds the parents that other versions hold, and what these refer to in turn: by that it shows who refers to each other."""
        pending = [docket.table for docket in self._dockets.values()] if self._lend else []
        while pending:
            table = pending.pop()
            for key in table.foreign_keys:
                if self._lend is None or not key.over_versions or key.table in self._lent:
                    continue
                lent = self._lend(key) or no_rows(table, key)
                self._lent[key.table] = lent
                if key.table not in self._dockets:
                    self._dockets[key.table] = Docket(next(self._next), replace(lent.table, name=key.table), lent=True)
                pending.append(lent.table)

    def violations(self, name: str, severity: str) -> Iterator[tuple[int, tuple[Violation, ...]]]:
        """Per row of a table, ascending, the broken rules of a severity in the order of the rules. Streamed from a cursor of its own."""
        docket = self._dockets[name]
        places = {rule.id: place for place, rule in enumerate(self._all_rules(docket))}
        return self._broken.read(docket.number, severity, places)

    def _begin(self, docket: Docket) -> None:
        table = docket.table
        docket.began = table
        docket.checks = tuple((rule, check_of(rule, table)) for rule in docket.row_rules)
        docket.kept = self._needed(docket)
        if docket.kept:
            standing = self._standing.get(table.name)
            taken = standing if standing is not None and standing.taken else None
            types = [table.column(name).type for name in docket.kept]
            told = [] if taken else [place for rule in docket.rules if (place := docket.alone(rule)) is not None]
            docket.keys = KeptKeys(self._connection, f"{self._prefix}keys_{docket.number}", types, told)
            if taken:
                self._stand(docket, taken, docket.keys.table())

    def _stand(self, docket: Docket, standing: Standing, into: str) -> None:
        """Puts rows of before into a table, under numbers below 1. Values that the type of today cannot hold are left out."""
        number = 0
        for batch in standing.rows(docket.kept):
            numbers = pa.array(range(number, number - batch.num_rows, -1), pa.int64())
            number -= batch.num_rows
            names = [f"k{i}" for i in range(len(docket.kept))]
            casts = (f"{_try_cast(f'k{i}', docket.table.column(name).type)} AS k{i}" for i, name in enumerate(docket.kept))
            arriving = pa.Table.from_arrays([numbers, *batch.columns], names=["_row", *names])
            load(self._connection, f'INSERT INTO "{into}" SELECT _row, {", ".join(casts)} FROM', arriving)

    def _needed(self, docket: Docket) -> tuple[str, ...]:
        """Columns of the table's own set rules, and those that others refer to."""
        own = [name for rule in docket.rules if rule.kind in SET_KINDS for name in rule.columns]
        referred = self._referring.get(docket.table.name, {}).values()
        names = dict.fromkeys([*own, *(name for columns in referred for name in columns)])
        return tuple(name for name in names if name in docket.table.column_names)

    def _covered(self, docket: Docket) -> bool:
        judged = tuple(rule for rule, _ in docket.checks)
        began = docket.began or docket.table
        looked_at = {*docket.kept, *(rule.columns[0] for rule in judged)}
        types = [{column.name: column.type for column in table.columns if column.name in looked_at} for table in (began, docket.table)]
        return (
            judged == docket.row_rules
            and began.key == docket.table.key
            and set(docket.kept) >= set(self._needed(docket))
            and types[0] == types[1]
        )

    def _failed_cells(self, docket: Docket, rows: pa.Int64Array, raw: pa.StringArray, strict: bool) -> dict[str, pa.BooleanArray]:
        """Notes type-errors; gives per column which of its cells the type could not hold."""
        masks: dict[str, np.ndarray] = {}
        noted: dict[str, tuple[list[int], list[str]]] = {}
        for index in np.flatnonzero(raw.is_valid().to_numpy(zero_copy_only=False)).tolist():
            for name, text in json.loads(raw[index].as_py()).items():
                masks.setdefault(name, np.zeros(len(raw), bool))[index] = True
                if strict or name in docket.table.key:
                    hits, texts = noted.setdefault(name, ([], []))
                    hits.append(index)
                    texts.append(text)
        for name, (hits, texts) in noted.items():
            self._broken.note(docket.number, type_rule(docket.table, name), rows.take(pa.array(hits)), pa.array(texts))
        return {name: pa.array(mask) for name, mask in masks.items()}

    def _evaluate(self, docket: Docket, rules: list[Rule], parents: Mapping[str, tuple[Table, str]]) -> None:
        """Runs set rules one by one; those that miss a column or their parent are left out."""
        for rule in rules:
            if not docket.rows or not self._evaluable(docket, rule) or (rule.kind != "foreignKey" and self._found_here(docket, rule)):
                continue
            sql = self._set_rule_sql(docket, rule, parents)
            if docket.table.name in self._standing:
                sql = f'SELECT * FROM ({sql}) AS own WHERE "row" > 0'
            self._broken.note_found(docket.number, rule, sql)

    def _found_here(self, docket: Docket, rule: Rule) -> bool:
        """Whether the rows that break the rule of a key were found without DuckDB; they are noted then."""
        keys, columns = docket.filled, [docket.kept.index(name) for name in rule.columns]
        if len(columns) == 1 and keys.unrepeated(columns[0]):
            return True
        found = keys.later_ones(columns)
        if found is None:
            return False
        rows, values, first = found
        if len(rows):
            self._broken.note(docket.number, rule, rows, values, first)
        return True

    def _set_rule_sql(self, docket: Docket, rule: Rule, parents: Mapping[str, tuple[Table, str]]) -> str:
        keys, place = docket.filled, docket.alone(rule)
        among = keys.repeats(place) if place is not None else None
        dockets = [docket, *(self._dockets[name] for name in parents)]
        names = {(d.table.name, column): f"k{i}" for d in dockets for i, column in enumerate(d.kept)}
        return key_rules_sql([rule], docket.table, keys.table(), parents=parents, names=names, among=among)

    def _lacks(self, docket: Docket, rule: Rule, parents: Mapping[str, tuple[Table, str]]) -> bool:
        """Whether a row finds no parent in its own dump: only then are other versions read."""
        if not docket.rows or not self._evaluable(docket, rule):
            return False
        return bool(self._connection.execute(f"SELECT 1 FROM ({self._set_rule_sql(docket, rule, parents)}) AS o LIMIT 1").fetchall())

    def _evaluable(self, docket: Docket, rule: Rule) -> bool:
        if not set(rule.columns) <= set(docket.table.column_names):
            return False
        if rule.kind != "foreignKey":
            return True
        parent = self._dockets.get(rule.limit[0])
        return parent is not None and set(rule.limit[1:]) <= set(parent.table.column_names)

    def _settle(self, group: tuple[str, ...]) -> None:
        """The references of tables that refer to each other; all tables that they refer to outside the group are settled.

        Within the group a row is there when no other rule rejects it, decided once: a chain of rejections does not run on.
        """
        inside = set(group)
        for within in (False, True):
            wanted = {name: [rule for rule in self._dockets[name].references if (rule.limit[0] in inside) == within] for name in group}
            parents = {rule.limit[0] for rules in wanted.values() for rule in rules} & self._dockets.keys()
            views = {name: self._accepted(self._dockets[name]) for name in sorted(parents)}
            borrowable = self._lent.keys() & views.keys()
            for name, rules in wanted.items():
                for rule in rules:
                    parent = rule.limit[0]
                    if parent in views:
                        there = {parent: (self._dockets[parent].table, views[parent])}
                        if parent in borrowable and self._lacks(self._dockets[name], rule, there):
                            borrowable.remove(parent)
                            self._lend_rows(self._dockets[parent], views[parent], waiting=within)
                        self._evaluate(self._dockets[name], [rule], there)
            for view in views.values():
                self._connection.execute(f'DROP TABLE "{view}"')

    def _accepted(self, docket: Docket) -> str:
        """A table of the kept columns of the rows that are not rejected so far."""
        if docket.began is None:
            self._begin(docket)
        name = f"{self._prefix}accepted_{docket.number}"
        columns = ", ".join(f"k{i}" for i in range(len(docket.kept))) or "_row"
        source = f'"{docket.keys.table()}"' if docket.keys else "(SELECT CAST(0 AS BIGINT) AS _row WHERE 1 = 0)"
        self._connection.execute(
            f'CREATE TABLE "{name}" AS SELECT {columns} FROM {source} AS k'
            f' WHERE NOT EXISTS (SELECT 1 FROM ({self._broken.rejected_sql(docket.number)}) AS b WHERE b."row" = k._row)'
        )
        standing = self._standing.get(docket.table.name)
        if docket.kept and standing is not None and not standing.taken:
            self._add_standing(docket, standing, name)
        return name

    def _lend_rows(self, docket: Docket, into: str, *, waiting: bool) -> None:
        lent = self._lent[docket.table.name]
        self._add_standing(docket, lent, into)
        if waiting and lent.held is not None:
            self._add_standing(docket, replace(lent, rows=lent.held), into)

    def _add_standing(self, docket: Docket, standing: Standing, into: str) -> None:
        """Puts the kept columns of rows of before into a table of accepted rows."""
        lent, columns = f"{self._prefix}lent_{docket.number}", ", ".join(f"k{i}" for i in range(len(docket.kept)))
        self._connection.execute(f'CREATE TABLE "{lent}" AS SELECT * FROM "{docket.filled.table()}" WHERE 1 = 0')
        self._stand(docket, standing, lent)
        self._connection.execute(f'INSERT INTO "{into}" SELECT {columns} FROM "{lent}"')
        self._connection.execute(f'DROP TABLE "{lent}"')

    def _all_rules(self, docket: Docket) -> tuple[Rule, ...]:
        types = (type_rule(docket.table, name) for name in docket.table.column_names if docket.strict or name in docket.table.key)
        return (*types, *docket.rules)

    def _verdict(self, docket: Docket) -> Verdict:
        failed = self._broken.failed(docket.number)
        counts: dict[str, tuple[int, int]] = {}
        warnings: dict[str, tuple[int, int]] = {}
        there = set(docket.table.column_names)
        for rule in self._all_rules(docket):
            evaluated = rule.kind not in SET_KINDS and there.issuperset(rule.columns)
            checked = docket.rows if evaluated or self._evaluable(docket, rule) else 0
            counts[rule.id] = checked, failed.get(rule.id, 0)
            if rule.severity == "warning":
                warnings[rule.id] = counts[rule.id]
        return Verdict(docket.table.name, docket.rows, self._broken.rejected_rows(docket.number), counts, warnings, self)


def _try_cast(column: str, arrow: pa.DataType) -> str:
    """A key of another version as the type of this one; text and what has no name in SQL goes as it is."""
    return f"TRY_CAST({column} AS {sql_type(arrow)})" if arrow not in (BINARY, TIME) else column
