"""The fixtures themselves: what every other test of the server stands on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.testclient import TestClient

from tests.serving.served import LiveServer, Served

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_application_answers_with_every_stage(app_client: TestClient) -> None:
    found = app_client.get("/v1/search", params={"q": "a red ball", "exact": False}).json()
    assert found["stage"] == "rerank"
    assert set(found["compared"]) == {"codes", "shortlist", "rerank"}
    assert len(found["results"]) == 20


def test_pictures_that_look_alike_are_folded(app_client: TestClient) -> None:
    found = app_client.get("/v1/search", params={"q": "a red ball", "k": 60}).json()
    assert sum(len(one["similar"]) for one in found["results"]) >= 4


def test_a_copy_is_another_gallery(served_gallery: Served, tmp_path: Path) -> None:
    copy = served_gallery.copy(tmp_path)
    assert copy.gallery != served_gallery.gallery
    assert len(list(copy.pictures.glob("*/*"))) == 60


@pytest.mark.slow
def test_a_real_server_is_started_again_on_its_port(live_server: LiveServer) -> None:
    assert httpx.get(f"{live_server.url}/v1/health/ready").json()["status"] == "ready"
    live_server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(live_server.url)
    assert httpx.get(f"{live_server.start().url}/").status_code == 200


@pytest.mark.slow
def test_a_browser_opens_the_page(browser_page: Page) -> None:
    assert browser_page.goto("/").ok


@pytest.mark.slow
def test_complaints_of_a_browser_are_noticed(browser_page: Page, complaints: list[str]) -> None:
    browser_page.goto("/")
    with browser_page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        browser_page.evaluate(
            "document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:9/'}))"
        )
    with browser_page.expect_event("pageerror"):
        browser_page.evaluate("setTimeout(() => { throw Error('thrown') })")
    told = "\n".join(complaints)
    assert "Content Security Policy" in told
    assert "thrown" in told
    complaints.clear()
