"""One table of a version while its rows arrive and are judged: what it is judged by, and what is kept of it. Not here: judging (judge)."""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.dictionary.checks import Check
from platform_assets.dictionary.model import Rule, Table
from platform_assets.dictionary.rules import SET_KINDS
from platform_assets.operations.kept_keys import KeptKeys


@dataclass
class Docket:
    number: int
    table: Table
    rules: tuple[Rule, ...] = ()
    checks: tuple[tuple[Rule, Check], ...] = ()
    kept: tuple[str, ...] = ()
    """Columns whose values are kept for keys and references; column i stands as `k<i>`."""
    keys: KeptKeys | None = None
    """Where they are kept; None before the first row, and when there are none to keep."""
    rows: int = 0
    began: Table | None = None
    """The definition by which the rows were judged so far; None before the first row."""
    strict: bool = False
    lent: bool = False
    """Not of the version: it only lends its rows to the references of others."""

    @property
    def row_rules(self) -> tuple[Rule, ...]:
        """The row-local rules whose column the table has."""
        names = set(self.table.column_names)
        return tuple(rule for rule in self.rules if rule.kind not in SET_KINDS and rule.columns[0] in names)

    @property
    def key_rules(self) -> list[Rule]:
        return [rule for rule in self.rules if rule.kind in ("primaryKey", "unique")]

    @property
    def references(self) -> list[Rule]:
        return [rule for rule in self.rules if rule.kind == "foreignKey"]

    @property
    def filled(self) -> KeptKeys:
        """Where the columns are kept, of a table of which some are. Raises ValueError when none are."""
        if self.keys is None:
            raise ValueError(f"{self.table.name} has no rows that are kept")
        return self.keys

    def alone(self, rule: Rule) -> int | None:
        """The place among the kept columns of the one column whose key the rule is; None for every other rule."""
        single = rule.kind in ("primaryKey", "unique") and len(rule.columns) == 1 and rule.columns[0] in self.kept
        return self.kept.index(rule.columns[0]) if single else None
