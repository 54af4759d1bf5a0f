"""Parents before children, cycles together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.operations.reference_order import reference_groups


@pytest.mark.parametrize(
    ("references", "groups"),
    [
        ({}, ()),
        ({"a": set()}, (("a",),)),
        ({"a": {"a"}}, (("a",),)),
        ({"child": {"parent"}, "parent": set()}, (("parent",), ("child",))),
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, (("a", "b"), ("c",))),
        ({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}, (("d",), ("b", "c"), ("a",))),
    ],
)
def test_groups_come_after_what_they_refer_to(references: dict[str, set[str]], groups: tuple[tuple[str, ...], ...]) -> None:
    assert reference_groups(references) == groups


def test_a_chain_of_3000_tables_does_not_exhaust_the_stack() -> None:
    references = {f"t{i}": {f"t{i + 1}"} if i < 2_999 else set() for i in range(3_000)}
    assert reference_groups(references)[0] == ("t2999",)


@settings(max_examples=200, deadline=None, database=None)
@given(st.dictionaries(st.integers(0, 7), st.sets(st.integers(0, 7))))
def test_tables_share_a_group_exactly_when_each_reaches_the_other(drawn: dict[int, set[int]]) -> None:
    references = {str(name): {str(target) for target in targets if target in drawn} for name, targets in drawn.items()}
    reach = {name: set(targets) for name, targets in references.items()}
    for _ in reach:
        reach = {name: targets.union(*(reach[target] for target in targets)) for name, targets in reach.items()}
    groups = reference_groups(references)
    place = {name: at for at, group in enumerate(groups) for name in group}
    assert sorted(name for group in groups for name in group) == sorted(references)
    for name in references:
        assert all(place[target] <= place[name] for target in references[name])
        assert all(
            (place[other] == place[name]) == (other == name or (other in reach[name] and name in reach[other])) for other in references
        )
