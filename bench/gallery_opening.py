"""How long a large gallery takes to open, and to follow a commit of a hundred pictures by another process.

    python bench/gallery_opening.py [--rows 1000000] [--width 128] [--bits 64] [--captions 1] [--repeats 5] [--json]

Rows are synthetic and written straight into the tables; fine features are not, for nothing reads them before a search
re-ranks. Opened means ready to search: pictures, captions, vectors, codes, and the plain texts for exact hits are in
memory. A commit adds new pictures with their captions; with `--kind change` it replaces pictures, and with
`--kind remove` it takes them away, of which the gallery learns by what was deleted from older files.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from crossgraph.gallery.search.state import State
from crossgraph.gallery.stages.unit_length import unit_rows
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.store import Store

BLOCK = 50_000
COMMIT = 100


def manifest(options: argparse.Namespace) -> Manifest:
    """The manifest of a gallery with these widths."""
    return Manifest(
        model="synthetic", shortlist=None, method="synthetic", run=None, width=options.width, bits=options.bits
    )


def store_of(folder: Path, options: argparse.Namespace) -> Store:
    """The tables in `folder`."""
    return Store(folder, width=options.width, bits=options.bits)


def write(store: Store, first: int, count: int, options: argparse.Namespace) -> None:
    """So many pictures from number `first` on, as indexing writes them."""
    random = np.random.default_rng(first)
    items = []
    for number in range(first, first + count):
        name = hashlib.sha256(b"%d" % number).hexdigest()
        texts = tuple(f"caption {place} of a synthetic picture, {name[:12]}" for place in range(options.captions))
        items.append(
            Item(
                name[:16],
                Path(f"/synthetic/{number // 1000:04}/{name[:20]}.jpg"),
                name[:32],
                640,
                480,
                texts,
                perceptual_hash=random.bytes(320),
                bytes=100_000,
                modified=datetime(2024, 1, 1, tzinfo=UTC),
                source="synthetic",
            )
        )
    sentences = [text for item in items for text in item.captions]
    if sentences:
        store.write_captions(sentences, *features(random, len(sentences), options))
    store.write_items(items, *features(random, count, options))


def features(
    random: np.random.Generator, count: int, options: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray | None]:
    """Vectors of unit length and codes."""
    vectors = unit_rows(random.standard_normal((count, options.width), np.float32))
    codes = random.integers(0, 256, (count, options.bits // 8), np.uint8)
    return vectors, codes if options.bits else None


def commit(folder: Path, options: argparse.Namespace, number: int) -> None:
    """One commit by another process."""
    arguments = [f"--{name}={getattr(options, name)}" for name in ("width", "bits", "captions", "kind")]
    subprocess.run([sys.executable, __file__, "--commit", str(folder), "--rows", str(number), *arguments], check=True)


def commit_here(folder: Path, options: argparse.Namespace) -> None:
    """What the other process does."""
    store = store_of(folder, options)
    with store.writing():
        if options.kind == "remove":
            first = options.rows % 10_000  # others with every commit
            store.remove_items([hashlib.sha256(b"%d" % (first + row)).hexdigest()[:16] for row in range(COMMIT)])
        else:
            write(store, 0 if options.kind == "change" else options.rows, COMMIT, options)


def measure(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Medians, in seconds, and what the process holds in the end."""
    described = manifest(options)
    opening, refreshes = [], []
    state: State | None = None
    for _ in range(options.repeats):
        state = None
        gc.collect()
        started = time.perf_counter()
        state = State.read(described, store_of(folder, options))
        state.exact.prepare()
        opening.append(time.perf_counter() - started)
    assert state is not None
    before = len(state.snapshot.items)
    for number in range(options.repeats):
        commit(folder, options, options.rows + number * COMMIT)
        started = time.perf_counter()
        state = state.following(described)
        state.exact.prepare()
        refreshes.append(time.perf_counter() - started)
    return {
        "rows": before,
        "captions": len(state.snapshot.captions),
        "rows after": len(state.snapshot.items),
        "opening s": statistics.median(opening),
        "slowest opening s": max(opening),
        "refresh s": statistics.median(refreshes),
        "slowest refresh s": max(refreshes),
        "opening / refresh": statistics.median(opening) / statistics.median(refreshes),
        "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print the medians, as lines or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--captions", type=int, default=1, help="of each picture")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kind", choices=("add", "change", "remove"), default="add", help="what commits do")
    parser.add_argument("--work", type=Path, help="where the gallery lies meanwhile; it is removed")
    parser.add_argument("--commit", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.commit is not None:
        commit_here(options.commit, options)
        return
    if options.work is not None:
        options.work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=options.work))
    try:
        store = store_of(folder, options)
        for start in range(0, options.rows, BLOCK):
            write(store, start, min(BLOCK, options.rows - start), options)
        store.optimize()
        found = measure(folder, options)
    finally:
        shutil.rmtree(folder)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:20} {value:,.3f}" if isinstance(value, float) else f"{name:20} {value:,}")


if __name__ == "__main__":
    main()
