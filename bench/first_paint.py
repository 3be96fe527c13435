"""When the answers of a search are first painted, beside what the API takes for the same search, and what then moves.

    python bench/first_paint.py --gallery pictures [--queries queries.txt] [--count 30] [--out first_paint.json]

Three times of each query, in turn, each by the clock of its own client: the API (`/v1/search`, one connection);
the page opened at the search's address, until the browser's own first contentful paint (the answers are in what the
server sends); and a search from the open page, from the form being sent until the frame after the first answers. Each
search gets another query, so that no way profits from what another one computed; a query that was asked already is
asked of each way first, third, and second as often. Medians are printed, with their ratios to the API's, and the
browser's own measure of what moved (cumulative layout shift), the largest of all pages.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
from serving import chromium, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

K = 48
WATCH = """
window.moved = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.moved += one.value;
}).observe({ type: "layout-shift", buffered: true });
"""
PAINTED = """() => new Promise((done) => {
  const there = performance.getEntriesByName("first-contentful-paint")[0];
  if (there) return done(there.startTime);
  new PerformanceObserver((list) => {
    const one = list.getEntriesByName("first-contentful-paint")[0];
    if (one) done(one.startTime);
  }).observe({ type: "paint" });
})"""
SENT = """(query) => new Promise((done) => {
  const before = document.getElementById("found");
  const seen = new MutationObserver(() => {
    const now = document.getElementById("found");
    if (!now || now === before || !now.querySelector(".tile")) return;
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun), 0));
  });
  seen.observe(document.querySelector("main"), { childList: true, subtree: true });
  document.getElementById("q").value = query;
  const begun = performance.now();
  document.getElementById("search").requestSubmit();
})"""
WORDS = (
    ("a red", "two green", "a striped", "three blue", "a small yellow"),
    ("car", "tree", "house", "boat", "dog", "person", "cup", "star"),
    ("beside a tree", "on the left", "above a house", "near water", "in the snow"),
)


def made_queries() -> list[str]:
    """Enough different sentences."""
    return [f"{one} {two} {three}" for three in WORDS[2] for two in WORDS[1] for one in WORDS[0]]


def api(client: httpx.Client, query: str) -> float:
    """Milliseconds until the API's answer is there, whole."""
    begun = time.perf_counter()
    client.get("/v1/search", params={"q": query, "k": K}).raise_for_status()
    return 1000 * (time.perf_counter() - begun)


def opened(page: Page, query: str) -> float:
    """Milliseconds from the address being opened to the first paint, which has the answers."""
    page.goto(f"/?{urlencode({'q': query})}", wait_until="commit")
    painted: float = page.evaluate(PAINTED)
    page.wait_for_load_state("networkidle")
    assert page.locator("#grid .tile").count()
    return painted


def sent(page: Page, query: str) -> float:
    """Milliseconds from the form being sent to the frame after the first answers."""
    found: float = page.evaluate(SENT, query)
    page.wait_for_selector("#found:not([data-waits])")
    page.wait_for_load_state("networkidle")
    return found


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gallery", type=Path, required=True)
    options.add_argument("--queries", type=Path, help="one a line; 200 sentences are made without it")
    options.add_argument("--count", type=int, default=30, help="searches of each way")
    options.add_argument("--out", type=Path)
    asked = options.parse_args()
    queries = made_queries() if asked.queries is None else asked.queries.read_text(encoding="utf-8").split("\n")
    queries = [one.strip() for one in queries if one.strip()]
    times: dict[str, list[float]] = {"API": [], "page opened": [], "search sent": []}
    moved = [0.0]
    with serving("--gallery", str(asked.gallery)) as server, chromium() as browser:
        context = browser.new_context(base_url=server.url, viewport={"width": 1280, "height": 800})
        context.add_init_script(WATCH)
        opening, sending = context.new_page(), context.new_page()
        sending.goto("/")
        sending.wait_for_load_state("networkidle")
        with httpx.Client(base_url=server.url, timeout=60) as client:
            for place in range(-2, asked.count):  # the first two are not counted
                way = {
                    "API": lambda one: api(client, one),
                    "page opened": lambda one: opened(opening, one),
                    "search sent": lambda one: sent(sending, one),
                }
                for turn, name in enumerate(way):
                    took = way[name](queries[(3 * (place + 2) + turn) % len(queries)])
                    if place >= 0:
                        times[name].append(took)
                moved.append(opening.evaluate("window.moved"))
            moved.append(sending.evaluate("window.moved"))
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, median in medians.items():
        print(f"{name:12} {median:7.1f} ms   {median / medians['API']:5.2f} x API   ({asked.count} searches)")
    print(f"layout shift {max(moved):.4f} at most")
    if asked.out is not None:
        asked.out.write_text(json.dumps({"milliseconds": times, "layout_shift": max(moved)}, indent=1), "utf-8")


if __name__ == "__main__":
    main()
