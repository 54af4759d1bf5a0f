"""The OpenAPI description is true: what it lets a client send, and what it does not, is answered as it says, and never with a 5xx.

PLATFORM_EXAMPLES says how many cases there are in all; 5,000 take some minutes.
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CASES = int(os.environ.get("PLATFORM_EXAMPLES", "0")) or 90
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
KNOWN = {"table": "shop.items", "topic": "pets", "source": "shop"}
"""Half of the cases name what is there: a random name comes no further than 404."""


def test_every_route_answers_as_it_is_described(settings, catalog, open_client):
    client = open_client(["admin"])
    assert client.post("/v1/tables/shop.items/rows", json=[{"id": 1, "name": "x"}]).status_code == 201
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    failures: list[str] = []
    for operation in operations:
        strategies = [operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]

        @examples(
            max_examples=max(CASES // len(operations), 1),
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=st.one_of(strategies), known=st.booleans())
        def answered(case, known) -> None:
            if known:
                for place in (case.path_parameters, case.query):
                    for name in KNOWN.keys() & (place or {}).keys():
                        place[name] = KNOWN[name]
            response = case.call(headers=dict(client.headers))
            if response.status_code == 503 and response.headers.get("content-type") == ["application/problem+json"]:
                assert "No platform runs" in response.json()["detail"]
                return
            case.validate_response(response, checks=CHECKS)

        try:
            answered()
        except Exception as error:
            failures.append(f"{operation.label}: {error!r}"[:3000])
    if failures:
        pytest.fail("\n\n".join(failures))
