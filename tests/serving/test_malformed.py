"""Requests that are no JSON, no Unicode or no HTTP, and texts that would be headers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.serving.settings import ServerSettings
from tests.serving.served import LiveServer, Served, client_of

JSON = {"Content-Type": "application/json"}


def is_told(answer: Any) -> bool:
    """Whether it is a whole answer that any program can read, and no error of the server."""
    told = answer.content.decode("utf-8")
    json.loads(told).encode() if isinstance(json.loads(told), str) else json.dumps(json.loads(told)).encode()
    problem = answer.headers["content-type"] == "application/problem+json"
    return bool(answer.status_code < 500 and problem == (answer.status_code >= 400))


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"{",
            b"[",
            b"nul",
            b"'q'",
            b'{"q": "a"',
            b'{"q": "a"}}',
            b'{"q": "a",}',
            b'{q: "a"}',
            b"\0",
            b"[]",
            b"1",
        ),
        *(b'{"q": "\xff\xfe"}', b'\xff\xfe{\0"\0q\0"\0}\0', b'\xef\xbb\xbf{"q": "a"}', b'{"q": "\xed\xa0\x80"}'),
        *(b'{"q": "\xc0\xaf"}', b'{"q": "a\nb"}', b'{"q": NaN}', b'{"q": "a", "k": 1e999}', b'{"q": "a", "k": -0.0}'),
        *(b'{"q": "a", "k": ' + b"9" * 5_000 + b"}", b'{"q": ' + b"[" * 100_000, b'{"q":' * 100_000, b"[" * 900_000),
        b'{"terms": [' + b'{"value": "a", "weight": 1},' * 20_000 + b"{}]}",
        b'{"q": "' + b"a" * 900_000 + b'"}',
        b'{"' + b"k" * 900_000 + b'": 1}',
        b'{"__proto__": {"q": "a"}, "constructor": 1}',
    ],
    ids=lambda body: f"{body[:12]!r}-{len(body)}",
)
@pytest.mark.parametrize("path", ["/v1/search", "/v1/feedback", "/v1/jobs"])
def test_what_is_no_json_is_refused(app_client: TestClient, path: str, body: bytes) -> None:
    answer = app_client.post(path, content=body, headers=JSON)
    assert answer.status_code in (400, 422, 200 if b"\xef\xbb\xbf" in body or b"\xff\xfe{" in body else 422)
    assert is_told(answer)
    assert len(answer.content) < 5_000 or answer.status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        *("\ud800", "\udfff\ud800", "a\0b", "\0", "\u202eesrever", "\ufeff", "\uffff", "\U0010ffff", "a\u0301" * 500),
        *("ﷺ" * 500, "Z̸̡̛̰̯" * 100, "👩‍👩‍👧‍👦" * 50, "\x1b[31m", "ⅷ", "İ", "ß", "\r\nX: y", "%s%n{0}{{7*7}}${7}"),
        *("<script>alert(1)</script>", "'\";--", "\u2028\u2029", "\x7f\x85"),
    ],
    ids=ascii,
)
def test_any_text_is_a_sentence_or_refused(app_client: TestClient, text: str) -> None:
    body = json.dumps({"q": text, "terms": [{"value": text or "a", "weight": 0.5}]})
    where = json.dumps({"q": "a", "where": f"label = '{text}'", "facet": [f"label:{text}"]})
    asked = [
        app_client.post("/v1/search", content=body, headers=JSON),
        app_client.post("/v1/search", content=where, headers=JSON),
        app_client.get("/v1/search", params={"q": text.encode("utf-8", "surrogatepass")}),
        app_client.get("/v1/search", params={"q": "a", "term": f"1:text:{text}".encode("utf-8", "surrogatepass")}),
        app_client.get("/v1/facets", params={"facet": f"label:{text}".encode("utf-8", "surrogatepass")}),
    ]
    for answer in asked:
        assert answer.status_code in (200, 422)
        assert is_told(answer)
    stream = app_client.get("/v1/search/stream", params={"q": text.encode("utf-8", "surrogatepass")})
    assert stream.status_code in (200, 422)
    if stream.status_code == 200:
        events = [line for line in stream.content.decode("utf-8").split("\n") if line]
        assert [line.partition(":")[0] for line in events] == ["event", "data"] * (len(events) // 2)


@pytest.mark.parametrize(
    "query", ["q=%ff%fe", "q=%", "q=%zz", "q=%u0041", "%00=1", "q=a&q=b", "q[]=a", "q=a;k=1", "&&&", "=", "?" * 500]
)
def test_addresses_that_are_no_text_are_answered(app_client: TestClient, query: str) -> None:
    for path in ("/v1/search", "/v1/items", "/v1/facets", "/v1/map"):
        answer = app_client.get(f"{path}?{query}")
        assert answer.status_code in (200, 422, 503)
        assert answer.status_code == 503 or is_told(answer)


@pytest.mark.parametrize(
    "given", ["a b", "a\tb", "a;b", "<x>", "ä", "x" * 65, "", "a,b", "a\\b", '"', "{}", "%0d%0aX:y"]
)
def test_what_cannot_be_a_name_of_a_request_is_not_said_back(app_client: TestClient, given: str) -> None:
    answer = app_client.get("/v1/health/live", headers={b"X-Request-ID": given.encode("utf-8")})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 16
    assert app_client.get("/v1/nothing", headers={"X-Request-ID": "mine-1"}).json()["request_id"] == "mine-1"


NAMES = [
    "a\r\nX-Injected: yes\r\n\r\n<p>.png",
    'a"; filename=b.html; x=".png',
    "ä\u202e⅓ %41;=,.png",
    "a\x01\x7f\\.png",
]


@pytest.fixture(scope="module")
def named(served_gallery: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a gallery of pictures whose names would be headers."""
    from PIL import Image

    root = tmp_path_factory.mktemp("named")
    (root / "pictures").mkdir()
    for place, name in enumerate(NAMES):
        Image.new("RGB", (60, 40), (place * 60, 9, 9)).save(root / "pictures" / name)
    crossgraph.index(root / "pictures", root / "gallery", model=served_gallery.model)
    with client_of(ServerSettings(root / "gallery", rate=0), crossgraph.open_gallery(root / "gallery")) as client:
        yield client


def test_a_name_of_a_file_cannot_become_a_header(named: TestClient) -> None:
    items = named.get("/v1/items").json()["items"]
    assert sorted(one["name"] for one in items) == sorted(NAMES)
    for one in items:
        for words in ({}, {"download": True}):
            params: dict[str, Any] = dict(words)
            answer = named.get(one["picture"], params=params)
            assert answer.status_code == 200
            assert "x-injected" not in answer.headers
            told = answer.headers["content-disposition"]
            value = told.partition("filename*=UTF-8''")[2]
            assert value
            assert not set(value) & set('";\r\n, \\')
    csv = named.post("/v1/export", data={"ids": [one["id"] for one in items], "format": "csv"})
    assert csv.status_code == 200
    assert "x-injected" not in csv.headers


@pytest.mark.slow
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /v1/stats HTTP/1.1\r\n\r\n",
        b"GET /v1/stats HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET /v1/stats HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\0b\r\n\r\n",
        b"GET /v1/stats HTTP/1.1\r\nHost: 127.0.0.1\r\nX : a\r\n\r\n",
        b"GET /v1/st\0ats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /v1/stats HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /v1/stats HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2x\r\n\r\n{}",
        b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET http://evil.example/v1/stats HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    ],
    ids=lambda sent: ascii(sent[:40]),
)
def test_what_is_no_request_is_refused_and_the_next_one_answered(live_server: LiveServer, request_bytes: bytes) -> None:
    with live_server.connect() as taken:
        taken.sendall(request_bytes + b"")
        taken.shutdown(1)
        answer = b""
        while piece := _some(taken):
            answer += piece
    if answer:
        head, _, _ = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        assert 400 <= status < 500, head
        assert b"application/problem+json" in head
        assert b"content-security-policy" in head.lower()
    import httpx

    assert httpx.get(f"{live_server.url}/v1/health/live").status_code == 200


def _some(taken: Any) -> bytes:
    try:
        found: bytes = taken.recv(65_536)
    except ConnectionError:
        return b""
    return found


@pytest.mark.slow
def test_a_request_cannot_be_hidden_in_the_body_of_another(live_server: LiveServer) -> None:
    hidden = b"GET /v1/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for headers in (
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(hidden),
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
    ):
        with live_server.connect() as taken:
            head = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" + headers
            taken.sendall(head + b"\r\n" + b"0\r\n\r\n" + hidden)
            taken.shutdown(1)
            answer = b""
            while piece := _some(taken):
                answer += piece
        assert b'"alive"' not in answer or answer.count(b"HTTP/1.1") == 2, headers
        assert b"HTTP/1.1 2" not in answer.split(b"\r\n", 1)[0]


def test_logs_of_requests_are_one_line_whatever_was_asked(
    app_client: TestClient, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import logging

    from crossgraph.serving.frame import JsonLog

    record = logging.LogRecord("x", logging.INFO, "x", 1, "request", (), None)
    record.facts = {"error": "a\r\nb\u2028{\x1b[31m", "route": "\ud800"}
    line = JsonLog().format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["error"] == "a\r\nb\u2028{\x1b[31m"
    line.encode("utf-8")
