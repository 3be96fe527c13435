"""The health page in a browser: work begun and followed, with scripts and without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import crossgraph
from crossgraph.serving.settings import ServerSettings
from tests.serving.browser.axe import faults
from tests.serving.conftest import watch
from tests.serving.served import LiveServer, Served, live, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def managed(served_gallery: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    copy = served_gallery.copy(tmp_path_factory.mktemp("managed"))
    opened = crossgraph.open_gallery(copy.gallery)
    opened.warm()
    (copy.gallery / "skipped.json").write_text(json.dumps({"/a/one.jpg": "it is cut off"}), encoding="utf-8")
    server = live(ServerSettings(copy.gallery, rate=0, manage=True), opened).start()
    yield server
    server.stop()


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(
    browser: Browser, managed: LiveServer, complaints: list[str], request: pytest.FixtureRequest
) -> Iterator[Page]:
    with browser.new_context(base_url=managed.url, java_script_enabled=request.param) as context:
        page = context.new_page()
        watch(page, managed.url, complaints)
        yield page


def test_work_is_begun_from_the_page_and_followed_to_its_end(page: Page) -> None:
    page.goto("/health")
    ended = page.locator(".is-done").count()
    page.get_by_role("button", name="Verify").click()
    done = page.locator(f".health-table tbody tr:nth-child({ended + 1}) .is-done")
    if page.locator("html.js").count():
        done.wait_for(timeout=120_000)
    else:
        wait_for(lambda: page.goto("/health") is not None and done.count() == 1)  # a browser without any does so itself
    assert done.count() == 1
    assert "problems 0" in page.locator(".health-table").first.inner_text()


def test_what_was_left_out_opens(page: Page) -> None:
    page.goto("/health")
    name = page.get_by_text("one.jpg")
    assert not name.is_visible()
    page.locator(".health-reason summary").click()
    assert name.is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, managed: LiveServer, theme: str) -> None:
    with browser.new_context(base_url=managed.url) as context:
        page = context.new_page()
        page.goto("/health")
        page.locator(".health-reason summary").click()
        assert faults(page, theme) == []


def test_on_a_small_screen_it_fits(browser: Browser, managed: LiveServer) -> None:
    with browser.new_context(base_url=managed.url, viewport={"width": 375, "height": 812}) as context:
        page = context.new_page()
        page.goto("/health")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
