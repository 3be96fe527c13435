from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.data.inventory import UNNAMED
from crossgraph.gallery.tables.manifest import Optimized
from crossgraph.gallery.tables.skipped import BY_HAND
from crossgraph.gallery.upkeep.stats import gallery_stats
from crossgraph.serving.jobs import Jobs
from crossgraph.serving.settings import ServerSettings
from tests.serving.served import Served, client_of, wait_for

HTML = {"Accept": "text/html"}
OWN = {**HTML, "Origin": "http://127.0.0.1"}


@pytest.fixture(scope="module")
def managed(served_gallery: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    copy = served_gallery.copy(tmp_path_factory.mktemp("managed"))
    skipped = {f"/secret/{name}.jpg": "it is cut off" for name in "ab"} | {"/secret/ünder.gif": "it is a <text>"}
    (copy.gallery / "skipped.json").write_text(json.dumps(skipped), encoding="utf-8")
    opened = crossgraph.open_gallery(copy.gallery)
    opened.warm()
    with client_of(ServerSettings(copy.gallery, rate=0, manage=True), opened) as client:
        yield client


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_the_page_says_what_the_gallery_holds(app_client: TestClient, served_gallery: Served) -> None:
    stats = gallery_stats(served_gallery.gallery)
    said = text_of(app_client.get("/health", headers=HTML).text)
    for part in (
        f"{stats.rows} pictures",
        f"Captions {stats.captions:,}",
        f"Fragments {stats.fragments}",
        stats.method,
    ):
        assert part in said
    assert f"With notes {stats.annotated} (place, stars)" in said
    model = app_client.get("/v1/models").json()[0]
    for stage in model["stages"]:
        assert stage["fingerprint"] in said
    assert str(served_gallery.gallery.parent) not in said


def test_what_was_left_out_is_told_by_reason_and_name(managed: TestClient) -> None:
    page = managed.get("/health", headers=HTML).text
    reasons = [text_of(one) for one in re.findall(r'<details class="health-reason">.*?</details>', page, re.DOTALL)]
    assert reasons == ["2 it is cut off a.jpg b.jpg", "1 it is a <text> ünder.gif"]
    assert "/secret" not in page


def test_a_server_that_changes_nothing_has_no_forms(app_client: TestClient) -> None:
    page = app_client.get("/health", headers=HTML).text
    assert "<form" not in page
    assert "--manage" in page
    assert app_client.post("/health/jobs", data={"kind": "sync"}, headers=OWN).status_code == 403
    assert app_client.post("/health/jobs/stop", data={"id": "1"}, headers=OWN).status_code == 403


def test_work_is_begun_by_a_form_and_followed(managed: TestClient) -> None:
    page = managed.get("/health", headers=HTML).text
    assert re.findall(r'name="kind" value="(\w+)"', page) == ["sync", "optimize", "verify", "migrate"]
    begun = managed.post("/health/jobs", data={"kind": "verify"}, headers=OWN)
    assert (begun.status_code, begun.headers["location"]) == (303, "/health#work")
    for _ in range(600):
        (job,) = managed.get("/v1/jobs").json()
        if job["state"] != "running":
            break
        shown = managed.get("/health", headers=HTML).text
        assert f'data-running="{job["id"]}"' in shown or managed.get("/v1/jobs").json()[0]["state"] != "running"
        time.sleep(0.05)
    assert job["state"] == "done"
    said = text_of(managed.get("/health", headers=HTML).text)
    assert "Verify" in said
    assert "rows 60, found 60" in said


def test_a_page_of_another_site_begins_nothing(managed: TestClient) -> None:
    before = len(managed.get("/v1/jobs").json())
    for headers in ({"Origin": "http://other.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert managed.post("/health/jobs", data={"kind": "verify"}, headers=HTML | headers).status_code == 403
    assert len(managed.get("/v1/jobs").json()) == before


def test_an_unknown_kind_of_work_is_refused(managed: TestClient) -> None:
    assert managed.post("/health/jobs", data={"kind": "erase"}, headers=OWN).status_code == 422


def test_forms_of_own_pages_say_where_they_come_from(app_client: TestClient) -> None:
    """With no-referrer browsers would send `Origin: null` with a form, which is refused."""
    assert app_client.get("/health", headers=HTML).headers["referrer-policy"] == "same-origin"


def test_before_the_gallery_is_open_the_page_says_how_far_it_is(settings: ServerSettings, tmp_path: Path) -> None:
    from crossgraph.serving.app import create_app
    from crossgraph.serving.server import Server

    server = Server.of(replace(settings, gallery=tmp_path / "nothing"))
    server.library.start = lambda *_: None  # type: ignore[method-assign]
    with TestClient(create_app(server.settings, server=server), base_url="http://127.0.0.1") as client:
        said = text_of(client.get("/health", headers=HTML).text)
    assert "Loading the model" in said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (34_000_000, 32_000_000, "34 MB before, 32 MB after, 2 MB saved"),
        (32_000_000, 32_000_000, "32 MB before, 32 MB after, nothing saved"),
        (
            32_000_000,
            34_000_000,
            "32 MB before, 34 MB after, nothing saved yet: old versions stay for 10 minutes, optimize again after that",
        ),
    ],
)
def test_a_compaction_that_saved_nothing_yet_says_why(
    served_gallery: Served, tmp_path: Path, before: int, after: int, said: str
) -> None:
    opened = crossgraph.open_gallery(served_gallery.copy(tmp_path).gallery)
    noted = Optimized(at=datetime.now(UTC), saved=before - after)
    opened.replace_manifest(opened.manifest.model_copy(update={"optimized": noted}))
    with client_of(ServerSettings(opened.folder, rate=0, manage=True), opened) as client:
        jobs: Jobs = client.app.state.server.jobs  # type: ignore[attr-defined]
        jobs.start("optimize", lambda _: {"bytes_before": before, "bytes_after": after, "version": "1-1-1"})
        wait_for(lambda: jobs.running() is None)
        page = text_of(client.get("/health", headers=HTML).text)
    assert said in page
    assert re.search(rf"Last optimized [^,]*, [0-9:]+ UTC , {said.partition('after, ')[2]}", page)


def test_what_is_in_the_gallery_or_was_removed_by_hand_is_told_apart_from_what_was_left_out(
    managed: TestClient,
) -> None:
    server = managed.app.state.server  # type: ignore[attr-defined]
    file = server.settings.gallery / "skipped.json"
    before = file.read_bytes()
    paths = sorted(server.library.gallery.snapshot().items["path"].to_pylist())[:2]
    listed = dict.fromkeys([*paths, "/a/new.jpg"], UNNAMED) | {"/a/gone.jpg": BY_HAND, "/a/\udcff.jpg": "it is cut off"}
    try:
        file.write_text(json.dumps(listed), encoding="utf-8")
        page = text_of(managed.get("/health", headers=HTML).text)
        assert "2 left out" in page
        told = page[page.index("What was left out, and why") :]
        for part in (
            f"1 {UNNAMED} new.jpg",
            f"Removed by you 1 {BY_HAND} gone.jpg",
            f"but not followed any longer 2 {UNNAMED} {Path(paths[0]).name} {Path(paths[1]).name}",
        ):
            assert part in told
        assert "2 files of the folders were left out" in text_of(managed.get("/?q=ball", headers=HTML).text)
        stats = managed.get("/v1/stats").json()
        assert (stats["skipped"], stats["removed"], stats["unfollowed"]) == (2, 1, 2)
        assert stats["skipped_reasons"] == {UNNAMED: 1, "it is cut off": 1}
        assert stats["unfollowed_reasons"] == {UNNAMED: 2}
        file.write_text(json.dumps(dict.fromkeys(paths, UNNAMED)), encoding="utf-8")
        assert "every other file of the folders was read" in text_of(managed.get("/health", headers=HTML).text)
        assert "left out" not in text_of(managed.get("/?q=ball", headers=HTML).text)
    finally:
        file.write_bytes(before)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1', "\udcff".encode("utf-8", "surrogatepass")])
def test_a_damaged_list_is_said_and_not_counted_as_empty(managed: TestClient, content: str | bytes) -> None:
    folder = managed.app.state.server.settings.gallery  # type: ignore[attr-defined]
    file = folder / "skipped.json"
    before = file.read_bytes()
    try:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        page = managed.get("/health", headers=HTML)
        assert page.status_code == 200
        assert "The list is damaged" in page.text
        assert "Delete it and sync again" in page.text
        assert "Nothing was: every file" not in page.text
        assert str(folder.parent) not in page.text
        assert "list of files that were left out is damaged" in managed.get("/?q=ball", headers=HTML).text
        assert managed.get("/v1/stats").status_code == 422
        file.write_text('{"/a/one.jpg": "it is cut off"}', encoding="utf-8")
        assert "one.jpg" in managed.get("/health", headers=HTML).text
        assert "1 file of the folders was left out" in text_of(managed.get("/?q=ball", headers=HTML).text)
    finally:
        file.write_bytes(before)
