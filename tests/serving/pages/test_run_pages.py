"""Runs and evaluations as pages and as JSON."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from tests.serving.served import Served


@pytest.fixture
def client(client_with: Callable[..., TestClient], served_gallery: Served) -> TestClient:
    return client_with(runs=served_gallery.model.parent)


def test_runs_are_listed_and_compared(client: TestClient, served_gallery: Served) -> None:
    listed = client.get("/v1/runs").json()
    assert {one["name"] for one in listed} >= {"dual_encoder", "kidrr"}
    chosen = [one["id"] for one in listed if one["name"] in ("dual_encoder", "kidrr")][:2]
    page = client.get("/runs", params={"run": chosen})
    assert page.status_code == 200
    assert "<svg" in page.text
    assert str(served_gallery.model.parent) not in page.text + client.get("/v1/runs").text
    assert client.get(f"/v1/runs/{chosen[0]}").status_code == 200


def test_what_is_not_there_is_said(client: TestClient, app_client: TestClient) -> None:
    assert client.get("/v1/runs/nobody").status_code == 404
    assert client.get("/v1/evaluations/nobody").status_code == 404
    assert client.get("/evaluations").status_code == 200
    assert "--runs" in app_client.get("/v1/runs").json()["detail"]
    assert client.get("/static/reports.css").status_code == 200
