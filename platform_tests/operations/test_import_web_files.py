"""Topics of files over HTTP: what is new or changed is taken in whole, and nothing else, whatever the server does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psycopg
import pytest

from platform_assets.errors import SettingsError
from platform_assets.operations.import_topic import import_topic, topic_named
from platform_assets.settings import Settings
from platform_assets.sources import web
from platform_assets.sources.web import NoAnswer, SourceError

sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
from file_site import PRODUCTS, FileSite

FILES = {"a.csv": b"id\n1\n", "b.csv": b"id\n2\n", "notes.txt": b"no dump"}


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Those that the server asked for, without waiting."""
    asked = []
    told = web._retry_after
    monkeypatch.setattr(web, "_retry_after", lambda headers: asked.append(told(headers)) or 0.0)
    monkeypatch.setattr(web, "_FIRST_PAUSE", 0.001)
    return asked


@pytest.fixture
def site():
    with FileSite(FILES).running() as running:
        yield running


def write_topic(home, place, **more) -> None:
    home.topics.mkdir(exist_ok=True)
    topic = {"source": "hr", "table": "any", "kind": "files", "from": {"pattern": "*.csv*", **place}, "allow": {"private": True}}
    (home.topics / "drop.yaml").write_text(json.dumps({**topic, "limits": {"attempts": 2, "timeout": 5}, **more}))


def run(home, catalog, environment=None, **options):
    settings = Settings.load(home.root, {})
    done = import_topic(settings, catalog, topic_named(settings, "drop"), environment=environment or {}, **options)
    return [path.name for path in done.dumps]


def there(home):
    folder = home.dumps / "hr"
    dumps = sorted(folder.iterdir()) if folder.exists() else []
    return {path.name: (next(path.iterdir()) if path.is_dir() else path).read_bytes() for path in dumps}


@pytest.mark.parametrize("product", PRODUCTS)
def test_an_index_page_is_watched_and_what_did_not_change_is_not_sent(home, catalog, site, product):
    site.product = product
    write_topic(home, {"url": site.url})
    assert run(home, catalog, dry_run=True) == []
    assert site.sent == 0
    assert run(home, catalog) == ["a.csv", "b.csv"]
    assert there(home) == {"a.csv": b"id\n1\n", "b.csv": b"id\n2\n"}
    site.requests.clear()
    before = site.sent
    assert run(home, catalog) == []
    assert (site.asked("GET"), site.asked("HEAD")) == (["/out/"], ["/out/a.csv", "/out/b.csv"])
    assert site.sent == before, "no byte of a file"
    site.files["a.csv"] = b"id\n9\n"  # as long as before
    (fetched,) = run(home, catalog)
    assert there(home)[fetched] == b"id\n9\n"
    assert there(home)["a.csv"] == b"id\n1\n", "what came before is never overwritten"
    with psycopg.connect(catalog.url) as connection:
        query = "SELECT details->>'file', bytes, details->>'request_id', length(details->>'sha256') FROM catalog.import_log"
        log = connection.execute(f"{query} WHERE operation = 'import_file' ORDER BY id").fetchall()
    assert log == [("a.csv", 5, "request-7", 64), ("b.csv", 5, "request-7", 64), ("a.csv", 5, "request-7", 64)]


def test_one_connection_serves_all_that_did_not_change(home, catalog, site):
    site.files = {f"{n:04d}.csv": b"id\n" for n in range(50)}
    write_topic(home, {"url": site.url})
    run(home, catalog, dry_run=True)
    assert (len(site.requests), site.connections) == (51, 1)


@pytest.mark.parametrize("place", ["url", "urls"])
def test_files_are_named_by_their_addresses(home, catalog, site, place):
    address = f"{site.url}a.csv?version=1#top"
    write_topic(home, {"url": address} if place == "url" else {"urls": [address, f"{site.url}b.csv"]})
    assert run(home, catalog) == ["a.csv", "b.csv"][: 1 if place == "url" else 2]
    assert run(home, catalog) == []


@pytest.mark.parametrize("ranges", [True, False], ids=["", "no ranges either"])
def test_where_head_is_refused_one_byte_tells_whether_a_file_changed(home, catalog, site, ranges):
    site.head, site.ranges = False, ranges
    write_topic(home, {"url": site.url})
    assert run(home, catalog) == ["a.csv", "b.csv"]
    before = site.sent
    assert run(home, catalog) == []
    assert site.sent - before == 2 or not ranges
    site.files["b.csv"] = b"id\n3\n"
    (fetched,) = run(home, catalog)
    assert there(home)[fetched] == b"id\n3\n"


def test_files_of_which_nothing_is_told_are_known_by_their_bytes(home, catalog, site):
    site.marks = False
    write_topic(home, {"url": site.url})
    assert run(home, catalog) == ["a.csv", "b.csv"]
    assert run(home, catalog) == []
    site.files["b.csv"] = b"id\n3\n"
    (fetched,) = run(home, catalog)
    assert there(home)[fetched] == b"id\n3\n"


@pytest.mark.parametrize("fault", ["cut", "chunked"])
def test_a_body_that_is_cut_is_fetched_again_and_never_lands(home, catalog, site, fault):
    site.lengths = fault == "cut"
    site.faults["/out/a.csv"].append(fault)
    write_topic(home, {"url": site.url})
    assert run(home, catalog) == ["a.csv", "b.csv"]
    assert there(home)["a.csv"] == FILES["a.csv"]
    site.files["c.csv"] = b"id\n" * 1000
    site.faults["/out/c.csv"].extend([fault] * 2)
    with pytest.raises(NoAnswer, match=r"c\.csv: given up after 2 attempts.*lost or too slow"):
        run(home, catalog)
    assert "c.csv" not in there(home)
    assert not list((home.store / "work").iterdir())
    assert run(home, catalog) == ["c.csv"]


def test_a_body_whose_end_nothing_tells_is_measured_by_its_head(home, catalog, site):
    site.lengths = False
    site.faults["/out/a.csv"].append("cut")
    write_topic(home, {"url": f"{site.url}a.csv"})
    with pytest.raises(SourceError, match="2 of 5 bytes came; it is fetched again next time"):
        run(home, catalog)
    assert run(home, catalog) == ["a.csv"]


def test_a_file_that_fails_keeps_none_of_the_others(home, catalog, site):
    write_topic(home, {"urls": [f"{site.url}{name}" for name in ("a.csv", "gone.csv", "b.csv")]})
    with pytest.raises(SourceError, match=r"drop: 1 files failed, 2 came.*gone\.csv.*status 404 \(request id request-8\)"):
        run(home, catalog)
    assert sorted(there(home)) == ["a.csv", "b.csv"]
    with psycopg.connect(catalog.url) as connection:
        log = connection.execute("SELECT operation, outcome FROM catalog.import_log ORDER BY id").fetchall()
    assert log == [("import_start", "done"), ("import_file", "done"), ("import_file", "done"), ("import_end", "failed")]
    site.files["gone.csv"] = b"id\n7\n"
    assert run(home, catalog) == ["gone.csv"]


def test_a_place_that_is_down_is_not_asked_for_every_file(home, catalog, site):
    site.files = {f"{n}.csv": b"id\n" for n in range(9)}
    site.faulty = {"HEAD"}
    for name in site.files:
        site.faults[f"/out/{name}"].extend(["500"] * 2)
    write_topic(home, {"url": site.url})
    with pytest.raises(SourceError, match="3 files failed, 0 came"):
        run(home, catalog)
    assert len(site.asked("HEAD")) == 6


@pytest.mark.parametrize("status", ["429", "503"])
def test_the_pause_that_the_server_asks_for_is_made(home, catalog, site, status, pauses):
    site.faults["/out/a.csv"].append(status)
    write_topic(home, {"url": f"{site.url}a.csv"})
    assert run(home, catalog) == ["a.csv"]
    assert pauses == [7.0]


def test_html_in_the_place_of_a_dump_is_said_and_not_taken(home, catalog, site):
    site.faults["/out/a.csv"].append("html")
    write_topic(home, {"url": f"{site.url}a.csv"})
    with pytest.raises(SourceError, match=r"HTML came where a dump was expected.*request id request-9.*Please sign in"):
        run(home, catalog)
    assert there(home) == {}
    assert run(home, catalog) == ["a.csv"]


def test_the_links_that_count_are_those_below_the_page_to_which_a_redirect_leads(home, catalog, site):
    site.faults["/exports/"].extend(["to /out/"] * 2)
    site.links = ["a.csv", "/exports/b.csv"]
    write_topic(home, {"url": site.url.replace("/out/", "/exports/")})
    assert run(home, catalog) == ["a.csv"]
    assert run(home, catalog) == []


def test_a_redirect_is_followed_to_allowed_hosts_alone(home, catalog, site):
    with FileSite({"a.csv": b"id\n5\n"}).running() as other:
        site.faulty = {"GET", "HEAD"}
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        site.faults["/out/a.csv"].extend([f"to {elsewhere}a.csv"] * 4)
        write_topic(home, {"url": f"{site.url}a.csv"})
        with pytest.raises(SourceError, match=r"localhost is not the topic's host.*allow\.hosts"):
            run(home, catalog)
        assert other.requests == []
        write_topic(home, {"url": f"{site.url}a.csv"}, allow={"private": True, "hosts": ["localhost"]})
        assert run(home, catalog) == ["a.csv"]
    assert there(home) == {"a.csv": b"id\n5\n"}


def test_a_private_address_is_refused_unless_it_is_allowed(home, catalog, site):
    write_topic(home, {"url": site.url}, allow={})
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 is a private address; if that is meant, set allow\.private"):
        run(home, catalog)
    assert site.requests == []


def test_names_are_decoded_and_none_leads_out(home, catalog, site, tmp_path):
    site.files = {"my file.csv": b"id\n1\n", "50%.csv": b"id\n2\n", "a&b.csv": b"id\n3\n", "ü.csv": b"id\n4\n"}
    good = ["my%20file.csv", "50%25.csv", "a&b.csv", "%C3%BC.csv", "./50%25.csv", "/out/a&b.csv"]
    bad = ["../evil.csv", "..%2fevil.csv", "%2e%2e%2fevil.csv", "%2e%2e/evil.csv", "..", "%2e%2e", "/etc/evil.csv", "sub/", "sub/x.csv"]
    bad += [
        "//127.0.0.2/out/evil.csv",
        "http://[evil.csv",
        "javascript:evil.csv",
        "..%5cevil.csv",
        "evil%00.csv",
        "evil%0a.csv",
        ".evil.csv",
    ]
    bad += ["?C=N;O=D", "#top", "x/../../evil.csv", "a.csv?x=evil.csv"]
    site.links = [*bad, *good]
    write_topic(home, {"url": site.url})
    before = set(tmp_path.rglob("*evil*"))
    assert sorted(run(home, catalog)) == sorted(site.files)
    assert there(home) == site.files
    assert set(tmp_path.rglob("*evil*")) == before
    assert not [path for _, path in site.requests if "evil" in path]


def test_a_name_that_no_file_can_have_is_said(home, catalog, site):
    site.files = {f"{'x' * 252}.csv": b"id\n", "a.csv": b"id\n1\n"}
    write_topic(home, {"url": site.url})
    with pytest.raises(SourceError, match=r"1 files failed, 1 came.*a name of more than 240 bytes"):
        run(home, catalog)
    assert sorted(there(home)) == ["a.csv"]


def test_a_page_that_is_no_index_is_said_and_an_empty_folder_is_none(home, catalog, site):
    write_topic(home, {"url": site.url})
    for page, said in {
        '{"files": []}': r"no index page in HTML.*begins with '\{\"files",
        "<html><title>Please sign in</title><a href='/login'>here</a></html>": "no file is linked there; is it an index.*Please sign in",
    }.items():
        site.page = page
        with pytest.raises(SourceError, match=said):
            run(home, catalog)
    site.page, site.links = None, []
    assert run(home, catalog) == []


def test_a_listing_without_end_is_refused_and_a_long_one_is_read(home, catalog, site, monkeypatch):
    site.links = [f"{n:06d}.txt" for n in range(20_000)] + ["a.csv"]
    write_topic(home, {"url": site.url})
    assert run(home, catalog) == ["a.csv"]
    assert site.asked("HEAD") == ["/out/a.csv"], "what the pattern leaves out is not asked for"
    write_topic(home, {"url": site.url}, limits={"max_page_bytes": 100_000})
    with pytest.raises(SourceError, match=r"larger than limits\.max_page_bytes \(100,000\)"):
        run(home, catalog)
    monkeypatch.setattr("platform_assets.sources.web_files._MOST_FILES", 20_000)
    write_topic(home, {"url": site.url})
    with pytest.raises(SourceError, match="more than 20,000 files are linked there; name those wanted"):
        run(home, catalog)


@pytest.mark.parametrize("told", [True, False], ids=["by its head", "by its bytes"])
def test_a_file_beyond_the_limit_of_its_source_is_refused(home, catalog, site, told):
    (home.root / "platform.yaml").write_text("sources: {hr: {limits: {max_dump_bytes: 1000}}}\n")
    site.files["a.csv"], site.lengths, site.head, site.ranges = b"id\n" * 1000, told, told, told
    write_topic(home, {"url": f"{site.url}a.csv"})
    with pytest.raises(SourceError, match=r"a\.csv: the file is larger than limits\.max_dump_bytes of its source \(1,000\)"):
        run(home, catalog)
    assert there(home) == {}
    assert site.asked("GET") == [] or not told


def test_credentials_go_with_every_request_and_into_no_error(home, catalog, site):
    site.password = "Basic bWU6czNjcmV0"
    place = {"url": site.url, "auth": {"kind": "basic"}}
    write_topic(home, place, credentials={"user_env": "USER_", "password_env": "SECRET"})
    assert run(home, catalog, {"USER_": "me", "SECRET": "s3cret"}) == ["a.csv", "b.csv"]
    with pytest.raises(SourceError, match="wants other credentials") as caught:
        run(home, catalog, {"USER_": "me", "SECRET": "wr0ng"})
    assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ({"url": "http://h/x/", "options": {}}, SettingsError, "options; known are"),
        ({"url": "http://h/x/", "urls": ["http://h/y"]}, SettingsError, "it has url, or urls"),
        ({"urls": "http://h/y"}, SettingsError, "urls with a list"),
        ({"url": "http://h/x/%2e%2e%2fy"}, SettingsError, "names no file"),
        ({"url": "http://93.184.216.34/x/", "auth": {"kind": "bearer"}}, SettingsError, "credentials go over https only"),
        ({"urls": ["https://93.184.216.34/x", "http://93.184.216.34/y"], "auth": {"kind": "bearer"}}, SettingsError, "over https only"),
        ({"urls": ["ftp://h/y"]}, SettingsError, "ftp://h/y names no file over http"),
        ({"url": "zip://x::http://h/x.zip"}, SettingsError, "not a chain of file systems"),
    ],
)
def test_a_place_that_cannot_be_meant_is_refused(home, catalog, place, error, said):
    write_topic(home, place)
    with pytest.raises(error, match=said):
        run(home, catalog)
