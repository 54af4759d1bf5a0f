"""docs/http.md: its commands work as they stand there, and it names every route."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import httpx2
import pytest
import uvicorn

from platform_assets.api.app import application
from platform_assets.operations.api_keys import create_key

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = (REPOSITORY / "docs" / "http.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL) if "curl" in block]


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="curl and bash run the examples")
def test_the_examples_work_as_they_stand_there(settings, catalog, home):
    shutil.copy(REPOSITORY / "data" / "dictionary" / "hr.odcs.yaml", home.dictionary)
    key = create_key(catalog, "robot", ["hr:read", "hr:write"])[1]
    server = uvicorn.Server(uvicorn.Config(application(settings), host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        said = []
        for block in BLOCKS:
            script = block.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace("curl -s", "curl -s --fail-with-body")
            done = subprocess.run(
                ["bash", "-ec", script], env={"KEY": key, "PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, (block, done.stdout, done.stderr)
            said.append(done.stdout)
        described = httpx2.get(f"http://127.0.0.1:{port}/openapi.json").json()["paths"]["/v1/batches"]["post"]
        example = described["requestBody"]["content"]["application/json"]["example"]
        posted = httpx2.post(f"http://127.0.0.1:{port}/v1/batches", json=example, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    finally:
        server.should_exit = True
        thread.join()
    assert (posted.status_code, posted.json()["rejected"]) == (201, 0), posted.text
    assert len(BLOCKS) == 6
    assert '"accepted":1,"rejected":1' in said[0]
    assert '"accepted":3,"rejected":0' in said[2]
    assert '"rows":[\n{"id":902,"job":"Weaver"},\n{"id":901,"job":"Smith"}\n]' in said[3]
    assert '901,"Smith"' in said[4]
    assert '"state":"registered"' in said[5]


def test_every_route_stands_in_the_document(settings):
    for path in application(settings).openapi()["paths"]:
        shown = path.replace("{table}", "hr.jobs").replace("{version}", "<version>").replace("{key}", "901")
        shown = shown.replace("{batch_id}", "<batch_id>")
        shown = shown.replace("{job}", "<id>").replace("{topic}", "<topic>")
        assert shown in DOCUMENT, path
