"""Without --show-paths nobody learns where pictures lie, also not by asking cleverly; other holes that were closed."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.errors import GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.serving.jobs import Jobs
from crossgraph.serving.library import AGAIN, Library
from crossgraph.serving.run import _is_no_cancelling
from crossgraph.serving.settings import MEBIBYTE, ServerSettings
from tests.serving.served import Served, client_of, wait_for


@pytest.mark.parametrize("column", ["path", "folder", "source"])
@pytest.mark.parametrize("address", ["/v1/items", "/v1/facets", "/v1/search"])
def test_no_filter_reads_where_pictures_lie(app_client: TestClient, address: str, column: str) -> None:
    asked = {"q": "a ball"} if address == "/v1/search" else {}
    for where in (f"{column} like '/%'", f"width > 1 and not ({column} is null)"):
        refused = app_client.get(address, params={"where": where} | asked)
        assert refused.status_code == 422
        assert "does not say where pictures lie" in refused.json()["detail"]
    assert app_client.get(address, params={"where": "width > 1"} | asked).status_code == 200


@pytest.mark.parametrize("address", ["/", "/parts/more"])
@pytest.mark.parametrize("query", [{}, {"q": "a ball"}])
def test_no_page_does_either(app_client: TestClient, address: str, query: dict[str, str]) -> None:
    asked = {"where": "path like '/%'"} | query
    refused = app_client.get(address, params=asked, headers={"Accept": "text/html"})
    assert refused.status_code == 422
    assert "does not say where pictures lie" in refused.text
    assert "data-id=" not in refused.text


def test_a_folder_can_be_chosen_by_its_name_all_the_same(app_client: TestClient) -> None:
    facets = app_client.get("/v1/facets", params={"only": "folder"}).json()["facets"]
    value = facets[0]["values"][0]
    found = app_client.get("/v1/items", params={"facet": value["choice"], "where": "width > 1"}).json()
    assert found["total"] == value["count"]


def test_with_show_paths_filters_read_everything(client_with: Callable[..., TestClient]) -> None:
    client = client_with(show_paths=True)
    found = client.get("/v1/items", params={"where": "path like '/%'"}).json()
    assert found["total"] == 60
    assert {"path", "folder", "source"} <= set(client.get("/v1/galleries").json()[0]["columns"])


def test_columns_that_no_filter_reads_are_not_offered(app_client: TestClient) -> None:
    columns = app_client.get("/v1/galleries").json()[0]["columns"]
    assert not {"path", "folder", "source"} & set(columns)
    assert {"name", "width", "label"} <= set(columns)


def test_the_error_of_a_job_tells_no_path(client_with: Callable[..., TestClient]) -> None:
    def work(_: Any) -> dict[str, Any]:
        raise GalleryError("/home/ann/Photos (2024)/a.jpg is not there")

    for show in (False, True):
        client = client_with(show_paths=show)
        jobs: Jobs = client.app.state.server.jobs  # type: ignore[attr-defined]
        job = jobs.start("sync", work)
        wait_for(lambda jobs=jobs, id=job.id: jobs.get(id).state == "failed")  # type: ignore[misc]
        for text in (
            client.get("/v1/jobs").text,
            client.get(f"/v1/jobs/{job.id}/events").text,
            client.get("/health", headers={"Accept": "text/html"}).text,
        ):
            assert "a.jpg is not there" in text
            assert ("/home/ann" in text) == show


def test_only_addresses_that_take_pictures_read_long_forms(client_with: Callable[..., TestClient]) -> None:
    client = client_with(token="a" * 16)
    refused = client.post("/login", files={"token": ("x", b"0" * (2 * MEBIBYTE))})
    assert refused.status_code == 413


def test_a_page_beyond_the_deepest_is_not_offered(app_client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossgraph.serving.pages.search_view.DEEPEST", 24)
    for offset, offered in ((12, True), (24, False)):
        queries: list[dict[str, Any]] = [{}, {"q": "a ball"}]
        for query in queries:
            page = app_client.get("/", params={"k": 12, "offset": offset} | query, headers={"Accept": "text/html"})
            assert page.status_code == 200
            assert ("data-part" in page.text) == offered


def test_evaluations_are_a_place_only_where_there_are_runs(app_client: TestClient) -> None:
    page = app_client.get("/", headers={"Accept": "text/html"}).text
    assert 'href="/map"' in page
    assert 'href="/runs"' not in page
    assert 'href="/evaluations"' not in page


def test_loading_that_failed_is_tried_again_and_then_indexes(
    served_gallery: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, now, begun = served_gallery.copy(tmp_path), [0.0], list[Gallery]()
    library = Library(ServerSettings(own.gallery), clock=lambda: now[0])
    hidden = own.gallery.rename(tmp_path / "hidden")
    library.start(begun.append)
    wait_for(lambda: library.phase == "failed")
    hidden.rename(own.gallery)
    assert not library.is_ready
    now[0] += AGAIN + 1
    wait_for(lambda: library.is_ready)
    wait_for(lambda: bool(begun))
    assert begun == [library.gallery]


def test_an_explanation_of_another_model_has_another_tag(
    app_client: TestClient, opened: crossgraph.Gallery, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"item": ids[0], "q": "a ball"}
    before = app_client.get("/v1/explain.svg", params=asked).headers["etag"]
    assert app_client.get("/v1/explain.svg", params=asked).headers["etag"] == before
    monkeypatch.setattr(opened.require_model(), "fingerprint", "0" * 16)
    assert app_client.get("/v1/explain.svg", params=asked).headers["etag"] != before


def test_a_request_that_was_let_go_is_no_error_of_the_log() -> None:
    def record(error: BaseException) -> logging.LogRecord:
        try:
            raise error
        except (ValueError, asyncio.CancelledError):
            return logging.LogRecord("uvicorn.error", logging.ERROR, "", 1, "told", (), sys.exc_info())

    assert not _is_no_cancelling(record(asyncio.CancelledError()))
    assert _is_no_cancelling(record(ValueError("x")))


def test_what_was_sent_is_removed_however_the_server_ends(served_gallery: Served, opened: crossgraph.Gallery) -> None:
    with client_of(ServerSettings(served_gallery.gallery, rate=0), opened) as client:
        uploads = client.app.state.server.uploads  # type: ignore[attr-defined]
        folder = Path(uploads._folder)
        assert folder.exists()
    assert not folder.exists()
