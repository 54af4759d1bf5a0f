"""Files: a dump that is sent is registered; what became of one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from platform_assets.api.problems import Problem
from platform_assets.api.service import Asker
from platform_assets.errors import UnsettledDump
from platform_assets.operations.uploads import dump_of, take_upload, upload_place

router = APIRouter(prefix="/v1/dumps", tags=["files"])
_CHUNK = 1 << 20
_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {}, "multipart/form-data": {}}}}


@router.post("", status_code=202, openapi_extra=_BODY, responses={200: {"description": "The same content is there already."}})
async def post(
    request: Request,
    asker: Asker,
    source: Annotated[str, Query(description="Whose dump it is.")],
    name: Annotated[str, Query(description="A label; what the dump is, is found by its content.")] = "upload",
) -> JSONResponse:
    """One dump, as the body or as the one file of a form. It is loaded by the running platform, or by the next `ingest`."""
    asker.need("write", source)
    settings, catalog = asker.service.settings, asker.service.catalog
    try:
        came = await run_in_threadpool(upload_place, settings, source, name)
    except UnsettledDump as error:
        raise Problem(422, error.message) from None
    try:
        sha256 = await _written(request, came)
        record, new = await run_in_threadpool(take_upload, settings, catalog, source, name, came, sha256)
    finally:
        came.unlink(missing_ok=True)
    told = jsonable_encoder(await run_in_threadpool(dump_of, catalog, record.version))
    return JSONResponse(told, 202 if new else 200, {"Location": f"/v1/dumps/{record.version}"})


async def _written(request: Request, target: Path) -> str:
    """The bytes into the file, flushed; gives their SHA-256. Raises a Problem when there are none."""
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        async for part in _parts(request):
            digest.update(part)
            size += await run_in_threadpool(file.write, part)
        file.flush()
        await run_in_threadpool(os.fsync, file.fileno())
    if not size:
        raise Problem(422, "The dump is empty.")
    return digest.hexdigest()


async def _parts(request: Request) -> AsyncIterator[bytes]:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        async for part in request.stream():
            yield part
        return
    async with request.form(max_files=1, max_fields=0) as form:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        if len(files) != 1:
            raise Problem(422, "The form has no file; send one.")
        while part := await files[0].read(_CHUNK):
            yield part


@router.get("/{version}")
def get(version: str, asker: Asker) -> dict[str, Any]:
    """State, completeness and rows of one version."""
    asker.need("read", version.partition(".")[0])
    return dump_of(asker.service.catalog, version)
