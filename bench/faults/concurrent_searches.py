"""Threads that search one open gallery while another process adds, removes, annotates and compacts.

    python bench/faults/concurrent_searches.py [--searches 10000] [--threads 8] [--pictures 60] [--json]

Every search has a filter, and is by a sentence, a picture's file, an item, or a sum, in one of the modes, for pictures
or captions, at times with feedback. Counted are answers that the filter excludes, answers that name no picture, errors,
and what the other process did meanwhile. Uses the model of the tests, which needs no training.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the tests' model

from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions, Target
from crossgraph.gallery.search.query import Feedback, ImageQuery, ItemQuery, Query, SumQuery, Term, TextQuery
from crossgraph.gallery.stages.modes import MODES
from crossgraph.gallery.upkeep.health import optimize
from tests.gallery.fake_model import coded_model, draw_images


def change(folder: Path, coming: Path, stop: Path) -> None:
    """Add, annotate, remove and compact until the file `stop` is there; print how often."""
    gallery, files = Gallery.open(folder, coded_model()), sorted(coming.glob("*.png"))
    done: Counter[str] = Counter()
    print("ready", flush=True)
    turn = 0
    while not stop.exists():
        some = files[turn % 7 :: 7]
        gallery.upsert([NewImage(file, (f"thing {turn % 3}", "a shared caption")) for file in some])
        gallery.annotate({file: {"kind": "coming"} for file in some})
        done["upserts"] += 1
        if turn % 2:
            gallery.remove(some[: len(some) // 2])
            done["removals"] += 1
        if turn % 3 == 2:
            optimize(gallery, keep=timedelta(0))
            done["compactions"] += 1
        turn += 1
    print(json.dumps(done))


def _said(future: Future[str]) -> str:
    """What a search came to, whatever it raised."""
    error = future.exception()
    return future.result() if error is None else f"error: {type(error).__name__}: {error}"


def search(gallery: Gallery, staying: list[Path], number: int) -> str:
    """One search: "fine", or what was wrong."""
    path = staying[number % len(staying)]
    name, kind = path.name, number // 11 % 4
    where = (f"name = '{name}'", f"name != '{name}'", f"name like '{name[:2]}%'", "kind = 'staying'")[kind]
    queries: tuple[Query, ...] = (
        TextQuery("thing"),
        TextQuery(path.stem),
        ItemQuery(path),
        ImageQuery(path),
        SumQuery((Term(2.0, TextQuery("thing")), Term(-1.0, TextQuery("other")))),
    )
    feedback = Feedback(liked=(str(path),), disliked=(str(staying[number % 3]),)) if number % 7 == 0 else Feedback()
    target: Target = "captions" if kind == 1 and number % 2 else "images"
    options = SearchOptions(
        k=1 + number % 15, mode=list(MODES)[number // 5 % 3], where=where, target=target, fold=number % 13 == 0
    )
    found = gallery.search(queries[number % 5], options, feedback=feedback)
    for one in found.results:
        fits = (
            one.path.name == name,
            one.path.name != name,
            one.path.name.startswith(name[:2]),
            one.path.parent.name == "staying",
        )
        if not fits[kind]:
            return f"violation: {where} gave {one.path}"
    return "fine"


def main() -> None:
    """Print counts, as a line or JSON; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--pictures", type=int, default=60, help="that stay, and about as many that come and go")
    parser.add_argument("--change", nargs=3, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.change:
        change(*options.change)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder, stop = Path(scratch), Path(scratch) / "stop"
        staying = sorted(draw_images(folder / "staying", options.pictures).glob("*.png"))
        gallery = Gallery.create(folder / "gallery", coded_model())
        gallery.upsert([NewImage(path, (f"thing {path.stem}", "a shared caption")) for path in staying])
        gallery.annotate({path: {"kind": "staying"} for path in staying})
        coming = draw_images(folder / "coming", options.pictures, seed=1)
        arguments = [sys.executable, __file__, "--change", str(gallery.folder), str(coming), str(stop)]
        other = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        other.stdout.readline()
        started, versions = time.perf_counter(), set[tuple[int, ...]]()

        def one(number: int) -> str:
            said = search(gallery, staying, number)
            versions.add(gallery.current().snapshot.version)
            return said

        try:
            with ThreadPoolExecutor(options.threads) as threads:
                futures = [threads.submit(one, number) for number in range(options.searches)]
            said = [_said(future) for future in futures]
        finally:
            stop.touch()
            changes = json.loads(other.communicate(timeout=120)[0] or "{}")
        seconds = time.perf_counter() - started
    counts = Counter(text.split(":")[0] for text in said)
    found = {
        "searches": len(said),
        "fine": counts["fine"],
        "violations": counts["violation"],
        "errors": counts["error"],
        "versions searched": len(versions),
        "the other process": changes if other.returncode == 0 else f"ended with {other.returncode}",
        "seconds": round(seconds, 1),
    }
    print(
        json.dumps(found, indent=2) if options.json else ", ".join(f"{value} {name}" for name, value in found.items())
    )
    for text, count in Counter(text for text in said if text != "fine").most_common(10):
        print(f"  {count} x {text}", file=sys.stderr)
    if counts["fine"] < len(said) or other.returncode:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
