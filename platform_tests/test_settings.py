"""Settings: what platform.yaml and the environment may say, and how a wrong word is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_assets.dictionary.source import DelimitedOptions, Limits, Retention, SourceSettings
from platform_assets.errors import SettingsError, UnknownSource
from platform_assets.settings import BackupSettings, Settings

FULL = r"""
format_version: 1
settle_seconds: 0.5
engine: {memory_limit: 500MB, threads: 3}
service: {hosts: [data.example.org]}
limits: {max_members: 7}
sources:
  lms:
    pattern: 'lms_(?P<label>(?P<instance>[a-z]+)_\d+)'
    dumps: full
    delete_guard: 0.5
    max_errors: 10
    max_error_ratio: 0.01
    format: table-archive
    encoding: latin-1
    delimited: {separator: '|', quote: '`', null: ['NULL', ''], header: false, formats: '%d.%m.%Y'}
    types: {Flag: boolean}
    order: [first, second]
    versions: {keep_last: 3, then: detach}
  hr:
    limits: {max_ratio: 5}
  plain:
"""

WRONG = [
    ("format_version: 2", "format_version 2 is not known; this program reads 1"),
    ("- a list", "must be a mapping"),
    ("sources: {a: [", "is not valid YAML"),
    ("sorces: {}", "unknown key sorces; known are settle_seconds"),
    ("engine: {memory: 1}", "engine: unknown key memory; known are memory_limit, threads"),
    ("service: {port: 1}", "service: unknown key port; known are hosts"),
    ("service: {hosts: data.example.org}", "service.hosts must be a list of names"),
    ("limits: {max_bytes: 1}", "limits: unknown key max_bytes"),
    ("sources: {lms: {patern: x}}", "sources.lms: unknown key patern"),
    ("sources: {lms: {delimited: {sep: ','}}}", "sources.lms.delimited: unknown key sep"),
    ("sources: {lms: {delimited: {null: NULL}}}", "sources.lms.delimited.null: YAML reads a bare NULL"),
    ("sources: {lms: {delimited: {null: [x, ~]}}}", "sources.lms.delimited.null: YAML reads a bare NULL"),
    ("sources: {lms: {gpg: {passphrase: x}}}", "sources.lms.gpg: unknown key passphrase"),
    ("sources: {lms: {gpg: {passphrase_env: 5}}}", "sources.lms.gpg.passphrase_env must be the name of an environment variable"),
    ("sources: {lms: {gpg: {keyring: k, key_env: K}}}", "sources.lms.gpg names both"),
    ("sources: {lms: {dumps: partly}}", "sources.lms.dumps: 'partly' is none of successive, full, partial"),
    ("sources: {lms: {versions: {keep: 3}}}", "sources.lms.versions: unknown key keep; known are keep_last, then"),
    ("sources: {lms: {versions: {keep_last: 0}}}", "sources.lms.versions.keep_last: 0 is no number of versions"),
    ("sources: {lms: {versions: {keep_last: 3, then: hide}}}", "sources.lms.versions.then: 'hide' is none of detach, drop"),
    ("sources: {lms: {max_errors: -1}}", "sources.lms.max_errors: -1 is no number of rows"),
    ("sources: {lms: {max_errors: 0.5}}", "sources.lms.max_errors: 0.5 is no number of rows"),
    ("sources: {lms: {max_error_ratio: 1%}}", "sources.lms.max_error_ratio: '1%' is no share from 0 to 1"),
    ("sources: {lms: {max_error_ratio: .nan}}", "sources.lms.max_error_ratio: nan is no share from 0 to 1"),
    ("sources: {lms: {pattern: '('}}", "sources.lms.pattern is not a regular expression"),
    ("sources: {lms: {pattern: 'lms_.*'}}", "sources.lms.pattern has neither a group"),
]


def load(home: Path, text: str, **environment: str) -> Settings:
    (home / "platform.yaml").write_text(text, encoding="utf-8")
    return Settings.load(home, environment)


def test_every_key_of_platform_yaml_arrives(tmp_path):
    settings = load(tmp_path, FULL)
    delimited = DelimitedOptions(separator="|", quote="`", null=("NULL", ""), header=False, formats=("%d.%m.%Y",))
    assert (settings.settle_seconds, settings.memory_limit, settings.threads) == (0.5, "500MB", 3)
    assert settings.service_hosts == ("data.example.org",)
    assert settings.source("lms") == SourceSettings(
        "lms",
        pattern=r"lms_(?P<label>(?P<instance>[a-z]+)_\d+)",
        dumps="full",
        delete_guard=0.5,
        max_errors=10,
        max_error_ratio=0.01,
        format="table-archive",
        encoding="latin-1",
        delimited=delimited,
        types=(("flag", "boolean"),),
        order=("first", "second"),
        versions=Retention(3, "detach"),
        limits=Limits(max_members=7),
    )


def test_a_source_overrides_the_common_limits_as_a_whole(tmp_path):
    settings = load(tmp_path, FULL)
    assert settings.source("hr").limits == Limits(max_ratio=5)
    assert settings.source("plain").limits == Limits(max_members=7)


def test_a_source_that_is_not_named_has_the_defaults(tmp_path):
    assert load(tmp_path, "").source("other") == SourceSettings("other")


def test_a_home_without_platform_yaml_is_a_home(tmp_path):
    assert Settings.load(tmp_path, {}) == Settings(tmp_path.resolve())


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_word_is_named_with_its_file_and_key(tmp_path, text, message):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert message in caught.value.message
    assert str(tmp_path / "platform.yaml") in caught.value.message


@pytest.mark.parametrize("name", ["catalog", "pg_x", "a/b", "../x", "", "x_versions", "1st"])
def test_a_source_that_cannot_be_a_schema_is_refused(tmp_path, name):
    with pytest.raises(UnknownSource):
        load(tmp_path, f"sources: {{{name!r}: {{}}}}")


def test_the_environment_gives_the_home_and_the_database(tmp_path):
    settings = Settings.load(environment={"PLATFORM_HOME": str(tmp_path), "PLATFORM_DATABASE_URL": "postgresql://db/x"})
    assert (settings.home, settings.database_url) == (tmp_path.resolve(), "postgresql://db/x")


def test_a_home_given_by_hand_wins_over_the_environment(tmp_path):
    assert Settings.load(tmp_path / "a", {"PLATFORM_HOME": str(tmp_path / "b")}).home == (tmp_path / "a").resolve()


def test_an_empty_variable_is_no_variable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.load(environment={"PLATFORM_HOME": "", "PLATFORM_DATABASE_URL": ""})
    assert (settings.home, settings.database_url) == (tmp_path.resolve() / "data", None)


def test_terminators_of_bcp_can_be_said(tmp_path):
    text = "sources:\n  erp:\n    delimited: {separator: '+|', row_terminator: \"&|\\n\", quote: null, header: false}\n"
    (tmp_path / "platform.yaml").write_text(text, encoding="utf-8")
    options = Settings.load(tmp_path, {}).source("erp").delimited
    assert (options.separator, options.row_terminator, options.quote, options.header) == ("+|", "&|\n", None, False)


def test_the_secrets_of_gpg_come_from_the_variables_that_are_named_and_are_not_shown(tmp_path):
    (tmp_path / "platform.yaml").write_text(
        "sources: {lms: {gpg: {passphrase_env: LMS_PASSPHRASE, keyring: keys}}, hr: {gpg: {key_env: K}}}"
    )
    settings = Settings.load(tmp_path, {"LMS_PASSPHRASE": "s3cret"})
    gpg = settings.source("lms").gpg
    assert (gpg.passphrase, gpg.keyring, gpg.key) == ("s3cret", str(tmp_path / "keys"), None)
    assert (settings.source("hr").gpg.key_env, settings.source("hr").gpg.key) == ("K", None)
    assert "s3cret" not in repr(settings)


BACKUPS = {
    "backup: {codec: zstandard, keep_last: 3, rejects: true}": BackupSettings("zstandard", keep_last=3, rejects=True),
    "backup: {schedule: off}": BackupSettings(schedule=""),
    "backup: {schedule: on}": BackupSettings(),
    "backup: {schedule: '30 4 * * 1'}": BackupSettings(schedule="30 4 * * 1"),
    "backup:": BackupSettings(),
}


@pytest.mark.parametrize("text", BACKUPS)
def test_how_tables_are_backed_up(text: str, tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(text)
    assert Settings.load(tmp_path, {}).backup == BACKUPS[text]


@pytest.mark.parametrize(
    "text",
    ["{codec: lzma}", "{schedule: nightly}", "{keep_last: -1}", "{keep_daily: all}", "{rejects: maybe}", "{keep_hourly: 1}", "[1]"],
)
def test_what_backups_cannot_be_is_refused_by_its_key(text: str, tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(f"backup: {text}")
    with pytest.raises(SettingsError, match="backup"):
        Settings.load(tmp_path, {})
