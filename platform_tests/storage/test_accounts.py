"""Root hands the server to another account, and plain users keep what is theirs. No folder's mode is changed for it."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from server_processes import User, assert_gone, home_of, only_linux, only_root, query

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.home import Home
from platform_assets.storage.server import accounts
from platform_assets.storage.server.accounts import Access, Account, become, entry_rights
from platform_assets.storage.server.embedded import EmbeddedServer, pg_bin


def _private_copy_of_the_programs(place: Path) -> Path:
    """The wheel under a folder that only root may enter, by hard links."""
    package = pg_bin().parent.parent
    private = place / "private"
    private.mkdir(mode=0o700)
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            shutil.copytree(source, private / source.name, copy_function=_link, ignore=shutil.ignore_patterns("include", "*.a"))
    return private


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@only_root
@only_linux
def test_as_root_home_and_programs_under_private_folders_work_and_no_mode_changes(place: Path, users: Callable[..., User]) -> None:
    private = _private_copy_of_the_programs(place)
    home = Home(private / "home")
    user = users(home, PYTHONPATH=os.pathsep.join(filter(None, (str(private), os.environ.get("PYTHONPATH")))))
    assert query(user.url(), "SELECT 1") == 1
    embedded = EmbeddedServer(home)
    server = psutil.Process(embedded.status().pid or 0)
    assert Path(server.cmdline()[0]).is_relative_to(private)
    assert server.uids().real != 0
    granted = int(Path(f"/proc/{server.pid}/status").read_text().split("CapEff:\t")[1].split()[0], 16)
    assert granted in (1 << accounts.CAP_DAC_READ_SEARCH, 1 << accounts.CAP_DAC_OVERRIDE)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700 and private.stat().st_uid == 0
    user.process.communicate("")
    assert_gone(embedded.folder.root)


@only_root
@only_linux
def test_as_root_a_home_that_the_account_can_reach_needs_no_capability(embedded: EmbeddedServer) -> None:
    embedded.ensure_running()
    pid = embedded.status().pid
    text = Path(f"/proc/{pid}/status").read_text()
    package_reachable = all(stat.S_IMODE(parent.stat().st_mode) & 0o005 == 0o005 for parent in pg_bin().parents)
    if not package_reachable:
        pytest.skip("the programs lie under a private folder here")
    assert text.split("CapEff:\t")[1].split()[0].strip("0") == ""
    assert psutil.Process(pid).uids().real != 0


@only_root
@only_linux
def test_as_root_without_a_way_in_the_error_names_the_path_and_the_remedy(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = place / "private"
    private.mkdir(mode=0o700)
    target = private / "home"
    target.mkdir()

    def denied(account: Account, capability: int | None = None) -> None:
        if capability is not None:
            raise PermissionError(1, "Operation not permitted")
        become(account)

    monkeypatch.setattr(accounts, "become", denied)
    with pytest.raises(DatabaseUnavailable, match=f"cannot reach {target}.*PLATFORM_DATABASE_URL"):
        entry_rights(Account(65534, 65534, "nobody"), [Access(target, os.X_OK)])


@only_root
@only_linux
def test_as_root_a_users_home_stays_the_users(place: Path, users: Callable[..., User]) -> None:
    """`sudo platform-assets ...` once, and the user must still be able to work with his home."""
    home = Home(place / "home")
    home.root.mkdir()
    os.chown(home.root, 65534, 65534)
    home.store.mkdir()
    os.chown(home.store, 65534, 65534)
    embedded = EmbeddedServer(home)
    query(embedded.ensure_running().url("postgres"), "CREATE TABLE kept AS SELECT 5 AS x")
    embedded.stop()
    owners = {path.name: path.stat().st_uid for path in (embedded.folder.root, *embedded.folder.root.iterdir())}
    assert set(owners.values()) == {65534}, owners
    assert query(users(home, before=_as_nobody()).url(), "SELECT x FROM kept") == 5


@only_root
@only_linux
def test_as_a_plain_user_the_server_runs_under_that_user(place: Path, users: Callable[..., User]) -> None:
    home = Home(place / "home")
    home.root.mkdir()
    os.chown(home.root, 65534, 65534)
    user = users(home, before=_as_nobody())
    assert query(user.url(), "SELECT 1") == 1
    embedded = EmbeddedServer(home)
    status = embedded.status()
    assert psutil.Process(status.pid or 0).uids().real == psutil.Process(status.supervisor or 0).uids().real == 65534
    assert stat.S_IMODE(embedded.folder.root.stat().st_mode) == 0o700
    user.process.communicate("")
    assert_gone(embedded.folder.root)


@only_root
@only_linux
def test_a_plain_user_on_roots_home_is_told_whose_it_is(embedded: EmbeddedServer, users: Callable[..., User]) -> None:
    embedded.ensure_running()
    user = users(home_of(embedded), before=_as_nobody(read_everything=False))
    with pytest.raises(AssertionError, match="belongs to another account"):
        user.url()


def _as_nobody(*, read_everything: bool = True) -> Callable[[], None]:
    """Becomes a plain user who can read the interpreter and this package wherever they lie, as he could in an environment of his own."""
    import platform_assets

    account = Account(65534, 65534, "nobody")
    needed = [Access(Path(sys.executable).resolve(), os.X_OK), Access(Path(platform_assets.__file__), os.R_OK)]
    return entry_rights(account, needed)
