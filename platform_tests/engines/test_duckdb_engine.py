"""The engine as others rely on it: limits, spilling, the three macros, and no look at anything it was not given."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pytest

from platform_assets.engines.duckdb import open_engine, part_of_limit
from platform_assets.errors import SettingsError


def test_the_macros_mean_what_they_mean_in_spark(tmp_path: Path) -> None:
    with open_engine(tmp_path) as engine:
        asked = engine.execute(
            "SELECT regexp_like('abc', 'b'), regexp_like('abc', '^b'), sha2('ä', 256), unix_timestamp(TIMESTAMP '1970-01-02 00:00:01.9'),"
            " unix_timestamp(TIMESTAMP '1969-12-31 23:59:59.5'), regexp_like(NULL, 'b'), sha2(NULL, 256)"
        ).fetchone()
    assert asked == (True, False, hashlib.sha256("ä".encode()).hexdigest(), 86_401, -1, None, None)


def test_another_hash_width_is_refused_rather_than_answered_wrongly(tmp_path: Path) -> None:
    with open_engine(tmp_path) as engine, pytest.raises(duckdb.Error, match="256"):
        engine.execute("SELECT sha2(x, 512) FROM (VALUES ('a')) AS t(x)").fetchall()


def test_settings_are_those_asked_for_and_the_zone_is_utc(tmp_path: Path) -> None:
    with open_engine(tmp_path, memory_limit="64MiB", threads=1) as engine:
        found = engine.execute("SELECT current_setting('threads'), current_setting('memory_limit'), current_setting('TimeZone')").fetchone()
        instant = engine.execute("SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00' = TIMESTAMP '2024-01-01 00:00:00'").fetchone()
    assert found == (1, "64.0 MiB", "UTC") and instant == (True,)


def test_a_python_variable_is_not_a_table(tmp_path: Path) -> None:
    secret = [{"a": 1}]  # noqa: F841
    with open_engine(tmp_path) as engine, pytest.raises(duckdb.CatalogException):
        engine.execute("SELECT * FROM secret")


def test_a_sort_larger_than_the_limit_spills_into_its_own_folder_and_leaves_nothing(tmp_path: Path) -> None:
    work = tmp_path / "not there yet"
    with open_engine(work, memory_limit="50MB", threads=1) as engine:
        engine.execute("CREATE TABLE t AS SELECT range AS n, repeat(md5(CAST(range AS STRING)), 4) AS text FROM range(600000)")
        assert any(file.stat().st_size for file in work.rglob("*") if file.is_file())
        assert engine.execute("SELECT count(*) FROM (SELECT DISTINCT text FROM t)").fetchone() == (600_000,)
    assert list(work.iterdir()) == []


def test_the_folder_is_gone_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_engine(tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", ["lots", "300", "", "-1GB", "300MB; DROP"])
def test_a_limit_that_is_no_size_is_a_settings_error(tmp_path: Path, limit: str) -> None:
    with pytest.raises(SettingsError, match="memory_limit"), open_engine(tmp_path, memory_limit=limit):
        pass


def test_a_negative_number_of_threads_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="threads"), open_engine(tmp_path, threads=-1):
        pass


@pytest.mark.parametrize(
    ("limit", "part"),
    [("300MB", "73242KiB"), ("4GiB", "1048576KiB"), ("200mb", "65536KiB"), ("1.5 MB", "1465KiB"), ("a lot", "a lot")],
)
def test_an_engine_that_works_beside_others_gets_a_quarter_of_the_limit(limit: str, part: str, tmp_path: Path) -> None:
    assert part_of_limit(limit) == part
    if part != limit:
        with open_engine(tmp_path, memory_limit=part) as engine:
            assert engine.execute("SELECT 1").fetchone() == (1,)
