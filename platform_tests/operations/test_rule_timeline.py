"""Counts of broken rules over versions: recorded ones in their order, the verdict of now in the place of its version."""

from platform_assets.operations.rule_timeline import RuleTimeline, rule_timeline
from platform_assets.storage.catalog.records import RuleResult


def result(version: str, rule: str, failed: int) -> RuleResult:
    return RuleResult("shop", "t", version, rule, rule.partition(":")[0], 10, failed)


BEFORE = [result("a", "minimum:x", 1), result("b", "minimum:x", 0), result("b", "maximum:x", 5), result("c", "enum:y", 7)]


def test_a_new_version_comes_last_and_rules_of_other_kinds_are_left_out():
    found = rule_timeline(BEFORE, "d", [result("d", "minimum:x", 2), result("d", "enum:y", 9)], ("minimum", "maximum"))
    assert found == RuleTimeline(("a", "b", "c", "d"), {"t maximum:x": (0, 5, 0, 0), "t minimum:x": (1, 0, 0, 2)})
    assert list(found.failed) == ["t maximum:x", "t minimum:x"], "most broken first"


def test_what_was_recorded_of_the_version_itself_is_of_an_older_verdict():
    found = rule_timeline(BEFORE, "b", [result("b", "minimum:x", 3)], ("minimum", "maximum"))
    assert found == RuleTimeline(("a", "b", "c"), {"t minimum:x": (1, 3, 0)})


def test_rules_that_no_version_broke_make_no_timeline():
    assert rule_timeline([], "a", [result("a", "minimum:x", 0)], ("minimum",)).failed == {}
