"""The search page in a real browser: by pointer, by keyboard, and without scripts."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from PIL import Image

from tests.serving.browser.axe import faults
from tests.serving.conftest import watch
from tests.serving.served import LiveServer, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow

BALLS = "/?q=a+red+ball"
DOGS = f"{BALLS}&k=20"
TOKEN = "a-token-of-32-letters-0123456789"
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({ type: "layout-shift", buffered: true });
"""
DROP = """
([data, kind]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const held = new DataTransfer();
  held.items.add(new File([bytes], "held.png", { type: "image/png" }));
  if (kind === "paste") {
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: held, bubbles: true }));
  } else {
    for (const name of ["dragenter", "dragover", "drop"]) {
      document.body.dispatchEvent(new DragEvent(name, { dataTransfer: held, bubbles: true, cancelable: true }));
    }
  }
}
"""


@pytest.fixture
def opened_with(browser: Browser, live_server: LiveServer, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Makes a browser page with other traits: `opened_with(java_script_enabled=False)`."""
    made = []

    def make(**traits: Any) -> Page:
        context = browser.new_context(base_url=live_server.url, **traits)
        made.append(context)
        page = context.new_page()
        watch(page, live_server.url, complaints)
        return page

    yield make
    for one in made:
        one.close()


def shown(page: Page) -> list[str]:
    """The ids of the pictures in the grid, in order."""
    found: list[str] = page.eval_on_selector_all("#grid .tile", "(all) => all.map((one) => one.dataset.id)")
    return found


def asked(page: Page) -> dict[str, list[str]]:
    """The parameters of the address."""
    return parse_qs(urlsplit(page.url).query)


def settled(page: Page) -> None:
    """Wait until the answers stand in their last order."""
    page.wait_for_selector("html:not(.busy) #page:not([aria-busy])")


def until(page: Page, expression: str) -> None:
    """Wait until an expression holds; Playwright's own way of it evaluates text, which the page forbids."""
    wait_for(lambda: bool(page.evaluate(expression)))


def answers(server: LiveServer, **parameters: Any) -> list[str]:
    """The ids that the API answers."""
    found = httpx.get(f"{server.url}/v1/search", params={"k": 48, **parameters}).raise_for_status()
    return [one["item"]["id"] for one in found.json()["results"]]


def focused(page: Page) -> str:
    """The id of the picture whose tile has the focus, or of the element itself."""
    found: str = page.evaluate(
        """(() => {
          const now = document.activeElement;
          return now.closest(".tile")?.dataset.id ?? (now.id || now.tagName);
        })()"""
    )
    return found


def red_picture() -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(held, "PNG")
    return held.getvalue()


def test_a_sentence_is_found_without_loading_the_page_again(browser_page: Page, live_server: LiveServer) -> None:
    page = browser_page
    page.goto("/")
    page.evaluate("window.same = true")
    page.fill("#q", "a red ball")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=a+red+ball")
    settled(page)
    assert shown(page) == answers(live_server, q="a red ball")
    assert page.evaluate("window.same")
    assert page.title() == "a red ball · crossgraph"
    assert focused(page) == "q"
    until(page, "document.getElementById('told').textContent.includes('searched')")


def test_the_order_moves_once_and_keeps_its_images(browser_page: Page, live_server: LiveServer) -> None:
    page = browser_page
    page.goto("/")
    page.evaluate(
        """() => {
          window.orders = [];
          new MutationObserver(() => {
            const order = [...document.querySelectorAll("#grid .tile")].map((one) => one.dataset.id).join();
            if (order && order !== window.orders.at(-1)) window.orders.push(order);
          }).observe(document.getElementById("content"), { childList: true, subtree: true });
        }"""
    )
    page.fill("#q", "a blue cup above a table")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=a+blue*")
    settled(page)
    orders = page.evaluate("window.orders")
    fast = answers(live_server, q="a blue cup above a table", rerank=False)
    last = answers(live_server, q="a blue cup above a table")
    assert fast != last
    assert orders == [",".join(fast), ",".join(last)]


def test_a_menu_that_was_opened_meanwhile_stays_open(browser_page: Page) -> None:
    page = browser_page
    page.goto("/")
    page.evaluate(
        """() => {
          new MutationObserver(() => {
            const menu = document.querySelector("#found[data-waits] .menu");
            if (menu && !window.opened) window.opened = menu.open = true;
          }).observe(document.getElementById("content"), { childList: true, subtree: true });
        }"""
    )
    page.fill("#q", "a green cup above a table")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=a+green*")
    settled(page)
    assert page.evaluate("window.opened")
    assert page.is_visible(".menu a:has-text('each by itself')")
    assert not page.is_visible(".timings dl")


@pytest.mark.parametrize("how", ["drop", "paste", "choose"])
def test_a_picture_is_searched_by(browser_page: Page, how: str) -> None:
    page = browser_page
    page.goto("/")
    if how == "choose":
        page.set_input_files("#file", {"name": "p.png", "mimeType": "image/png", "buffer": red_picture()})
    else:
        page.evaluate(DROP, [base64.b64encode(red_picture()).decode(), how])
    page.wait_for_url("**/?term=1%3Aimage%3A*")
    settled(page)
    assert len(shown(page)) == 48
    assert page.locator(".chip .text").inner_text() == "your picture"
    until(page, "document.querySelector('.chip img').naturalWidth > 0")
    assert not page.is_visible("#dropping")


def test_what_is_no_picture_is_refused_in_words_and_the_answers_stay(browser_page: Page, complaints: list[str]) -> None:
    page = browser_page
    page.goto(BALLS)
    before = shown(page)
    page.set_input_files("#file", {"name": "p.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.wait_for_selector("#bar:not([hidden])")
    assert page.locator("#bar-text").inner_text().startswith("The picture that was sent: not a picture (JPEG, PNG")
    assert shown(page) == before
    page.click("#bar button:has-text('Close')")
    assert not page.is_visible("#bar")
    complaints.clear()  # the browser notes the status


def test_chips_weigh_take_away_and_go(browser_page: Page, live_server: LiveServer) -> None:
    page = browser_page
    page.goto("/?q=a+red+ball")
    page.fill("#q", "- a cup")
    page.keyboard.press("Enter")
    page.wait_for_url("**term=-1*")
    settled(page)
    assert asked(page) == {"q": ["a red ball"], "term": ["-1:text:a cup"]}
    assert page.locator(".chip.minus .text").inner_text() == "a cup"
    page.click(".chip.minus summary")
    page.click(".chip.minus .weights a:has-text('×½')")
    page.wait_for_url("**term=-0.5*")
    settled(page)
    assert shown(page) == answers(live_server, q="a red ball", term="-0.5:text:a cup")
    page.click(".chip.minus .sign")
    page.wait_for_url("**term=0.5*")
    page.click(".chip:has-text('a red ball') [aria-label^=Remove]")
    until(page, "!new URLSearchParams(location.search).has('q')")
    settled(page)
    assert asked(page) == {"term": ["0.5:text:a cup"]}


def test_feedback_moves_the_answers_and_is_undone(browser_page: Page, live_server: LiveServer) -> None:
    page = browser_page
    page.goto("/?q=a+red+ball")
    assert not page.is_visible("#undo")
    before, third = shown(page), shown(page)[2]
    page.hover(f".tile[data-id='{third}']")
    page.click(f".tile[data-id='{third}'] [data-do=like]")
    page.wait_for_url("**like=*")
    settled(page)
    assert shown(page) == answers(live_server, q="a red ball", like=third)
    page.locator(f".tile[data-id='{third}'] .pic").focus()
    page.keyboard.press("d")
    page.wait_for_url("**dislike=*")
    settled(page)
    assert asked(page) == {"q": ["a red ball"], "dislike": [third]}
    page.click("#undo")
    until(page, "new URLSearchParams(location.search).has('like')")
    page.click("#undo")
    page.wait_for_url("**/?q=a+red+ball")
    assert shown(page) == before
    assert not page.is_visible("#undo")


def test_facets_narrow_before_ranking(browser_page: Page, live_server: LiveServer) -> None:
    page = browser_page
    page.goto(DOGS)
    value = page.locator("#facets a", has_text="Köln")
    count = int(value.locator(".count").inner_text())
    value.click()
    page.wait_for_url("**facet=*")
    settled(page)
    assert f"{count:,} searched" in page.locator(".timings summary").inner_text()
    assert page.locator("#facets a[aria-current]", has_text="Köln").count() == 1
    assert page.evaluate("document.activeElement.textContent").startswith("Köln")
    page.locator("#facets a[aria-current]").click()
    page.wait_for_url(f"**{DOGS}")


def test_alike_pictures_open_in_place(browser_page: Page) -> None:
    page = browser_page
    page.goto("/?q=a+red+ball&k=60")
    before = shown(page)
    tile = page.locator(".tile[data-alike]").first
    id = tile.get_attribute("data-id")
    tile.locator(".alike").click()
    page.wait_for_selector(f".tile[data-id='{id}'] + .tile.unfolded")
    after = shown(page)
    assert len(after) > len(before)
    assert [one for one in after if one in before] == before
    assert focused(page) == after[after.index(str(id)) + 1]


def test_pages_follow_without_end_and_stay_when_coming_back(browser_page: Page, live_server: LiveServer) -> None:
    page = browser_page
    page.set_viewport_size({"width": 1280, "height": 500})
    sent = page.goto(DOGS)
    assert sent is not None
    assert sent.text().count("data-id=") == 20  # what is fetched later is another answer
    page.mouse.wheel(0, 3000)
    until(page, "document.querySelectorAll('#grid .tile').length >= 40")
    assert shown(page)[:40] == answers(live_server, q="a red ball", k=40)
    assert asked(page) == {"q": ["a red ball"], "k": ["20"]}
    page.evaluate("scrollTo(0, 700)")
    until(page, "scrollY > 600")
    page.locator(".tile .pic").nth(30).focus()
    place, seen = page.evaluate("scrollY"), shown(page)
    page.keyboard.press("m")
    page.wait_for_url("**term=1%3Aitem*")
    settled(page)
    assert page.evaluate("scrollY") == 0
    page.go_back()
    page.wait_for_url(f"**{DOGS}")
    assert shown(page)[: len(seen)] == seen
    until(page, f"Math.abs(scrollY - {place}) < 60")
    page.go_forward()
    page.wait_for_url("**term=1%3Aitem*")
    assert len(page.locator(".chip").all()) == 1


def test_an_address_says_everything(browser_page: Page, opened_with: Callable[..., Page]) -> None:
    page = browser_page
    page.goto("/?q=a+red+ball")
    page.click(".choices a:has-text('balanced')")
    page.wait_for_url("**mode=balanced*")
    page.click(".menu summary")
    page.click(".menu a:has-text('each by itself')")
    page.wait_for_url("**fold=false*")
    settled(page)
    page.locator(".tile .pic").nth(1).click()
    page.wait_for_url("**open=*")
    page.wait_for_selector("#picture [data-picture]")
    other = opened_with()
    other.goto(page.url)
    assert shown(other) == shown(page)
    assert other.is_visible("#picture [data-picture]")
    assert other.input_value("#q") == "a red ball"
    other.reload()
    assert shown(other) == shown(page)


def test_everything_by_keyboard(browser_page: Page) -> None:
    page = browser_page
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("/")
    page.keyboard.type("a red ball")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=a+red+ball")
    settled(page)
    order = shown(page)
    page.keyboard.press("ArrowDown")
    assert focused(page) == order[0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert focused(page) == order[1]
    page.keyboard.press("ArrowDown")
    below = focused(page)
    first_row = page.locator(f".tile[data-id='{order[0]}']").bounding_box()
    under = page.locator(f".tile[data-id='{below}']").bounding_box()
    assert first_row is not None
    assert under is not None
    assert under["y"] > first_row["y"]
    page.keyboard.press("ArrowUp")
    assert focused(page) == order[1]
    page.keyboard.press("Enter")
    page.wait_for_selector("#picture [data-picture]")
    assert page.evaluate("document.activeElement.closest('#picture') !== null")
    page.keyboard.press("Escape")
    until(page, "document.getElementById('picture').hidden")
    assert focused(page) == order[1]
    page.keyboard.press("l")
    page.wait_for_url("**like=*")
    settled(page)
    assert focused(page) == order[1]
    page.keyboard.press("+")
    page.wait_for_url("**term=1%3Aitem*")
    settled(page)
    assert focused(page) in shown(page)
    page.keyboard.press("u")
    until(page, "!location.search.includes('term')")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")


def test_a_range_is_selected_and_exported(browser_page: Page) -> None:
    page = browser_page
    page.route("**/v1/export", lambda route: route.fulfill(status=204))
    page.goto(DOGS)
    order = shown(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator("#selected").inner_text() == "3 selected"
    page.keyboard.press("e")
    with page.expect_request("**/v1/export") as sent:
        page.click("#export button[value=csv]")
    assert parse_qs(sent.value.post_data or "") == {"ids": order[:3], "format": ["csv"]}
    page.click("#export button[type=reset]")
    assert not page.is_visible("#export")
    page.locator(".tile .pick input").nth(4).click()
    page.locator(".tile .pick input").nth(7).click(modifiers=["Shift"])
    assert page.locator(".tile :checked").count() == 4
    page.click("#export button[type=reset]")
    page.click("#exports")
    with page.expect_request("**/v1/export") as sent:
        page.click("#export button[value=json]")
    assert parse_qs(sent.value.post_data or "")["ids"] == shown(page)
    page.keyboard.press("Escape")
    assert not page.is_visible("#export")


def test_all_that_is_shown_is_exported_up_to_what_the_server_takes(browser_page: Page) -> None:
    page = browser_page
    page.goto(BALLS)
    page.keyboard.press("e")
    assert page.locator("#selected").inner_text() == "All 48 shown"
    with page.expect_download() as taken:
        page.click("#export button[value=json]")
    assert [one["id"] for one in json.loads(taken.value.path().read_text(encoding="utf-8"))] == shown(page)
    page.evaluate("document.getElementById('export').dataset.most = 15; 0")
    page.keyboard.press("e")
    assert page.locator("#selected").inner_text() == "All 48 shown: the first 15 can be exported"
    with page.expect_download() as taken:
        page.click("#export button[value=csv]")
    with taken.value.path().open(encoding="utf-8", newline="") as table:
        assert [row["id"] for row in csv.DictReader(table)] == shown(page)[:15]
    page.goto("/?q=a&where=width>9999")
    page.keyboard.press("e")
    assert page.locator("#selected").inner_text() == "Nothing is shown"
    assert page.locator("#export button[name=format]:enabled").count() == 0


def test_what_is_selected_stays_so_while_answers_come_and_go(browser_page: Page) -> None:
    page = browser_page
    page.route("**/v1/export", lambda route: route.fulfill(status=204))
    page.goto(BALLS)
    order = shown(page)
    for place in (0, 1, 19):
        page.locator(".tile .pick input").nth(place).check()
    wanted = {order[0], order[1], order[19]}
    page.locator(".tile .pic").first.focus()
    page.keyboard.press("+")
    page.wait_for_url("**term=1%3Aitem*")
    settled(page)
    page.fill("#q", "a green house")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=a+green+house*")
    settled(page)
    away = len(wanted - set(shown(page)))
    assert away > 0
    assert page.locator("#selected").inner_text() == f"3 selected, {away} not shown here"
    assert page.locator(".tile :checked").count() == 3 - away
    with page.expect_request("**/v1/export") as sent:
        page.click("#export button[value=csv]")
    assert sorted(parse_qs(sent.value.post_data or "")["ids"]) == sorted(wanted)
    page.go_back()
    page.go_back()
    page.wait_for_url(f"**{BALLS}")
    assert page.locator("#selected").inner_text() == "3 selected"
    assert page.locator(".tile :checked").count() == 3
    page.click("#export button[type=reset]")
    until(page, "!document.querySelector('.tile :checked')")
    assert not page.is_visible("#export")


def test_plain_links_and_forms_do_it_without_scripts(opened_with: Callable[..., Page], complaints: list[str]) -> None:
    page = opened_with(java_script_enabled=False)
    page.goto("/")
    page.fill("#q", "a red ball")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=a+red+ball")
    assert page.locator(".tile").count() == 48
    page.fill("#q", "a cup")
    page.click("button[value=without]")
    page.wait_for_url("**/?q=a+red+ball&term=-1%3Atext%3Aa+cup")
    page.hover(".tile")
    page.click(".tile [data-do=like]")
    page.wait_for_url("**like=*")
    page.click(".chip-like [aria-label^=Remove]")
    page.click("#facets a:has-text('Ulm')")
    page.wait_for_url("**facet=*")
    page.locator(".tile .pic").first.click()
    page.wait_for_url("**open=*")
    assert page.is_visible("#picture [data-picture]")
    page.click("#picture [data-close]")
    page.wait_for_url(lambda url: "open=" not in url)
    page.goto(DOGS)
    page.click(".next a")
    page.wait_for_url("**offset=20*")
    assert page.locator(".tile").count() == 20
    page.click("text=Send picture")
    assert "No picture was chosen" in page.locator("section.problem").inner_text()
    complaints.clear()  # the browser notes the status
    page.click("text=Back to the answers")
    page.wait_for_url("**offset=20*")
    page.set_input_files("#file", {"name": "p.png", "mimeType": "image/png", "buffer": red_picture()})
    page.click("text=Send picture")
    page.wait_for_url("**term=1%3Aimage*")
    assert page.locator(".tile").count() == 20
    page.click(".chip-text [aria-label^=Remove]")
    page.locator(".tile .pic").nth(2).click()
    page.click("text=Its place among the answers")
    page.wait_for_url("**/picture/*")
    assert page.locator("[data-do=before] .at").inner_text() == "2"
    assert page.locator(".picture-why button").count() == 1
    page.click("[data-do=close]")
    page.hover(".tile")
    page.check(".tile .pick input >> nth=0")
    assert page.is_visible("#export button[value=json]")
    page.set_viewport_size({"width": 375, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_nothing_moves_while_it_loads_and_nothing_is_wider_than_the_window(
    opened_with: Callable[..., Page], theme: str, width: int
) -> None:
    page = opened_with(color_scheme=theme, viewport={"width": width, "height": 800})
    page.add_init_script(SHIFTS)
    for path in ("/", DOGS, "/?q=a+red+ball&term=-1:text:a+cup&facet=note.place:Ulm"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.shifted") < 0.05, path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) is (theme == "dark")


def test_rows_are_justified_and_pictures_keep_their_proportions(browser_page: Page) -> None:
    page = browser_page
    page.goto(DOGS)
    boxes = page.eval_on_selector_all(
        "#grid .tile",
        """(all) => all.map((one) => {
          const box = one.getBoundingClientRect();
          const [width, height] = ["width", "height"].map((name) => one.querySelector("img").getAttribute(name));
          return [box.top, box.right, box.height, box.width / box.height, width / height];
        })""",
    )
    right = page.eval_on_selector("#grid", "(one) => one.getBoundingClientRect().right")
    rows: dict[int, list[list[float]]] = {}
    for box in boxes:
        rows.setdefault(round(box[0]), []).append(box)
    for row in list(rows.values())[:-1]:
        assert abs(row[-1][1] - right) < 2
        assert max(box[2] for box in row) - min(box[2] for box in row) < 2
    assert all(abs(box[3] / box[4] - 1) < 0.03 for box in boxes)


def test_the_theme_is_chosen_and_remembered(opened_with: Callable[..., Page]) -> None:
    page = opened_with(color_scheme="light")
    page.goto("/")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.click("#theme")
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == dark
    page.click("#theme")
    assert page.evaluate(background) == light


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/", "/?q=a+red+ball&term=-2:text:a+cup&like={id}&open={id}", "/?q=a&where=width>9999", "/nothing"]
)
def test_axe_finds_nothing(
    opened_with: Callable[..., Page], ids: list[str], theme: str, path: str, complaints: list[str]
) -> None:
    page = opened_with(bypass_csp=True)
    page.goto(path.format(id=ids[0]))
    page.wait_for_load_state("networkidle")
    if path == "/":
        page.click("#exports")
    assert faults(page, theme) == []
    complaints.clear()  # the status of the page that is not there


def test_the_page_goes_on_where_the_server_was_restarted(
    browser_page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    page = browser_page
    page.goto("/?q=a+red+ball")
    before = shown(page)
    live_server.stop()
    page.fill("#q", "a green house")
    page.keyboard.press("Enter")
    page.wait_for_selector("#bar:not([hidden])")
    assert "does not answer" in page.locator("#bar").inner_text()
    assert shown(page) == before
    live_server.start()
    page.click("#retry")
    page.wait_for_url("**/?q=a+green+house")
    settled(page)
    assert not page.is_visible("#bar")
    assert shown(page) == answers(live_server, q="a green house")
    complaints.clear()  # requests that failed


def test_a_picture_whose_file_is_gone_says_so(browser_page: Page, complaints: list[str]) -> None:
    page = browser_page
    first: dict[str, str] = {}

    def gone(route: Route) -> None:
        first.setdefault("url", route.request.url)
        if route.request.url == first["url"]:
            route.fulfill(status=410)
        else:
            route.continue_()

    page.route("**/thumbnail", gone)
    page.goto(DOGS)
    page.wait_for_selector(".tile.gone .missing")
    assert "the file cannot be shown" in page.locator(".missing").inner_text()
    assert page.locator(".missing").count() == 1
    complaints.clear()  # the browser notes the status


def test_a_picture_that_was_removed_meanwhile_is_closed_like_any_other(
    opened_with: Callable[..., Page], complaints: list[str]
) -> None:
    page = opened_with(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page.goto(BALLS)
    page.evaluate(
        """(() => {
          const tile = document.querySelector("#grid .tile");
          tile.dataset.id = tile.querySelector(".pick input").value = "removed";
          tile.querySelector(".pic").href = "/?open=removed&at=1";
        })()"""
    )
    first = page.locator("#grid .tile").first
    first.locator(".pick input").check()
    assert page.locator("#selected").inner_text() == "1 selected"
    first.locator(".pic").tap()
    page.wait_for_selector("#picture h2:has-text('not there any more')")
    page.tap("#picture .picture-close")
    until(page, "document.getElementById('picture').hidden")
    page.wait_for_url(f"**{BALLS}")
    assert "not in the gallery any more" in first.locator(".missing").inner_text()
    assert not page.is_visible("#export")
    assert len(shown(page)) == 48
    complaints.clear()  # the browser notes the status


def test_where_the_token_is_wanted_again_it_is_asked_for_and_leads_back(
    browser: Browser, server_with: Callable[..., LiveServer], complaints: list[str]
) -> None:
    server = server_with(token=TOKEN)
    with browser.new_context(base_url=server.url, viewport={"width": 1280, "height": 500}) as context:
        page = context.new_page()
        watch(page, server.url, complaints)

        def signed_in() -> None:
            page.wait_for_url("**/login?next=**")
            page.fill("input[name=token]", TOKEN)
            page.click("text=Sign in")

        page.goto(f"/?q=a+red+ball&k=20&token={TOKEN}")
        context.clear_cookies()
        page.fill("#q", "a blue cup")
        page.keyboard.press("Enter")
        signed_in()
        page.wait_for_url("**/?q=a+blue+cup&k=20")
        context.clear_cookies()
        page.locator(".tile .pic").nth(1).click()
        signed_in()
        page.wait_for_url("**/?q=a+blue+cup&k=20&open=*")
        assert page.is_visible("#picture [data-picture]")
        page.goto("/?q=a+blue+cup&k=20")
        context.clear_cookies()
        page.mouse.wheel(0, 3000)
        page.wait_for_selector("#bar:not([hidden])")
        assert "token is asked for" in page.locator("#bar").inner_text()
        assert page.locator("#grid .login").count() == 0
        page.click("#bar button:has-text('Sign in')")
        signed_in()
        page.wait_for_url("**/?q=a+blue+cup&k=20")
    complaints.clear()  # the browser notes the status


def test_right_to_left_sentences_stand_right(browser_page: Page) -> None:
    page = browser_page
    page.goto("/?q=%D7%9B%D7%9C%D7%91&term=1:text:%D7%97%D7%AA%D7%95%D7%9C")
    assert page.evaluate("getComputedStyle(document.getElementById('q')).direction") == "rtl"
    assert page.evaluate("getComputedStyle(document.querySelector('.chip .text')).direction") == "rtl"


def test_less_motion_is_none(opened_with: Callable[..., Page]) -> None:
    page = opened_with(reduced_motion="reduce")
    page.goto("/")
    page.evaluate("Element.prototype.animate = () => { throw Error('it moves'); }; 0")
    page.fill("#q", "a blue cup above a table")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=a+blue*")
    settled(page)
