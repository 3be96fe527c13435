"""What one server wrote is seen by a request to another that carries the version, and never silently missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

import crossgraph
from crossgraph.errors import GalleryError
from crossgraph.gallery.folder import NotThereYetError
from crossgraph.gallery.tables.version import Version
from crossgraph.serving.settings import ServerSettings
from crossgraph.storage.folder import Folder
from tests.serving.api.test_jobs import finished
from tests.serving.served import Served, client_of


class SeldomLookedAt(Folder):
    """A folder that is looked at as an object store is: not for every request."""

    @property
    def look_every(self) -> float:
        """Longer than the test."""
        return 3600.0


@pytest.fixture(scope="module")
def own(served_gallery: Served, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return served_gallery.copy(tmp_path_factory.mktemp("at_least"))


@pytest.fixture(scope="module")
def servers(own: Served) -> Iterator[tuple[TestClient, TestClient]]:
    """Two servers over one gallery, each with a mirror of its own, which looks for news once in an hour."""
    settings = ServerSettings(own.gallery, rate=0, manage=True)
    writing, reading = (crossgraph.open_gallery(SeldomLookedAt(own.gallery)) for _ in range(2))
    for gallery in (writing, reading):
        gallery.warm()
    with client_of(settings, writing) as first, client_of(replace(settings, manage=False), reading) as second:
        yield first, second


def add_picture(own: Served, name: str) -> None:
    Image.new("RGB", (96, 64), (sum(map(ord, name)) % 256, 180, 20)).save(own.pictures / "holiday" / name)
    with (own.pictures / "captions.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"image": f"holiday/{name}", "captions": [name]}) + "\n")


def written(client: TestClient) -> str:
    """The version that a sync gave."""
    job = finished(client, client.post("/v1/jobs", json={"kind": "sync"}).json()["id"])
    assert job["state"] == "done", job["error"]
    return str(job["result"]["version"])


def test_a_search_that_carries_the_version_of_a_write_shows_it_on_another_server(
    own: Served, servers: tuple[TestClient, TestClient]
) -> None:
    first, second = servers
    before = second.get("/v1/galleries").json()[0]
    for number, carried in enumerate(({"params": {"at_least": ""}}, {"headers": {"X-At-Least": ""}})):
        add_picture(own, f"new-{number}.png")
        version = written(first)
        pictures = before["pictures"] + number + 1
        assert first.get("/v1/galleries").json()[0]["pictures"] == pictures
        assert second.get("/v1/galleries").json()[0]["pictures"] == pictures - 1  # it has not looked yet
        told = {name: dict.fromkeys(values, version) for name, values in carried.items()}
        found = second.get(
            "/v1/search", params={"q": "a ball", "k": 1, **told.get("params", {})}, headers=told.get("headers")
        )
        assert found.status_code == 200, found.text
        assert found.json()["searched"] == pictures
        assert Version.parse(found.json()["version"]).includes(Version.parse(version))
        assert second.get("/v1/galleries").json()[0]["pictures"] == pictures


def test_every_way_of_searching_takes_it(own: Served, servers: tuple[TestClient, TestClient]) -> None:
    first, second = servers
    for ask in (
        lambda version: second.post(f"/v1/search?at_least={version}", json={"q": "a ball"}).json()["searched"],
        lambda version: second.get("/v1/items", params={"at_least": version, "k": 1}).json()["total"],
        lambda version: second.get("/v1/facets", params={"at_least": version}).json()["among"],
        lambda version: len(second.get("/v1/map", params={"at_least": version}).json().get("points", ())) or None,
    ):
        add_picture(own, f"more-{len(list((own.pictures / 'holiday').iterdir()))}.png")
        version = written(first)
        pictures = first.get("/v1/galleries").json()[0]["pictures"]
        assert ask(version) in (pictures, None)  # a map may still be computed
        assert second.get("/v1/galleries").json()[0]["pictures"] == pictures


@pytest.mark.parametrize("version", ["", "new", "1-2", "1-2-3-", "1-2-3-xyz", "1" * 40])
def test_what_is_no_version_is_refused(servers: tuple[TestClient, TestClient], version: str) -> None:
    answer = servers[1].get("/v1/search", params={"q": "a ball", "at_least": version})
    assert answer.status_code == 422
    assert "12-12-3" in answer.json()["detail"]


def test_a_version_that_does_not_come_about_is_said_and_not_passed_over(
    servers: tuple[TestClient, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossgraph.serving.library.WRITES_PATIENCE", 0.0)
    answer = servers[1].get("/v1/search", params={"q": "a ball", "at_least": "999999-1-0"})
    assert answer.status_code == 409
    assert "999999-1-0" in answer.json()["detail"]
    assert answer.headers["Retry-After"]


def test_the_description_tells_of_it(servers: tuple[TestClient, TestClient]) -> None:
    paths = servers[0].get("/v1/openapi.json").json()["paths"]
    for path in ("/v1/search", "/v1/search/stream", "/v1/items", "/v1/facets", "/v1/export", "/v1/map"):
        for operation in paths[path].values():
            said = {(one["in"], one["name"]) for one in operation["parameters"]}
            assert {("query", "at_least"), ("header", "X-At-Least")} <= said
            assert "409" in operation["responses"]
    assert not any(one["name"] == "at_least" for one in paths["/v1/jobs"]["post"].get("parameters", ()))


def test_the_verbs_report_and_take_a_version(own: Served, tmp_path: Path) -> None:
    reading = crossgraph.open_gallery(SeldomLookedAt(own.gallery))
    before = crossgraph.search("a ball", reading).searched
    add_picture(own, "by-verb.png")
    report = crossgraph.sync(own.gallery)
    assert report.added == 1
    assert crossgraph.search("a ball", reading).searched == before
    assert crossgraph.search("a ball", reading, at_least=report.version).searched == before + 1
    assert crossgraph.sync(own.gallery, dry_run=True).version == ""
    with pytest.raises(NotThereYetError, match=r"is at .* and 999-9-9 was asked for"):
        reading.wait_for("999-9-9", seconds=0.0)
    with pytest.raises(GalleryError, match="no version of a gallery"):
        crossgraph.search("a ball", reading, at_least="yesterday")


def test_versions_are_compared_number_by_number_and_by_the_set_of_tables() -> None:
    here = Version.parse("5-3-0")
    assert [here.includes(Version.parse(one)) for one in ("5-3-0", "4-3-0", "6-3-0", "5-4-0", "5-3-1", "10-1-0")] == [
        *(True, True, False, False, False, False)
    ]
    other = Version.parse("1-1-0-0f2a")
    assert str(other) == "1-1-0-0f2a"
    assert other.tables == "tables-0f2a"
    assert other.includes(here)  # what serves now took over all that was written to the set before it
    assert str(here) == "5-3-0"
