"""What a GraphQL request would do, read from its document: nothing passes that is not understood. No HTTP stands here.

What passes is written anew from what was read, so that nobody behind reads other words in the same bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

_MAX_TOKENS = 50_000
"""The largest query of the Dagster UI has some thousands; a parser without a bound is a way to stop the service."""
_ONE_PERMISSION = re.compile(r"has\w+Permission")
"""`hasMaterializePermission` of an asset, `hasStartPermission` of a sensor, and so on."""


class Refused(Exception):
    """A request that is not understood, or that has no place here; the message may be told."""


@dataclass(frozen=True)
class Asked:
    """`body` is the request written anew; `changes`: one of its operations is a mutation, whichever is named to be run."""

    body: bytes
    changes: bool


def http_request(body: bytes) -> Asked:
    """One POSTed request. Raises Refused for a batch, a persisted query, a subscription, and what cannot be parsed."""
    asked = _json(body)
    if isinstance(asked, list):
        raise Refused("Send one GraphQL request at a time: the web server takes no batches.")
    kept, operations = _request(asked, "operationName")
    if OperationType.SUBSCRIPTION in operations:
        raise Refused("A subscription needs a WebSocket.")
    return Asked(json.dumps(kept).encode(), OperationType.MUTATION in operations)


def socket_message(text: str) -> str:
    """A message of the protocol graphql-ws on its way to the web server, written anew. Raises Refused for any but a subscription."""
    said = _json(text)
    kind = said.get("type") if isinstance(said, dict) else None
    if kind in ("connection_init", "connection_terminate"):
        return json.dumps({"type": kind})
    name = said.get("id") if isinstance(said, dict) else None
    if kind not in ("start", "stop") or not isinstance(name, str):
        raise Refused("This is no message of graphql-ws.")
    if kind == "stop":
        return json.dumps({"type": kind, "id": name})
    kept, operations = _request(said.get("payload"), "operation_name", "operationName")
    if operations != {OperationType.SUBSCRIPTION}:
        raise Refused("Only subscriptions are sent over a WebSocket.")
    return json.dumps({"type": kind, "id": name, "payload": kept})


def looking_only(answer: bytes) -> bytes:
    """An answer of the web server as who may only look is to read it: every permission in it is none, so that the UI offers no change.

    What the UI shows is no protection; that is the refusal of mutations.
    """
    try:
        told = json.loads(answer)
    except ValueError:
        return answer
    pending = [told]
    while pending:
        part = pending.pop()
        pending += part if isinstance(part, list) else part.values() if isinstance(part, dict) else ()
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("permission"), str) and part.get("value") is True:
            part |= {"value": False, "disabledReason": "This key may only look: changes take the scope operate."}
        part.update({name: False for name, value in part.items() if value is True and _ONE_PERMISSION.fullmatch(name)})
    return json.dumps(told).encode()


def _json(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("The request is not JSON.") from None


def _request(asked: object, *name_keys: str) -> tuple[dict[str, Any], set[OperationType]]:
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        raise Refused("The request has no query: persisted queries are not taken.")
    kept = {"query": asked["query"]}
    for key, kinds in (("variables", dict), *((key, str) for key in name_keys)):
        value = asked.get(key)
        if value is not None and not isinstance(value, kinds):
            raise Refused(f"`{key}` is of the wrong type.")
        if value is not None:
            kept[key] = value
    try:
        document = parse(asked["query"], no_location=True, max_tokens=_MAX_TOKENS)
    except (GraphQLError, RecursionError):
        raise Refused("The query cannot be parsed.") from None
    operations = {one.operation for one in document.definitions if isinstance(one, OperationDefinitionNode)}
    if not operations:
        raise Refused("The query has no operation.")
    return kept, operations
