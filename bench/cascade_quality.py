"""How much of exhaustive fine scoring a cascade keeps, and how fast its modes answer: sentences to pictures.

    python bench/cascade_quality.py CASCADE --data DATA --split val [--queries 500] [--also train]

The gallery holds the pictures of the split, with `--also` those of another split too, and no captions: an exact hit
would answer for the models. Every mode searches through `Gallery.search`; exhaustive scoring re-ranks the whole
gallery. Times are medians after encoding the query, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from crossgraph import verbs
from crossgraph.data.corpus import Corpus
from crossgraph.data.sources import open_corpus
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.results import SearchResults
from crossgraph.gallery.stages.modes import MODES
from crossgraph.progress_bars import choose_progress

RANKS = (1, 5, 10)


def without_captions(corpus: Corpus) -> Corpus:
    """The pictures of a corpus alone."""
    return replace(corpus, captions=(), caption_image=corpus.caption_image[:0])


def recalls(found: Sequence[Sequence[Path]], owners: Sequence[Path]) -> dict[int, float]:
    """Percent of queries whose picture is among the first k answers, for each k of `RANKS`."""
    return {
        k: 100 * statistics.fmean(owner in answers[:k] for answers, owner in zip(found, owners, strict=True))
        for k in RANKS
    }


def after_encoding(found: SearchResults) -> float:
    """What a search took but for encoding, in milliseconds."""
    return sum(spent for name, spent in found.timings_ms.items() if name != "encode")


def main() -> None:
    """Print one line per mode, Markdown or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cascade", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--also", help="another split whose pictures are in the gallery too")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--gallery", type=Path, help="keep the gallery here, or use the one that is")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: where other work is going on")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    model = verbs.load_search_model(options.cascade)
    corpus = open_corpus(options.data)
    asked = corpus.split(options.split)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.gallery or Path(scratch) / "gallery"
        if Gallery.exists(folder):
            gallery = Gallery.open(folder, model)
        else:
            gallery = Gallery.create(folder, model)
            for split in filter(None, (options.split, options.also)):
                gallery.index(without_captions(corpus.split(split)), progress=choose_progress())
        order = torch.randperm(len(asked.captions), generator=torch.Generator().manual_seed(0))
        chosen = order[: options.queries].tolist()
        sentences = [asked.captions[row] for row in chosen]
        owners = [asked.image_paths[int(asked.caption_image[row])].absolute() for row in chosen]
        gallery.clock = time.process_time if options.clock == "cpu" else time.perf_counter
        gallery.search(sentences[0])  # whatever is loaded when first used
        rows = [run(gallery, sentences, owners, mode) for mode in (*MODES, "exhaustive")]
        size = len(gallery)
    exhaustive = rows[-1]
    for row in rows:
        row["kept of R@10"] = 100 * row["R@10"] / exhaustive["R@10"]
        row["share of pairs"] = row["fine pairs"] / exhaustive["fine pairs"]
    if options.json:
        print(json.dumps({"pictures": size, "queries": len(sentences), "modes": rows}, indent=2))
        return
    print(
        f"{size:,} pictures, {len(sentences):,} queries, {torch.get_num_threads()} thread(s), {options.clock} clock\n"
    )
    print(f"| {' | '.join(rows[0])} |\n|{' ---: |' * len(rows[0])}")
    for row in rows:
        print(
            "| "
            + " | ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values())
            + " |"
        )


def run(gallery: Gallery, sentences: Sequence[str], owners: Sequence[Path], mode: str) -> dict[str, Any]:
    """One mode on all queries; "exhaustive" re-ranks every picture."""
    size = len(gallery)
    found = [
        gallery.search(sentence, SearchOptions(k=max(RANKS), mode="best", candidates=size, shortlist=size, exact=False))
        if mode == "exhaustive"
        else gallery.search(sentence, SearchOptions(k=max(RANKS), mode=mode, exact=False))
        for sentence in sentences
    ]
    scored = statistics.fmean((one.compared or {}).get("rerank", 0) for one in found)
    measured = recalls([[result.path for result in one.results] for one in found], owners)
    stages = {name for one in found for name in one.timings_ms}
    medians = {
        f"{name} ms": statistics.median(one.timings_ms.get(name, 0.0) for one in found)
        for name in ("encode", "codes", "shortlist", "fetch", "rerank")
        if name in stages or mode != "exhaustive"
    }
    return {
        "mode": mode,
        **{f"R@{k}": value for k, value in measured.items()},
        "fine pairs": scored,
        "median ms": statistics.median(map(after_encoding, found)),
        "p99 ms": sorted(map(after_encoding, found))[int(0.99 * (len(found) - 1))],
        **{name: medians.get(name, 0.0) for name in ("codes ms", "shortlist ms", "fetch ms", "rerank ms")},
    }


if __name__ == "__main__":
    main()
