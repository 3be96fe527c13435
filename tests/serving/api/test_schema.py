"""Some hundred requests made from the description; bench/serving_fuzz.py makes thousands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import crossgraph
from crossgraph.gallery.picture_map import picture_map
from crossgraph.serving.settings import ServerSettings
from tests.serving.fuzzing import fuzz, known_of
from tests.serving.served import LiveServer, Served, live

pytestmark = [
    pytest.mark.slow,
    # The server's threads draw names of uploads and jobs while schemathesis makes a case.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]


@pytest.fixture
def managed(served_gallery: Served, tmp_path: Path) -> Iterator[LiveServer]:
    own = served_gallery.copy(tmp_path)
    opened = crossgraph.open_gallery(own.gallery)
    opened.warm()
    picture_map(opened.current())
    server = live(ServerSettings(own.gallery, rate=0, manage=True, runs=served_gallery.model.parent), opened).start()
    yield server
    server.stop()


def test_every_answer_is_as_it_is_described(managed: LiveServer) -> None:
    found = fuzz(managed.url, known_of(managed.url), cases=250, seed=0)
    assert len(found) >= 35
    assert sum(one.cases for one in found.values()) >= 238
    assert {name: one.failures for name, one in found.items() if one.failures} == {}
    assert [name for name, one in found.items() if one.server_errors] == []
    taken = [name for name, one in found.items() if any(200 <= status < 300 for status in one.statuses)]
    assert len(taken) >= 33  # else nothing but refusals was looked at
