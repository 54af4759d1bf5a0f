"""The tables, types and views that a script has made so far, by database, schema and name; what its statements do to them.

Used twice: by the survey, which sees the whole script before a row is read, and by the reading itself. Rows are not here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from platform_assets.formats.postgres import ddl
from platform_assets.formats.postgres.cursor import Cursor
from platform_assets.formats.postgres.ddl import ColumnDefinition, Definition
from platform_assets.formats.postgres.session import Session
from platform_assets.formats.postgres.types import NativeType
from platform_assets.formats.sql.statement import DdlError, QualifiedName, split_commas

Key = tuple[str, str, str]
"""Database ("" when no \\connect came), schema, table."""
_KINDS = (b"GLOBAL", b"LOCAL", b"TEMP", b"TEMPORARY", b"UNLOGGED", b"OR", b"REPLACE", b"RECURSIVE", b"MATERIALIZED", b"UNIQUE")


@dataclass(frozen=True)
class Effect:
    """What a statement did to a table: it was created, is gone, or is empty now; `told` is a word for people."""

    kind: Literal["created", "dropped", "emptied", "exists", "selects"]
    key: Key


class Catalog:
    """`definitions` are the tables of this moment; `created` counts how often a name was created."""

    def __init__(self) -> None:
        self.definitions: dict[Key, Definition] = {}
        self.created: Counter[Key] = Counter()
        self.finals: dict[tuple[Key, int], Definition] = {}
        """Every table that was ever there, by the number of its creation, as it was last seen."""
        self.parents: dict[Key, Key] = {}
        """Partitions by their parents."""
        self.views: set[Key] = set()
        self.domains: dict[str, NativeType] = {}
        self.composites: dict[Key, tuple[ColumnDefinition, ...]] = {}
        self.used: list[Key] = []
        """Keys in the order in which a table was created or rows came."""

    def key(self, name: QualifiedName, session: Session) -> Key:
        """The table a name means: in the first schema of the search path that has it, else in the first of all."""
        if name[0] is not None:
            return (session.database, name[0], name[1])
        candidates = [(session.database, schema, name[1]) for schema in session.search_path if schema != "pg_catalog"]
        known = [key for key in candidates if key in self.definitions or key in self.views]
        return (known or candidates or [(session.database, "public", name[1])])[0]

    def root(self, key: Key) -> Key:
        """The partitioned table at the top of a partition; the table itself when it is none."""
        seen = {key}
        while (parent := self.parents.get(key)) is not None and parent not in seen:
            seen.add(parent)
            key = parent
        return key

    def touch(self, key: Key) -> None:
        """Rows came for this table."""
        if key not in self.used:
            self.used.append(key)

    def final(self, key: Key) -> Definition | None:
        """The table's last definition under the number of its present creation, or under its last one."""
        return self.finals.get((key, self.created[key]))

    def _store(self, key: Key, definition: Definition) -> None:
        self.definitions[key] = definition
        self.finals[key, self.created[key]] = definition

    def create(self, cursor: Cursor, session: Session) -> Iterator[Effect]:
        """CREATE ...; the cursor stands behind the word. Raises DdlError."""
        unique = cursor.here is not None and cursor.here.is_(b"UNIQUE")
        while cursor.word(*_KINDS):
            pass
        foreign = cursor.word(b"FOREIGN")
        if cursor.word(b"TABLE"):
            yield from self._create_table(cursor, session, foreign=foreign)
        elif cursor.word(b"VIEW"):
            self.views.add(self.key(cursor.qualified(), session))
        elif cursor.word(b"INDEX") and unique:
            while cursor.here is not None and not cursor.word(b"ON"):
                cursor.at += 1
            cursor.word(b"ONLY")
            self._change(self.key(cursor.qualified(), session), lambda known: ddl.unique_index(cursor, known))
        elif cursor.word(b"TYPE"):
            name = self.key(cursor.qualified(), session)
            if cursor.word(b"AS") and cursor.here is not None and cursor.here.punct(b"("):
                self.composites[name] = tuple(ddl.column(cursor.sub(part)) for part in split_commas(cursor.group()) if part)
        elif cursor.word(b"DOMAIN"):
            schema, name_ = cursor.qualified()
            cursor.word(b"AS")
            native = ddl.data_type(cursor)
            for spelled in (name_, *([f"{schema}.{name_}"] if schema else [])):
                self.domains[spelled] = native
        elif cursor.word(b"RULE"):
            yield from self._rule(cursor, session)

    def _create_table(self, cursor: Cursor, session: Session, *, foreign: bool) -> Iterator[Effect]:
        unless = cursor.here is not None and cursor.here.is_(b"IF")
        definition = ddl.create_table(cursor)
        schema, name = definition.name
        key = (session.database, schema or session.search_path[0], name)
        if unless and key in self.definitions:
            yield Effect("exists", key)
            return
        if key in self.definitions:
            self.definitions.pop(key)
            yield Effect("dropped", key)
        self.views.discard(key)
        definition = replace(self._completed(definition, session), foreign_table=foreign)
        self.created[key] += 1
        self.parents.pop(key, None)
        if definition.partition_of is not None:
            self.parents[key] = self.key(definition.partition_of, session)
        self._store(key, definition)
        self.touch(key)
        yield Effect("created", key)
        if definition.selects:
            yield Effect("selects", key)

    def _completed(self, definition: Definition, session: Session) -> Definition:
        """With the columns of parents, of LIKE, of the partitioned table or of a composite type before its own."""
        parts: list[ColumnDefinition] = []
        for other in (*definition.inherits, *definition.likes, *([definition.partition_of] if definition.partition_of else [])):
            known = self.definitions.get(self.key(other, session))
            parts += known.columns if known is not None else ()
        if definition.of_type is not None:
            parts += self.composites.get(self.key(definition.of_type, session), ())
        whole = replace(definition, columns=())
        for column in (*parts, *definition.columns):
            before = whole.column(column.name)
            merged = replace(column, required=True) if before is not None and before.required else column
            whole = whole.with_column(merged)
        return ddl.with_key(whole, whole.key) if whole.key else whole

    def _rule(self, cursor: Cursor, session: Session) -> Iterator[Effect]:
        """Old pg_dumps make a view of a table by a rule with the name _RETURN."""
        returns = cursor.name() == "_RETURN"
        while cursor.here is not None and not cursor.word(b"TO"):
            cursor.at += 1
        if returns and cursor.here is not None:
            key = self.key(cursor.qualified(), session)
            if self.definitions.pop(key, None) is not None:
                self.finals.pop((key, self.created[key]), None)
                self.views.add(key)
                yield Effect("dropped", key)

    def _change(self, key: Key, change: Callable[[Definition], Definition]) -> None:
        known = self.definitions.get(key)
        if known is not None:
            self._store(key, change(known))

    def alter(self, cursor: Cursor, session: Session) -> None:
        """ALTER TABLE; the cursor stands behind the word ALTER. Other objects are passed by. Raises DdlError."""
        cursor.word(b"FOREIGN")
        if not cursor.word(b"TABLE"):
            return
        cursor.words(b"IF", b"EXISTS")
        cursor.word(b"ONLY")
        key = self.key(cursor.qualified(), session)
        cursor.punct(b"*")
        if key not in self.definitions:
            return
        for part in split_commas(cursor.tokens[cursor.at :]):
            key = self._action(cursor.sub(part), key, session)

    def _action(self, action: Cursor, key: Key, session: Session) -> Key:
        known = self.definitions[key]
        if action.words(b"ATTACH", b"PARTITION"):
            self.parents[self.key(action.qualified(), session)] = key
        elif action.words(b"DETACH", b"PARTITION"):
            self.parents.pop(self.key(action.qualified(), session), None)
        elif action.words(b"SET", b"SCHEMA"):
            key = self._move(key, (key[0], action.name(), key[2]))
        elif action.words(b"RENAME", b"TO"):
            key = self._move(key, (key[0], key[1], action.name()))
        elif action.word(b"RENAME"):
            if not action.word(b"CONSTRAINT"):
                action.word(b"COLUMN")
                old = action.name()
                action.word(b"TO")
                self._store(key, known.renamed_column(old, action.name()))
        elif action.word(b"ADD"):
            self._store(key, self._added(action, known))
        elif action.word(b"DROP"):
            if not action.word(b"CONSTRAINT"):
                action.word(b"COLUMN")
                action.words(b"IF", b"EXISTS")
                self._store(key, known.without_column(action.name()))
        elif action.word(b"ALTER") and not action.word(b"CONSTRAINT"):
            action.word(b"COLUMN")
            self._store(key, ddl.alter_column(action, known))
        return key

    def _added(self, action: Cursor, known: Definition) -> Definition:
        """ADD: a column, or a constraint."""
        if action.here is not None and action.here.is_(b"CONSTRAINT", b"PRIMARY", b"UNIQUE", b"FOREIGN", b"CHECK", b"EXCLUDE", b"NOT"):
            return ddl.table_constraint(action, known)
        action.word(b"COLUMN")
        action.words(b"IF", b"NOT", b"EXISTS")
        return ddl.with_attributes(action, known, ddl.column(action))

    def _move(self, key: Key, new: Key) -> Key:
        definition = self.definitions.pop(key)
        self.created[new] += 1
        if key in self.parents:
            self.parents[new] = self.parents.pop(key)
        self._store(new, replace(definition, name=(new[1], new[2])))
        self.used = [new if one == key else one for one in self.used]
        self.finals.pop((key, self.created[key]), None)
        return new

    def drop(self, cursor: Cursor, session: Session) -> Iterator[Effect]:
        """DROP TABLE, SCHEMA, DATABASE; the cursor stands behind DROP. Raises DdlError."""
        if cursor.word(b"SCHEMA", b"DATABASE"):
            schema = cursor.tokens[cursor.at - 1].is_(b"SCHEMA")
            cursor.words(b"IF", b"EXISTS")
            name = cursor.name()
            gone = [key for key in self.definitions if (key[:2] == (session.database, name) if schema else key[0] == name)]
        else:
            cursor.word(b"FOREIGN", b"MATERIALIZED")
            if not cursor.word(b"TABLE", b"VIEW"):
                return
            cursor.words(b"IF", b"EXISTS")
            names = [self.key(cursor.sub(part).qualified(), session) for part in split_commas(cursor.tokens[cursor.at :]) if part]
            self.views.difference_update(names)
            gone = [key for key in names if key in self.definitions]
        for key in gone:
            self.definitions.pop(key)
            yield Effect("dropped", key)

    def truncate(self, cursor: Cursor, session: Session) -> Iterator[Effect]:
        """TRUNCATE; the cursor stands behind the word. Raises DdlError."""
        cursor.word(b"TABLE")
        for part in split_commas(cursor.tokens[cursor.at :]):
            one = cursor.sub(part)
            one.word(b"ONLY")
            yield Effect("emptied", self.key(one.qualified(), session))

    def comment(self, cursor: Cursor, session: Session) -> None:
        """COMMENT ON TABLE or COLUMN; the cursor stands behind COMMENT. Raises DdlError."""
        if not cursor.word(b"ON") or not cursor.word(b"TABLE", b"COLUMN"):
            return
        on_column = cursor.tokens[cursor.at - 1].is_(b"COLUMN")
        path = cursor.path()
        if not cursor.word(b"IS"):
            raise DdlError("COMMENT without IS")
        text = cursor.string() or ""
        name = path[:-1] if on_column else path
        if not name:
            return
        key = self.key((name[-2] if len(name) > 1 else None, name[-1]), session)

        def changed(known: Definition) -> Definition:
            if not on_column:
                return replace(known, comment=text)
            found = known.column(path[-1])
            return known if found is None else known.with_column(replace(found, comment=text))

        self._change(key, changed)
