"""A served gallery is given to models that were named at the start, and to no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.upkeep.migrate import migrate
from crossgraph.serving.app import create_app
from crossgraph.serving.models import models_offered, offered_model
from crossgraph.serving.problems import Problem
from crossgraph.serving.server import Server
from crossgraph.serving.settings import ServerSettings
from crossgraph.training.checkpoint import run_fingerprint
from crossgraph.training.run_lock import sole_trainer
from crossgraph.verbs.models import load_search_model
from tests.reporting.conftest import linux
from tests.serving.served import HOST, Served, wait_for

HTML = {"Accept": "text/html"}


@pytest.fixture
def runs(served_gallery: Served, tmp_path: Path) -> Path:
    """A cascade, two runs, and one that cannot be read."""
    runs = tmp_path / "runs"
    for name in ("dual_encoder", "kidrr", "cascade"):
        shutil.copytree(served_gallery.model.parent / name, runs / name)
    (runs / "broken").mkdir()
    (runs / "broken" / "manifest.json").write_text("{", encoding="utf-8")
    return runs


def ids(settings: ServerSettings) -> set[str]:
    return {one.id for one in models_offered(settings)}


def test_what_is_finished_in_the_folder_of_runs_is_offered(runs: Path, tmp_path: Path) -> None:
    assert ids(ServerSettings(tmp_path)) == {"default"}
    assert ids(ServerSettings(tmp_path, model="default")) == {"default"}
    assert ids(ServerSettings(tmp_path, runs=tmp_path / "none")) == {"default"}
    settings = ServerSettings(tmp_path, model=str(runs / "kidrr"), runs=runs)
    assert ids(settings) == {"default", "given", "run.dual_encoder", "run.kidrr", "run.cascade"}
    assert offered_model(settings, "given").place == str(runs / "kidrr")
    assert offered_model(settings, "run.cascade").place == runs / "cascade"
    assert not [one for one in models_offered(settings) if str(tmp_path) in one.label]


@linux
def test_a_run_that_trains_is_not_offered(runs: Path, tmp_path: Path) -> None:
    settings = ServerSettings(tmp_path, runs=runs)
    with sole_trainer(runs / "kidrr"):
        assert "run.kidrr" not in ids(settings)
        with pytest.raises(Problem, match=r"run\.dual_encoder"):
            offered_model(settings, "run.kidrr")
    assert "run.kidrr" in ids(settings)


def test_a_path_names_no_model(client_with: Callable[..., TestClient], runs: Path) -> None:
    client = client_with(manage=True, runs=runs)
    for name in (str(runs / "kidrr"), "run.../../etc", "run.kidrr/../dual_encoder", "kidrr", "run.nobody", "given"):
        body = {"kind": "migrate", "model": name}
        assert client.post("/v1/jobs", json=body, headers={"Origin": HOST}).status_code == 422, name
        assert client.post("/health/jobs", data=body, headers={"Origin": HOST, **HTML}).status_code == 422, name
    assert client_with(runs=runs).post("/v1/jobs", json={"kind": "migrate"}).status_code == 403


def test_the_page_offers_them_and_migrates(served_gallery: Served, runs: Path, tmp_path: Path) -> None:
    copy = served_gallery.copy(tmp_path / "copy")
    settings = ServerSettings(copy.gallery, model=str(served_gallery.model), runs=runs, rate=0, manage=True)
    with TestClient(create_app(settings, server=Server.of(settings)), base_url=HOST, follow_redirects=False) as client:
        wait_for(lambda: client.get("/v1/health/ready").is_success)
        page = client.get("/health", headers=HTML).text
        assert '<option value="run.dual_encoder">' in page
        assert str(tmp_path) not in page
        began = client.post(
            "/health/jobs", data={"kind": "migrate", "model": "run.dual_encoder"}, headers={"Origin": HOST, **HTML}
        )
        assert began.status_code == 303
        wait_for(lambda: client.get("/v1/jobs").json()[0]["state"] != "running")
        job = client.get("/v1/jobs").json()[0]
        assert (job["state"], job["error"], job["result"]["encoded"]) == ("done", "", 60)
        assert Manifest.read(copy.gallery).model == run_fingerprint(runs / "dual_encoder")
        wait_for(lambda: client.get("/v1/models").is_success)  # it is loaded again, with the model that it has now
        (model,) = client.get("/v1/models").json()
        assert [one["method"] for one in model["stages"]] == ["dual_encoder"]
        assert client.get("/v1/search", params={"q": "a red ball"}).status_code == 200
        other = load_search_model(runs / "kidrr")
        migrate(Gallery.open(copy.gallery), other, run=str(runs / "kidrr"))
        wait_for(lambda: client.get("/v1/search", params={"q": "a red ball"}).is_success)
        (model,) = client.get("/v1/models").json()
        assert model["fingerprint"] == other.fingerprint, "--model was that of the gallery when the server was started"
