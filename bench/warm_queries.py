"""What a sentence costs in a gallery that is open and warm: medians of each stage and of all, by mode.

    python bench/warm_queries.py --gallery GALLERY --data DATA [--split val] [--queries 300] [--model MODEL]

The sentences are captions, each asked once; the modes take turns, so that what else the machine does meets them alike.
"After encoding" is all but reading the sentence. Milliseconds by the clock, p50 and p95, and medians of the
processor's.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from crossgraph import verbs
from crossgraph.data.sources import open_corpus
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.stages.modes import MODES

WANTED = {"best": ("all", 120.0), "fast": ("after encoding", 15.0)}


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", type=Path, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--model", default="default")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    gallery = Gallery.open(options.gallery, verbs.load_search_model(options.model))
    gallery.warm()
    captions = open_corpus(options.data).split(options.split).captions
    order = np.random.default_rng(0).permutation(len(captions))
    if options.queries > len(order):
        parser.error(f"--queries {options.queries}: the split has {len(order)} captions; ask for fewer")
    rows = measured(gallery, [captions[row] for row in order[: options.queries]])
    facts = {
        "pictures": len(gallery),
        "queries": options.queries,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
    }
    if options.json:
        print(json.dumps({**facts, "rows": rows, "wanted": WANTED}, indent=2))
        return
    print(", ".join(f"{name} {value:,.4g}" for name, value in facts.items()), end="; milliseconds\n\n")
    print(f"| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(one if isinstance(one, str) else f'{one:.3g}' for one in row.values())} |")
    for row in rows:
        name, most = WANTED.get(str(row["mode"]), ("", 0.0))
        if name:
            print(f"\n{row['mode']}: {name} {row[f'{name}, p50']:.3g} ms (wanted: below {most:g})")


def measured(gallery: Gallery, sentences: list[str]) -> list[dict[str, float | str]]:
    """A row for each mode."""
    stages: dict[str, list[dict[str, float]]] = {mode: [] for mode in MODES}
    processor: dict[str, list[float]] = {mode: [] for mode in MODES}
    for mode in MODES:  # what the first search of a mode loads is not measured
        gallery.search("a first sentence", SearchOptions(mode=mode))
    for number, sentence in enumerate(sentences):
        mode = list(MODES)[number % len(MODES)]
        began, spent = time.perf_counter(), time.process_time()
        found = gallery.search(sentence, SearchOptions(mode=mode))
        all_of_it = 1e3 * (time.perf_counter() - began)
        processor[mode].append(1e3 * (time.process_time() - spent))
        encoding = found.timings_ms["encode"]
        stages[mode].append({**found.timings_ms, "after encoding": all_of_it - encoding, "all": all_of_it})
    return [_row(mode, stages[mode], processor[mode]) for mode in MODES]


def _row(mode: str, searches: list[dict[str, float]], processor: list[float]) -> dict[str, float | str]:
    row: dict[str, float | str] = {"mode": mode}
    for stage in ("encode", "codes", "shortlist", "fetch", "rerank"):
        row[stage] = median(one.get(stage, 0.0) for one in searches)
    for name in ("after encoding", "all"):
        taken = np.percentile([one[name] for one in searches], (50, 95))
        row |= {f"{name}, p50": float(taken[0]), f"{name}, p95": float(taken[1])}
    return row | {"processor": median(processor)}


if __name__ == "__main__":
    main()
