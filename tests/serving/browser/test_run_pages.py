"""Runs and evaluations in a browser: followed while they train, and worst queries with what was lit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import crossgraph
from crossgraph.serving.settings import ServerSettings
from crossgraph.training.checkpoint import LOG
from crossgraph.training.run_lock import sole_trainer
from tests.reporting.conftest import linux
from tests.serving.browser.axe import faults
from tests.serving.browser.test_search_page import SHIFTS
from tests.serving.conftest import watch
from tests.serving.evaluating import EvaluatedRuns
from tests.serving.served import LiveServer, live, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

PAGES = (
    "/runs",
    "/runs?run=dual_encoder&run=kidrr",
    "/evaluations",
    "/evaluations/{id}",
    "/evaluations/{id}/worst/0",
    "/evaluations/{id}/worst/5",
)
EVERY = 5_000


@pytest.fixture(scope="module")
def own(evaluated_runs: EvaluatedRuns, tmp_path_factory: pytest.TempPathFactory) -> EvaluatedRuns:
    return evaluated_runs.copy(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def server(settings: ServerSettings, opened: crossgraph.Gallery, own: EvaluatedRuns) -> Iterator[LiveServer]:
    server = live(replace(settings, runs=own.runs), opened).start()
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser, server: LiveServer, complaints: list[str]) -> Iterator[Page]:
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        watch(page, server.url, complaints)
        yield page


@pytest.fixture
def growing(own: EvaluatedRuns) -> Iterator[Path]:
    """A run in its first epoch."""
    run = Path(shutil.copytree(own.runs / "dual_encoder", own.runs / "growing"))
    (run / LOG).unlink()
    for step in (1, 2, 9_001):
        grown(run, step)
    yield run
    shutil.rmtree(run)


def grown(run: Path, step: int) -> None:
    """One more step in the log of a run."""
    row: dict[str, Any] = {"epoch": 1, "step": step, "rate": 0.001, "loss": 1.0, "gradient": 1.0}
    with (run / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(row) + "\n")


def opened_up(page: Page, address: str) -> None:
    """Open a page, with all that is folded on it."""
    page.goto(address)
    page.eval_on_selector_all("details", "(all) => all.forEach((one) => { one.open = true; })")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, own: EvaluatedRuns, theme: str) -> None:
    for address in PAGES:
        opened_up(page, address.format(id=own.id))
        assert faults(page, theme) == [], address


def test_on_a_small_screen_nothing_scrolls_sideways(page: Page, own: EvaluatedRuns) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    for address in PAGES:
        opened_up(page, address.format(id=own.id))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        places = page.locator(".places a").all()
        assert [one.bounding_box()["x"] + one.bounding_box()["width"] <= 375 for one in places] == [True] * 5


def test_nothing_moves_while_a_page_loads_and_is_read(page: Page, own: EvaluatedRuns) -> None:
    page.add_init_script(SHIFTS)
    for address in PAGES:
        page.goto(address.format(id=own.id))
        for _ in range(3):
            page.mouse.wheel(0, 900)
            page.wait_for_timeout(60)
        assert page.evaluate("window.shifted") < 0.05, address


@linux
def test_a_run_is_followed_while_it_trains_and_then_left_alone(page: Page, growing: Path) -> None:
    asked = list[str]()
    page.clock.install()
    page.on("request", lambda sent: asked.append(sent.url) if "/parts/runs/" in sent.url else None)
    with sole_trainer(growing):
        page.goto("/runs?run=growing")
        page.locator("#run-kidrr").check()
        page.locator("#run-growing").uncheck()
        page.locator("summary").click()
        page.locator("#run-kidrr").focus()
        page.evaluate("scrollTo(0, 300)")
        page.evaluate("window.table = document.querySelector('#runs-list table')")
        assert "9,001" in page.locator("#runs-list").inner_text()
        grown(growing, 9_002)
        page.clock.run_for(EVERY)
        wait_for(lambda: "9,002" in page.locator("#runs-list").inner_text())
        wait_for(lambda: "9,002" in page.locator("#runs-report").inner_text())
        kept = page.evaluate(
            """[scrollY, document.activeElement.id, document.querySelector("#run-kidrr").checked,
                document.querySelector("#run-growing").checked, document.querySelector("details").open,
                window.table.isConnected]"""
        )
        assert kept == [300, "run-kidrr", True, False, True, True]
        assert sorted({one.split("?")[0].rsplit("/", 1)[1] for one in asked}) == ["list", "report"]
    page.clock.run_for(EVERY)
    wait_for(lambda: "training" not in page.locator("#runs-list").inner_text())
    wait_for(lambda: page.locator("[hx-get]").count() == 0)
    before = len(asked)
    page.clock.run_for(4 * EVERY)
    page.wait_for_timeout(300)
    assert len(asked) == before


@linux
def test_what_is_shown_stays_while_the_server_does_not_answer(
    browser: Browser, server: LiveServer, growing: Path
) -> None:
    with browser.new_context(base_url=server.url) as context, sole_trainer(growing):
        page, failed = context.new_page(), list[str]()
        page.clock.install()
        page.goto("/runs?run=growing")

        def fail(route: Any) -> None:
            failed.append(route.request.url)
            route.fulfill(status=503, body="not now") if len(failed) <= 2 else route.abort()

        page.route("**/parts/runs/**", fail)
        for most in (2, 4):  # each time the list and the report: answered with an error, then not at all
            page.clock.run_for(EVERY)
            wait_for(lambda most=most: page.evaluate("true") and len(failed) >= most)  # type: ignore[misc]
        assert page.locator("#runs-list table").count() == 1
        assert page.locator("#runs-report svg").count() > 0
        page.unroute("**/parts/runs/**")
        grown(growing, 9_100)
        page.clock.run_for(EVERY)
        wait_for(lambda: "9,100" in page.locator("#runs-list").inner_text())


@linux
def test_without_scripts_a_page_is_loaded_again_only_while_a_run_trains(
    browser: Browser, server: LiveServer, own: EvaluatedRuns
) -> None:
    with browser.new_context(base_url=server.url, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/runs")
        assert "http-equiv" not in page.content()
        with sole_trainer(own.runs / "dual_encoder"):
            page.goto("/runs")
            assert 'http-equiv="refresh"' in page.content()
        page.goto("/runs")
        page.locator("#run-kidrr").check()
        page.get_by_role("button", name="together").click()
        assert page.locator("#runs-report svg").count() > 0


def test_words_light_where_they_were_found(page: Page, own: EvaluatedRuns) -> None:
    page.goto(f"/evaluations/{own.id}/worst/0")
    right, wrong = page.locator("#right"), page.locator("#wrong")
    words = right.locator(".words .word")
    words.nth(1).hover()
    assert right.locator("svg.overlay").get_attribute("data-lit") == "word"
    assert words.nth(1).inner_text() in right.locator(".picture-said").inner_text()
    assert wrong.locator(".picture-said").inner_text() == ""
    words.nth(1).click()
    assert words.nth(1).get_attribute("aria-pressed") == "true"
    assert page.url.endswith("/worst/0")


def test_without_scripts_a_word_is_a_link(browser: Browser, server: LiveServer, own: EvaluatedRuns) -> None:
    with browser.new_context(base_url=server.url, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"/evaluations/{own.id}")
        page.locator(".report-asked a").first.click()
        page.locator("#wrong .words .word").nth(1).click()
        assert "lit=wrong-word-1" in page.url
        assert page.locator("#wrong .words [aria-current]").count() == 1
        page.get_by_role("link", name="Next").click()
        assert page.url.endswith("/worst/1")
