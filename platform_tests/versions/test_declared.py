"""Declarations find the versions that they speak of; what does not fit is told with both sides."""

from __future__ import annotations

from datetime import datetime

from platform_assets.dictionary.source import Declared, SourceSettings
from platform_assets.versions.declared import Known, declare
from platform_assets.versions.evidence import VersionFacts
from platform_assets.versions.order import settle

MAY, JUNE = datetime(2024, 5, 1), datetime(2024, 6, 1)
LABELS = ("a", "b", "c")
FILE = "order/crm.yaml"


def decide(source: SourceSettings, file: Declared | None = None, names: dict[str, str] | None = None):
    """(labels oldest first, the kind and text of each finding) of three versions that tell nothing themselves."""
    facts = [VersionFacts(f"crm.{label}.1", "default", label, label) for label in LABELS]
    known = [Known(one.version, one.label, (names or {}).get(one.label, one.label)) for one in facts]
    declared, findings = declare(facts, known, source, file)
    ordered = settle(declared)
    told = [*findings, *ordered.findings]
    return [place.version.split(".")[1] for place in ordered.places], [(finding.kind, finding.text) for finding in told]


def test_the_lists_of_both_places_order_versions():
    assert decide(SourceSettings("crm", order=("c", "crm.a.1", "b"))) == (["c", "a", "b"], [])
    assert decide(SourceSettings("crm"), Declared(FILE, ("c", "b", "a"))) == (["c", "b", "a"], [])


def test_moments_order_versions_and_the_key_says_more_than_the_label():
    moments = {"a": JUNE, "b": MAY, "c": JUNE, "crm.c.1": datetime(2024, 4, 1)}
    assert decide(SourceSettings("crm", moments=moments)) == (["c", "b", "a"], [])


def test_the_file_wins_over_platform_yaml_and_the_disagreement_names_both():
    order, told = decide(SourceSettings("crm", order=("a", "b", "c")), Declared(FILE, ("a", "c", "b")))
    assert order == ["a", "c", "b"]
    ((kind, text),) = told
    assert kind == "contradiction"
    assert "order/crm.yaml says that crm.c.1 is older than crm.b.1, platform.yaml (sources.crm) says the opposite" in text


def test_moments_of_the_file_win_over_the_list_and_the_moments_of_platform_yaml():
    source = SourceSettings("crm", order=("a", "b", "c"), moments={"a": MAY})
    order, told = decide(source, Declared(FILE, moments={"a": JUNE, "b": MAY, "c": datetime(2024, 7, 1)}))
    assert order == ["b", "a", "c"]
    assert [kind for kind, _ in told] == ["contradiction", "contradiction"]
    assert "says that crm.a.1 is of 2024-06-01 00:00:00, platform.yaml (sources.crm) says 2024-05-01 00:00:00" in told[1][1]


def test_a_label_that_no_dump_has_is_told_with_the_one_that_was_meant():
    source = SourceSettings("crm", order=("a", "b", "c"))
    _, told = decide(source, Declared(FILE, ("a", "b", "crm.c.2")))
    assert any("order/crm.yaml names 'crm.c.2', but no dump has that label or key. Did you mean 'crm.c.1'?" in text for _, text in told)


PATTERN = SourceSettings("crm", pattern=r"(?P<date>\d{4}-\d{2})?", date_format="%Y-%m")


def test_a_date_in_the_name_counts_only_where_the_source_says_so():
    names = {"a": "2024-06.sql", "b": "2024-05.sql", "c": "2024-07.sql"}
    assert decide(PATTERN, names=names) == (["b", "a", "c"], [])
    assert [kind for kind, _ in decide(SourceSettings("crm"), names=names)[1]] == ["tie"]


def test_a_date_that_is_none_and_one_that_an_explicit_moment_denies_are_told():
    names = {"a": "2024-13.sql", "b": "2024-05.sql", "c": "2024-06.sql"}
    _, told = decide(PATTERN, Declared(FILE, moments={"b": JUNE}), names)
    texts = " ".join(text for _, text in told)
    assert "'2024-13.sql': '2024-13' is no date of the form '%Y-%m'" in texts
    assert "crm.b.1 is declared to be of 2024-06-01 00:00:00, but its name says 2024-05" in texts
