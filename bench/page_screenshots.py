"""Every state of the page as a picture, to be looked at.

    python bench/page_screenshots.py --gallery pictures --out shots [--runs demo/runs] [--only compare,map]
    python bench/page_screenshots.py --gallery pictures --out shots --docs docs/page

The second takes what docs/page.md shows, and puts that into a folder of its own, as WebP. The gallery gets thumbnails
and a map, as it would from any server. The queries are made for the drawn scenes of `make demo`; `--query`, `--minus`
and `--nothing` name others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from PIL import Image
from serving import Process, chromium, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SIZE = {"width": 1280, "height": 800}
SMALL = {"width": 375, "height": 740}
TOKEN = "a-token-for-screenshots"
STILL = """async () => {
  const near = [...document.images].filter((one) => one.getBoundingClientRect().top < innerHeight);
  await Promise.all(near.map((one) => one.decode().catch(() => 0)));
  const ending = document.getAnimations().filter((one) => one.effect.getTiming().iterations < 9);
  await Promise.all(ending.map((one) => one.finished.catch(() => 0)));
}"""
LARGEST = 150_000  # bytes of a picture in the documents
DOCUMENTED = {
    "answers": ("answers", "answers"),
    "chips": ("chips", "chips-weights"),
    "relation": ("explanation", "picture-relation"),
    "compared": ("explanation", "picture-compared"),
    "map": ("map", "map-lasso"),
    "small": ("small", "small-picture"),
}
"""What docs/page.md shows: the state that takes it, and its name there."""
STATES: dict[str, Callable[[Walk], None]] = {}


@dataclass
class Walk:
    """What a state needs: a browser, a server, the queries, and where its picture goes."""

    browser: Browser
    server: Process
    asked: argparse.Namespace
    complaints: list[str] = field(default_factory=list)

    @contextmanager
    def page(self, **settings: Any) -> Iterator[Page]:
        """A page of a profile of its own."""
        context: BrowserContext = self.browser.new_context(base_url=self.server.url, **({"viewport": SIZE} | settings))
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        try:
            yield page
        finally:
            context.close()

    def address(self, **parameters: object) -> str:
        """The search page of the query; None leaves a parameter out."""
        given = {"q": self.asked.query} | parameters
        return "/?" + urlencode({name: value for name, value in given.items() if value is not None}, doseq=True)

    def take(self, page: Page, name: str, *, full: bool = False, scripts: bool = True) -> None:
        """Keep what the page shows, once all its pictures are there and nothing moves."""
        page.wait_for_load_state("networkidle")
        if scripts:
            page.evaluate(STILL)
        path = self.asked.out / f"{name}.png"
        page.screenshot(path=path, full_page=full)
        print(path)


def state(function: Callable[[Walk], None]) -> Callable[[Walk], None]:
    """A state to be taken, known by the function's name."""
    STATES[function.__name__] = function
    return function


def open_picture(page: Page, place: int = 0) -> None:
    """Open an answer, and wait for what is said of it."""
    page.locator("#grid .pic").nth(place).click()
    page.wait_for_selector("#picture #picture-explanation:not([aria-busy])")
    page.wait_for_selector("#picture [data-picture]:not(:has(.picture-waits))")


@state
def start(walk: Walk) -> None:
    with walk.page() as page:
        page.goto("/")
        walk.take(page, "start")


@state
def answers(walk: Walk) -> None:
    with walk.page() as page:
        page.goto(walk.address())
        walk.take(page, "answers")
        page.locator("#grid .tile").nth(1).hover()
        walk.take(page, "answers-hover")
        page.locator(".timings summary").click()
        walk.take(page, "answers-timings")
        page.locator(".menu summary").click()
        walk.take(page, "answers-menu")
        page.keyboard.press("?")
        walk.take(page, "answers-keys")
        page.keyboard.press("Escape")
        page.mouse.move(640, 795)
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        walk.take(page, "answers-end")


@state
def explanation(walk: Walk) -> None:
    with walk.page() as page:
        page.goto(walk.address())
        open_picture(page)
        walk.take(page, "picture")
        page.locator(".words .word", has_text=walk.asked.word).first.hover()
        walk.take(page, "picture-word")
        page.locator("#picture-stage .hit").first.hover(force=True)
        walk.take(page, "picture-region")
        relation = page.locator(".adds .of-relation .word").first
        if relation.count():
            relation.hover()
            walk.take(page, "picture-relation")
        page.locator(".picture-why button").click()
        page.wait_for_selector("#picture-compared .compare")
        page.locator("#picture-compared").scroll_into_view_if_needed()
        walk.take(page, "picture-compared")
        page.evaluate("document.querySelector('#picture').scrollTop = 1e6")
        walk.take(page, "picture-facts")


@state
def picture_page(walk: Walk) -> None:
    with walk.page() as page:
        page.goto(walk.address())
        first = page.locator("#grid .tile").first.get_attribute("data-id")
        page.goto(f"/picture/{first}?{urlencode({'q': walk.asked.query})}")
        walk.take(page, "picture-page", full=True)
        page.goto(f"/picture/{first}")
        walk.take(page, "picture-page-no-query", full=True)


@state
def compare(walk: Walk) -> None:
    with walk.page() as page:
        page.goto(walk.address())
        one, other = (page.locator("#grid .tile").nth(place).get_attribute("data-id") for place in (0, 2))
        page.goto(f"/compare?{urlencode({'q': walk.asked.query, 'a': one, 'b': other})}")
        walk.take(page, "compare", full=True)


@state
def facets(walk: Walk) -> None:
    with walk.page() as page:
        page.goto(walk.address())
        for one in page.locator("#facets details:not([open]) > summary").all():
            one.click()
        walk.take(page, "facets")
        page.locator("#facets li a").nth(1).click()
        page.wait_for_selector("#facets a[aria-current]")
        walk.take(page, "facets-chosen")
        page.goto(walk.address(where="width > 99999"))
        walk.take(page, "facets-nothing-left")


@state
def folded(walk: Walk) -> None:
    with walk.page() as page:
        page.goto(walk.address(q=walk.asked.twice, k=96))
        walk.take(page, "folded")
        if page.locator(".tile .alike").count():
            page.locator(".tile .alike").first.click()
            page.wait_for_selector(".tile.unfolded + .tile.unfolded")
            walk.take(page, "unfolded")


@state
def chips(walk: Walk) -> None:
    with walk.page() as page:
        page.goto(walk.address())
        item = page.locator("#grid .tile").nth(3).get_attribute("data-id")
        page.goto(walk.address(term=[f"2:item:{item}", f"-0.5:text:{walk.asked.minus}"], like=item))
        walk.take(page, "chips")
        page.locator(".chip.minus summary").click()
        walk.take(page, "chips-weights")


@state
def selection(walk: Walk) -> None:
    with walk.page() as page:
        page.goto(walk.address())
        page.locator(".tile .pick input").nth(1).click()
        page.locator(".tile .pick input").nth(5).click(modifiers=["Shift"])
        walk.take(page, "selection")


@state
def weak(walk: Walk) -> None:
    with walk.page() as page:
        for place, query in enumerate(walk.asked.nothing):
            page.goto(walk.address(q=query))
            walk.take(page, f"weak-{place}")


@state
def captions(walk: Walk) -> None:
    with walk.page() as page:
        page.goto(walk.address(target="captions"))
        walk.take(page, "captions")


@state
def map(walk: Walk) -> None:
    with walk.page() as page:
        page.goto("/map")
        page.wait_for_selector(".map.drawn", timeout=240_000)
        walk.take(page, "map")
        box = page.locator("#map-canvas").bounding_box()
        assert box is not None
        page.get_by_role("button", name="Lasso").click()
        corners = [(0.3, 0.3), (0.5, 0.22), (0.62, 0.4), (0.5, 0.62), (0.34, 0.55)]
        places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=8)
        page.mouse.up()
        page.wait_for_selector("#map-taken:not([hidden])")
        walk.take(page, "map-lasso")
        page.locator("#map-taken a").click()
        page.wait_for_selector("#grid .tile")
        walk.take(page, "map-taken")
        page.goto("/map")
        page.wait_for_selector(".map.drawn")
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for _ in range(6):
            page.mouse.wheel(0, -400)
        walk.take(page, "map-near")


@state
def pages(walk: Walk) -> None:
    with walk.page() as page:
        for name in ("health", "runs", "evaluations"):
            page.goto(f"/{name}")
            walk.take(page, name, full=True)
        for name, links in (("run", "main a[href*='run=']"), ("evaluation", "main a[href^='/evaluations/']")):
            page.goto("/runs" if name == "run" else "/evaluations")
            if page.locator(links).count():
                page.locator(links).first.click()
                walk.take(page, name, full=True)


@state
def login(walk: Walk) -> None:
    with serving("--gallery", str(walk.asked.gallery), "--token", TOKEN, ready=False) as server, walk.page() as page:
        page.goto(server.url)
        walk.take(page, "login")
        page.fill("input[type=password]", "something else")
        page.keyboard.press("Enter")
        page.wait_for_load_state("networkidle")
        walk.take(page, "login-wrong")


@state
def warming(walk: Walk) -> None:
    with serving("--gallery", str(walk.asked.gallery), ready=False) as server, walk.page() as page:
        page.route("**/v1/health/ready", lambda route: route.abort())
        page.goto(server.url)
        walk.take(page, "warming")


@state
def errors(walk: Walk) -> None:
    with walk.page() as page:
        page.goto("/nothing-here")
        walk.take(page, "error")
        page.goto(walk.address(where="widht > 3"))
        walk.take(page, "error-filter")


@state
def gone(walk: Walk) -> None:
    with walk.page() as page:
        page.route("**/thumbnail", lambda route: route.fulfill(status=410))
        page.goto(walk.address())
        page.wait_for_selector(".tile.gone .missing")
        walk.take(page, "files-gone")
    with serving("--gallery", str(walk.asked.gallery)) as server, walk.page() as page:
        page.goto(server.url + walk.address())
        page.wait_for_load_state("networkidle")
        server.stop()
        page.fill("#q", walk.asked.minus)
        page.keyboard.press("Enter")
        page.wait_for_selector("#bar:not([hidden])")
        walk.take(page, "server-gone")


@state
def no_scripts(walk: Walk) -> None:
    with walk.page(java_script_enabled=False) as page:
        page.goto(walk.address())
        walk.take(page, "no-scripts", scripts=False)
        page.goto("/map")
        walk.take(page, "no-scripts-map", scripts=False)
        page.set_viewport_size({"width": 375, "height": 740})
        page.goto(walk.address())
        walk.take(page, "no-scripts-small", scripts=False)


@state
def dark(walk: Walk) -> None:
    with walk.page(color_scheme="dark") as page:
        page.goto("/")
        walk.take(page, "dark-start")
        page.goto(walk.address(term=f"-1:text:{walk.asked.minus}"))
        open_picture(page)
        page.locator(".words .word", has_text=walk.asked.word).first.hover()
        walk.take(page, "dark-picture")
        for name in ("map", "health", "runs", "evaluations"):
            page.goto(f"/{name}")
            walk.take(page, f"dark-{name}", full=name != "map")


@state
def small(walk: Walk) -> None:
    with walk.page(viewport=SMALL, has_touch=True, is_mobile=True, device_scale_factor=2) as page:
        page.goto("/")
        walk.take(page, "small-start")
        page.goto(walk.address(term=f"-1:text:{walk.asked.minus}"))
        walk.take(page, "small-answers")
        page.locator(".narrow").tap()
        walk.take(page, "small-facets")
        page.goto(walk.address())
        open_picture(page)
        page.locator(".words .word", has_text=walk.asked.word).first.tap()
        walk.take(page, "small-picture")
        for name in ("map", "health", "runs", "evaluations"):
            page.goto(f"/{name}")
            walk.take(page, f"small-{name}")


@state
def right_to_left(walk: Walk) -> None:
    with walk.page() as page:
        page.goto(walk.address(q="כלב רץ בשלג", term="1:text:חתול"))
        open_picture(page)
        walk.take(page, "right-to-left")


@state
def less_motion(walk: Walk) -> None:
    with walk.page(reduced_motion="reduce") as page:
        page.goto("/")
        page.fill("#q", walk.asked.query)
        page.keyboard.press("Enter")
        page.wait_for_selector("#found[data-stage]:not([data-waits]) .tile")
        assert page.evaluate("document.getAnimations().length") == 0
        walk.take(page, "less-motion")


def document(taken: Path, folder: Path) -> None:
    """Put what the documents show into `folder`, each in at most `LARGEST` bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, shot) in DOCUMENTED.items():
        path = folder / f"{name}.webp"
        with Image.open(taken / f"{shot}.png") as image:
            for quality in range(88, 30, -4):
                image.convert("RGB").save(path, quality=quality, method=6)
                if path.stat().st_size <= LARGEST:
                    break
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Take them."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gallery", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--runs", type=Path)
    options.add_argument("--query", default="a red car left of a blue tree")
    options.add_argument("--word", default="red", help="a word of it, to be lit")
    options.add_argument("--minus", default="a green boat")
    options.add_argument("--twice", default="a solid yellow moon below a big green boat", help="finds near-duplicates")
    options.add_argument("--nothing", nargs="+", default=["a crowded street at night", "zzyzx"])
    options.add_argument("--only", default="", help=f"of {','.join(STATES)}")
    options.add_argument("--docs", type=Path, help="take what docs/page.md shows, and put it there")
    asked = options.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    wanted = [one for one in asked.only.split(",") if one] or list(STATES)
    if asked.docs is not None:
        wanted = list(dict.fromkeys(taken for taken, _ in DOCUMENTED.values()))
    if unknown := [one for one in wanted if one not in STATES]:
        raise SystemExit(f"there is no state {', '.join(unknown)}: --only takes {', '.join(STATES)}")
    more = ["--runs", str(asked.runs)] if asked.runs else []
    with serving("--gallery", str(asked.gallery), *more) as server, chromium() as browser:
        walk = Walk(browser, server, asked)
        for name in wanted:
            STATES[name](walk)
    if asked.docs is not None:
        document(asked.out, asked.docs)
    if walk.complaints:
        raise SystemExit("errors of scripts: " + "; ".join(walk.complaints))


if __name__ == "__main__":
    main()
