"""Alive, ready, and what is counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.serving.app import create_app
from crossgraph.serving.library import AGAIN, Library
from crossgraph.serving.settings import ServerSettings
from tests.serving.served import HOST, Served, wait_for


@pytest.fixture
def go() -> Event:
    return Event()


@pytest.fixture
def loading(served_gallery: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go: Event) -> Iterator[TestClient]:
    """A client of a server whose gallery is not open before `go` is set."""
    own, load = served_gallery.copy(tmp_path), Library.load

    def held(library: Library) -> None:
        assert go.wait(60)
        load(library)

    monkeypatch.setattr(Library, "load", held)
    with TestClient(create_app(ServerSettings(own.gallery, rate=0)), base_url=HOST) as client:
        yield client
        go.set()


def test_alive_at_once_ready_once_it_is_warm(loading: TestClient, go: Event) -> None:
    assert loading.get("/v1/health/live").json()["status"] == "alive"
    waiting = loading.get("/v1/health/ready")
    assert (waiting.status_code, waiting.json()["status"]) == (503, "loading")
    assert int(waiting.headers["retry-after"]) > 0
    for path in ("/v1/search?q=a", "/v1/items", "/v1/facets", "/v1/galleries", "/v1/map", "/v1/search/stream?q=a"):
        refused = loading.get(path)
        assert refused.status_code == 503, path
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) > 0
    assert "crossgraph_ready 0.0" in loading.get("/metrics").text
    go.set()
    wait_for(lambda: loading.get("/v1/health/ready").is_success)
    ready = loading.get("/v1/health/ready").json()
    assert (ready["status"], ready["phase"]) == ("ready", "ready")
    assert ready["seconds"] >= 0
    assert ready["seconds_last_time"] is not None
    assert loading.get("/v1/search?q=a").status_code == 200
    assert "crossgraph_ready 1.0" in loading.get("/metrics").text


def test_a_gallery_that_cannot_be_opened_is_told_and_tried_again(
    served_gallery: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    own = served_gallery.copy(tmp_path)
    hidden = own.gallery.rename(tmp_path / "elsewhere")
    app = create_app(ServerSettings(own.gallery, rate=0))
    app.state.server.library._clock = lambda: now[0]
    with caplog.at_level("INFO", "crossgraph.serving"), TestClient(app, base_url=HOST) as client:
        wait_for(lambda: client.get("/v1/health/ready").json()["status"] == "failed")
        assert "the gallery could not be opened; it is tried again" in caplog.messages
        assert client.get("/v1/health/ready").status_code == 503
        assert client.get("/v1/health/live").status_code == 200
        refused = client.get("/v1/search?q=a")
        assert refused.status_code == 503
        assert "could not be opened" in refused.json()["detail"]
        assert str(tmp_path) not in refused.text
        hidden.rename(own.gallery)
        now[0] = AGAIN + 1
        client.get("/v1/search?q=a")
        wait_for(lambda: client.get("/v1/search?q=a").is_success)


def counted(client: TestClient) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def test_requests_and_stages_are_counted_by_route(app_client: TestClient, ids: list[str]) -> None:
    before = counted(app_client)
    for _ in range(3):
        app_client.get("/v1/search", params={"q": "a red ball"})
    app_client.get(f"/v1/items/{ids[0]}")
    app_client.get("/v1/items/nobody")
    app_client.get("/v1/search", params={"k": 0})
    app_client.request("BREW", "/nothing/at/all")
    after = counted(app_client)

    def more(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    def requests(method: str, route: str, status: int) -> float:
        return more(f'crossgraph_requests_total{{method="{method}",route="{route}",status="{status}"}}')

    assert requests("GET", "/v1/search", 200) == 3
    assert requests("GET", "/v1/search", 422) == 1
    assert requests("GET", "/v1/items/{id}", 200) == 1
    assert requests("GET", "/v1/items/{id}", 404) == 1
    assert more('crossgraph_request_seconds_count{route="/v1/search"}') == 4
    for stage in ("codes", "shortlist", "rerank"):
        assert more(f'crossgraph_stage_seconds_count{{stage="{stage}"}}') == 3
    assert after["crossgraph_pictures"] == 60
    assert after['crossgraph_work{engine="search"}'] == 0


def test_what_strangers_write_makes_no_further_numbers(app_client: TestClient) -> None:
    for place in range(30):
        app_client.get(f"/made/up/{place}")
        app_client.get(f"/v1/items/{place}")
        app_client.get(f"/static/{place}.css")
        app_client.request(f"VERB{place}", "/v1/search")
    names = counted(app_client)
    assert not [name for name in names if re.search(r"made|VERB|\d\.css|/items/\d", name)]
    assert len(names) < 2_000


def test_the_media_type_is_that_of_prometheus(app_client: TestClient, opened: crossgraph.Gallery) -> None:
    answer = app_client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert str(opened.folder) not in answer.text
