"""OpenPGP messages, made by gpg itself with keys of this test; skipped where gpg is absent."""

from __future__ import annotations

import gc
import gzip
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from archives import contents, read_until_error, tarred, written, zipped

from platform_assets.dictionary.source import GpgOptions, Limits, SourceSettings
from platform_assets.errors import LimitExceeded, UnreadableDump
from platform_assets.formats.containers import gpg as gpg_module
from platform_assets.formats.containers.opening import ignored_notices, open_dump

GPG = shutil.which("gpg")
needs_gpg = pytest.mark.skipif(GPG is None, reason="the program gpg is not on PATH (Debian: apt-get install gnupg)")
TEXT = b"".join(b"%d,row number %d\n" % (n, n) for n in range(5000))
PASSPHRASE = "correct horse, 'battery' \"staple\" $HOME"
OPENS = GpgOptions(passphrase_env="DUMP_PASSPHRASE", passphrase=PASSPHRASE)
SYMMETRIC = SourceSettings("app", gpg=OPENS)


class Keyring:
    """A GnuPG home of a test."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str, data: bytes = b"", passphrase: str = PASSPHRASE) -> bytes:
        secret, write = os.pipe()
        os.write(write, passphrase.encode() + b"\n")
        os.close(write)
        quick = ["--s2k-count", "65536", "--s2k-mode", "3"]
        common = [str(GPG), "--homedir", str(self.home), "--batch", "--yes", "--no-tty", "--quiet", "--pinentry-mode", "loopback"]
        try:
            done = subprocess.run(
                [*common, *quick, "--trust-model", "always", "--passphrase-fd", str(secret), *arguments],
                input=data,
                capture_output=True,
                check=False,
                pass_fds=(secret,),
            )
        finally:
            os.close(secret)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def encrypted(self, data: bytes, *options: str) -> bytes:
        return self.run(*options, "--symmetric", data=data)

    def for_key(self, data: bytes, *options: str) -> bytes:
        return self.run(*options, "--recipient", "dumps@example.org", "--encrypt", data=data)


@pytest.fixture(scope="module")
def keyring() -> Iterator[Keyring]:
    if GPG is None:
        pytest.skip("the program gpg is not on PATH")
    home = Path(tempfile.mkdtemp(prefix="gpg-test-"))
    ring = Keyring(home)
    try:
        ring.run("--quick-generate-key", "dumps@example.org", "ed25519", "sign", "never", passphrase=PASSPHRASE)
        fingerprint = next(
            line.split(b":")[9].decode() for line in ring.run("--with-colons", "--list-keys").splitlines() if line.startswith(b"fpr")
        )
        ring.run("--quick-add-key", fingerprint, "cv25519", "encr", "never")
        yield ring
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def opened(tmp_path: Path, data: bytes, source: SourceSettings = SYMMETRIC) -> dict[str, bytes]:
    return contents(open_dump(written(tmp_path / "dump", data), source, work=tmp_path / "w"))


@pytest.mark.parametrize("options", [(), ("--armor",), ("--compress-algo", "none"), ("--cipher-algo", "AES256")])
def test_a_message_under_a_passphrase_is_read(tmp_path: Path, keyring: Keyring, options: tuple[str, ...]) -> None:
    assert opened(tmp_path, keyring.encrypted(TEXT, *options)) == {"dump": TEXT}


@pytest.mark.parametrize("armor", [(), ("--armor",), ("--hidden-recipient", "dumps@example.org")])
def test_a_message_for_a_key_is_read_with_a_keyring_that_stays_as_it_was(tmp_path: Path, keyring: Keyring, armor: tuple[str, ...]) -> None:
    data = keyring.for_key(TEXT, *armor)
    before = {path.name for path in keyring.home.rglob("*") if not path.is_socket()}
    assert opened(tmp_path, data, SourceSettings("app", gpg=replace(OPENS, keyring=str(keyring.home)))) == {"dump": TEXT}
    assert {path.name for path in keyring.home.rglob("*") if not path.is_socket()} == before


def test_a_secret_key_comes_from_the_environment(tmp_path: Path, keyring: Keyring) -> None:
    key = keyring.run("--armor", "--export-secret-keys").decode()
    source = SourceSettings("app", gpg=replace(OPENS, key_env="DUMP_KEY", key=key))
    assert opened(tmp_path, keyring.for_key(TEXT), source) == {"dump": TEXT}


def test_what_was_encrypted_is_opened_in_turn(tmp_path: Path, keyring: Keyring) -> None:
    archives = {
        "gz": (gzip.compress(TEXT), {"dump": TEXT}),
        "tgz": (gzip.compress(tarred({"a.csv": TEXT})), {"a.csv": TEXT}),
        "zip": (zipped({"a.csv": TEXT, "b.csv": b"b"}), {"a.csv": TEXT, "b.csv": b"b"}),
    }
    for data, expected in archives.values():
        assert opened(tmp_path, keyring.encrypted(data, "--compress-algo", "none")) == expected
    inner = zipped({"hr.csv.gpg": keyring.encrypted(gzip.compress(TEXT)), "b.csv": b"b"})
    assert opened(tmp_path, inner) == {"hr.csv.gpg": TEXT, "b.csv": b"b"}


def _ours() -> set[int]:
    return {p.pid for p in psutil.process_iter(["cmdline"]) if ".gpg.tmp-" in " ".join(p.info["cmdline"] or ())}


def test_no_agent_no_home_and_no_passphrase_stay_behind(tmp_path: Path, keyring: Keyring) -> None:
    work = Path(tempfile.mkdtemp(prefix="gpgw-"))
    try:
        dump = open_dump(written(tmp_path / "dump", keyring.encrypted(TEXT)), SYMMETRIC, work=work)
        homes = list(work.iterdir())
        assert [home.stat().st_mode & 0o777 for home in homes] == [0o700]
        with dump.members[0].open() as stream:
            stream.read(100)
        del dump, stream
        gc.collect()
        assert list(work.iterdir()) == []
        left = [pid for pid in _ours() if str(work) in " ".join(psutil.Process(pid).cmdline())]
        assert left == []
    finally:
        shutil.rmtree(work)


def test_the_passphrase_is_in_no_argument_and_no_repr(tmp_path: Path, keyring: Keyring) -> None:
    seen: list[list[str]] = []
    data = keyring.encrypted(os.urandom(3_000_000), "--compress-algo", "none")
    member = open_dump(written(tmp_path / "dump", data), SYMMETRIC).members[0]
    with member.open() as stream:
        stream.read(1000)
        seen = [child.cmdline() for child in psutil.Process().children()]
    assert any("--decrypt" in line for line in seen)
    assert PASSPHRASE not in str(seen)
    assert PASSPHRASE not in repr(SYMMETRIC)


def test_a_wrong_passphrase_is_one_clear_error(tmp_path: Path, keyring: Keyring) -> None:
    for data, options in [
        (keyring.encrypted(TEXT), replace(OPENS, passphrase="wrong")),
        (keyring.for_key(TEXT), replace(OPENS, passphrase="wrong", keyring=str(keyring.home))),
    ]:
        with pytest.raises(UnreadableDump, match=r"dump cannot be decrypted: the passphrase is wrong.*sources\.app\.gpg") as caught:
            opened(tmp_path, data, SourceSettings("app", gpg=options))
        assert "wrong'" not in caught.value.message


def test_a_missing_key_is_named(tmp_path: Path, keyring: Keyring) -> None:
    with pytest.raises(UnreadableDump, match=r"for key [0-9A-F]{16}, whose secret key is not there.*sources\.app\.gpg\.keyring"):
        opened(tmp_path, keyring.for_key(TEXT))


def test_without_settings_or_variable_it_is_said_what_to_set(tmp_path: Path, keyring: Keyring) -> None:
    data = keyring.encrypted(TEXT)
    for options, told in [
        (GpgOptions(), r"sources\.app\.gpg\.passphrase_env"),
        (GpgOptions(passphrase_env="DUMP_PASSPHRASE"), "variable DUMP_PASSPHRASE .* is not set"),
        (GpgOptions(key_env="DUMP_KEY"), "variable DUMP_KEY .* is not set"),
        (GpgOptions(keyring=str(tmp_path / "none")), "is no folder"),
        (GpgOptions(key_env="DUMP_KEY", key="no key"), "cannot import the key"),
    ]:
        with pytest.raises(UnreadableDump, match=told):
            opened(tmp_path, data, SourceSettings("app", gpg=options))


def test_without_gpg_it_is_said_how_to_install_it(tmp_path: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    data = keyring.encrypted(TEXT)
    monkeypatch.setattr(gpg_module.shutil, "which", lambda name: None)
    with pytest.raises(UnreadableDump, match="apt-get install gnupg"):
        opened(tmp_path, data)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.9999])
def test_a_cut_message_is_partial_and_what_came_is_unproven(tmp_path: Path, keyring: Keyring, share: float) -> None:
    noise = os.urandom(2_000_000)
    data = keyring.encrypted(noise, "--compress-algo", "none")
    dump = open_dump(written(tmp_path / "dump", data[: int(len(data) * share)]), SYMMETRIC, work=tmp_path / "w")
    read, error = read_until_error(dump.members[0], 1 << 16)
    assert noise.startswith(read)
    assert isinstance(error, OSError)
    assert "not proven" in str(error)
    assert not [path for path in (tmp_path / "w").rglob("*") if path.is_file() and path.stat().st_size > 1_000_000]


def test_a_changed_message_is_never_taken_for_whole(tmp_path: Path, keyring: Keyring) -> None:
    whole = keyring.encrypted(TEXT, "--compress-algo", "none")
    for at in (5, len(whole) // 2, len(whole) - 3):
        data = bytearray(whole)
        data[at] ^= 1
        try:
            dump = open_dump(written(tmp_path / "dump", bytes(data)), SYMMETRIC)
        except UnreadableDump:
            continue
        assert read_until_error(dump.members[0], 1 << 16)[1] is not None


def test_a_cut_message_with_an_archive_is_partial(tmp_path: Path, keyring: Keyring) -> None:
    data = keyring.encrypted(tarred({f"{n}.csv": os.urandom(300_000) for n in range(5)}), "--compress-algo", "none")
    dump = open_dump(written(tmp_path / "dump", data[: len(data) // 2]), SYMMETRIC, work=tmp_path / "w")
    assert not dump.sealed
    assert "not proven" in next(ignored_notices(dump)).message
    assert 1 <= len(dump.members) <= 4


def test_a_bomb_within_a_message_is_stopped(tmp_path: Path, keyring: Keyring) -> None:
    data = keyring.encrypted(bytes(100 << 20), "--compress-algo", "bzip2")
    assert len(data) < 10_000
    dump = open_dump(written(tmp_path / "dump", data), SYMMETRIC)
    with pytest.raises(LimitExceeded, match="max_ratio"), dump.members[0].open() as stream:
        while stream.read(1 << 20):
            pass


def test_one_member_that_cannot_be_decrypted_is_told_and_the_others_are_read(tmp_path: Path, keyring: Keyring) -> None:
    data = zipped({"a.gpg": keyring.encrypted(TEXT), "b.csv": b"b"})
    dump = open_dump(written(tmp_path / "x.zip", data), SourceSettings("app"))
    assert contents(dump) == {"b.csv": b"b"}
    assert [(n.member, n.data_bearing) for n in ignored_notices(dump)] == [("a.gpg", True)]


def test_limits_count_what_was_decrypted(tmp_path: Path, keyring: Keyring) -> None:
    source = replace(SYMMETRIC, limits=Limits(max_dump_bytes=50_000))
    with pytest.raises(LimitExceeded):
        opened(tmp_path, keyring.encrypted(TEXT), source)


NO_MESSAGES = (
    b"\x85\x01\x0cab" + b"x" * 20,
    "Ärger,Über\n1,2\n".encode("cp850"),
    "Üb,er\n".encode() * 3,
    "Ä,b\n".encode() * 5,
    b"\x8c\x0dabcdef" * 3,
    b"\x85\x01",
)


@pytest.mark.parametrize("text", NO_MESSAGES)
def test_text_is_not_taken_for_a_message(text: bytes) -> None:
    assert not gpg_module.is_openpgp(text)
