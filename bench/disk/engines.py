"""Lance's vector index beside faiss's lists on disk, in one run: bytes, seconds, memory, recall, latency.

    python bench/disk/engines.py [--rows 1000000] [--width 512] [--lists 1000] [--queries 100] [--json FILE]

Every index is built and searched in a process of its own, with one thread each, over the same drawn vectors and codes
(`drawn_vectors.py`). Recall is of the first 10 and 100 of an exhaustive search; where distances tie, a row as near as
the last one counts as found. `cold` is the median of the first 20 queries after the files of the index were dropped
from the page cache, `ms` that of a second round, and `cpu ms` the processor's time of it, which counts where other
work is going on. Memory is the most that the process held, less what it held before it opened the index. `+centres`:
Lance with the centres of lists that crossgraph gives it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from drawn_vectors import Drawn
from held_memory import dropped, most_mib

DEPTH = 100
PROBES = (1, 4, 16, 64)
SPECIES = (
    "lance vectors IVF_FLAT+centres",
    "faiss vectors IVFFlat",
    "lance codes IVF_FLAT+centres",
    "faiss codes BinaryIVF",
    "lance vectors IVF_FLAT",
    "lance codes IVF_FLAT",
    "lance vectors IVF_PQ+centres",
    "lance vectors IVF_RQ+centres",
    "lance vectors IVF_HNSW_SQ+centres",
)


def main() -> None:
    """Print one table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--lists", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--species", nargs="+", default=list(SPECIES))
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--step", nargs=2, metavar=("WHAT", "SPECIES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(step(options, *options.step)))
        return
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        options.work = Path(folder)
        draw(options)
        measured = []
        for species in options.species:
            built = in_a_process(options, "build", species)
            searched = in_a_process(options, "search", species)
            measured.append({"index": species, **built, **searched})
            print(told(measured[-1]), file=sys.stderr, flush=True)
            shutil.rmtree(Path(folder) / slug(species), ignore_errors=True)
    kept = {name: getattr(options, name) for name in ("rows", "width", "lists", "queries")}
    if options.json:
        options.json.write_text(json.dumps({**kept, "threads": 1, "indices": measured}, indent=2) + "\n")
    print(table(measured))


def draw(options: argparse.Namespace) -> None:
    """Vectors and codes as files and as a Lance table; queries, and the depth-th best score of each."""
    import lance
    import pyarrow as pa

    drawn, folder = Drawn(options.rows, options.width), options.work
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, (options.rows, options.width))
    codes = np.lib.format.open_memmap(folder / "codes.npy", "w+", np.uint8, (options.rows, drawn.bits // 8))
    start = 0
    for rows, packed in drawn.blocks():
        vectors[start : start + len(rows)], codes[start : start + len(rows)] = rows, packed
        start += len(rows)
    queries = drawn.queries(options.queries)
    np.save(folder / "queries.npy", queries)
    asked = drawn.codes(queries)
    np.save(folder / "asked.npy", asked)
    best = {"vectors": np.empty((len(queries), 0), np.float32), "codes": np.empty((len(queries), 0), np.float32)}
    for begin in range(0, options.rows, 20_000):
        near = 1 - queries @ vectors[begin : begin + 20_000].T
        best["vectors"] = np.sort(np.concatenate([best["vectors"], near], axis=1), axis=1)[:, :DEPTH]
        block = codes[begin : begin + 20_000].view(np.uint64)
        near = np.stack([np.bitwise_count(block ^ one).sum(1, dtype=np.float32) for one in asked.view(np.uint64)])
        best["codes"] = np.sort(np.concatenate([best["codes"], near], axis=1), axis=1)[:, :DEPTH]
    for name, found in best.items():
        np.save(folder / f"{name}-best.npy", found)

    def batches() -> Iterator[pa.RecordBatch]:
        for begin in range(0, options.rows, 20_000):
            rows, packed = vectors[begin : begin + 20_000], codes[begin : begin + 20_000]
            yield pa.record_batch(
                {
                    "vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1]),
                    "code": pa.FixedSizeListArray.from_arrays(pa.array(packed.ravel()), packed.shape[1]),
                }
            )

    schema = next(batches()).schema
    lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches()), folder / "table.lance")


def in_a_process(options: argparse.Namespace, what: str, species: str) -> dict[str, Any]:
    """What one step measured."""
    numbers = [f"--{name}={getattr(options, name)}" for name in ("rows", "width", "lists", "queries", "work")]
    alone = os.environ | {"OMP_NUM_THREADS": "1", "LANCE_CPU_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, *numbers, "--step", what, species], capture_output=True, text=True, env=alone
    )
    if done.returncode:
        print(done.stderr[-1500:], file=sys.stderr, flush=True)
        return {f"{what} failed": done.stderr.strip().splitlines()[-1][:200] if done.stderr else "killed"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def step(options: argparse.Namespace, what: str, species: str) -> dict[str, Any]:
    """Build or search one index."""
    engine, column, kind = species.split()
    if what == "build":
        before, started = most_mib(), time.perf_counter()
        (build_lance if engine == "lance" else build_faiss)(options, column, kind)
        place = options.work / slug(species)
        place = place / "table.lance" / "_indices" if engine == "lance" else place
        return {
            "build_s": time.perf_counter() - started,
            "build_mib": most_mib() - before,
            "bytes": sum(file.stat().st_size for file in place.rglob("*") if file.is_file()),
        }
    return searched(options, species, (open_lance if engine == "lance" else open_faiss)(options, column, kind))


def build_lance(options: argparse.Namespace, column: str, kind: str) -> None:
    """An index of Lance over a copy of the table, by its own centres of lists or by those of crossgraph."""
    import lance
    import pyarrow as pa

    from crossgraph.gallery.tables.shard_centres import centres_of

    place = options.work / slug(f"lance {column} {kind}")
    place.mkdir()
    shutil.copytree(options.work / "table.lance", place / "table.lance", copy_function=os.link)
    dataset = lance.dataset(place / "table.lance")
    kind, _, centred = kind.partition("+")
    own = {"num_sub_vectors": options.width // 8} if kind.endswith("PQ") else {}
    if centred:
        found = centres_of(dataset, column[:-1], lists=options.lists)
        own["ivf_centroids"] = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), found.shape[1])
    metric = "dot" if column == "vectors" else "hamming"
    dataset.create_index(column[:-1], kind, metric=metric, num_partitions=options.lists, **own)


def build_faiss(options: argparse.Namespace, column: str, kind: str) -> None:
    """Lists of faiss in a file: trained on a sample, filled block by block, written once."""
    import faiss

    place = options.work / slug(f"faiss {column} {kind}")
    place.mkdir()
    rows = np.load(options.work / f"{column}.npy", mmap_mode="r")
    sample = np.sort(np.random.default_rng(0).choice(len(rows), min(len(rows), 64 * options.lists), replace=False))
    index: Any
    if column == "vectors":
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(options.width), options.width, options.lists, faiss.METRIC_INNER_PRODUCT
        )
    else:
        index = faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(256), 256, options.lists)
    index.train(np.ascontiguousarray(rows[sample]))
    lists = faiss.OnDiskInvertedLists(options.lists, index.code_size, str(place / "lists"))
    index.replace_invlists(lists)
    for start in range(0, len(rows), 100_000):
        index.add(np.ascontiguousarray(rows[start : start + 100_000]))
    (faiss.write_index if column == "vectors" else faiss.write_index_binary)(index, str(place / "index"))


Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def open_lance(options: argparse.Namespace, column: str, kind: str) -> Search:
    """Row numbers and distances by Lance, whose cache of lists is kept small; compressed vectors are compared again."""
    import lance

    place = options.work / slug(f"lance {column} {kind}") / "table.lance"
    dataset = lance.dataset(place, index_cache_size_bytes=64 << 20, metadata_cache_size_bytes=32 << 20)
    metric, refine = ("dot" if column == "vectors" else "hamming"), (None if kind.startswith("IVF_FLAT") else 4)

    def search(query: np.ndarray, probes: int) -> tuple[np.ndarray, np.ndarray]:
        nearest = {"column": column[:-1], "q": query, "k": DEPTH, "nprobes": probes, "metric": metric}
        found = dataset.scanner(
            columns=["_distance"],
            nearest=nearest | ({"refine_factor": refine} if refine else {}),
            with_row_address=True,
            disable_scoring_autoprojection=True,
        ).to_table()
        return found["_rowaddr"].to_numpy(), found["_distance"].to_numpy()

    return search


def open_faiss(options: argparse.Namespace, column: str, kind: str) -> Search:
    """Row numbers and distances by faiss over a mapped file."""
    import faiss

    faiss.omp_set_num_threads(1)
    place = options.work / slug(f"faiss {column} {kind}")
    read = faiss.read_index if column == "vectors" else faiss.read_index_binary
    index: Any = read(str(place / "index"), faiss.IO_FLAG_READ_ONLY)  # lists on disk are mapped anyway

    def search(query: np.ndarray, probes: int) -> tuple[np.ndarray, np.ndarray]:
        index.nprobe = probes
        near, rows = index.search(query[None], DEPTH)
        return rows[0], (1 - near[0] if column == "vectors" else near[0].astype(np.float32))

    return search


def searched(options: argparse.Namespace, species: str, search: Search) -> dict[str, Any]:
    """Memory, recall and latency at several numbers of probed lists."""
    column = species.split()[1]
    queries = np.load(options.work / ("queries.npy" if column == "vectors" else "asked.npy"))
    best = np.load(options.work / f"{column}-best.npy")
    before, found = most_mib(), []
    for probes in PROBES:
        dropped(options.work / slug(species))
        times, hits = [], {10: 0.0, DEPTH: 0.0}
        for query, near in zip(queries, best, strict=True):
            started = time.perf_counter()
            _, distances = search(query, probes)
            times.append(1000 * (time.perf_counter() - started))
            for k in hits:
                hits[k] += min(k, int((distances[:k] <= near[k - 1] + 1e-4).sum())) / k
        warm, spent = [], []
        for query in queries:
            started, processor = time.perf_counter(), time.process_time()
            search(query, probes)
            warm.append(1000 * (time.perf_counter() - started))
            spent.append(1000 * (time.process_time() - processor))
        found.append(
            {
                "probes": probes,
                "recall_10": hits[10] / len(queries),
                "recall_100": hits[DEPTH] / len(queries),
                "first_ms": times[0],
                "cold_ms": statistics.median(times[:20]),
                "ms": statistics.median(warm),
                "cpu_ms": statistics.median(spent),
                "p95_ms": sorted(warm)[int(0.95 * (len(warm) - 1))],
            }
        )
    return {"search_mib": most_mib() - before, "at": found}


def slug(species: str) -> str:
    """A folder's name for an index."""
    return species.replace(" ", "-")


def told(row: dict[str, Any]) -> str:
    """One index, as a line."""
    return json.dumps(row)


def table(measured: list[dict[str, Any]]) -> str:
    """All of it as Markdown."""
    lines = [
        "| index | GB | build s | build MiB | search MiB | probes | R@10 | R@100 | cold ms | ms | p95 ms | cpu ms |"
    ]
    lines.append("|---|" + "--:|" * 11)
    for row in measured:
        if "at" not in row:
            lines.append(f"| {row['index']} | failed: {row} |")
            continue
        for at in row["at"]:
            lines.append(
                f"| {row['index']} | {row['bytes'] / 1e9:.2f} | {row['build_s']:.0f} | {row['build_mib']:.0f} | "
                f"{row['search_mib']:.0f} | {at['probes']} | {at['recall_10']:.3f} | {at['recall_100']:.3f} | "
                f"{at['cold_ms']:.1f} | {at['ms']:.1f} | {at['p95_ms']:.1f} | {at['cpu_ms']:.1f} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
