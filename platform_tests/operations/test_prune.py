"""Which backups stay: the policy's, and always the last that was verified."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from warehouse_tables import OLD, USERS, put

from platform_assets.errors import Conflict
from platform_assets.operations.backup import back_up_table, verify_backup
from platform_assets.operations.prune import Known, backups_in_use, kept, prune
from platform_assets.settings import BackupSettings
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backups import list_backups, verify
from platform_assets.storage.warehouse.protocol import session_lock

START = datetime(2024, 1, 1, 2, tzinfo=UTC)


def nights(count: int, *, verified: bool | None = True) -> list[Known]:
    return [Known(f"b{number:03d}", START + timedelta(days=number), verified) for number in range(count)]


CASES = [
    (BackupSettings(keep_last=3), ["b097", "b098", "b099"]),
    (BackupSettings(keep_daily=2), ["b098", "b099"]),
    (BackupSettings(keep_weekly=3), ["b090", "b097", "b099"]),
    (BackupSettings(keep_monthly=3), ["b059", "b090", "b099"]),
    (BackupSettings(keep_last=1, keep_weekly=2, keep_monthly=4), ["b030", "b059", "b090", "b097", "b099"]),
]


@pytest.mark.parametrize(("policy", "expected"), CASES)
def test_a_policy_keeps_the_newest_of_each_period(policy: BackupSettings, expected: list[str]) -> None:
    """A hundred nights from Monday, 1 January 2024; b099 is 9 April, a Tuesday."""
    assert sorted(kept(nights(100), policy)) == expected


def test_several_of_one_day_are_one_for_the_day() -> None:
    hourly = [Known(f"h{hour:02d}", START + timedelta(hours=hour), True) for hour in range(40)]
    assert sorted(kept(hourly, BackupSettings(keep_daily=7))) == ["h21", "h39"]


def test_the_last_verified_one_stays_whatever_the_policy_says() -> None:
    known = [
        *nights(5),
        *(
            replace(one, backup_id=f"later {one.backup_id}", created_at=one.created_at + timedelta(days=90), verified=None)
            for one in nights(5)
        ),
    ]
    reasons = kept(known, BackupSettings(keep_last=2))
    assert reasons == {"later b004": "keep_last", "later b003": "keep_last", "b004": "the last verified"}


def test_a_damaged_one_takes_no_place_of_a_sound_one() -> None:
    known = [*nights(3), Known("bad", START + timedelta(days=9), False)]
    assert sorted(kept(known, BackupSettings(keep_last=2))) == ["b001", "b002"]


@pytest.mark.parametrize("verified", [None, False])
def test_without_a_verified_one_nothing_goes(verified: bool | None) -> None:
    assert len(kept(nights(9, verified=verified), BackupSettings(keep_last=1))) == 9


def test_without_a_policy_nothing_goes() -> None:
    assert len(kept(nights(9), BackupSettings())) == 9


BACKUPS = st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from([True, False, None])), max_size=40, unique_by=lambda one: one[0])
COUNTS = st.integers(0, 5)


@given(BACKUPS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_laws_of_any_policy(made: list[tuple[int, bool | None]], last: int, daily: int, weekly: int, monthly: int) -> None:
    known = [Known(f"b{hours}", START + timedelta(hours=hours), verified) for hours, verified in made]
    policy = BackupSettings(keep_last=last, keep_daily=daily, keep_weekly=weekly, keep_monthly=monthly)
    reasons = kept(known, policy)
    proven = [one for one in known if one.verified]
    if proven:
        assert max(proven, key=lambda one: one.created_at).backup_id in reasons
    else:
        assert len(reasons) == len(known)
    if policy.prunes and proven:
        assert len(reasons) <= last + daily + weekly + monthly + 1
    again = [one for one in known if one.backup_id in reasons]
    assert kept(again, policy).keys() == reasons.keys(), "pruning twice is pruning once"


def test_what_is_not_kept_is_gone_from_disk_and_catalog_and_the_rest_proves_true(settings, catalog):
    settings = replace(settings, backup=BackupSettings(keep_last=2))
    record = put(catalog, "lms", USERS, OLD)
    made = [back_up_table(settings, catalog, record) for _ in range(5)]
    folder = Home(settings.home).backups("lms", "users")
    assert prune(settings, catalog, record) == [], "none is verified yet"
    verify_backup(settings, catalog, made[1])
    assert prune(settings, catalog, record, dry_run=True) == [made[0], made[2]]
    assert list_backups(folder) == made
    assert prune(settings, catalog, record) == [made[0], made[2]]
    assert list_backups(folder) == [made[1], made[3], made[4]]
    assert sorted(path.name for path in folder.iterdir()) == [backup.backup_id for backup in (made[1], made[3], made[4])]
    assert [one.backup_id for one in reversed(catalog.backups())] == [made[1].backup_id, made[3].backup_id, made[4].backup_id]
    assert all(verify(backup).ok for backup in list_backups(folder)), "the parts that they share with those that went are still there"


def test_nothing_goes_while_a_restore_reads(settings, catalog):
    settings = replace(settings, backup=BackupSettings(keep_last=1))
    record = put(catalog, "lms", USERS, OLD)
    with session_lock(catalog.url, backups_in_use("lms", "users")), pytest.raises(Conflict, match="another run"):
        prune(settings, catalog, record)
