"""Kill and stall writers of a gallery in an object store at random moments, with a reader beside them.

    python bench/faults/s3_gallery.py [--rounds 24] [--pictures 40] [--seed 0] [--out FILE.json]

A local S3 server (moto, carrying out one request after the other) holds the gallery. In every round a process syncs,
adds, removes or compacts, and says what was acknowledged. At a random moment it is killed, or stopped until its lease
has run out; then this process takes over, adds a picture, and lets the other one go on, which must commit nothing more.
The gallery is compared with what was acknowledged, as `gallery_kills.py` does:

    lost, back, doubled, half   as there; all must be 0
    late                        pictures that changed under a lease that another process had taken over; must be 0
    errors                      of a reader that searches all the while; must be 0

Prints a line a round, then the sums as JSON, and ends with status 1 unless all are 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the tests' model and store

from gallery_kills import Expected, change_folder, check_opened

from crossgraph.errors import GalleryError
from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.store import Store
from crossgraph.gallery.upkeep.health import optimize
from crossgraph.storage import lease
from crossgraph.storage.address import Address
from crossgraph.storage.lease import Lease
from crossgraph.storage.objects import Objects
from tests.gallery.fake_model import FakeModel, draw_images
from tests.storage.object_store import BUCKET, environment, object_store

KINDS = ("sync", "upsert", "remove", "optimize")
ADDRESS = f"s3://{BUCKET}/gallery"
LEASE = 4.0


def model() -> FakeModel:
    """A re-ranker over an embedding that encodes in no time."""
    return FakeModel("fine", fine=True, shortlist=FakeModel("dense", fine=False))


def say(**line: object) -> None:
    """A line for the parent."""
    os.write(1, (json.dumps(line) + "\n").encode())


def child(kind: str, folder: Path, *, seed: int) -> None:
    """Change the gallery until killed, refused or done; every acknowledgement is a line on stdout."""
    lease.SECONDS = LEASE
    write, remove = Store.write_items, Store.remove_items

    def write_items(self: Store, items: Sequence[Any], vectors: Any, codes: Any = None, *, new: bool = False) -> None:
        say(storing=[item.id for item in items])
        write(self, items, vectors, codes, new=new)
        say(stored={item.id: item.digest for item in items})

    def remove_items(self: Store, ids: Sequence[str]) -> None:
        say(removing=list(ids))
        remove(self, ids)
        say(removed=list(ids))

    acquire = Lease.acquire

    def told_acquire(self: Lease) -> bool:
        unaware = acquire(self)
        say(lease=self.epoch)
        return unaware

    Store.write_items, Store.remove_items = write_items, remove_items  # type: ignore[method-assign]
    Lease.acquire = told_acquire  # type: ignore[method-assign]
    chance, opened = random.Random(seed), Gallery.open(ADDRESS, model())
    say(ready=True)
    try:
        if kind == "sync":
            opened.sync([folder], batch=2)
        for step in range(1 if kind == "sync" else 12):
            names = opened.snapshot().items["path"].to_pylist()
            if kind == "upsert":
                files = chance.sample(sorted(folder.iterdir()), 3)
                opened.upsert([NewImage(file, (f"caption {step} of {file.stem}",)) for file in files])
            elif kind == "remove" and len(names) > 20:
                opened.remove(chance.sample(sorted(names), 2))
            elif kind == "optimize":
                optimize(opened)
    except GalleryError as error:
        say(refused=str(error))


class Reader(threading.Thread):
    """Searches until told to end; counts answers and errors."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gallery, self.over, self.told = Gallery.open(ADDRESS, model()), threading.Event(), Counter[str]()

    def run(self) -> None:
        """Search."""
        while not self.over.wait(0.2):
            try:
                self.gallery.search("a red ball")
                self.told["answers"] += 1
            except GalleryError as error:
                self.told["errors"] += 1
                print(f"reader: {error}", flush=True)


def digests() -> dict[str, str]:
    """What the gallery holds now: digests by id."""
    items = Gallery.open(ADDRESS).snapshot().items
    return dict(zip(items["id"].to_pylist(), items["digest"].to_pylist(), strict=True))


@dataclass(frozen=True)
class Taken:
    """What there was once another process had the lease: that lease's epoch, its picture, and all digests by id."""

    epoch: int
    mine: dict[str, str]
    digests: dict[str, str]

    def late(self, lines: Sequence[dict[str, Any]]) -> int:
        """How many pictures changed since, but not under a lease that was had later, as the process said."""
        now, epoch, later = digests(), 0, set[str]()
        for line in lines:
            epoch = line.get("lease", epoch)
            if epoch > self.epoch:
                later |= {*line.get("storing", ()), *line.get("removing", ())}
        changed = {key for key, _ in set(self.digests.items()) ^ set(now.items())}
        return len(changed - later)


def take_over(extra: Path) -> Taken:
    """Add a picture as soon as the other's lease has run out."""
    until = time.monotonic() + 60
    while True:
        opened = Gallery.open(ADDRESS, model())
        try:
            opened.upsert([NewImage(extra, ("by another",))])
            item = opened.item(extra)
            told = json.loads(Objects(Address.parse(ADDRESS)).get(lease.FILE)[0])
            return Taken(int(told["epoch"]), {item.id: item.digest}, digests())
        except GalleryError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def one_round(kind: str, folder: Path, extra: Path, chance: random.Random, longest: float) -> dict[str, Any]:
    """Let a process work, and kill or stop it at a random moment: what it acknowledged, and how it ended."""
    words = [sys.executable, "-W", "ignore", __file__, "--child", kind, str(folder), str(chance.randrange(10**6))]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    if not process.stdout.readline():
        raise SystemExit(f"{kind} failed before it began")
    stalls, began, taken = chance.random() < 0.5, time.monotonic(), None
    try:
        process.wait(chance.uniform(0, longest))
        ended = "done before"
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGSTOP if stalls else signal.SIGKILL)
        ended = "stopped" if stalls else "killed"
    if ended == "stopped":
        taken = take_over(extra)
        process.send_signal(signal.SIGCONT)
    lines = [json.loads(line) for line in process.stdout.read().decode().splitlines()]
    code = process.wait()
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"{kind} failed with {code}")
    return {"ended": ended, "lines": lines, "taken": taken, "seconds": time.monotonic() - began}


def main() -> None:
    """Kill and stall again and again, each time on what the last round left."""
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2], Path(sys.argv[3]), seed=int(sys.argv[4]))
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=24)
    options.add_argument("--pictures", type=int, default=40)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path)
    asked = options.parse_args()
    lease.SECONDS = LEASE
    chance, sums, endings = random.Random(asked.seed), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as work, object_store() as url:
        os.environ |= {**environment(url), "CROSSGRAPH_CACHE": f"{work}/cache"}
        spare = sorted(draw_images(Path(work) / "spare", asked.pictures + asked.rounds, seed=1).iterdir())
        spare, extras = spare[: asked.pictures], spare[asked.pictures :]
        folder = Path(work) / "folder"
        folder.mkdir()
        for path in spare:
            shutil.copy(path, folder)
        first = Gallery.create(ADDRESS, model())
        first.sync([folder])
        expected, reader, longest = Expected(), Reader(), dict.fromkeys(KINDS, 6.0)
        check_opened(first, expected, between=True)
        reader.start()
        for number in range(asked.rounds):
            kind = KINDS[number % len(KINDS)]
            if kind == "sync":
                change_folder(folder, spare, chance)
            found = one_round(kind, folder, extras[number], chance, longest[kind])
            if found["ended"] == "done before":
                longest[kind] = max(0.5, found["seconds"])
            for line in found["lines"]:
                expected.hear(line)
            taken: Taken | None = found["taken"]
            expected.hear({"stored": {} if taken is None else taken.mine})
            late = 0 if taken is None else taken.late(found["lines"])
            result = check_opened(Gallery.open(ADDRESS, model()), expected)
            sums.update({name: result[name] for name in ("lost", "back", "doubled", "half", "unacknowledged")})
            sums["late"] += late
            endings[found["ended"]] += 1
            refused = next((line["refused"][:70] for line in found["lines"] if "refused" in line), "")
            print(f"{number + 1:3} {kind:8} {found['ended']:11} {result} late {late} {refused}", flush=True)
        reader.over.set()
        reader.join()
    told = {"rounds": asked.rounds, **endings, **sums, "reader": dict(reader.told)}
    print(json.dumps(told))
    if asked.out is not None:
        asked.out.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if any(sums[name] for name in ("lost", "back", "doubled", "half", "late")) or reader.told["errors"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
