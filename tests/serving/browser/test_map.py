"""The map in a browser: moved and zoomed, taken from by a line, coloured, by pointer, finger and keyboard."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

import crossgraph
from crossgraph.gallery.picture_map import PictureMap, picture_map
from crossgraph.serving.maps import ids_within
from tests.serving.browser.axe import faults
from tests.serving.served import LiveServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def drawn(opened: crossgraph.Gallery) -> PictureMap:
    """The map, computed before a page asks for it."""
    return picture_map(opened.current())


@pytest.fixture
def page(browser_page: Page) -> Page:
    browser_page.goto("/map?q=a+red+ball")
    browser_page.wait_for_selector(".map.drawn")
    return browser_page


DRAWN = """async () => {
  const canvas = document.getElementById("map-canvas");
  const frame = () => new Promise(requestAnimationFrame);
  do { await frame(); await frame(); } while (canvas.getAttribute("aria-busy") === "true");
  return canvas.toDataURL();
}"""


def pixels(page: Page) -> str:
    """What is drawn, once nothing more is to be."""
    found: str = page.evaluate(DRAWN)
    return found


def lasso(page: Page, corners: list[tuple[float, float]]) -> None:
    """Draw a line through these shares of the canvas."""
    box = page.locator("#map-canvas").bounding_box()
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def region_of(address: str) -> str:
    (found,) = re.findall(r"region=([^&]+)", address)
    return unquote(found)


def test_a_long_name_leaves_room_for_its_count(page: Page) -> None:
    page.evaluate(
        "for (const one of document.querySelectorAll('.map-side .name')) one.textContent = 'a_long_name_'.repeat(9); 0"
    )
    right = page.locator(".map-side").evaluate("(one) => one.getBoundingClientRect().left + one.clientWidth")
    counts = page.locator(".map-side .count").evaluate_all("all => all.map((one) => one.getBoundingClientRect().right)")
    assert counts
    assert max(counts) <= right


@pytest.mark.parametrize("how", ["tool", "shift"])
def test_a_line_around_pictures_leads_to_them(page: Page, drawn: PictureMap, how: str) -> None:
    if how == "tool":
        page.get_by_role("button", name="Lasso").click()
    else:
        page.keyboard.down("Shift")
    lasso(page, [(0.1, 0.1), (0.6, 0.1), (0.6, 0.95), (0.1, 0.95)])
    page.keyboard.up("Shift")
    link = page.locator("#map-taken a")
    wanted = ids_within(region_of(link.get_attribute("href")), drawn)
    assert 0 < len(wanted) < len(drawn.ids)
    assert link.inner_text() == f"Show these {len(wanted)} pictures"
    assert region_of(page.url) == region_of(link.get_attribute("href"))
    link.click()
    page.wait_for_selector("#grid .tile")
    assert "q=a+red+ball" in page.url
    shown = set(page.locator("#grid .tile").evaluate_all("all => all.map((one) => one.dataset.id)"))
    assert shown <= set(wanted)
    assert page.locator(".chip-region").count() == 1
    page.go_back()
    page.wait_for_selector("#map-taken:not([hidden])")  # what was taken is in the address


def test_a_line_that_is_cleared_takes_nothing(page: Page) -> None:
    page.get_by_role("button", name="Take view").click()
    assert "region=" in page.url
    page.get_by_role("button", name="Clear").click()
    assert "region=" not in page.url
    assert not page.locator("#map-taken").is_visible()


def test_by_keyboard(page: Page, drawn: PictureMap) -> None:
    page.locator("#map-canvas").focus()
    before = pixels(page)
    for key in ("+", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
        now = pixels(page)
        assert now != before
        before = now
    assert "in view" in page.locator("#map-said").inner_text()
    page.keyboard.press("Enter")
    link = page.locator("#map-taken a")
    assert link.evaluate("(one) => one === document.activeElement")
    assert 0 < len(ids_within(region_of(link.get_attribute("href")), drawn)) < len(drawn.ids)
    page.locator("#map-canvas").focus()
    page.keyboard.press("Escape")
    assert not page.locator("#map-taken").is_visible()


def test_wheel_and_buttons_zoom_and_all_comes_back(page: Page) -> None:
    first = pixels(page)
    page.locator("#map-canvas").hover()
    page.mouse.wheel(0, -300)  # a browser may take its time to tell the page
    page.wait_for_function("(first) => document.getElementById('map-canvas').toDataURL() !== first", arg=first)
    page.get_by_role("button", name="All").click()
    page.mouse.move(2, 2)
    assert pixels(page) == first
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom out").click()
    page.mouse.move(2, 2)
    assert pixels(page) == first


def test_a_picture_under_the_pointer_shows_and_opens(page: Page, drawn: PictureMap) -> None:
    box = page.locator("#map-canvas").bounding_box()
    whole = 0.92 * min(box["width"], box["height"])
    x = box["x"] + box["width"] / 2 + (float(drawn.x[0]) - 0.5) * whole
    y = box["y"] + box["height"] / 2 + (float(drawn.y[0]) - 0.5) * whole
    page.mouse.move(x, y)
    page.wait_for_selector("#map-tip:not([hidden])")
    shown = page.locator("#map-tip img").get_attribute("src")
    page.mouse.click(x, y)
    page.wait_for_url("**/picture/*")
    assert page.locator("#opened").get_attribute("data-picture") in shown


def test_a_group_alone_is_shown(page: Page) -> None:
    before = pixels(page)
    group = page.locator("[data-group]").first
    group.click()
    assert group.get_attribute("aria-pressed") == "true"
    page.mouse.move(2, 2)
    assert pixels(page) != before
    group.click()
    page.mouse.move(2, 2)
    assert pixels(page) == before


def test_without_scripts_parts_are_links(browser: Browser, live_server: LiveServer) -> None:
    with browser.new_context(base_url=live_server.url, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/map")
        assert page.locator(".map-still circle").count() > 10
        assert not page.get_by_role("button", name="Lasso").is_visible()
        count = int(page.locator(".map-parts .count").first.inner_text())
        page.locator(".map-parts a").first.click()
        page.wait_for_selector("#grid .tile")
        assert page.locator(".chip-region").count() == 1
        assert 0 < page.locator("#grid .tile").count() <= count


def test_on_a_small_screen_it_fits(browser: Browser, live_server: LiveServer) -> None:
    with browser.new_context(base_url=live_server.url, viewport={"width": 375, "height": 812}) as context:
        page = context.new_page()
        page.goto("/map")
        page.wait_for_selector(".map.drawn")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, theme: str) -> None:
    page.get_by_role("button", name="Take view").click()
    assert faults(page, theme) == []
