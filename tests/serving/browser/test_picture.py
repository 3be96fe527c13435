"""The opened picture in a browser: words light regions, regions light words; answers compared; keys; no scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from crossgraph.gallery.gallery import Gallery
from crossgraph.serving.settings import ServerSettings
from tests.serving.browser.axe import faults
from tests.serving.conftest import watch
from tests.serving.explaining import SENTENCE, NodeModel, WordModel, gallery_of
from tests.serving.served import LiveServer, live

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.slow
ASKED = f"q={SENTENCE.replace(' ', '+')}"


@pytest.fixture(scope="module")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    yield from served(gallery_of(tmp_path_factory.mktemp("worded"), WordModel))


@pytest.fixture(scope="module")
def noded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    yield from served(gallery_of(tmp_path_factory.mktemp("noded"), NodeModel))


def served(gallery: Gallery) -> Iterator[LiveServer]:
    server = live(ServerSettings(gallery.folder, rate=0), gallery).start()
    yield server
    server.stop()


@pytest.fixture
def words(browser: Browser, worded: LiveServer, complaints: list[str]) -> Iterator[Page]:
    with browser.new_context(base_url=worded.url, viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        watch(page, worded.url, complaints)
        yield page


@pytest.fixture
def nodes(browser: Browser, noded: LiveServer, complaints: list[str]) -> Iterator[Page]:
    with browser.new_context(base_url=noded.url, viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        watch(page, noded.url, complaints)
        yield page


def open_first(page: Page, asked: str = ASKED) -> None:
    """Search, and open the first answer beside the others."""
    page.goto(f"/?{asked}")
    page.locator("#grid .pic").first.click()
    page.wait_for_selector("#picture-explanation .words, #picture-explanation form")


def lights(page: Page) -> list[float]:
    """How strongly each region is lit, in order."""
    found: list[float] = page.evaluate(
        "[...document.querySelectorAll('.overlay .light')]"
        ".sort((a, b) => a.dataset.region - b.dataset.region).map((one) => Number(one.getAttribute('fill-opacity')))"
    )
    return found


def framed(page: Page) -> list[str]:
    found: list[str] = page.evaluate("[...document.querySelectorAll('.frame.lit')].map((one) => one.dataset.region)")
    return found


def lit_words(page: Page) -> list[str]:
    return page.locator(".words .word.lit").all_inner_texts()


def word(page: Page, text: str) -> Locator:
    return page.locator(".words .word", has_text=text)


def test_a_hovered_word_lights_its_regions_and_then_no_more(words: Page) -> None:
    open_first(words)
    assert words.locator(".overlay[data-lit]").count() == 0
    for place, text in enumerate(SENTENCE.split()):
        word(words, text).hover()
        wanted = [round(0.02 / 0.84, 3)] * 9
        wanted[place] = 1
        assert lights(words) == pytest.approx(wanted, abs=2e-3)
        assert framed(words) == [str(place)]
        assert words.locator(".overlay").get_attribute("data-lit") == "word"
        assert text in words.locator("#picture-said").inner_text()
    words.mouse.move(2, 2)
    assert words.locator(".overlay[data-lit]").count() == 0
    assert framed(words) == []


def test_a_hovered_region_lights_its_words(words: Page) -> None:
    open_first(words)
    for place, text in enumerate(SENTENCE.split()):
        words.locator(f".hit[data-region='{place}']").hover()
        assert lit_words(words) == [text]
        assert framed(words) == [str(place)]
        assert words.locator(".adds li.lit .name").all_inner_texts() == [text]
        assert f"{text} 0.84" in words.locator("#picture-said").inner_text()
    words.locator(".hit[data-region='8']").hover()
    assert lit_words(words) == SENTENCE.split()  # all look there alike


def test_words_and_regions_by_keyboard(words: Page) -> None:
    open_first(words)
    word(words, "beside").focus()
    assert framed(words) == ["1"]
    words.keyboard.press("Tab")
    assert framed(words) == ["2"]
    words.keyboard.press("Enter")
    assert word(words, "ball").get_attribute("aria-pressed") == "true"
    words.locator("#picture-name").focus()
    assert framed(words) == ["2"]  # what was chosen stays
    words.keyboard.press("Escape")
    assert framed(words) == []
    assert words.locator("#opened").count() == 1
    words.locator("#picture-stage").focus()
    words.keyboard.press("ArrowRight")
    assert framed(words) == ["4"]
    for key, region in (("ArrowUp", "1"), ("ArrowLeft", "0"), ("ArrowLeft", "0"), ("ArrowDown", "3")):
        words.keyboard.press(key)
        assert framed(words) == [region]
    words.keyboard.press("ArrowUp")
    assert lit_words(words) == ["dog"]


def test_what_is_pressed_stays_lit(words: Page) -> None:
    open_first(words)
    word(words, "dog").click()
    word(words, "ball").hover()
    assert framed(words) == ["2"]
    words.mouse.move(2, 2)
    assert framed(words) == ["0"]
    word(words, "dog").click()
    words.mouse.move(2, 2)
    assert framed(words) == []


def test_a_word_that_takes_away_is_told_apart(words: Page) -> None:
    open_first(words)
    rows = words.locator(".adds li")
    assert [text.split("\n")[0] for text in rows.all_inner_texts()] == ["dog", "beside", "ball"]
    assert rows.nth(2).get_attribute("class") == "of-word minus"
    fills = [rows.nth(place).locator(".length").evaluate("(one) => getComputedStyle(one).fill") for place in (0, 2)]
    assert fills[0] != fills[1]


def test_things_and_relations_are_drawn(nodes: Page) -> None:
    open_first(nodes)
    drawn = nodes.locator(".mark.lit")
    assert drawn.count() == 0
    nodes.locator(".adds .word", has_text="beside").hover()
    assert drawn.count() == 1
    assert drawn.locator("rect.ink").count() == 2
    assert drawn.locator("polygon").count() == 1
    nodes.locator(".hit[data-region='0']").hover()
    assert nodes.locator(".adds .word.lit").all_inner_texts() == ["dog", "dog · beside · ball"]
    assert sorted(drawn.evaluate_all("all => all.map((one) => one.dataset.match)")) == ["0", "2"]
    nodes.locator(".adds .word", has_text="cloud").hover()
    assert drawn.count() == 0


def test_two_answers_are_compared_in_the_panel(browser_page: Page) -> None:
    open_first(browser_page, "q=a+red+ball&exact=false")
    browser_page.wait_for_selector(".picture-why")
    browser_page.locator(".picture-why button").click()
    browser_page.wait_for_selector("#picture-compared .compare")
    first = browser_page.locator("#picture-compared figcaption").all_inner_texts()
    assert "above" in first[0]
    assert browser_page.locator("#picture-compared tr.decided").count() == 1
    third = browser_page.locator("#picture-other option").nth(2).get_attribute("value")
    browser_page.select_option("#picture-other", third)
    browser_page.wait_for_function(
        "(before) => document.querySelectorAll('#picture-compared figcaption')[1]?.innerText !== before", arg=first[1]
    )
    assert f"open={browser_page.locator('#opened').get_attribute('data-picture')}&at=1" in browser_page.url


def test_neighbours_by_keyboard_and_the_way_back(browser_page: Page) -> None:
    open_first(browser_page, "q=a+red+ball&exact=false")
    ids = browser_page.locator("#grid .tile").evaluate_all("all => all.map((one) => one.dataset.id)")
    browser_page.wait_for_selector("[data-do=after]")
    browser_page.keyboard.press("ArrowRight")
    browser_page.wait_for_selector(f"#opened[data-picture='{ids[1]}'] [data-do=before]")
    assert f"open={ids[1]}" in browser_page.url
    browser_page.keyboard.press("ArrowLeft")
    browser_page.wait_for_selector(f"#opened[data-picture='{ids[0]}']")
    browser_page.go_back()
    browser_page.wait_for_selector(f"#opened[data-picture='{ids[1]}']")
    browser_page.keyboard.press("Escape")
    browser_page.wait_for_selector("#opened", state="detached")
    assert "open=" not in browser_page.url


def test_a_picture_that_came_by_scrolling_has_its_place_and_so_has_its_address(browser_page: Page) -> None:
    page = browser_page
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto("/?q=a+red+ball&exact=false&k=10")
    while (tiles := page.locator("#grid .tile")).count() < 25:
        page.mouse.wheel(0, 1000)
        page.wait_for_timeout(50)
    tiles.nth(24).locator(".pic").click()
    for _ in range(2):
        page.wait_for_selector("[data-do=before]:has-text('24')")
        assert page.locator("[data-do=after]").inner_text().startswith("26")
        page.reload()
    page.locator(".picture-why button").click()
    page.wait_for_selector("#picture-compared .compare")
    page.click("#picture [data-close]")
    page.wait_for_url("**/?q=a+red+ball&exact=false&k=10")


def test_a_picture_that_is_folded_says_under_which_answer(browser_page: Page) -> None:
    page = browser_page
    page.goto("/?q=a+red+ball&k=60")
    tile = page.locator(".tile[data-alike]").first
    rank = tile.locator(".rank").inner_text().split()[-1]
    tile.locator(".alike").click()
    page.locator(".tile[data-alike] + .tile.unfolded .pic").first.click()
    page.wait_for_selector(f"#picture-place :text('answer {rank},')")
    page.click("#picture-place a")
    page.wait_for_url(f"**at={rank}")
    page.wait_for_selector("#picture-place .picture-way")


def test_without_scripts_words_are_links(browser: Browser, worded: LiveServer) -> None:
    with browser.new_context(base_url=worded.url, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"/?{ASKED}")
        page.locator("#grid .pic").first.click()
        page.get_by_role("link", name="Why it matches").click()
        assert page.locator(".frame.lit").get_attribute("data-region") == "0"
        page.locator(".words a", has_text="ball").click()
        page.wait_for_url("**word=2**")
        assert page.locator(".frame.lit").get_attribute("data-region") == "2"
        page.locator(".picture-why button").click()
        page.wait_for_url("**/compare?*")
        assert page.locator(".compare").count() == 1


def test_the_page_of_a_picture_turns_its_links_into_buttons(words: Page) -> None:
    words.goto(f"/?{ASKED}")
    first = words.locator("#grid .tile").first.get_attribute("data-id")
    words.goto(f"/picture/{first}?{ASKED}")
    assert word(words, "dog").get_attribute("role") == "button"
    assert word(words, "dog").get_attribute("aria-pressed") == "true"
    assert framed(words) == ["0"]
    word(words, "ball").focus()
    words.keyboard.press("Space")
    assert "word=" not in words.url
    words.mouse.move(2, 2)
    assert framed(words) == ["2"]
    words.locator("#content").focus()
    words.keyboard.press("Escape")  # what is pressed first, then the picture
    words.keyboard.press("Escape")
    words.wait_for_url(f"**/?{ASKED}")


def test_on_a_small_screen_the_panel_fits(browser: Browser, noded: LiveServer, complaints: list[str]) -> None:
    with browser.new_context(
        base_url=noded.url, viewport={"width": 375, "height": 812}, has_touch=True, is_mobile=True
    ) as context:
        page = context.new_page()
        watch(page, noded.url, complaints)
        open_first(page)
        page.locator(".words .word").first.tap()
        assert framed(page) == ["0"]
        page.locator(".hit[data-region='1']").tap()
        assert lit_words(page) == ["beside"]
        page.wait_for_selector(".picture-why")
        assert page.evaluate("document.querySelector('#picture').scrollWidth <= innerWidth")
        page.goto(f"/compare?{ASKED}&a={ids_of(page)[0]}&b={ids_of(page)[1]}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def ids_of(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "fetch('/v1/items?k=2').then((one) => one.json()).then((one) => one.items.map((item) => item.id))"
    )
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["words", "nodes"])
def test_axe_finds_nothing(kind: str, theme: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(kind)
    open_first(page)
    page.wait_for_selector(".picture-why")
    page.locator(".picture-why button").click()
    page.wait_for_selector(".compare")
    page.locator(".words .word").first.click()
    assert faults(page, theme) == []
    one, other = ids_of(page)
    for address in (f"/picture/{one}?{ASKED}", f"/picture/{one}", f"/compare?{ASKED}&a={one}&b={other}"):
        page.goto(address)
        assert faults(page, theme) == []
