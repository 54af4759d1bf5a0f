"""The forms in which a table can leave, by the names that `export --format` takes. How each is written stands in its own module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO

from platform_assets.errors import PlatformError
from platform_assets.storage.exports.columnar_form import write_avro, write_parquet
from platform_assets.storage.exports.csv_form import write_csv
from platform_assets.storage.exports.jsonl_form import write_jsonl
from platform_assets.storage.exports.key_value import write_kv
from platform_assets.storage.exports.relation import Relation, Written
from platform_assets.storage.exports.sql_form import write_sql
from platform_assets.storage.rows.json_form import to_json


@dataclass(frozen=True)
class Form:
    """One form. `whole`: the platform's own columns are always in it. `packed`: it packs its rows itself, `--compress` is refused."""

    name: str
    suffix: str
    write: Callable[[Relation, BinaryIO], Written]
    whole: bool = False
    packed: bool = False


def _write_json(relation: Relation, stream: BinaryIO) -> Written:
    rows = to_json(relation.table, relation.batches(), stream, meta=relation.meta, kind="latest", head=relation.head)
    return Written(rows)


FORMS: tuple[Form, ...] = (
    Form("json", ".json", _write_json, whole=True),
    Form("jsonl", ".jsonl", write_jsonl),
    Form("csv", ".csv", write_csv),
    Form("avro", ".avro", write_avro, packed=True),
    Form("parquet", ".parquet", write_parquet, packed=True),
    Form("sql", ".sql", write_sql),
    Form("kv", ".kv.jsonl", write_kv),
)


def form_named(name: str, *, null: str | None = None) -> Form:
    """The form of that name; `null` is csv's token for NULL. Raises PlatformError for another name, and for a token without csv."""
    found = next((form for form in FORMS if form.name == name), None)
    if found is None:
        raise PlatformError(f"--format {name} is none of {', '.join(form.name for form in FORMS)}.")
    if null is None:
        return found
    if name != "csv":
        raise PlatformError(f"--null is for csv alone: {name} has a NULL of its own.")
    return replace(found, write=partial(write_csv, null=null))
