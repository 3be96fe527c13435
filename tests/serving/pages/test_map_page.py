from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.gallery.picture_map import picture_map
from crossgraph.serving.maps import ids_within
from crossgraph.serving.settings import ServerSettings
from tests.serving.explaining import WordModel, gallery_of
from tests.serving.served import client_of

HTML = {"Accept": "text/html"}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[TestClient]:
    gallery = gallery_of(tmp_path, WordModel)
    with client_of(ServerSettings(gallery.folder), gallery) as client:
        yield client


def test_without_scripts_parts_of_the_map_are_links(app_client: TestClient, opened: crossgraph.Gallery) -> None:
    drawn = picture_map(opened.current())
    page = app_client.get("/map", params={"q": "a ball"}, headers=HTML).text
    parts = re.findall(
        r'<li><a href="([^"]+)"><img [^>]*><span class="name" dir="auto">[^<]*</span><span class="count">(\d+)</span>',
        page,
    )
    assert parts
    for address, count in parts:
        region = re.findall(r"region=([^&]+)", unescape(address))[0].replace("%2C", ",").replace("%3B", ";")
        assert len(ids_within(region, drawn)) == int(count)
        assert "q=a+ball" in address
        assert app_client.get(unescape(address), headers=HTML).status_code == 200
    assert len(re.findall("<circle", page)) > 10
    assert " style=" not in page


def test_a_map_that_is_not_there_yet_is_waited_for(fresh: TestClient) -> None:
    first = fresh.get("/map", headers=HTML)
    assert first.status_code == 503
    assert first.headers["retry-after"]
    assert 'http-equiv="refresh"' in first.text
    fresh.app.state.server.library._maps.wait()  # type: ignore[attr-defined]
    assert fresh.get("/map", headers=HTML).status_code == 200
