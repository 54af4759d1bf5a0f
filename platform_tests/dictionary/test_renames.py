"""Renames as the dictionary states them, as they are refused, and as they change a schema."""

from __future__ import annotations

import pytest

from platform_assets.dictionary.contract import load_contract
from platform_assets.dictionary.model import Column, ForeignKey, Rule, Table
from platform_assets.dictionary.renames import Renames, for_dump, renames_of, with_names
from platform_assets.dictionary.types import INT32, STRING
from platform_assets.errors import SettingsError

HEAD = "apiVersion: v3.1.0\nkind: DataContract\nid: crm\nversion: 1.0.0\nstatus: active\nschema:\n"


def old(name: str, new: str) -> str:
    return f"{{name: {name}, customProperties: [{{property: renamedTo, value: {new}}}]}}"


def column(name: str, more: str = "") -> str:
    return f"{{name: {name}, logicalType: string{more}}}"


def contract(tmp_path, *tables: str) -> dict[str, Table]:
    (tmp_path / "crm.odcs.yaml").write_text(HEAD + "".join(f"  - {table}\n" for table in tables))
    return load_contract(tmp_path / "crm.odcs.yaml")


def people(*properties: str) -> str:
    return f"{{name: people, properties: [{', '.join(properties)}]}}"


def test_old_names_lead_to_the_names_of_today_also_through_a_chain(tmp_path):
    dictionary = contract(
        tmp_path,
        people(old("m", "mail"), old("mail", "email"), column("email", ", required: true")),
        old("kunden", "clients"),
        old("clients", "people"),
    )
    assert dictionary["people"].column_names == ("email",)
    assert dictionary["kunden"].column_names == ("email",)
    assert renames_of(dictionary) == Renames({"kunden": "people", "clients": "people"}, {"people": {"m": "email", "mail": "email"}})
    assert renames_of(dictionary).columns_of("kunden") == {"m": "email", "mail": "email"}


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ([people(old("mail", "email"), column("name"))], r"people: column mail is renamedTo 'email', a column that .* not have"),
        ([people(old("a", "b"), old("b", "a"), column("c"))], r"people: the renamedTo of its columns runs in a circle: a -> b -> a"),
        ([people(column("c")), old("kunden", "clients")], r"kunden: it is renamedTo 'clients', a table that .* not have"),
        ([people(column("c")), old("a", "b"), old("b", "a")], r"its renamedTo runs in a circle: a -> b -> a"),
        (
            [people("{name: mail, logicalType: string, customProperties: [{property: renamedTo, value: email}]}", column("email"))],
            r"column mail: beside its renamedTo, .* it says nothing else",
        ),
        (
            [people(column("c")), "{name: k, properties: [{name: x}], customProperties: [{property: renamedTo, value: people}]}"],
            r"table k: it is an old name of people; its columns",
        ),
    ],
)
def test_a_rename_that_leads_nowhere_is_refused_with_both_names_and_the_line(tmp_path, tables, named):
    with pytest.raises(SettingsError, match=rf"crm\.odcs\.yaml, line \d+: .*{named}"):
        contract(tmp_path, *tables)


def test_key_and_rules_go_with_a_renamed_column():
    table = Table(
        "people",
        (Column("id", INT32), Column("mail", STRING)),
        key=("id",),
        unique=(("mail",),),
        foreign_keys=(ForeignKey(("mail",), "mails", ("mail",)),),
        rules=(Rule("pattern:mail", "pattern", ("mail",), ".*@.*"),),
        row_version="mail",
    )
    done = with_names(table, {"mail": "email", "absent": "x"})
    assert done.column_names == ("id", "email")
    assert (done.unique, done.row_version, done.rules[0].columns) == ((("email",),), "email", ("email",))
    assert done.foreign_keys == (ForeignKey(("email",), "mails", ("mail",)),)
    assert with_names(table, {"absent": "x"}) is table


def test_an_older_dump_is_governed_under_its_own_names():
    of_today = Table("people", (Column("email", STRING, required=True),), key=("email",), renames=(("mail", "email"),))
    assert for_dump(of_today, ("mail", "name")).key == ("mail",)
    assert for_dump(of_today, ("email",)).key == ("email",)


def test_a_version_with_both_columns_is_refused_and_both_are_named():
    both = Table("people", (Column("mail", STRING), Column("email", STRING)))
    with pytest.raises(SettingsError, match=r"mail was renamed to email .*version v2 has both columns mail and email"):
        Renames({}, {"people": {"mail": "email"}}).today(both, place="version v2")


def test_two_old_columns_of_one_version_cannot_both_become_the_same():
    both = Table("people", (Column("m", STRING), Column("mail", STRING)))
    with pytest.raises(SettingsError, match=r"version v1 has both columns m and mail"):
        Renames({}, {"people": {"m": "email", "mail": "email"}}).today(both, place="version v1")


def test_a_table_under_an_old_name_gets_that_of_today():
    renames = Renames({"kunden": "people"}, {"people": {"mail": "email"}})
    assert renames.today(Table("kunden", (Column("mail", STRING),)), place="v1") == Table("people", (Column("email", STRING),))
