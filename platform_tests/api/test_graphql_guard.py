"""What passes to the Dagster web server: what is a mutation is known as one, what is not understood is refused."""

from __future__ import annotations

import json

import pytest
from graphql import OperationType, parse
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.api.graphql_guard import Refused, http_request, socket_message

READS = [
    "{ version }",
    "query Q { version }",
    "fragment F on Query { version } query { ...F }",
    "# mutation { x }\n{ version }",
    '{ runOrError(runId: "mutation { x }") { __typename } }',
]
CHANGES = [
    "mutation { x }",
    "  \ufeffmutation M { x }",
    "query Q { version } mutation M { x }",
    "#\n#\r mutation{x}",
    "fragment mutation on Query { version } mutation { x }",
]
REFUSED = {
    "no JSON": b"mutation { x }",
    "not UTF-8": b'{"query": "\xff"}',
    "a batch": json.dumps([{"query": "{ version }"}, {"query": "mutation { x }"}]).encode(),
    "an empty batch": b"[]",
    "a text": b'"{ version }"',
    "nothing": b"null",
    "a persisted query": b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}',
    "a query that is a list": b'{"query": ["{ version }"]}',
    "an empty query": b'{"query": ""}',
    "fragments alone": b'{"query": "fragment F on Query { version }"}',
    "a type definition": b'{"query": "type Query { x: Int }"}',
    "half a query": b'{"query": "mutation { x"}',
    "a subscription": b'{"query": "subscription { x }"}',
    "variables as a text": b'{"query": "{ version }", "variables": "{}"}',
    "an operation's name as a number": b'{"query": "{ version }", "operationName": 1}',
    "deep JSON": b'{"query": ' + b"[" * 100_000,
    "a deep query": json.dumps({"query": "{ a " * 20_000 + "}" * 20_000}).encode(),
    "a long query": json.dumps({"query": "{" + " a" * 60_000 + "}"}).encode(),
    "a deep value": json.dumps({"query": "{ a(b: " + "[" * 20_000 + "]" * 20_000 + ") }"}).encode(),
}


@pytest.mark.parametrize("query", READS)
def test_a_query_is_known_as_one(query):
    assert not http_request(json.dumps({"query": query}).encode()).changes


@pytest.mark.parametrize("query", CHANGES)
def test_a_mutation_is_known_wherever_it_stands_and_whichever_is_named(query):
    for name in (None, "Q"):
        assert http_request(json.dumps({"query": query, "operationName": name}).encode()).changes


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_is_not_understood_is_refused(body):
    with pytest.raises(Refused):
        http_request(body)


def test_what_passes_is_written_anew():
    """Two readers of one body may take different ones of two keys: the next one gets what was judged."""
    asked = http_request(b'{"query": "mutation { x }", "query": "{ version }", "extensions": {}, "variables": {"a": 1}}')
    assert json.loads(asked.body) == {"query": "{ version }", "variables": {"a": 1}}
    assert asked.body.count(b"query") == 1


@given(
    st.lists(st.sampled_from(["{ a }", "query A { a }", "mutation B { b }", "subscription C { c }", "fragment D on E { f }"]), max_size=4)
)
def test_documents_are_judged_by_all_of_their_operations(parts):
    body = json.dumps({"query": " ".join(parts)}).encode()
    kinds = {one.operation for one in parse(" ".join(parts)).definitions if hasattr(one, "operation")} if parts else set()
    if not kinds or OperationType.SUBSCRIPTION in kinds:
        with pytest.raises(Refused):
            http_request(body)
    else:
        assert http_request(body).changes is (OperationType.MUTATION in kinds)


@pytest.mark.parametrize(
    "payload", [{"query": "mutation { x }"}, {"query": "{ version }"}, {"query": "subscription { a } mutation { x }"}, {}, None]
)
def test_a_socket_carries_subscriptions_alone(payload):
    with pytest.raises(Refused):
        socket_message(json.dumps({"type": "start", "id": "1", "payload": payload}))


@pytest.mark.parametrize(
    "message", [{"type": "subscribe", "id": "1"}, {"type": "start"}, {"type": "stop", "id": 1}, {}, [], "start", None, 1]
)
def test_a_socket_carries_no_other_messages(message):
    with pytest.raises(Refused):
        socket_message(json.dumps(message))


def test_the_messages_of_a_subscription_pass():
    assert json.loads(socket_message('{"type": "connection_init", "payload": {"token": "x"}}')) == {"type": "connection_init"}
    assert json.loads(socket_message('{"type": "stop", "id": "1", "more": 1}')) == {"type": "stop", "id": "1"}
    start = {"type": "start", "id": "1", "payload": {"query": "subscription { a }", "variables": {"b": 1}, "extensions": {}}}
    passed = json.loads(socket_message(json.dumps(start)))
    assert passed["payload"] == {"query": "subscription { a }", "variables": {"b": 1}}
