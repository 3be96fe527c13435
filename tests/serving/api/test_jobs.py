"""Long work by requests: one at a time, with its progress; nothing without --manage."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

import crossgraph
from crossgraph.errors import CrossgraphError, GalleryError
from crossgraph.progress import Progress
from crossgraph.serving import run
from crossgraph.serving.jobs import KEPT, Jobs, require_sources
from crossgraph.serving.problems import Problem
from crossgraph.serving.settings import ServerSettings
from tests.serving.served import Served, client_of, wait_for


@pytest.fixture(scope="module")
def own(served_gallery: Served, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return served_gallery.copy(tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def managed(own: Served) -> Iterator[TestClient]:
    opened = crossgraph.open_gallery(own.gallery)
    opened.warm()
    with client_of(ServerSettings(own.gallery, rate=0, manage=True), opened) as client:
        yield client


def finished(client: TestClient, id: str) -> dict[str, Any]:
    """The job once it has ended, by its events; each says more than the one before."""
    answer = client.get(f"/v1/jobs/{id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.splitlines()
    assert {line for line in lines if line.startswith("event:")} == {"event: job"}
    told = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]
    assert all(one["state"] == "running" for one in told[:-1])
    assert told[-1] == client.get(f"/v1/jobs/{id}").json()
    last: dict[str, Any] = told[-1]
    return last


def test_a_sync_takes_over_what_changed_and_searches_find_it(managed: TestClient, own: Served) -> None:
    before = managed.get("/v1/galleries/default").json()
    new = own.pictures / "holiday" / "new picture.png"
    Image.new("RGB", (120, 80), "purple").save(new)
    listed = own.pictures / "captions.jsonl"
    lines = listed.read_text(encoding="utf-8")
    line = json.dumps({"image": f"holiday/{new.name}", "captions": ["nothing but purple"]})
    listed.write_text(f"{lines}{line}\n", encoding="utf-8")
    begun = managed.post("/v1/jobs", json={"kind": "sync"})
    assert begun.status_code == 202
    job = finished(managed, begun.json()["id"])
    assert (job["state"], job["error"]) == ("done", "")
    assert (job["result"]["added"], job["result"]["removed"]) == (1, 0)
    after = managed.get("/v1/galleries/default").json()
    assert after["pictures"] == before["pictures"] + 1
    assert after["version"] != before["version"]
    found = managed.get("/v1/search", params={"q": "new picture"}).json()
    (first, *_) = found["results"]
    assert (first["item"]["name"], first["match"]) == ("new picture.png", "file name")
    id = first["item"]["id"]
    assert managed.get(f"/v1/items/{id}/picture").status_code == 200
    new.unlink()
    listed.write_text(lines, encoding="utf-8")
    job = finished(managed, managed.post("/v1/jobs", json={"kind": "sync"}).json()["id"])
    assert job["result"]["removed"] == 1
    for what in ("", "/picture", "/thumbnail", "/captions", "/similar"):
        assert managed.get(f"/v1/items/{id}{what}").status_code == 404
    explained = managed.get("/v1/explain", params={"item": id, "q": "a"})
    assert explained.status_code == 404


@pytest.mark.parametrize(
    ("kind", "told"),
    [("verify", {"rows", "found", "problems", "listed"}), ("optimize", {"bytes_before", "bytes_after", "version"})],
)
def test_other_work_is_done(managed: TestClient, kind: str, told: set[str]) -> None:
    job = finished(managed, managed.post("/v1/jobs", json={"kind": kind}).json()["id"])
    assert (job["state"], set(job["result"])) == ("done", told)
    assert managed.get("/v1/jobs").json()[0] == job


@pytest.mark.parametrize("body", [{}, {"kind": "erase"}, {"kind": "sync", "path": "/etc"}, [], "sync"])
def test_what_is_no_work_is_refused(managed: TestClient, body: Any) -> None:
    assert managed.post("/v1/jobs", json=body).status_code == 422


def test_an_unknown_job_is_404(managed: TestClient) -> None:
    for id, status in (("0" * 12, 404), ("nobody", 422), ("../0", 404)):
        for answer in (managed.get(f"/v1/jobs/{id}"), managed.get(f"/v1/jobs/{id}/events")):
            assert answer.status_code == status
    assert managed.delete("/v1/jobs/" + "0" * 12).status_code == 404


def test_without_manage_nothing_is_begun_or_stopped(app_client: TestClient) -> None:
    for answer in (
        *(app_client.post("/v1/jobs", json={"kind": kind}) for kind in ("sync", "optimize", "verify", "migrate")),
        app_client.delete("/v1/jobs/" + "0" * 12),
    ):
        assert answer.status_code == 403
        assert "--manage" in answer.json()["detail"]
    assert app_client.get("/v1/jobs").json() == []


def test_a_gallery_that_follows_no_folder_says_so() -> None:
    with pytest.raises(GalleryError, match="follows no folder"):
        require_sources(())
    require_sources(("/somewhere",))


def test_one_runs_at_a_time_and_can_be_stopped() -> None:
    jobs, go = Jobs(), threading.Event()

    def work(progress: Progress) -> Mapping[str, Any]:
        with progress.task("counting", 1_000) as task:
            for place in range(1_000):
                task.advance(place=place)
                assert go.wait(20)
        return {}

    job = jobs.start("count", work)
    wait_for(lambda: jobs.get(job.id).done == 1)
    with pytest.raises(Problem, match="is running") as refused:
        jobs.start("count", work)
    assert refused.value.status == 409
    assert jobs.running() == jobs.get(job.id)
    assert (jobs.get(job.id).doing, jobs.get(job.id).total) == ("counting", 1_000)
    jobs.stop(job.id)
    go.set()
    wait_for(lambda: jobs.get(job.id).state == "stopped")
    assert jobs.get(job.id).done <= 2
    assert jobs.get(job.id).ended is not None
    assert jobs.running() is None
    jobs.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", [CrossgraphError, OSError, ZeroDivisionError])
def test_an_error_is_told_by_the_job_and_on_the_log(kind: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs()

    def work(_: Progress) -> Mapping[str, Any]:
        raise kind("it is cut off")

    with caplog.at_level("INFO", "crossgraph.serving"):
        job = jobs.start("fail", work)
        wait_for(lambda: jobs.get(job.id).state == "failed")
    assert "it is cut off" in jobs.get(job.id).error
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "job failed")
    assert vars(record)["facts"] == {"job": job.id, "kind": "fail", "error": jobs.get(job.id).error}
    jobs.close()


def test_a_server_says_what_it_adds_where(
    own: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    monkeypatch.setattr(run, "logs_as_json", lambda: None)
    settings = ServerSettings(tmp_path / "gallery", pictures=own.pictures, port=0)
    with caplog.at_level("INFO", "crossgraph.serving"):
        run.serve(settings)
    adding, listening = caplog.records
    assert adding.getMessage() == "adding the pictures of a folder to a gallery"
    assert vars(adding)["facts"] == {"folder": str(own.pictures), "gallery": str(tmp_path / "gallery")}
    assert listening.getMessage() == "listening"


def test_only_the_last_jobs_are_remembered() -> None:
    jobs = Jobs()
    for _ in range(KEPT + 5):
        job = jobs.start("nothing", lambda _: {})
        wait_for(lambda id=job.id: jobs.get(id).state == "done")  # type: ignore[misc]
    assert len(jobs.list()) == KEPT
    assert jobs.list()[0].id == job.id
    jobs.close()


def test_a_path_of_the_machine_is_not_told_by_a_job(managed: TestClient, own: Served, tmp_path: Path) -> None:
    for job in managed.get("/v1/jobs").json():
        assert str(own.gallery.parent) not in json.dumps(job)
