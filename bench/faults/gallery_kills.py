"""Kill -9 at random moments of sync, upsert, delete, optimize and migrate; show that nothing acknowledged is lost.

    python bench/faults/gallery_kills.py [--kills 25] [--pictures 120] [--seed 0] [--only migrate] [--work FOLDER]

A process changes a gallery and writes a line to a pipe for each thing that was acknowledged: a commit that returned.
It is killed at a random moment, the gallery is opened again, and compared with what was acknowledged:

    lost     acknowledged and not there
    back     acknowledged as removed and there again
    doubled  an id, a path or a key that is there twice
    half     there, but without its features or captions, or with the wrong ones: `verify`, and a search for each

Every reopen also answers a sentence. Prints a line a kill, then the sums, and ends with status 1 unless all are 0.
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
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossgraph.gallery.gallery import Gallery

KINDS = ("sync", "upsert", "remove", "optimize", "migrate")
SETTINGS = ("images.size=64", "images.cells=[3]", "training.epochs=1", "training.batch_size=16", "model.width=32")


def train(work: Path, images: int) -> dict[str, Path]:
    """Two small re-rankers over one set of drawn scenes, and the scenes' folder."""
    from crossgraph import verbs
    from crossgraph.config import read_config
    from crossgraph.data.sources import open_corpus

    corpus = open_corpus(f"scenes:{images}")
    runs = {}
    for name, seed in (("first", 0), ("second", 1)):
        dual, fine = work / f"{name}-dual", work / name
        if not fine.exists():
            seeded = [*SETTINGS, f"training.seed={seed}"]
            verbs.train(corpus, read_config(None, changes=seeded), dual)
            changes = [*seeded, "method=kidrr", "model.similarity_width=16"]
            verbs.train(corpus, read_config(None, changes=changes), fine, shortlist=dual)
        runs[name] = fine
    return {**runs, "scenes": corpus.image_paths[0].parent}


def child(kind: str, gallery: Path, run: Path, folder: Path, *, seed: int) -> None:
    """Change the gallery until killed or done; every acknowledgement is a line on stdout."""
    from crossgraph import verbs
    from crossgraph.gallery.changes.upsert import NewImage
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.gallery.tables.store import Store
    from crossgraph.gallery.upkeep.health import optimize
    from crossgraph.gallery.upkeep.migrate import migrate

    def say(**line: object) -> None:
        os.write(1, (json.dumps(line) + "\n").encode())

    write, remove = Store.write_items, Store.remove_items

    def write_items(self: Store, items: Sequence[Any], vectors: Any, codes: Any = None, *, new: bool = False) -> None:
        if kind != "migrate":
            say(storing=[item.id for item in items])
        write(self, items, vectors, codes, new=new)
        if kind != "migrate":  # a commit beside the gallery that serves promises nothing yet
            say(stored={item.id: item.digest for item in items})

    def remove_items(self: Store, ids: Sequence[str]) -> None:
        if kind != "migrate" and ids:
            say(removing=list(ids))
        remove(self, ids)
        if kind != "migrate" and ids:
            say(removed=list(ids))

    Store.write_items, Store.remove_items = write_items, remove_items  # type: ignore[method-assign]
    chance = random.Random(seed)
    if kind == "migrate":
        opened = Gallery.open(gallery)
        model = verbs.load_model(run)
        say(ready=True)
        migrate(opened, model, run=str(run), batch=8)
        say(migrated=str(run))
        return
    opened = verbs.open_gallery(gallery)
    say(ready=True)
    if kind == "sync":
        opened.sync([folder], batch=4)
    for step in range(1000):
        names = opened.snapshot().items["path"].to_pylist()
        if kind == "upsert":
            files = chance.sample(sorted(folder.iterdir()), 3)
            opened.upsert([NewImage(file, (f"caption {step} of {file.stem}",)) for file in files])
        elif kind == "remove" and len(names) > 30:
            opened.remove(chance.sample(sorted(names), 2))
        elif kind == "optimize":
            optimize(opened)
        else:
            break
    say(done=True)


@dataclass
class Expected:
    """What the gallery must hold: digests by id that were acknowledged, and ids with a change begun and not ended."""

    stored: dict[str, str] = field(default_factory=dict)
    older: dict[str, set[str]] = field(default_factory=dict)
    storing: set[str] = field(default_factory=set)
    removing: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)

    def hear(self, line: dict[str, Any]) -> None:
        for key, digest in line.get("stored", {}).items():
            self.older.setdefault(key, set()).add(self.stored.get(key, ""))
            self.stored[key] = digest
            self.removed.discard(key)
            self.storing.discard(key)
        self.removing.update(line.get("removing", ()))
        self.storing.update(line.get("storing", ()))
        for key in line.get("removed", ()):
            self.stored.pop(key, None)
            self.removing.discard(key)
            self.removed.add(key)


def change_folder(folder: Path, spare: Sequence[Path], chance: random.Random) -> None:
    """Add, change, move and delete some pictures of `folder`."""
    files = sorted(folder.iterdir())
    for number, path in enumerate(chance.sample(files, min(24, len(files)))):
        if number % 4 == 0:
            path.unlink()
        elif number % 4 == 1:
            path.rename(path.with_name(f"moved-{chance.random():.12f}{path.suffix}"))
        elif number % 4 == 2:
            path.write_bytes(chance.choice(spare).read_bytes() + b"\0")  # other bytes, so another digest
        else:
            shutil.copy(chance.choice(spare), folder / f"new-{chance.random():.12f}{path.suffix}")
    while len(list(folder.iterdir())) < 60:
        shutil.copy(chance.choice(spare), folder / f"new-{chance.random():.12f}{spare[0].suffix}")


def check(gallery: Path, expected: Expected, *, between: bool = False) -> dict[str, int]:
    """Open the gallery anew, compare, verify, search; `between` kills, what is there now is what is expected."""
    from crossgraph import verbs

    return check_opened(verbs.open_gallery(gallery), expected, between=between)


def check_opened(opened: Gallery, expected: Expected, *, between: bool = False) -> dict[str, int]:
    """The same of a gallery that was just opened."""
    from crossgraph.gallery.search.options import SearchOptions
    from crossgraph.gallery.search.query import ItemQuery
    from crossgraph.gallery.upkeep.health import verify

    items = opened.snapshot().items.select(["id", "digest", "path"]).to_pylist()
    there = {row["id"]: row["digest"] for row in items}
    if between:
        expected.stored = there
    lost = [key for key in expected.stored if key not in there and key not in expected.removing]
    wrong = [key for key, digest in expected.stored.items() if there.get(key, digest) != digest]
    lost += [key for key in wrong if key not in expected.storing or there[key] in expected.older.get(key, ())]
    back = (expected.removed & there.keys()) - expected.storing
    problems = verify(opened).problems
    doubled = [problem for problem in problems if "twice" in problem.message]
    files = [problem for problem in problems if "its file" in problem.message]  # the folder is ahead of the gallery
    half = len(problems) - len(doubled) - len(files)
    searches = opened.search("a red ball", SearchOptions(k=len(items), shortlist=len(items)))
    half += searches.stage != "rerank" or len(searches.results) != len(items)
    for row in items[:5]:
        opened.search(ItemQuery(row["id"]), SearchOptions(k=3))
    began = sum(
        there.get(key) != expected.stored.get(key) for key in expected.storing | expected.removing
    )  # stored, no time to say so
    expected.stored, expected.storing, expected.removing, expected.older = there, set(), set(), {}
    expected.removed -= there.keys()
    return {
        "rows": len(items),
        "lost": len(lost),
        "back": len(back),
        "doubled": len(doubled),
        "half": half,
        "unacknowledged": began,
    }


def main() -> None:
    """Train, then kill again and again, each time on what the last kill left."""
    if sys.argv[1:2] == ["--child"]:
        kind, *places, seed = sys.argv[2:]
        return child(kind, *map(Path, places), seed=int(seed))
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=25)
    options.add_argument("--pictures", type=int, default=120)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", choices=KINDS, help="Kill this alone.")
    options.add_argument("--work", type=Path)
    asked = options.parse_args()
    work = asked.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    os.environ["CROSSGRAPH_CACHE"] = str(work / "cache")
    made = train(work, asked.pictures)
    from crossgraph import verbs
    from crossgraph.gallery.tables.manifest import Manifest

    spare, chance = sorted(made["scenes"].iterdir()), random.Random(asked.seed)
    gallery, folder = work / "gallery", work / "folder"
    shutil.rmtree(gallery, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in spare[:60]:
        shutil.copy(path, folder)
    verbs.sync(gallery, [folder], model=made["first"])
    expected, serving = Expected(), made["first"]
    check(gallery, expected)
    sums: dict[str, int] = {}
    longest = dict.fromkeys(KINDS, 4.0)
    kills = 0
    while kills < asked.kills:
        kind = asked.only or KINDS[kills % len(KINDS)]
        if kind in ("sync", "remove"):
            change_folder(folder, spare, chance)
        if kind == "migrate":  # pictures whose file is gone would be a reason to refuse
            verbs.sync(gallery, [folder])
            check(gallery, expected, between=True)
        other = made["second"] if serving == made["first"] else made["first"]
        words = [kind, gallery, other if kind == "migrate" else serving, folder, chance.randrange(10**6)]
        process = subprocess.Popen([sys.executable, __file__, "--child", *map(str, words)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        if not process.stdout.readline():
            raise SystemExit(f"{kind} failed before it began")
        delay = chance.uniform(0, longest[kind])
        started = time.monotonic()
        try:
            process.wait(delay)
            longest[kind] = max(0.2, time.monotonic() - started)  # it was done before: kill earlier next time
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        lines = [json.loads(line) for line in process.stdout.read().decode().splitlines()]
        killed = process.returncode == -signal.SIGKILL
        if not killed and process.returncode != 0:
            raise SystemExit(f"{kind} failed")
        kills += killed
        for line in lines:
            expected.hear(line)
        serving = Path(Manifest.read(gallery).run or "")
        if any("migrated" in line for line in lines) and serving != other:
            raise SystemExit("an acknowledged migration was lost")
        found = check(gallery, expected)
        print(
            f"{kind:8} {'killed' if killed else 'ended '} after {delay:5.2f} s, {len(lines):3} lines  {found}",
            flush=True,
        )
        for name, count in found.items():
            sums[name] = sums.get(name, 0) + (0 if name == "rows" else count)
    print(f"{kills} kills: {', '.join(f'{name} {count}' for name, count in sums.items() if name != 'rows')}")
    raise SystemExit(int(any(sums[name] for name in ("lost", "back", "doubled", "half"))))


if __name__ == "__main__":
    main()
