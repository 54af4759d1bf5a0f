"""Under which account PostgreSQL runs, and with which rights: it refuses root, so root hands it to an unprivileged account.

A home or a virtual environment often lies under a folder that only root may enter (`/root`). No folder's mode is changed for that: the
server's processes get one inheritable capability instead, and only if the account cannot reach its files without it.
Linux calls and numbers: capabilities(7), prctl(2), capset(2), linux/capability.h.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_assets.errors import DatabaseUnavailable

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_NO_SETUID_FIXUP = 1 << 2
_CAPABILITY_VERSION_3 = 0x20080522
NAMED_USERS = ("postgres", "platform-assets")


@dataclass(frozen=True)
class Account:
    """Whom the server runs as. `groups` are the supplementary ones."""

    uid: int
    gid: int
    name: str
    groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class Access:
    """A file or folder that the account must reach, with the os.access mode it needs."""

    path: Path
    mode: int


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def server_account(*folders: Path) -> Account | None:
    """None: run as we are. As root: the first owner of these folders that is not root, so that a user's home stays his;
    else `postgres`, else a system user of our own, else `nobody`."""
    if os.geteuid() != 0:
        return None
    for folder in folders:
        if folder.exists() and (owner := folder.stat()).st_uid != 0:
            return _account(owner.st_uid, owner.st_gid)
    for name in NAMED_USERS:
        if (entry := _entry(name)) is not None:
            return _account(entry.pw_uid, entry.pw_gid)
    entry = _create_user(NAMED_USERS[-1]) or _entry("nobody")
    if entry is None:
        raise DatabaseUnavailable(
            "PostgreSQL does not run as root, and this system has no account 'postgres' or 'nobody' and cannot make one. "
            "Run as a plain user, or set PLATFORM_DATABASE_URL."
        )
    return _account(entry.pw_uid, entry.pw_gid)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _account(uid: int, gid: int) -> Account:
    """A number without a name in /etc/passwd (a volume of another system) is fine, too: it has no further groups then."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return Account(uid, gid, str(uid))
    return Account(uid, gid, name, tuple(os.getgrouplist(name, gid)))


def _create_user(name: str) -> pwd.struct_passwd | None:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        return None
    command = [program, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name]
    subprocess.run(command, capture_output=True, check=False)
    return _entry(name)  # two homes may create it at the same instant: what counts is that it is there


def become(account: Account, capability: int | None = None) -> None:
    """Turns this process (a forked child of root) into the account for good; with a capability that survives exec and fork.

    SECBIT_NO_SETUID_FIXUP, not PR_SET_KEEPCAPS: PostgreSQL looks at its own programs with access(2), which ignores the capabilities of
    every process but root's unless this bit is set. Raises OSError where the system grants less.
    """
    if capability is None:
        os.setgroups(account.groups)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PR_SET_SECUREBITS, ctypes.c_ulong(_NO_SETUID_FIXUP), 0, 0, 0))
    os.setgroups(account.groups)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    sets = (_Data * 2)()
    sets[capability // 32] = _Data(*[1 << capability % 32] * 3)
    _check(libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), sets))
    _check(libc.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_RAISE), ctypes.c_ulong(capability), 0, 0))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def entry_rights(account: Account, needed: Sequence[Access]) -> Callable[[], None]:
    """What a child of root does before exec: become the account, with the least capability that lets it reach all that is needed.

    Raises DatabaseUnavailable naming the path that it cannot reach.
    """
    choices = (None, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if sys.platform == "linux" else (None,)
    blocked = ""
    for capability in choices:
        missing = _unreachable(account, capability, needed)
        if missing == "":
            return lambda: become(account, capability)
        blocked = blocked or missing
    raise DatabaseUnavailable(
        f"PostgreSQL does not run as root, and the account {account.name!r} cannot reach {blocked}; this system lets root give it neither "
        "CAP_DAC_READ_SEARCH nor CAP_DAC_OVERRIDE. Choose another home with --home (and a virtual environment outside of root's home), "
        "run as a plain user, or set PLATFORM_DATABASE_URL.",
        account=account.name,
        path=blocked,
    )


def _unreachable(account: Account, capability: int | None, needed: Sequence[Access]) -> str:
    """The first needed path that the account cannot reach, "" when it reaches all. Tried for real, in a child that became the account."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = "its own rights"
        try:
            become(account, capability)
            answer = next((str(item.path) for item in needed if not os.access(item.path, item.mode)), "")
        except OSError as error:
            answer = f"its own rights ({error.strerror})"
        finally:
            os.write(writer, answer.encode()[:4096])
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return answer
