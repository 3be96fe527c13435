"""A gallery that is served: in this process, by a real server, and in a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.serving.settings import ServerSettings
from tests.serving.evaluating import EvaluatedRuns, keep_evaluation
from tests.serving.served import LiveServer, Served, client_of, draw_pictures, live, make_gallery, train_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def served_gallery(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A gallery of sixty pictures, to be read only: `served_gallery.copy(tmp_path)` is one to change."""
    root = tmp_path_factory.mktemp("served")
    return make_gallery(root / "gallery", draw_pictures(root / "pictures"), train_model(root))


@pytest.fixture(scope="session")
def evaluated_runs(served_gallery: Served, tmp_path_factory: pytest.TempPathFactory) -> EvaluatedRuns:
    """A folder of runs with a kept evaluation, to be read only."""
    return keep_evaluation(tmp_path_factory.mktemp("evaluated"), served_gallery)


@pytest.fixture(scope="session")
def opened(served_gallery: Served) -> crossgraph.Gallery:
    """The gallery, with its model, warm."""
    gallery = crossgraph.open_gallery(served_gallery.gallery)
    gallery.warm()
    return gallery


@pytest.fixture(scope="session")
def settings(served_gallery: Served) -> ServerSettings:
    """What a server of it is told: as by default, but any number of requests a second."""
    return ServerSettings(served_gallery.gallery, rate=0)


@pytest.fixture(scope="session")
def app_client(settings: ServerSettings, opened: crossgraph.Gallery) -> Iterator[TestClient]:
    """A client of the application in this process."""
    with client_of(settings, opened) as client:
        yield client


@pytest.fixture
def client_with(settings: ServerSettings, opened: crossgraph.Gallery) -> Iterator[Callable[..., TestClient]]:
    """Makes a client of an application with other settings: `client_with(token="a" * 16)`."""
    with ExitStack() as stack:

        def make(**changes: Any) -> TestClient:
            return stack.enter_context(client_of(replace(settings, **changes), opened))

        yield make


@pytest.fixture(scope="session")
def ids(opened: crossgraph.Gallery) -> list[str]:
    """The ids of its pictures, sorted."""
    return sorted(opened.snapshot().items["id"].to_pylist())


@pytest.fixture(scope="session")
def live_server(settings: ServerSettings, opened: crossgraph.Gallery) -> Iterator[LiveServer]:
    """A real server at `live_server.url`. A test that stops it starts it again."""
    server = live(settings, opened).start()
    yield server
    server.stop()


@pytest.fixture
def server_with(settings: ServerSettings, opened: crossgraph.Gallery) -> Iterator[Callable[..., LiveServer]]:
    """Makes and starts a real server with other settings; it ends with the test."""
    started: list[LiveServer] = []

    def make(**changes: Any) -> LiveServer:
        started.append(live(replace(settings, **changes), opened).start())
        return started[-1]

    yield make
    for one in started:
        one.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, one for a file of tests: while its driver runs, no other event loop can in this thread."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CROSSGRAPH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium is installed (Debian: apt-get install chromium), and CROSSGRAPH_CHROMIUM names none")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What browser pages complained about: errors of scripts and of the console, refusals of the content policy,
    requests to anywhere else. A test fails where any is left; clear those that are meant.
    """
    told: list[str] = []
    yield told
    assert not told


@pytest.fixture
def browser_page(browser: Browser, live_server: LiveServer, complaints: list[str]) -> Iterator[Page]:
    """A page of its own profile, whose addresses are relative to `live_server.url`."""
    with browser.new_context(base_url=live_server.url) as context:
        page = context.new_page()
        watch(page, live_server.url, complaints)
        yield page


def watch(page: Page, url: str, complaints: list[str]) -> None:
    """Note what `page` complains about."""
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda sent: None if sent.url.startswith((url, "blob:", "data:")) else complaints.append(f"asks {sent.url}"),
    )
