"""Memory of a process that searches a million pictures on disk with the model that comes with crossgraph.

    python bench/disk/default_search.py --work FOLDER [--rows 1000000] [--probe 16]

A gallery of drawn rows as wide as the model's (`bench/disk_search.py` writes and shards it) is given the manifest of a
gallery of that model, and searched by fresh processes of the command line, eighty sentences each, after the
gallery's files were dropped from the page cache. What is found means nothing; memory is the most that the process ever
held (`VmHWM`), imports and all. `FOLDER` needs 12 GB and keeps the gallery, so that a second call only searches.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from crossgraph import verbs
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.gallery.folder import described
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.upkeep.shards import shard
from crossgraph.storage.opening import storage_of

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1])]
from disk_search import write
from drawn_vectors import Drawn
from held_memory import dropped, most_mib

THINGS = ("two dogs", "a man", "children", "a red car", "boats")
PLACES = ("on a beach", "in the snow", "by a lake", "in a street", "at night", "in a park", "near houses", "on a hill")
SENTENCES = [f"{thing} {place} {time}" for thing in THINGS for place in PLACES for time in ("", "at dawn")]

SEARCH = """
import sys
sys.path.append({disk!r})
from held_memory import most_mib
from crossgraph.cli import main
try:
    main()
finally:
    print(most_mib(), "torch.nn" in sys.modules, file=sys.stderr)
"""


def make(folder: Path, rows: int) -> None:
    """The gallery, by drawn vectors, that says it was made by the default model."""
    model = verbs.load()
    told = described(model, DEFAULT_MODEL)
    write(folder, Drawn(rows, told.width, told.bits))
    shard(Gallery.open(folder))
    storage = storage_of(folder)
    told.model_copy(update={"tables": Gallery.open(folder).manifest.tables}).write(storage)


def main() -> None:
    """Make the gallery if it is not there; search; print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--probe", type=int, default=16)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder, asked = options.work / "gallery", options.work / "sentences.txt"
    if options.make:
        make(folder, options.rows)
        print(f"made with {most_mib():.0f} MiB")
        return
    options.work.mkdir(parents=True, exist_ok=True)
    if not (folder / "made").exists():
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--make"], check=True)
        (folder / "made").touch()
    asked.write_text("\n".join(SENTENCES), encoding="utf-8")
    verbs.open_to_search(folder)  # the model's files are checked and noted
    script = SEARCH.format(disk=str(Path(__file__).parent))
    for mode in ("fast", "balanced"):
        for queries in (["two dogs on a beach"], ["--queries", str(asked)]):
            dropped(folder)
            words = [*queries, "--gallery", str(folder), "--mode", mode, "--memory", "disk", "--probe", options.probe]
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", script, "search", *map(str, words), "--paths"], capture_output=True, text=True
            )
            mib, torch = done.stderr.split()[-2:]
            found = {
                "mode": mode,
                "sentences": 1 if len(queries) == 1 else len(SENTENCES),
                "most_mib": float(mib),
                "torch": torch,
                "seconds": time.perf_counter() - started,
                "exit": done.returncode,
            }
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
