"""Runs and evaluations as JSON: those of the folder of --runs, by id."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from crossgraph.reporting.comparison import read_run
from crossgraph.reporting.runs import list_runs
from tests.serving.served import Served

Maker = Callable[..., TestClient]


@pytest.fixture
def client(client_with: Maker, served_gallery: Served) -> TestClient:
    return client_with(runs=served_gallery.model.parent)


def test_runs_are_those_of_the_folder(client: TestClient, served_gallery: Served) -> None:
    root = served_gallery.model.parent
    told = client.get("/v1/runs").json()
    found = list_runs(root)
    assert [one["id"] for one in told] == [one.id for one in found]
    assert {one["name"] for one in told} >= {"dual_encoder", "kidrr", "cascade"}
    for one in found:
        if one.kind == "run":
            answer = client.get(f"/v1/runs/{one.id}")
            whole = json.loads(json.dumps(read_run(one).to_json()))
            assert answer.json()["validation"] == whole["validation"]
            assert set(answer.json()) == set(whole)
            assert str(root) not in answer.text


def test_paths_are_told_only_where_they_may_be(client_with: Maker, served_gallery: Served) -> None:
    root = served_gallery.model.parent
    hidden, shown = (client_with(runs=root, show_paths=show) for show in (False, True))
    for one in hidden.get("/v1/runs").json():
        assert str(root) not in hidden.get(f"/v1/runs/{one['id']}").text
    told = [shown.get(f"/v1/runs/{one['id']}").text for one in shown.get("/v1/runs").json()]
    assert any(str(root) in text for text in told)


@pytest.mark.parametrize("id", ["nobody", "..", "%2e%2e", "..%2f..%2fetc", "a b", "x" * 65])
@pytest.mark.parametrize("what", ["runs", "evaluations"])
def test_an_id_that_is_nobodys_is_refused(client: TestClient, what: str, id: str) -> None:
    refused = client.get(f"/v1/{what}/{id}")
    assert refused.status_code in (404, 422)
    assert refused.headers["content-type"] == "application/problem+json"


def test_a_run_that_came_is_listed_and_one_that_went_is_not(
    client_with: Maker, served_gallery: Served, tmp_path: Path
) -> None:
    client = client_with(runs=tmp_path)
    assert client.get("/v1/runs").json() == client.get("/v1/evaluations").json() == []
    shutil.copytree(served_gallery.model.parent / "dual_encoder", tmp_path / "new")
    (one,) = client.get("/v1/runs").json()
    assert one["name"] == "new"
    assert client.get(f"/v1/runs/{one['id']}").status_code == 200
    shutil.rmtree(tmp_path / "new")
    assert client.get(f"/v1/runs/{one['id']}").status_code == 404


def test_without_runs_there_are_none(app_client: TestClient) -> None:
    for path in ("/v1/runs", "/v1/runs/x", "/v1/evaluations", "/v1/evaluations/x"):
        refused = app_client.get(path)
        assert refused.status_code == 404
        assert "--runs" in refused.json()["detail"]
