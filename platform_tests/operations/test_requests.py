"""Which work is due."""

from __future__ import annotations

import pytest

from platform_assets.operations.requests import GRACE_SECONDS, MAX_ATTEMPTS, due
from platform_assets.storage.catalog.work_requests import Request

LONG_AGO, NOW = 1_000.0, 2_000.0


@pytest.mark.parametrize(
    ("before", "active", "expected"),
    [
        (None, (), [0]),
        (None, ("v",), []),
        (Request("v", "sha", 1, LONG_AGO), (), [1]),
        (Request("v", "sha", 1, NOW - GRACE_SECONDS / 2), (), []),
        (Request("v", "sha", MAX_ATTEMPTS, LONG_AGO), (), []),
        (Request("v", "older", MAX_ATTEMPTS, LONG_AGO), (), [0]),
        (Request("v", "sha", 1, LONG_AGO), ("v",), []),
    ],
    ids=["never asked for", "under way", "not done", "just asked for", "given up", "a new basis starts anew", "tried again already"],
)
def test_work_is_due_when_it_is_neither_under_way_nor_given_up(before, active, expected):
    requests = {"v": before} if before else {}
    assert [request.attempts for request in due({"v": "sha"}, requests, active, now=NOW)] == expected
