"""Clients that stop within a request, dribble, or do not take their answer: let go, while others are answered."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from PIL import Image

import crossgraph
from crossgraph.serving import searching
from crossgraph.serving.library import Library
from crossgraph.serving.schemas import SearchOut
from crossgraph.serving.search_request import Asked
from crossgraph.serving.settings import ServerSettings
from tests.serving.served import LiveServer, Served, live, wait_for

pytestmark = pytest.mark.slow
PATIENCE = 1.0
AT_LAST = 30.0  # seconds after which a test gives up: the server should have, long before
HEAD = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
FORM = b"POST /v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"


@pytest.fixture
def impatient(server_with: Callable[..., LiveServer]) -> LiveServer:
    return server_with(patience=PATIENCE)


def dribble(taken: socket.socket, piece: bytes) -> bytes:
    """Send a piece again and again until the server lets go; what it answered."""
    answer, until = b"", time.monotonic() + AT_LAST
    taken.settimeout(0.1)
    while time.monotonic() < until:
        with suppress(ConnectionError):
            taken.sendall(piece)
        try:
            found = taken.recv(65_536)
        except TimeoutError:
            continue
        except ConnectionError:
            return answer
        if not found:
            return answer
        answer += found
    raise AssertionError("the server still waits")


@pytest.mark.parametrize(
    "start", [b"", b"G", b"GET /v1/stats HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"GET /v1/stats HTTP/1.1\r\nX: "]
)
def test_headers_that_do_not_end_are_not_waited_for(impatient: LiveServer, start: bytes) -> None:
    with impatient.connect() as taken:
        taken.sendall(start)
        assert b" 200 " not in dribble(taken, b"a" if start else b"")
    assert httpx.get(f"{impatient.url}/v1/health/live").status_code == 200


def test_a_second_request_on_a_connection_has_its_own_time_and_an_end(impatient: LiveServer) -> None:
    with impatient.connect() as taken:
        taken.sendall(b"GET /v1/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert taken.recv(65_536).startswith(b"HTTP/1.1 200")
        taken.sendall(b"GET /v1/health/live HTT")
        assert b" 200 " not in dribble(taken, b"P")


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b""),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (FORM + b'Content-Length: 100000\r\n\r\n--xyz\r\nContent-Disposition: form-data; name="picture"', b"x"),
        (FORM + b"Transfer-Encoding: chunked\r\n\r\n7\r\n--xyz\r\n\r\n", b"1\r\nX\r\n"),
    ],
)
def test_a_body_that_does_not_end_is_answered_as_too_late(impatient: LiveServer, head: bytes, piece: bytes) -> None:
    with impatient.connect() as taken:
        taken.sendall(head)
        answer = dribble(taken, piece)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer.lower()


def test_others_are_answered_while_hundreds_are_waited_for(impatient: LiveServer, ids: list[str]) -> None:
    slow = [impatient.connect() for _ in range(200)]
    try:
        for place, one in enumerate(slow):
            one.sendall(HEAD + b"Content-Length: 9999\r\n\r\n" if place % 2 else HEAD)
        for path in ("/v1/health/ready", "/v1/search?q=a+red+ball", f"/v1/items/{ids[0]}/thumbnail"):
            assert httpx.get(f"{impatient.url}{path}").status_code == 200
        wait_for(lambda: not impatient.uvicorn.server_state.connections)
    finally:
        for one in slow:
            one.close()
    assert httpx.get(f"{impatient.url}/v1/search?q=a").status_code == 200


@pytest.fixture
def large(served_gallery: Served, tmp_path: Path) -> Iterator[LiveServer]:
    """A server of a gallery whose first picture is a file of 27 megabytes, more than any buffer holds."""
    own = served_gallery.copy(tmp_path)
    opened = crossgraph.open_gallery(own.gallery)
    first = min(opened.snapshot().items["id"].to_pylist())
    Image.new("RGB", (3_000, 3_000)).save(opened.item(first).path, "BMP")
    server = live(ServerSettings(own.gallery, rate=0, patience=PATIENCE), opened).start()
    yield server
    server.stop()


def test_an_answer_that_nobody_takes_is_given_up(large: LiveServer) -> None:
    first = min(one["id"] for one in httpx.get(f"{large.url}/v1/items?k=200").json()["items"])
    path = f"/v1/items/{first}/picture"
    whole = int(httpx.head(f"{large.url}{path}").headers["content-length"])
    assert whole > 25_000_000
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    with taken:
        taken.connect(("127.0.0.1", large.port))
        taken.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        wait_for(lambda: not large.uvicorn.server_state.connections)
    assert len(httpx.get(f"{large.url}{path}", timeout=60).content) == whole


@pytest.mark.parametrize(
    "asked",
    [
        b"GET /v1/search?q=a+red+ball HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /?q=a+red+ball HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\n\r\n",
        b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
        b'{"q": "a"}',
    ],
)
def test_searches_whose_clients_are_gone_are_not_begun_and_give_their_places_back(
    server_with: Callable[..., LiveServer], monkeypatch: pytest.MonkeyPatch, asked: bytes
) -> None:
    whole, go, begun = searching.search, threading.Event(), list[object]()

    def held(library: Library, asked: Asked) -> SearchOut:
        begun.append(asked)
        assert go.wait(60)
        return whole(library, asked)

    monkeypatch.setattr(searching, "search", held)
    server = server_with(workers=1, waiting=3)

    def inside() -> int:
        text = httpx.get(f"{server.url}/metrics").text
        return next(int(float(line.split()[1])) for line in text.splitlines() if 'work{engine="search"}' in line)

    connections = [server.connect() for _ in range(4)]
    connections[0].sendall(asked)
    wait_for(lambda: len(begun) == 1)
    for one in connections[1:]:
        one.sendall(asked)
    wait_for(lambda: inside() == 4)
    assert httpx.get(f"{server.url}/v1/search", params={"q": "a"}).status_code == 429
    for one in connections:
        one.close()
    wait_for(lambda: inside() == 1)  # what a thread does already cannot be stopped
    with ThreadPoolExecutor() as pool:
        last = pool.submit(httpx.get, f"{server.url}/v1/search", params={"q": "a red ball"}, timeout=60)
        wait_for(lambda: inside() == 2)
        go.set()
        assert last.result().status_code == 200
    assert len(begun) == 2


@pytest.mark.parametrize("told", [True, False])
def test_50_megabytes_are_refused_over_a_real_connection(live_server: LiveServer, told: bool) -> None:
    head, megabytes = b'--xyz\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n', 50

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(megabytes):
            yield bytes(2**20)

    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    if told:
        headers["Content-Length"] = str(len(head) + megabytes * 2**20)
    refused = httpx.post(f"{live_server.url}/v1/uploads", content=body(), headers=headers, timeout=60)
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"
    assert httpx.get(f"{live_server.url}/v1/search?q=a").status_code == 200
