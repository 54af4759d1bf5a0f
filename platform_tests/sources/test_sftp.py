"""A files topic by SFTP, from a real OpenSSH server on loopback with a key of its own."""

from __future__ import annotations

import getpass
import importlib.util
import json
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from platform_assets.operations.import_topic import import_topic, topic_named
from platform_assets.settings import Settings
from platform_assets.sources.web import SourceError

SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if Path("/usr/sbin/sshd").exists() else None)
pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="no OpenSSH server here: apt-get install openssh-server"),
    pytest.mark.skipif(importlib.util.find_spec("paramiko") is None, reason="paramiko is not installed: pip install '.[sftp]'"),
]


@pytest.fixture
def port(tmp_path):
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    (tmp_path / "sshd_config").write_text(
        f"Port {number}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\n"
        f"UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nSubsystem sftp internal-sftp\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", tmp_path / "sshd_config"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "Server listening" in line:
            break
    yield number
    process.terminate()
    process.wait()


def test_new_files_come_by_sftp_byte_for_byte(home, catalog, tmp_path, port):
    there = tmp_path / "outgoing"
    there.mkdir()
    (there / "a.csv").write_bytes(b"id\n" + b"1\n" * 1_000_000)
    home.topics.mkdir()
    place = {"url": f"sftp://127.0.0.1{there}", "pattern": "*.csv"}
    place["options"] = {"port": port, "username": getpass.getuser(), "key_filename": str(tmp_path / "user")}
    topic = {"source": "hr", "table": "any", "kind": "files", "from": place}

    def run(**more):
        (home.topics / "drop.yaml").write_text(json.dumps({**topic, "allow": {"private": True}, **more}))
        settings = Settings(home.root)
        return [path.name for path in import_topic(settings, catalog, topic_named(settings, "drop"), environment={}).dumps]

    with pytest.raises(SourceError, match=r"127\.0\.0\.1 is a private address"):
        run(allow={})
    with pytest.raises(SourceError, match="AuthenticationException"):
        run(**{"from": {**place, "options": {**place["options"], "key_filename": str(tmp_path / "host")}}})
    assert run() == ["a.csv"]
    assert (home.dumps / "hr" / "a.csv").read_bytes() == (there / "a.csv").read_bytes()
    assert run() == []
    (there / "b.csv").write_text("id\n2\n")
    assert run() == ["b.csv"]
