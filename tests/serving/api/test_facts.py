"""What is served and how it is, against the gallery itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.gallery.upkeep.stats import gallery_stats
from tests.serving.served import Served, client_of


def test_the_gallery_is_told(app_client: TestClient, opened: crossgraph.Gallery) -> None:
    (told,) = app_client.get("/v1/galleries").json()
    assert told == app_client.get("/v1/galleries/default").json()
    snapshot = opened.snapshot()
    assert (
        (told["pictures"], told["captions"]) == (len(snapshot.items), len(snapshot.captions)) == (60, told["captions"])
    )
    assert told["version"] == app_client.get("/v1/items").json()["version"]
    assert {"width", "label", "stars", "place"} <= set(told["columns"])
    assert (told["manage"], told["show_paths"]) == (False, False)
    for name in told["columns"]:
        found = app_client.get("/v1/items", params={"where": f"{name} = 1"})
        assert "no column" not in found.text, name


def test_what_it_may_is_told(client_with: Callable[..., TestClient]) -> None:
    told = client_with(manage=True, show_paths=True).get("/v1/galleries/default").json()
    assert (told["manage"], told["show_paths"]) == (True, True)


@pytest.mark.parametrize("name", ["other", "Default", "..", "default "])
def test_there_is_no_other_gallery(app_client: TestClient, name: str) -> None:
    refused = app_client.get(f"/v1/galleries/{name}")
    assert refused.status_code == 404
    assert refused.headers["content-type"] == "application/problem+json"


def test_statistics_are_those_of_the_gallery(app_client: TestClient, served_gallery: Served) -> None:
    told, found = app_client.get("/v1/stats").json(), gallery_stats(served_gallery.gallery)
    for name in ("rows", "captions", "annotated", "fragments", "equal", "alike", "skipped", "method", "model"):
        assert told[name] == getattr(found, name), name
    assert told["annotated"] == 20
    assert told["sources"] == [Path(one).name for one in found.sources]


def test_skipped_files_are_counted_by_reason(served_gallery: Served, tmp_path: Path) -> None:
    from dataclasses import replace

    from crossgraph.serving.settings import ServerSettings

    own = served_gallery.copy(tmp_path)
    reasons = {f"/secret/{name}.jpg": "it is cut off" for name in "ab"} | {"/secret/c.gif": "it is empty"}
    (own.gallery / "skipped.json").write_text(json.dumps(reasons), encoding="utf-8")
    with client_of(replace(ServerSettings(own.gallery), rate=0), crossgraph.open_gallery(own.gallery)) as client:
        told = client.get("/v1/stats")
    assert told.json()["skipped_reasons"] == {"it is cut off": 2, "it is empty": 1}
    assert "secret" not in told.text


def test_the_model_is_told_stage_by_stage(app_client: TestClient, opened: crossgraph.Gallery) -> None:
    (told,) = app_client.get("/v1/models").json()
    assert told["fingerprint"] == opened.require_model().fingerprint
    assert [stage["method"] for stage in told["stages"]][-2:] == ["dual_encoder", "kidrr"]
    assert all(stage["parameters"] >= 0 for stage in told["stages"])
    assert "/" not in told["name"]
