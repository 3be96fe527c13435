"""One process that changes a gallery and four that search it, for so many minutes: count what goes wrong.

    python bench/faults/write_and_read.py [--minutes 20] [--readers 4] [--pictures 120] [--work FOLDER]

The writer syncs a folder whose pictures come, change, move and go, adds and removes single pictures, annotates and
compacts. The readers search by sentence, by picture and by item, with and without filters, and check each answer:
finite scores in order, as many results as asked for, no picture twice, and no more rows than one state of the gallery
has. Prints what each did and ends with status 1 if there was any error.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from gallery_kills import change_folder, train


def read(gallery: Path, seed: int, seconds: float) -> dict[str, object]:
    """Search until the time is up."""
    from crossgraph import verbs
    from crossgraph.errors import GalleryError
    from crossgraph.gallery.search.options import SearchOptions
    from crossgraph.gallery.search.query import ItemQuery, Query, TextQuery

    opened, chance = verbs.open_gallery(gallery), random.Random(seed)
    searches, errors, milliseconds, versions, until = 0, [], [], set(), time.time() + seconds
    while time.time() < until:
        try:
            snapshot = opened.snapshot()
            versions.add(snapshot.version)
            item = snapshot.item(chance.randrange(len(snapshot.items)))
            query: Query = TextQuery(chance.choice(["a red ball", "a tree left of a house", "two dogs"]))
            if chance.random() < 0.3:
                query = ItemQuery(item.id)
            where = chance.choice([None, "width > 10", "even = true or even is null"])
            started = time.perf_counter()
            try:
                found = opened.search(query, SearchOptions(k=10, where=where, fold=chance.random() < 0.5))
            except GalleryError as error:
                if isinstance(query, ItemQuery) and "no picture of the gallery" in str(error):
                    continue  # it was removed after it was chosen
                raise
            milliseconds.append(1000 * (time.perf_counter() - started))
            scores = [result.score for result in found.results]
            assert scores == sorted(scores, reverse=True), "not in order"
            assert all(map(math.isfinite, scores)), "not finite"
            assert len({result.id for result in found.results}) == len(scores), "doubled"
            assert found.results, "nothing found"
            searches += 1
        except Exception:  # noqa: BLE001  (every kind is counted and shown)
            errors.append(traceback.format_exc())
    milliseconds.sort()
    middle = milliseconds[len(milliseconds) // 2] if milliseconds else None
    return {"searches": searches, "median_ms": middle, "states": len(versions), "errors": errors}


def write(gallery: Path, folder: Path, scenes: Path, seconds: float) -> dict[str, object]:
    """Change the gallery until the time is up."""
    from crossgraph import verbs
    from crossgraph.gallery.changes.upsert import NewImage
    from crossgraph.gallery.upkeep.health import optimize

    opened, chance, spare = verbs.open_gallery(gallery), random.Random(0), sorted(scenes.iterdir())
    done = dict.fromkeys(("sync", "upsert", "remove", "annotate", "optimize"), 0)
    errors, until = [], time.time() + seconds
    while time.time() < until:
        kind = chance.choice(["sync", "sync", "upsert", "remove", "annotate", "optimize"])
        try:
            names = opened.snapshot().items["id"].to_pylist()
            if kind == "sync":
                change_folder(folder, spare, chance)
                opened.sync(batch=8)
            elif kind == "upsert":
                files = chance.sample(sorted(folder.iterdir()), 2)
                opened.upsert([NewImage(file, (f"caption {chance.random()}",)) for file in files])
            elif kind == "remove":
                opened.remove(chance.sample(names, 1))
            elif kind == "annotate":
                opened.annotate({name: {"even": number % 2 == 0} for number, name in enumerate(names)})
            else:
                optimize(opened)
            done[kind] += 1
        except Exception:  # noqa: BLE001
            errors.append(traceback.format_exc())
    return {**done, "errors": errors}


def main() -> None:
    """Train, index, then let the processes run."""
    if sys.argv[1:2] == ["--reader"]:
        print(json.dumps(read(Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))))
        return
    if sys.argv[1:2] == ["--writer"]:
        print(json.dumps(write(Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), float(sys.argv[5]))))
        return
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=20)
    options.add_argument("--readers", type=int, default=4)
    options.add_argument("--pictures", type=int, default=120)
    options.add_argument("--work", type=Path)
    asked = options.parse_args()
    work = asked.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    os.environ["CROSSGRAPH_CACHE"] = str(work / "cache")
    made = train(work, asked.pictures)
    from crossgraph import verbs
    from crossgraph.gallery.upkeep.health import verify

    gallery, folder = work / "shared-gallery", work / "shared-folder"
    shutil.rmtree(gallery, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in sorted(made["scenes"].iterdir())[:60]:
        shutil.copy(path, folder)
    verbs.sync(gallery, [folder], model=made["first"])
    opened = verbs.open_gallery(gallery)
    opened.annotate({path: {"even": True} for path in opened.snapshot().items["path"].to_pylist()})
    seconds = 60 * asked.minutes
    calls = [["--writer", gallery, folder, made["scenes"], seconds]]
    calls += [["--reader", gallery, seed, seconds] for seed in range(asked.readers)]
    processes = [
        subprocess.Popen([sys.executable, __file__, *map(str, words)], stdout=subprocess.PIPE) for words in calls
    ]
    errors = 0
    for words, process in zip(calls, processes, strict=True):
        out, _ = process.communicate()
        if process.returncode != 0:
            errors += 1
            print(f"{words[0]} ended with {process.returncode}")
            continue
        told = json.loads(out)
        errors += len(told["errors"])
        print(words[0][2:], {name: value if name != "errors" else len(value) for name, value in told.items()})
        for text in told["errors"][:3]:
            print(text)
    problems = [one for one in verify(verbs.open_gallery(gallery)).problems if "its file" not in one.message]
    print(f"{asked.minutes:g} minutes, one writer, {asked.readers} readers: {errors} errors, {len(problems)} problems")
    raise SystemExit(int(bool(errors or problems)))


if __name__ == "__main__":
    main()
