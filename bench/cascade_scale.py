"""What each stage costs at ten thousand, a hundred thousand and a million pictures, of which a thousand are real.

    python bench/cascade_scale.py CASCADE --data DATA --split val [--sizes 10000 100000 1000000] [--queries 100]

The others are synthetic: vectors are those of real pictures with noise, so that they compete, codes are made of them
as those of the cascade are, fine features have few parts, and they are as light as real ones with another pattern. All
lie in the tables of one gallery per size and are found through `Gallery.search`. A synthetic picture has no file. Times
are in milliseconds; "all" is a whole search, with what it looks up word for word, what looks alike and the answers as
they are told, less encoding the query.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from crossgraph import verbs
from crossgraph.data.images import read_image
from crossgraph.data.sources import open_corpus
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.results import SearchResults
from crossgraph.gallery.stages.model import Coder, SearchModel, Stages, encode_images_for_stages
from crossgraph.gallery.stages.modes import MODES
from crossgraph.gallery.stages.unit_length import unit_rows
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.likeness import BYTES, COLOURS, perceptual_hash
from crossgraph.gallery.tables.store import Store
from crossgraph.types import Encoded, NodeBatch

STAGES = ("codes", "shortlist", "fetch", "rerank", "exact", "fold")
BLOCK = 20_000
NOISE = 1.0  # length of the noise, beside vectors of unit length: a cosine of 0.7 with the picture it was made from
PARTS = 1  # of a synthetic picture: a million pictures with all their parts would take 25 GB


def synthetic(real: Stages, count: int, coder: Coder | None, random: np.random.Generator) -> Stages:
    """`count` rows like the real ones: noisy vectors, codes of those (or noisy codes), and few parts."""
    rows = random.integers(len(real.vectors), size=count)
    noise = random.standard_normal((count, real.vectors.shape[1]), np.float32)
    vectors = unit_rows(real.vectors[rows] + np.float32(NOISE) * unit_rows(noise))
    codes = None if coder is None else coder.codes_of_vectors(vectors)
    if codes is None and real.codes is not None:
        flips = random.integers(256, size=(count, real.codes.shape[1]), dtype=np.uint8)
        codes = real.codes[rows] ^ (flips & np.roll(flips, 1, axis=0))
    return Stages(vectors, _few_parts(real.need_fine()[rows.tolist()]), codes)


def _few_parts(fine: Encoded) -> Encoded:
    if fine.parts is None or fine.mask is None:
        return fine
    nodes = None
    if fine.nodes is not None:
        few = fine.nodes.resized(PARTS)
        nodes = NodeBatch(few.kinds * 0, few.ends * 0, few.mask)
    return Encoded(fine.embedding, fine.parts[:, :PARTS], fine.mask[:, :PARTS], nodes, fine.code)


def fill(gallery: Gallery, model: SearchModel, data: str, split: str, size: int) -> None:
    """Index the real pictures, then add synthetic ones until there are `size`."""
    corpus = open_corpus(data).split(split)
    real, kept, _ = encode_images_for_stages(model, corpus.image_paths)
    paths = [corpus.image_paths[row] for row in kept]
    store = gallery.store
    looks = [perceptual_hash(read_image(path)) for path in paths]
    write(store, real, [f"{row:016x}" for row in range(len(paths))], paths, looks)
    random = np.random.default_rng(0)
    for start in range(len(paths), size, BLOCK):
        names = [f"{row:016x}" for row in range(start, min(start + BLOCK, size))]
        made = synthetic(real, len(names), model.coder, random)
        drawn = [
            looks[one][:COLOURS] + random.bytes(BYTES - COLOURS) for one in random.integers(len(looks), size=len(names))
        ]
        write(store, made, names, [Path("/synthetic") / f"{name}.jpg" for name in names], drawn)
    store.optimize()


def write(store: Store, rows: Stages, names: list[str], paths: list[Path], looks: list[bytes]) -> None:
    """Rows into every table, as indexing writes them."""
    fine = rows.need_fine()
    if fine.parts is not None:
        store.write_parts(names, fine)
    items = [
        Item(name, path, name, 640, 480, (), perceptual_hash=look)
        for name, path, look in zip(names, paths, looks, strict=True)
    ]
    store.write_items(items, rows.vectors, rows.codes, new=True)


def resident_mib() -> float:
    """Memory that the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Print a table per size, Markdown or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cascade", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--modes", nargs="+", default=list(MODES))
    parser.add_argument("--work", type=Path, help="where the galleries lie meanwhile; they are removed")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: where other work is going on")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    model = verbs.load_search_model(options.cascade)
    corpus = open_corpus(options.data).split(options.split)
    order = torch.randperm(len(corpus.captions), generator=torch.Generator().manual_seed(0))
    sentences = [corpus.captions[row] for row in order[: options.queries].tolist()]
    measured: list[dict[str, float | int | str]] = []
    for size in options.sizes:
        folder = Path(tempfile.mkdtemp(dir=options.work)) / "gallery"
        before = resident_mib()
        fill(Gallery.create(folder, model), model, options.data, options.split, size)
        started = time.perf_counter()
        gallery = Gallery.open(folder, model)
        gallery.clock = time.process_time if options.clock == "cpu" else time.perf_counter
        gallery.warm()
        opened = time.perf_counter() - started
        gallery.search(sentences[0])
        memory: dict[str, float | int | str] = {"open s": opened, "resident MiB": resident_mib(), "before MiB": before}
        for mode in options.modes:
            found, totals = list[SearchResults](), list[float]()
            for sentence in sentences:
                began = gallery.clock()
                found.append(gallery.search(sentence, SearchOptions(mode=mode, fold=True)))
                totals.append(1e3 * (gallery.clock() - began) - found[-1].timings_ms["encode"])
            row: dict[str, float | int | str] = {"pictures": size, "mode": mode}
            for stage in STAGES:
                spent = sorted(one.timings_ms.get(stage, 0.0) for one in found)
                row |= {f"{stage} median": statistics.median(spent), f"{stage} p99": at_99(spent)}
            row |= {"all median": statistics.median(totals), "all p99": at_99(sorted(totals))}
            measured.append(row | memory)
        shutil.rmtree(folder.parent)
    for row in measured:
        first = next(one for one in measured if one["mode"] == row["mode"])
        row["growth"] = float(row["all median"]) / float(first["all median"])
    if options.json:
        print(json.dumps({"queries": len(sentences), "clock": options.clock, "rows": measured}, indent=2))
        return
    print(f"{len(sentences)} queries, {torch.get_num_threads()} thread(s), {options.clock} clock, milliseconds\n")
    print(f"| {' | '.join(measured[0])} |\n|{' ---: |' * len(measured[0])}")
    for row in measured:
        print(
            "| "
            + " | ".join(f"{value:.3g}" if isinstance(value, float) else f"{value}" for value in row.values())
            + " |"
        )


def at_99(ascending: list[float]) -> float:
    """The value that 99 of 100 do not exceed."""
    return ascending[int(0.99 * (len(ascending) - 1))]


if __name__ == "__main__":
    main()
