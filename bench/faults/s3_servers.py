"""Several `crossgraph serve` over one gallery in an object store, a writer beside them, and servers that are killed.

    python bench/faults/s3_servers.py [--servers 3] [--writes 60] [--kills 3] [--seed 0] [--json FILE]

A local S3 server (moto) holds the gallery. This process adds, annotates and removes pictures, one after the other, and
asks a server at random after each write, carrying the version that the write gave: in the header `X-At-Least`, or as
`at_least`. Beside it, a thread a server asks without a version. At random moments a server is killed (kill -9), and
started again some writes later.

    stale    answers to a request with a version that do not have that write, or have an older version; must be 0
    back     answers of one server whose version is older than one that it gave before; must be 0
    errors   answers that are not 200, of servers that live; must be 0
    seconds  from a write to the answer that has it, in the middle and at most

Prints the counts as JSON and ends with status 1 unless each of the first three is 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the small model
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for the tests' store

from cluster_index import CROSSGRAPH, small_model

from crossgraph import verbs
from crossgraph.data.sources import open_corpus
from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.version import Version
from tests.storage.object_store import BUCKET, environment, object_store

ADDRESS = f"s3://{BUCKET}/gallery"
AWAY = 5
"""So many writes after it was killed a server is started again."""


class Server:
    """A server's process, and a thread that asks it without a version."""

    def __init__(self, model: Path, log: Path) -> None:
        words = ["serve", "--gallery", ADDRESS, "--model", str(model), "--port", "0", "--rate", "0"]
        log.unlink(missing_ok=True)
        with log.open("wb") as said:
            self.process = subprocess.Popen([*CROSSGRAPH, *words], stderr=said, stdout=subprocess.DEVNULL)
        self.url = self._listens(log)
        self.told, self.newest, self.over = Counter[str](), Version((0, 0, 0)), threading.Event()
        self.until("/v1/health/ready")
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _listens(self, log: Path) -> str:
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            for line in log.read_text(encoding="utf-8").splitlines():
                if line.endswith("}") and "url" in (told := json.loads(line)):
                    return str(told["url"])
            time.sleep(0.1)
        raise SystemExit(f"a server did not start: {log.read_text()}")

    def until(self, path: str) -> None:
        """Wait until it answers there with 200."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                if httpx.get(self.url.rstrip("/") + path, timeout=30).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"{self.url} is not ready")

    def ask(self, where: str, *, header: str = "", query: str = "") -> httpx.Response:
        """Search among the pictures of a filter."""
        words: dict[str, str | int] = {"q": "a red ball", "k": 1, "where": where}
        return httpx.get(
            self.url + "v1/search",
            params=words | ({"at_least": query} if query else {}),
            headers={"X-At-Least": header} if header else {},
            timeout=60,
        )

    def _ask(self) -> None:
        """Ask all the while; count answers, and those that go back."""
        while not self.over.wait(0.05):
            try:
                answer = self.ask("width > 0")
            except httpx.TransportError as error:
                if not self.over.is_set():
                    self.told["errors"] += 1
                    print(f"reader: {error!r}", flush=True)
                return
            if answer.status_code != 200:
                self.told["errors"] += 1
                print(f"reader: {answer.status_code} {answer.text[:200]}", flush=True)
                continue
            version = Version.parse(answer.json()["version"])
            self.told["back"] += not version.includes(self.newest)
            self.newest, self.told["answers"] = version, self.told["answers"] + 1

    def end(self) -> Counter[str]:
        """Kill it; what its reader counted."""
        self.over.set()
        self.process.kill()
        self.process.wait()
        self.thread.join()
        return self.told


class Writer:
    """Changes the gallery, and knows a filter and how many pictures it then has."""

    def __init__(self, gallery: Gallery, spare: list[Path], chance: random.Random) -> None:
        self.gallery, self.spare, self.chance, self.stars = gallery, spare, chance, 0
        self.there = list[Path]()

    def write(self) -> tuple[str, str, bool]:
        """Change something: the version, a filter, and whether a picture passes it now."""
        kind = self.chance.choice(["add", "note", "remove"] if len(self.there) > 3 else ["add"])
        if kind == "add":
            path = self.spare.pop(0)
            report = self.gallery.upsert([NewImage(path, (f"the picture {path.stem}",))])
            self.there.append(path)
            return report.version, f"name = '{path.name}'", True
        path = self.chance.choice(self.there)
        if kind == "note":
            self.stars += 1
            self.gallery.annotate({path: {"stars": self.stars}})
            return self.gallery.version(), f"name = '{path.name}' and stars = {self.stars}", True
        self.there.remove(path)
        self.gallery.remove([path])
        self.spare.append(path)
        return self.gallery.version(), f"name = '{path.name}'", False


def checked(server: Server, version: str, where: str, there: bool, chance: random.Random) -> str:
    """What is wrong with the answer to a request that carries the version of a write; nothing if all is well."""
    carried = {"header": version} if chance.random() < 0.5 else {"query": version}
    answer = server.ask(where, **carried)
    if answer.status_code != 200:
        print(f"writer: {answer.status_code} {answer.text[:200]}", flush=True)
        return "errors"
    told: dict[str, Any] = answer.json()
    seen = Version.parse(told["version"]).includes(Version.parse(version)) and bool(told["results"]) == there
    return "" if seen else "stale"


def main() -> None:
    """Serve, write, kill, count."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--servers", type=int, default=3)
    options.add_argument("--writes", type=int, default=60)
    options.add_argument("--kills", type=int, default=3)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--json", type=Path)
    asked = options.parse_args()
    chance, sums, seconds = random.Random(asked.seed), Counter[str](stale=0, back=0, errors=0), list[float]()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ |= environment(stack.enter_context(object_store()))
        os.environ["CROSSGRAPH_CACHE"] = str(work / "cache")
        model = small_model(work, fine=False)
        pictures = [Path(shutil.copy(path, work)) for path in open_corpus(f"scenes:{asked.writes + 20}").image_paths]
        writer = Writer(Gallery.create(ADDRESS, verbs.load(model), run=str(model)), pictures, chance)
        writer.write()
        servers = [Server(model, work / f"{place}.log") for place in range(asked.servers)]
        doomed = sorted(chance.sample(range(asked.writes), asked.kills))
        gone = dict[int, int]()
        for number in range(asked.writes):
            for place, since in list(gone.items()):
                if number >= since + AWAY:
                    servers[place] = Server(model, work / f"{place}.log")
                    del gone[place]
            if number in doomed and len(gone) + 1 < len(servers):
                place = chance.choice([place for place in range(len(servers)) if place not in gone])
                sums += servers[place].end()
                sums["killed"] += 1
                gone[place] = number
            version, where, there = writer.write()
            began = time.monotonic()
            living = [server for place, server in enumerate(servers) if place not in gone]
            wrong = checked(chance.choice(living), version, where, there, chance)
            seconds.append(time.monotonic() - began)
            sums["writes"] += 1
            sums[wrong or "seen"] += 1
        for place, server in enumerate(servers):
            if place not in gone:
                sums += server.end()
    told: dict[str, Any] = {
        name: sums[name] for name in ("writes", "seen", "killed", "answers", "stale", "back", "errors")
    }
    told |= {"seconds": {"median": round(statistics.median(seconds), 3), "most": round(max(seconds), 3)}}
    print(json.dumps(told))
    if asked.json is not None:
        asked.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(int(any(sums[name] for name in ("stale", "back", "errors")) or not sums["seen"]))


if __name__ == "__main__":
    main()
