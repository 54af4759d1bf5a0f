"""OpenPGP messages -> what was encrypted, streamed through the program gpg. No plaintext and no passphrase touches a disk or an argument.

gpg itself decides: its exit code and the lines of its status descriptor (doc/DETAILS of GnuPG: DECRYPTION_OKAY, NO_SECKEY, ...). What it
gave before it failed is not proven. Every dump has a private home for gpg, which goes with its agent when the dump is let go.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from platform_assets.dictionary.source import GpgOptions
from platform_assets.errors import UnreadableDump

_CHUNK = 256 << 10
_LONGEST_HOME = 80
"""The agent's socket lies in the home, and a socket's path may have 107 bytes."""
_KEYRING = ("pubring.kbx", "pubring.gpg", "private-keys-v1.d", "public-keys.d", "secring.gpg")
_ARMOR = re.compile(rb"(?:\xef\xbb\xbf)?\s*-----BEGIN PGP MESSAGE-----")
_WAIT_SECONDS = 30
_NEVER = "x"
"""A passphrase for keys that have none; gpg wants a descriptor to read one from all the same."""


def is_openpgp(first: bytes) -> bool:
    """Whether first bytes begin an encrypted message (RFC 9580 4.2, 5.1, 5.3): armored, or a session key packet of a known version."""
    if _ARMOR.match(first):
        return True
    if len(first) < 12:
        return False
    tag = first[0]
    if tag in (0x84, 0x85, 0x8C, 0x8D):  # old packet format, a length of one or two bytes
        kind, body = tag >> 2 & 15, 2 + (tag & 1)
    elif tag in (0xC1, 0xC3):
        kind, body = tag & 63, 2 if first[1] < 192 else 3
    else:
        return False
    if kind == 1:
        return (first[body] == 3 and first[body + 9 : body + 10] in (b"\x01", b"\x02", b"\x10", b"\x12", b"\x19")) or first[body] == 6
    if first[body] in (5, 6):
        return True
    return first[body] == 4 and 1 <= first[body + 1] <= 13 and first[body + 2] in (0, 1, 3, 4)


class OpenPgp:
    """The layer of encryption of one dump. `work`: the folder for gpg's private home; the system's temporary folder when None."""

    name = "OpenPGP encryption"
    proves = True
    """gpg refuses messages without integrity protection, and says so only after the last byte."""

    def __init__(self, source: str, options: GpgOptions, dump: str, work: Path | None) -> None:
        self._source = source
        self._options = options
        self._dump = dump
        self._work = work
        self._home: Path | None = None
        self._lock = threading.Lock()

    def decode(self, packed: Iterator[bytes]) -> Iterator[bytes]:
        """Raises UnreadableDump when nothing can be decrypted (no gpg, no key, wrong passphrase), OSError for an unproven message."""
        with tempfile.TemporaryFile() as status, self._message(packed, status) as gpg:
            given = 0
            while data := gpg.out.read(_CHUNK):
                given += len(data)
                yield data
            code = gpg.wait()
            status.seek(0)
            words = _words(status.read(1 << 20))
            if code == 0 and "DECRYPTION_OKAY" in words:
                if gpg.error:
                    raise gpg.error
                return
            if not given and not gpg.error:
                raise self._refusal(words)
            raise OSError(f"gpg could not prove the message ({_told(words)}): what came before is not proven")

    def _message(self, packed: Iterator[bytes], status: BinaryIO) -> _Message:
        program, passphrase = self._program(), self._passphrase()
        return _Message(program, self._private_home(), passphrase, packed, status)

    def _program(self) -> str:
        found = shutil.which("gpg") or shutil.which("gpg2")
        if not found:
            raise UnreadableDump(
                f"{self._dump} is encrypted with OpenPGP, and the program gpg is not on PATH. Install it (Debian: apt-get install gnupg) "
                "or bring the dump decrypted.",
                dump=self._dump,
            )
        return found

    def _passphrase(self) -> str:
        options = self._options
        if options.passphrase_env and options.passphrase is None:
            raise self._unset("passphrase_env", options.passphrase_env)
        if options.passphrase is None and not options.keyring and not options.key_env:
            raise UnreadableDump(
                f"{self._dump} is encrypted with OpenPGP. Name in platform.yaml what opens it: sources.{self._source}.gpg.passphrase_env "
                "(an environment variable), .keyring (a folder) or .key_env (an environment variable with a secret key).",
                dump=self._dump,
            )
        return (options.passphrase or _NEVER).rstrip("\r\n")

    def _unset(self, key: str, name: str) -> UnreadableDump:
        return UnreadableDump(
            f"{self._dump} is encrypted with OpenPGP, and the environment variable {name} that sources.{self._source}.gpg.{key} names "
            "is not set. Set it where the platform runs.",
            dump=self._dump,
            variable=name,
        )

    def _refusal(self, words: dict[str, str]) -> UnreadableDump:
        gpg = f"sources.{self._source}.gpg"
        if "NEED_PASSPHRASE_SYM" in words or ("KEY_CONSIDERED" in words and "NO_SECKEY" not in words):
            what = f"the passphrase is wrong or missing, or the message is damaged. Look at the variable that {gpg}.passphrase_env names"
        elif "ENC_TO" in words:
            what = f"it is encrypted for key {words['ENC_TO'][:16]}, whose secret key is not there. Give it by {gpg}.keyring or .key_env"
        elif "NODATA" in words:
            what = "it begins like an encrypted message and is none, or is damaged. Fetch it again"
        else:
            what = f"gpg gave up ({_told(words)}). It is cut short, damaged, or not protected against change; fetch it again"
        return UnreadableDump(f"{self._dump} cannot be decrypted: {what}.", dump=self._dump)

    def _private_home(self) -> Path:
        """Made once per dump: empty, or with the keyring's files by links, or with the imported key."""
        with self._lock:
            if self._home is None:
                home = _new_home(self._work)
                weakref.finalize(self, _remove_home, home)
                self._fill(home)
                self._home = home
            return self._home

    def _fill(self, home: Path) -> None:
        options = self._options
        if options.keyring:
            keyring = Path(options.keyring)
            if not keyring.is_dir():
                raise UnreadableDump(
                    f"{self._dump} is encrypted with OpenPGP, and sources.{self._source}.gpg.keyring = {keyring} is no folder. "
                    "Name a GnuPG home that holds the secret key.",
                    dump=self._dump,
                )
            for name in _KEYRING:
                if (keyring / name).exists():
                    (home / name).symlink_to((keyring / name).resolve())
        if options.key_env:
            if options.key is None:
                raise self._unset("key_env", options.key_env)
            done = subprocess.run(
                [self._program(), *_options(home), "--import"], input=options.key.encode(), capture_output=True, check=False, timeout=60
            )
            if done.returncode:
                raise UnreadableDump(
                    f"{self._dump} is encrypted with OpenPGP, and gpg cannot import the key in the environment variable {options.key_env}. "
                    "It must hold an armored secret key (gpg --armor --export-secret-keys).",
                    dump=self._dump,
                    variable=options.key_env,
                )


class _Message:
    """One gpg that decrypts one message: a thread feeds it, `out` gives the plaintext. Leaving it ends both."""

    def __init__(self, program: str, home: Path, passphrase: str, packed: Iterator[bytes], status: BinaryIO) -> None:
        self._packed = packed
        self.error: Exception | None = None
        """What went wrong with the packed bytes; gpg then saw a cut message."""
        secret, write = os.pipe()
        try:
            with os.fdopen(write, "wb") as file:
                file.write(passphrase.encode() + b"\n")
            descriptors = ["--passphrase-fd", str(secret), "--status-fd", str(status.fileno())]
            self._gpg = subprocess.Popen(
                [program, *_options(home), *descriptors, "--skip-verify", "--decrypt"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(secret, status.fileno()),
                bufsize=0,
            )
        finally:
            os.close(secret)
        assert self._gpg.stdout
        self.out = self._gpg.stdout
        self._feeder = threading.Thread(target=self._feed, name="gpg-feeder", daemon=True)
        self._feeder.start()

    def _feed(self) -> None:
        assert self._gpg.stdin
        try:
            with contextlib.suppress(BrokenPipeError), self._gpg.stdin as stdin:
                for chunk in self._packed:
                    view = memoryview(chunk)
                    while view:
                        view = view[stdin.write(view) or 0 :]
        except Exception as error:  # whatever it is, it is raised again where the plaintext is read
            self.error = error

    def wait(self) -> int:
        self._feeder.join()
        return self._gpg.wait(_WAIT_SECONDS)

    def __enter__(self) -> _Message:
        return self

    def __exit__(self, *_: object) -> None:
        self._gpg.kill()
        self._gpg.wait()
        self._feeder.join()
        self.out.close()


def _options(home: Path) -> list[str]:
    return [
        *("--homedir", str(home), "--batch", "--no-tty", "--no-options", "--quiet", "--lock-never", "--pinentry-mode", "loopback"),
        *("--trust-model", "always", "--no-auto-key-retrieve", "--no-auto-check-trustdb"),
    ]


def _new_home(work: Path | None) -> Path:
    """A folder that only this user can enter; in `work` when its path is short enough for a socket."""
    if work and len(str(work)) < _LONGEST_HOME - 20:
        work.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".gpg.tmp-", dir=work))
    short = len(tempfile.gettempdir()) < _LONGEST_HOME - 20
    return Path(tempfile.mkdtemp(prefix=".gpg.tmp-", dir=None if short else "/tmp"))


def _remove_home(home: Path) -> None:
    """Ends the agent that gpg started for this home, then removes it; the links to a keyring go, the keyring stays."""
    gpgconf = shutil.which("gpgconf")
    if gpgconf:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run([gpgconf, "--homedir", str(home), "--kill", "all"], capture_output=True, check=False, timeout=_WAIT_SECONDS)
    shutil.rmtree(home, ignore_errors=True)


def _words(status: bytes) -> dict[str, str]:
    """The keywords of gpg's status lines with their arguments, the last of each."""
    lines = (line.removeprefix("[GNUPG:] ") for line in status.decode("utf-8", "replace").splitlines())
    return {word: rest for word, _, rest in (line.partition(" ") for line in lines)}


def _told(words: dict[str, str]) -> str:
    known = ("DECRYPTION_FAILED", "BADMDC", "NODATA", "FAILURE", "ERROR", "UNEXPECTED")
    return ", ".join(f"{word} {words[word]}".strip() for word in known if word in words) or "no end of the message"
