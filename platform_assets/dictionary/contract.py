"""The data dictionary of a source: one ODCS 3 contract (Open Data Contract Standard, YAML) to tables.

Columns and their rules are read by contract_columns, old names by contract_renames.
A contract is understood whole or refused with file, line, table and column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from platform_assets.dictionary.contract_columns import Stated, custom_properties, quality_rules, stated_column
from platform_assets.dictionary.contract_renames import column_renames, new_table_name, table_renames
from platform_assets.dictionary.limits import check_limit
from platform_assets.dictionary.model import ForeignKey, Measure, Rule, Table
from platform_assets.dictionary.rules import rules_of
from platform_assets.dictionary.types import STRING, common_type
from platform_assets.dictionary.yaml_lines import YamlFile, read_yaml
from platform_assets.errors import SettingsError

_QUALIFIED = re.compile(r"/?schema/([^/]+)/properties/([^/]+)")


def load_contract(path: Path, folders: Sequence[Path] = ()) -> dict[str, Table]:
    """The tables of one contract (apiVersion v3.x) by name, in its order.

    `folders` have the contracts of other sources, the first that has one counts; without any they are looked for beside it.

    Raises SettingsError naming file, line, table and column for anything that the standard's model does not know, that is not
    evaluated here, or that names a table or column that is not there.
    """
    drafts = _drafts(path)
    current = {name: draft for name, draft in drafts.items() if draft.table.renamed_to is None}
    elsewhere = _Elsewhere(folders or (path.parent,))
    tables = {name: _finished(draft, current, elsewhere) for name, draft in current.items()}
    ends = table_renames({name: draft.table.renamed_to for name, draft in drafts.items()}, {n: d.refuse for n, d in drafts.items()})
    return tables | {old: replace(tables[new], name=old, renamed_to=new) for old, new in ends.items()}


def refuse_query(path: Path, table: str, measure: Measure, reason: str) -> NoReturn:
    """Raises SettingsError for a query of a contract that was read from the path; who runs queries knows the reason."""
    file = read_yaml(path)
    at = next(at for at, data in enumerate(file.data["schema"]) if data["name"] == table)
    place = ("schema", at, *measure.place, "query")
    file.refuse(place, f"table {table}: the query of the check {measure.id} cannot be run: {reason}.", table=table, rule=measure.id)


def _drafts(path: Path) -> dict[str, _Draft]:
    file = read_yaml(path)
    _check_shape(file)
    drafts: dict[str, _Draft] = {}
    for at, data in enumerate(file.data.get("schema") or []):
        draft = _draft(file, at, data)
        if draft.table.name in drafts:
            draft.refuse(("name",), "the table stands in the contract already.")
        drafts[draft.table.name] = draft
    if not drafts:
        file.refuse(("schema",), "the contract has no schema, so it says nothing of any table.")
    return drafts


class _Elsewhere:
    """The contracts of other sources, for references to their tables. Their own references are not followed: these may lead back."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._read: dict[str, dict[str, _Draft]] = {}

    def find(self, reference: str) -> tuple[str, _Draft, str] | None:
        """`source.table.column` to the source, the table and the column; None when there is no such contract, table or column."""
        source, _, rest = reference.partition(".")
        if not rest or "/" in source:
            return None
        if source not in self._read:
            paths = (folder / f"{source}.odcs.yaml" for folder in self._folders)
            path = next((path for path in paths if path.is_file()), None)
            self._read[source] = _drafts(path) if path else {}
        for name, draft in self._read[source].items():
            column = rest.removeprefix(f"{name}.")
            if draft.table.renamed_to is None and column != rest and column in draft.table.column_names:
                return source, draft, column
        return None


@dataclass(frozen=True)
class _Draft:
    """A table whose references are not yet resolved."""

    file: YamlFile
    at: int
    data: Mapping[str, Any]
    table: Table

    def refuse(self, place: Sequence[str | int], message: str) -> NoReturn:
        self.file.refuse(("schema", self.at, *place), f"table {self.table.name}: {message}", table=self.table.name)


def _check_shape(file: YamlFile) -> None:
    """The standard's own model: kinds of values, and no keyword that it does not know."""
    from open_data_contract_standard.model import OpenDataContractStandard  # costs 0.2 s: only who reads a contract pays
    from pydantic import ValidationError

    if not isinstance(file.data, dict):
        file.refuse((), "a contract is a mapping at its top level.")
    for key in ("apiVersion", "kind", "id", "version"):
        if not file.data.get(key):
            file.refuse((), f"{key} is missing.")
    if file.data["kind"] != "DataContract" or not re.fullmatch(r"v3\.\d+\.\d+", str(file.data["apiVersion"])):
        file.refuse(("apiVersion",), "only contracts of kind DataContract and apiVersion v3.x.y are known.")
    try:
        model = OpenDataContractStandard.model_validate(file.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = tuple(step for step in first["loc"] if isinstance(step, (str, int)))
        file.refuse(place, f"{'.'.join(map(str, place))}: {first['msg']} (found {first['input']!r}){_where(file.data, place)}.")
    for place, known in _strangers(model, file.data, ()):
        file.refuse(place, f"the keyword {place[-1]!r} is unknown{_where(file.data, place)}; known are {', '.join(sorted(known))}.")


def _strangers(model: Any, data: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], set[str]]]:
    """Places of keywords that the model let pass without knowing them."""
    if isinstance(model, list):
        for at, (item, raw) in enumerate(zip(model, data, strict=True)):
            yield from _strangers(item, raw, (*place, at))
        return
    fields = getattr(type(model), "model_fields", None)
    if fields is None:
        return
    names = {field.alias or name: name for name, field in fields.items()}
    for key, raw in data.items():
        if key not in names:
            yield (*place, key), set(names)
        else:
            yield from _strangers(getattr(model, names[key]), raw, (*place, key))


def _where(data: Any, place: Sequence[str | int]) -> str:
    """Table and column of a place, in words."""
    names = []
    for at, step in enumerate(place[:-1]):
        if isinstance(data, dict) and step in data:
            data = data[step]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
            if place[at - 1] in ("schema", "properties") and isinstance(data, dict) and "name" in data:
                names.append(str(data["name"]))
        else:
            break
    return f" at {'.'.join(names)}" if names else ""


def _draft(file: YamlFile, at: int, data: Mapping[str, Any]) -> _Draft:
    name = data.get("name")
    if not name:
        file.refuse(("schema", at), "a table has no name.")
    draft = _Draft(file, at, data, Table(name, (), description=data.get("description") or ""))
    if data.get("physicalName", name) != name:
        draft.refuse(("physicalName",), "tables go by `name`; give it the name that stands in the dumps.")
    custom = custom_properties(data, {"rowVersion", "renamedTo", "deletes", "max_errors", "max_error_ratio"}, draft.refuse)
    if "renamedTo" in custom:
        return replace(draft, table=replace(draft.table, renamed_to=new_table_name(data, custom["renamedTo"], draft.refuse)))
    _refuse_twins(draft)
    renames = column_renames(data.get("properties") or [], draft.refuse)
    stated = [_column(draft, i, item) for i, item in enumerate(data.get("properties") or []) if item.get("name") not in renames]
    if not stated:
        draft.refuse((), "it has no properties.")
    columns = tuple(item.column for item in stated)
    names = [column.name for column in columns]
    quality = list(quality_rules(data.get("quality") or [], None, draft.refuse))
    checks = [rule for rule in quality if isinstance(rule, Rule)]
    measures = (*(one for one in quality if isinstance(one, Measure)), *(one for item in stated for one in item.measures))
    unique = [*((item.column.name,) for item in stated if item.unique), *(rule.columns for rule in checks if rule.severity == "error")]
    table = replace(
        draft.table,
        columns=columns,
        key=_key(draft),
        unique=tuple(dict.fromkeys(unique)),
        rules=(*(rule for item in stated for rule in item.rules), *(rule for rule in checks if rule.severity == "warning")),
        row_version=custom.get("rowVersion"),
        renames=tuple(renames.items()),
        measures=measures,
        not_run=(*(one for one in quality if isinstance(one, str)), *(text for item in stated for text in item.not_run)),
        deletes=_deletes(draft, custom),
        max_errors=_bound(draft, custom, "max_errors"),
        max_error_ratio=_bound(draft, custom, "max_error_ratio"),
    )
    draft = replace(draft, table=table)
    if table.row_version is not None and table.row_version not in names:
        draft.refuse(("customProperties",), f"the row-version column {table.row_version!r} is not among its columns.")
    for named in (*(rule.columns for rule in checks), *(measure.columns for measure in measures)):
        _check_columns(draft, named, ("quality",))
    return draft


def _refuse_twins(draft: _Draft) -> None:
    names = [item.get("name") for item in draft.data.get("properties") or []]
    twin = next((i for i, name in enumerate(names) if name and name in names[:i]), None)
    if twin is not None:
        draft.refuse(("properties", twin), f"the column {names[twin]} stands there twice.")


def _deletes(draft: _Draft, custom: Mapping[str, Any]) -> Any:
    value = custom.get("deletes")
    if value not in (None, "missing", "never"):
        draft.refuse(("customProperties",), f"deletes is `missing` (a key that a whole dump lacks is gone) or `never`, not {value!r}.")
    return value


def _bound(draft: _Draft, custom: Mapping[str, Any], name: str) -> Any:
    """A threshold of rejected rows: a number of them, or a share from 0 to 1."""
    value = custom.get(name)
    share = name == "max_error_ratio"
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float) if share else int) or not 0 <= value <= (1 if share else value):
        draft.refuse(("customProperties",), f"{name} is {'a share from 0 to 1' if share else 'a number of rows'}, not {value!r}.")
    return float(value) if share else value


def _column(draft: _Draft, at: int, data: Mapping[str, Any]) -> Stated:
    name = data.get("name")
    if not name:
        draft.refuse(("properties", at), "a column has no name.")

    def refuse(place: Sequence[str | int], message: str) -> NoReturn:
        table = draft.table.name
        full = ("schema", draft.at, "properties", at, *place)
        draft.file.refuse(full, f"table {table}, column {name}: {message}", table=table, column=name)

    stated = stated_column(data, refuse)
    stated = replace(stated, measures=tuple(replace(one, place=("properties", at, *one.place)) for one in stated.measures))
    probe = replace(draft.table, columns=(stated.column,))
    for rule in stated.rules:
        try:
            check_limit(rule, probe)
        except SettingsError as error:
            advice = " Text that YAML would read as something else (no, 1, 2024-01-01) must be quoted." if rule.kind == "enum" else ""
            refuse(("logicalTypeOptions", rule.kind) if rule.kind != "enum" else (), error.message + advice)
    return stated


def _key(draft: _Draft) -> tuple[str, ...]:
    """The primary key by primaryKeyPosition, or in the order of the columns when no position is given."""
    parts = [(i, item) for i, item in enumerate(draft.data["properties"]) if item.get("primaryKey")]
    positions = [item.get("primaryKeyPosition", -1) for _, item in parts]
    for i, item in enumerate(draft.data["properties"]):
        if not item.get("primaryKey") and item.get("primaryKeyPosition", -1) != -1:
            draft.refuse(("properties", i, "primaryKeyPosition"), f"column {item['name']} has a place in the key without being of it.")
    if all(position == -1 for position in positions):
        return tuple(item["name"] for _, item in parts)
    if sorted(positions) != list(range(1, len(parts) + 1)):
        draft.refuse(
            ("properties", parts[0][0], "primaryKeyPosition"), f"the places in the primary key are {positions}, not 1 to {len(parts)}."
        )
    return tuple(item["name"] for _, item in sorted(parts, key=lambda part: part[1]["primaryKeyPosition"]))


def _check_columns(draft: _Draft, columns: Sequence[str], place: Sequence[str | int]) -> None:
    for name in columns:
        if name not in draft.table.column_names:
            draft.refuse(place, f"it has no column {name!r}; its columns are {', '.join(draft.table.column_names)}.")


def _finished(draft: _Draft, drafts: Mapping[str, _Draft], elsewhere: _Elsewhere) -> Table:
    keys: list[ForeignKey] = []
    for i, item in enumerate(draft.data["properties"]):
        for j, relation in enumerate(item.get("relationships") or []):
            place: tuple[str | int, ...] = ("properties", i, "relationships", j)
            if "from" in relation:
                draft.refuse((*place, "from"), "`from` is implied here; state composite keys at the table.")
            keys.append(_foreign_key(draft, drafts, elsewhere, relation, [item["name"]], place))
    for j, relation in enumerate(draft.data.get("relationships") or []):
        place = ("relationships", j)
        own = [_own_column(draft, reference, place) for reference in _listed(relation.get("from"))]
        if not own:
            draft.refuse(place, "`from` is missing.")
        keys.append(_foreign_key(draft, drafts, elsewhere, relation, own, place))
    table = replace(draft.table, foreign_keys=tuple(keys))
    ids = [rule.id for rule in rules_of(table)]
    twins = sorted({rule for rule in ids if ids.count(rule) > 1}) if len(set(ids)) < len(ids) else []
    if twins or len(set(keys)) < len(keys):
        draft.refuse((), f"the rule {twins[0] if twins else keys[0]} is stated twice.")
    return table


def _listed(value: Any) -> list[str]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _own_column(draft: _Draft, reference: str, place: Sequence[str | int]) -> str:
    if reference in draft.table.column_names:
        return reference
    found = _split({draft.table.name: draft}, reference)
    return found[1] if found else _unknown(draft, reference, (*place, "from"))


def _split(drafts: Mapping[str, _Draft], reference: str) -> tuple[str, str] | None:
    """`table.column` or `schema/<table id>/properties/<column id>` to the names of both."""
    qualified = _QUALIFIED.fullmatch(reference)
    for name, other in drafts.items():
        for item in other.data["properties"]:
            if item["name"] not in other.table.column_names:  # an old name of another column
                continue
            by_id = qualified and qualified[1] in (other.data.get("id"), name) and qualified[2] in (item.get("id"), item["name"])
            if by_id or reference == f"{name}.{item['name']}":
                return name, item["name"]
    return None


def _unknown(draft: _Draft, reference: str, place: Sequence[str | int]) -> NoReturn:
    draft.refuse(
        place,
        f"{reference!r} names no column of a table of this contract; write it as table.column. One of another source is written as "
        "source.table.column, and that source needs a contract that has it.",
    )


def _foreign_key(
    draft: _Draft,
    drafts: Mapping[str, _Draft],
    elsewhere: _Elsewhere,
    relation: Mapping[str, Any],
    own: Sequence[str],
    place: tuple[str | int, ...],
) -> ForeignKey:
    if relation.get("type", "foreignKey") != "foreignKey":
        draft.refuse((*place, "type"), f"the relationship {relation['type']!r} is not known; foreignKey is.")
    targets = []
    parents: dict[str, tuple[str, Table]] = {}
    for reference in _listed(relation.get("to")):
        inside, outside = _split(drafts, reference), elsewhere.find(reference)
        if inside is None and outside is None:
            _unknown(draft, reference, (*place, "to"))
        if inside is not None:
            name, column = inside
            parents[name] = "", drafts[name].table
        else:
            assert outside is not None  # else it was refused
            source, other, column = outside
            name = f"{source}.{other.table.name}"
            parents[name] = source, other.table
        targets.append((name, column))
    tables = {table for table, _ in targets}
    if len(targets) != len(own) or len(tables) != 1:
        draft.refuse(place, f"{', '.join(own)} must refer to as many columns of one table, not to {relation.get('to')!r}.")
    source, parent = parents[targets[0][0]]
    for name, (_, column) in zip(own, targets, strict=True):
        left, right = draft.table.column(name).type, parent.column(column).type
        if left != right and common_type(left, right) == STRING:
            draft.refuse(place, f"column {name} can never equal {targets[0][0]}.{column}: their types are {left} and {right}.")
    return ForeignKey(tuple(own), targets[0][0], tuple(column for _, column in targets), source)
