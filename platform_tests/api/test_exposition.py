"""/metrics: the text format, counts that are true, labels without a value of anybody's."""

from __future__ import annotations

import re

import pytest

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? ([0-9.e+-]+)')


def samples(text: str) -> dict[tuple[str, str], float]:
    """(name, labels) to figure. Every line is a comment or a sample, every family is announced once."""
    found, families = {}, []
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            families.append(line.split()[2])
        elif not line.startswith("# HELP "):
            matched = SAMPLE.fullmatch(line)
            assert matched, line
            assert matched[1].startswith(families[-1])
            found[matched[1], matched[2] or ""] = float(matched[3])
    assert len(families) == len(set(families))
    return found


def test_requests_and_rows_are_counted_and_no_value_is_told(client):
    secret = "a value of somebody"
    rows = [{"id": 1, "name": secret}, {"id": 2, "name": "x" * 21}]
    assert client.post("/v1/tables/shop.items/rows", json=rows).status_code == 207
    assert client.get("/v1/tables/shop.items").status_code == 200
    assert client.get("/v1/tables/shop.nothing").status_code == 404
    assert client.get(f"/{secret}").status_code == 404
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    assert secret not in answer.text
    assert found["platform_http_requests_total", 'method="GET",route="/v1/tables/{table}",status="200"'] == 1
    assert found["platform_http_requests_total", 'method="GET",route="/v1/tables/{table}",status="404"'] == 1
    assert found["platform_http_requests_total", 'method="GET",route="other",status="404"'] == 1
    assert found["platform_http_request_seconds_bucket", 'route="/v1/tables/{table}",le="+Inf"'] == 2
    assert found["platform_http_request_seconds_count", 'route="/v1/tables/{table}"'] == 2
    assert found["platform_http_requests_in_flight", ""] == 1
    assert found["platform_rows_accepted", 'source="shop",table="items"'] == 1
    assert found["platform_rows_rejected", 'source="shop",table="items"'] == 1
    assert found["platform_rejects", 'source="shop",status="open"'] == 1
    assert found["platform_versions", 'source="shop",state="published"'] == 1
    assert found["platform_partial_dumps", 'source="shop"'] == 0
    assert found["platform_database_bytes", ""] > 1_000_000
    assert found["platform_pool_connections", 'state="kept"'] >= 1
    assert not [name for name, _ in found if name.startswith(("platform_backup_age", "platform_drill_age"))]


@pytest.mark.parametrize(("scopes", "status"), [([], 401), (["shop:read"], 403), (["write"], 403), (["read"], 200)])
def test_metrics_take_a_key_that_reads_every_source(open_client, scopes, status):
    assert open_client(scopes).get("/metrics").status_code == status
