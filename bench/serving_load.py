"""What `crossgraph serve` does under load, as a process of its own on 127.0.0.1, asked by this process.

    python bench/serving_load.py --gallery GALLERY [--seconds 120] [--clients 32] [--parts load,flood,writer]
    python bench/serving_load.py [--pictures FOLDER] [--count 500]

The gallery is only read; without one, it is made of so many drawn pictures, or those of a folder, with the default
model. Three parts, each with a server of its own:

load: so many clients ask for a mix of searches by sentence and by item, further pages, facets, lists and thumbnails,
one request after the other, for so many seconds, after a warm-up of the same. Asked are no errors, and memory (RSS of
the server's process) that grows by less than 5% from after the warm-up to the end.

flood: ten times as many clients for --flood seconds, who do not wait when they are told to. Asked is that every answer
is 200 or 429, that the server lives, and that it answers as before afterwards.

writer: eight clients search a gallery of --written pictures while another process takes some of them out of their
folder, puts others back, and syncs. Every commit is read back from the tables afterwards. Asked is that every answer
has a version that was committed, that it is the order which a state of the gallery has that was committed while the
request was under way, less what was removed until the version told, and that lists have exactly the pictures of theirs.

Prints Markdown. The exit code is 1 where something that is asked does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import lance
import numpy as np

import crossgraph

PROGRAM = "from crossgraph.cli import main; main()"
WAIT = 300.0
GROWTH = 0.05
MIX = {"text": 40, "item": 10, "page": 10, "facets": 10, "items": 5, "thumbnail": 25}
ANSWERS = 20
CLOSE = 2e-3  # scores that differ by less may come in either order: pictures that come back are encoded again
CHANGED = 12  # pictures that a turn of the writer takes away or puts back


@dataclass
class Server:
    """A server's process and where it listens."""

    process: subprocess.Popen[bytes]
    url: str

    @property
    def memory(self) -> int:
        """The resident set of the process, in bytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@contextmanager
def served(gallery: Path, log: Path, *more: str) -> Iterator[Server]:
    """A server of the gallery, once it is ready; it must end by itself when it is told to."""
    command = [sys.executable, "-c", PROGRAM, "serve", "--gallery", str(gallery), "--port", "0", "--rate", "0", *more]
    with log.open("wb") as said:
        process = subprocess.Popen(command, stderr=said)
    try:
        until, url = time.monotonic() + WAIT, ""
        while True:
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"no server came up: {log.read_text(encoding='utf-8')[-2000:]}")
            if not url:
                lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line[:1] == "{"]
                url = next((line["url"].rstrip("/") for line in lines if line.get("event") == "listening"), "")
            elif httpx.get(f"{url}/v1/health/ready").is_success:
                break
            time.sleep(0.1)
        yield Server(process, url)
        assert process.poll() is None, f"the server ended by itself: {log.read_text(encoding='utf-8')[-2000:]}"
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@dataclass
class Told:
    """What a crowd of clients was told: by kind how long each answer took; how often each status, or error."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    took: float = 0.0

    @property
    def requests(self) -> int:
        """All that were made."""
        return sum(self.statuses.values())


Ask = Callable[[httpx.AsyncClient, random.Random], Awaitable[tuple[str, str]]]
"""Makes one request; its kind, and its status or what went wrong."""


async def crowd(url: str, ask: Ask, *, clients: int, seconds: float, seed: int = 0) -> Told:
    """So many clients, each asking again as soon as it was answered, for so many seconds."""
    told, begun = Told(), time.monotonic()

    async def one(number: int, client: httpx.AsyncClient) -> None:
        chance = random.Random(f"{seed} {number}")
        while time.monotonic() - begun < seconds:
            start = time.perf_counter()
            try:
                kind, status = await ask(client, chance)
            except httpx.HTTPError as error:
                kind, status = "none", type(error).__name__
                await asyncio.sleep(0.1)
            told.statuses[status] += 1
            if status == "200":
                told.seconds.setdefault(kind, []).append(time.perf_counter() - start)

    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        await asyncio.gather(*(one(number, client) for number in range(clients)))
    told.took = time.monotonic() - begun
    return told


def mixed(url: str) -> Ask:
    """Requests of every kind, as `MIX` has it, over the pictures that are there and what their captions say."""
    listed = [httpx.get(f"{url}/v1/items", params={"k": 200, "offset": at}).json() for at in range(0, 1000, 200)]
    items = [item for page in listed for item in page["items"]]
    sentences = [text for item in items for text in item["captions"]] or ["two dogs on a beach", "a red ball", "snow"]

    async def ask(client: httpx.AsyncClient, chance: random.Random) -> tuple[str, str]:
        kind = chance.choices(list(MIX), list(MIX.values()))[0]
        id, words = chance.choice(items)["id"], " ".join(chance.choice(sentences).split()[: chance.randint(2, 12)])
        asked: dict[str, tuple[str, dict[str, Any]]] = {
            "text": ("/v1/search", {"q": words}),
            "item": (f"/v1/items/{id}/similar", {}),
            "page": ("/v1/search", {"q": words, "offset": ANSWERS * chance.randint(1, 5)}),
            "facets": ("/v1/facets", {"where": f"width > {chance.randint(1, 500)}"}),
            "items": ("/v1/items", {"k": 60, "offset": 60 * chance.randint(0, 9)}),
            "thumbnail": (f"/v1/items/{id}/thumbnail", {}),
        }
        path, parameters = asked[kind]
        answer = await client.get(path, params=parameters)
        return kind, str(answer.status_code)

    return ask


def load(gallery: Path, folder: Path, *, clients: int, seconds: float, warm_up: float) -> bool:
    """So many clients at once; whether none got an error and memory stayed flat."""
    with served(gallery, folder / "load.log") as server:
        ask = mixed(server.url)
        asyncio.run(crowd(server.url, ask, clients=clients, seconds=warm_up, seed=1))
        before = server.memory
        told = asyncio.run(crowd(server.url, ask, clients=clients, seconds=seconds))
        after = server.memory
    errors = told.requests - told.statuses["200"]
    print(f"\n### {clients} clients, {told.took:.0f} s\n\n| requests | a second | p50 ms | p95 ms | p99 ms |")
    print("|---|---|---|---|---|")
    for kind in (*MIX, "all"):
        spent = told.seconds.get(kind, []) if kind != "all" else [one for some in told.seconds.values() for one in some]
        if spent:
            p50, p95, p99 = 1000 * np.percentile(spent, [50, 95, 99])
            print(f"| {kind}: {len(spent):,} | {len(spent) / told.took:.1f} | {p50:.0f} | {p95:.0f} | {p99:.0f} |")
    growth = after / before - 1
    print(f"\nErrors: {errors} {dict(told.statuses)} (asked: 0). Memory: {before / 2**20:.0f} MiB after the warm-up of")
    print(f"{warm_up:.0f} s, {after / 2**20:.0f} MiB at the end: {growth:+.1%} (asked: within {GROWTH:.0%}).")
    return not errors and growth < GROWTH


def flood(gallery: Path, folder: Path, *, clients: int, seconds: float) -> bool:
    """Too many clients; whether they were told so, and nothing broke."""
    with served(gallery, folder / "flood.log") as server:
        ask = mixed(server.url)
        told = asyncio.run(crowd(server.url, ask, clients=clients, seconds=seconds))
        begun, after = time.monotonic(), Told()
        while time.monotonic() - begun < 60 and not after.statuses["200"]:
            after = asyncio.run(crowd(server.url, ask, clients=1, seconds=0.5))
        waited = time.monotonic() - begun
        well = asyncio.run(crowd(server.url, ask, clients=8, seconds=min(10.0, seconds)))
    others = told.requests - told.statuses["200"] - told.statuses["429"]
    print(f"\n### {clients} clients who do not wait, {told.took:.0f} s\n\n| 200 | 429 | others | afterwards |")
    print("|---|---|---|---|")
    print(
        f"| {told.statuses['200']:,} | {told.statuses['429']:,} | {others} | answers after {waited:.1f} s; of"
        f" 8 clients' {well.requests:,} requests {well.requests - well.statuses['200']} were not answered |"
    )
    if others:
        print(f"\n{dict(told.statuses)}")
    return not others and bool(told.statuses["429"]) and well.requests == well.statuses["200"] > 0


def write(gallery: Path, pictures: Path, away: Path, stop: Path) -> None:
    """Take pictures out of their folder, put others back, and sync, until the file `stop` is there."""
    opened, chance, turns = crossgraph.open_gallery(gallery), random.Random(0), 0
    while not stop.exists():
        here, there = sorted(pictures.iterdir()), sorted(away.iterdir())
        for path in chance.sample(there, min(len(there), chance.randint(0, CHANGED))):
            shutil.move(path, pictures)
        for path in chance.sample(here, min(len(here) // 2, chance.randint(0, CHANGED))):
            shutil.move(path, away)
        opened.sync()
        turns += 1
    print(turns)


@dataclass(frozen=True)
class Seen:
    """One answer: the version known before it was asked for, the one it told, and the names of its pictures."""

    what: str
    before: int
    version: int
    names: tuple[str, ...]
    total: int


def writer(pictures: Sequence[Path], folder: Path, *, clients: int, seconds: float) -> bool:
    """Clients while another process syncs; whether every answer was right for a state that was committed."""
    gallery, here, away, stop = (folder / name for name in ("written", "here", "away", "stop"))
    for place in (here, away):
        place.mkdir()
    for number, path in enumerate(pictures):
        shutil.copy(path, here / f"{number:04}{path.suffix}")
    crossgraph.index(here, gallery)
    sentences = ("two dogs", "a red ball", "people on a beach", "a child with a hat", "water", "something small")
    scores = scored(gallery, sentences, len(pictures))
    seen: list[Seen] = []
    with served(gallery, folder / "writer.log") as server:
        known = [0]

        async def ask(client: httpx.AsyncClient, chance: random.Random) -> tuple[str, str]:
            before, sentence = known[0], chance.choice(sentences)
            kind = chance.choice(("list", "order", "cascade"))
            asked: dict[str, tuple[str, dict[str, Any]]] = {
                "list": ("/v1/items", {"k": 200}),
                "order": ("/v1/search", {"q": sentence, "rerank": False, "exact": False, "fold": False}),
                "cascade": ("/v1/search", {"q": sentence, "fold": False}),
            }
            path, words = asked[kind]
            answer = await client.get(path, params=words)
            if answer.status_code == 200:
                told = answer.json()
                items = told["items"] if kind == "list" else [one["item"] for one in told["results"]]
                version = int(told["version"].partition("-")[0])
                known[0] = max(known[0], version)
                what = sentence if kind == "order" else kind
                total = told["total"] if kind == "list" else told["searched"]
                seen.append(Seen(what, before, version, tuple(one["name"] for one in items), total))
            return kind, str(answer.status_code)

        command = [sys.executable, __file__, "--write", *map(str, (gallery, here, away, stop))]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            told = asyncio.run(crowd(server.url, ask, clients=clients, seconds=seconds))
        finally:
            stop.touch()
            said, _ = process.communicate(timeout=WAIT)
    states = committed(gallery)
    wrong = [one for one in seen if not is_right(one, states, scores)]
    errors = told.requests - told.statuses["200"]
    print(f"\n### {clients} clients while another process syncs, {told.took:.0f} s\n")
    print("| answers | syncs | commits | versions answered | errors | wrong for every committed state |")
    print("|---|---|---|---|---|---|")
    versions = len({one.version for one in seen})
    print(f"| {len(seen):,} | {int(said or 0)} | {len(states)} | {versions} | {errors} | {len(wrong)} |")
    if errors:
        print(f"\n{dict(told.statuses)}")
    for one in wrong[:5]:
        print(f"\n{one}")
    return process.returncode == 0 and not errors and not wrong and versions > 1


def scored(gallery: Path, sentences: Sequence[str], count: int) -> dict[str, dict[str, float]]:
    """By sentence, what every picture scores, by its name; all of them are there still."""
    opened = crossgraph.open_gallery(gallery)
    names = {item.id: item.path.name for item in opened.items(opened.snapshot().items["id"].to_pylist()).values()}
    options = crossgraph.SearchOptions(k=count, exact=False, rerank=False)
    return {
        sentence: {names[one.id]: one.score for one in opened.search(sentence, options).results}
        for sentence in sentences
    }


def committed(gallery: Path) -> dict[int, frozenset[str]]:
    """By version of the table of pictures, the names of those that it held."""
    place = str(gallery / "items.lance")
    versions = [one["version"] for one in lance.dataset(place).versions()]
    return {
        version: frozenset(
            Path(path).name for path in lance.dataset(place, version=version).to_table(["path"])["path"].to_pylist()
        )
        for version in versions
    }


def is_right(one: Seen, states: dict[int, frozenset[str]], scores: dict[str, dict[str, float]]) -> bool:
    """Whether an answer is that of a committed state."""
    now = states.get(one.version)
    if now is None or len(set(one.names)) != len(one.names) or not set(one.names) <= now:
        return False
    if one.what == "list":
        return one.total == len(now) == len(one.names)
    between = [names for version, names in states.items() if one.before <= version <= one.version]
    if one.what == "cascade":
        return any(one.total == len(names) and set(one.names) <= names for names in between)
    return any(one.total == len(names) and is_order(one.names, names, now, scores[one.what]) for names in between)


def is_order(answer: Sequence[str], state: frozenset[str], now: frozenset[str], scores: dict[str, float]) -> bool:
    """Whether an answer has the best of a `state`, the best first, less those that are gone `now`."""
    best = sorted(state, key=lambda name: -scores[name])
    last = scores[best[min(ANSWERS, len(best)) - 1]]
    sure = {name for name in best if scores[name] > last + CLOSE} & now
    perhaps = {name for name in best if scores[name] >= last - CLOSE} & now
    falling = all(scores[one] >= scores[other] - CLOSE for one, other in itertools.pairwise(answer))
    missing = len(state - now)
    enough = min(ANSWERS, len(state)) - missing <= len(answer) <= ANSWERS
    return falling and enough and sure <= set(answer) <= perhaps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", type=Path, help="a gallery that is there; it is only read")
    parser.add_argument("--pictures", type=Path, help="a folder of pictures (default: drawn ones)")
    parser.add_argument("--count", type=int, default=500, help="pictures of a gallery that is made")
    parser.add_argument("--written", type=int, default=150, help="pictures of the gallery that is written to")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the load, and of the writer")
    parser.add_argument("--warm-up", type=float, default=30.0)
    parser.add_argument("--flood", type=float, default=30.0, help="seconds of the flood")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--parts", default="load,flood,writer")
    parser.add_argument("--write", nargs=4, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        write(*asked.write)
        return 0
    parts, well = asked.parts.split(","), []
    with tempfile.TemporaryDirectory() as name:
        folder, gallery = Path(name), asked.gallery
        pictures = pictures_of(asked.pictures, max(asked.count, asked.written))
        if gallery is None and {"load", "flood"} & set(parts):
            gallery = folder / "gallery"
            (folder / "pictures").mkdir()
            for number, path in enumerate(pictures[: asked.count]):
                shutil.copy(path, folder / "pictures" / f"{number:05}{path.suffix}")
            crossgraph.index(folder / "pictures", gallery)
        if gallery is not None:
            rows = len(crossgraph.Gallery.open(gallery))
            print(f"{rows:,} pictures, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before.")
        if "load" in parts:
            well.append(load(gallery, folder, clients=asked.clients, seconds=asked.seconds, warm_up=asked.warm_up))
        if "flood" in parts:
            well.append(flood(gallery, folder, clients=10 * asked.clients, seconds=asked.flood))
        if "writer" in parts:
            well.append(writer(pictures[: asked.written], folder, clients=8, seconds=asked.seconds))
    print(f"\n{'All that is asked holds.' if all(well) else 'Something that is asked does not hold.'}")
    return int(not all(well))


def pictures_of(folder: Path | None, count: int) -> Sequence[Path]:
    """So many pictures: of a folder, or drawn."""
    if folder is None:
        return crossgraph.open_corpus(f"scenes:{count}:7").image_paths
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))[:count]


if __name__ == "__main__":
    sys.exit(main())
