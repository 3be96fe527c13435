"""Searching a gallery whose vectors and codes stay on disk: memory of a fresh process, latency, recall.

    python bench/disk_search.py [--rows 1000000] [--width 512] [--queries 200] [--work FOLDER] [--json FILE]

A gallery of drawn rows (`disk/drawn_vectors.py`) is written and put into shards, each in a process of its own, and
searched by fresh processes through `Gallery.search`, from disk at several numbers of probed lists and, with
`--in-memory`, whole in memory. The model that answers looks drawn queries up, so that nothing but the search is
measured; a model of one's own adds what it takes. Memory is the most that the process ever held (`VmHWM`), imports and
all. Times are of the whole search without encoding; the first queries come after the gallery's files were dropped from
the page cache. Recall is of the best 10 and 100 pictures of an exhaustive search by vectors; the `codes` rows are of
codes alone. `shard_ms` is the processor's time of each search of the middle mode, for `scale/simulate.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from crossgraph.bench.drawn_gallery import NoMethod
from crossgraph.encoders.understanding import Understanding
from crossgraph.gallery.folder import Memory
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.stages.codes import PlaneCodes
from crossgraph.gallery.upkeep.shards import shard, shard_recall
from crossgraph.methods.contract import InputSizes, MethodConfig
from crossgraph.types import Encoded

sys.path.insert(0, str(Path(__file__).parent / "disk"))
from drawn_vectors import BLOCK, Drawn
from held_memory import dropped, most_mib

PROBES = (16, 64)


@dataclass(frozen=True)
class DrawnCodes(PlaneCodes):
    """The codes of the drawn vectors."""

    drawn: Drawn

    @property
    def bits(self) -> int:
        """How many bits they have."""
        return self.drawn.bits

    def codes_of_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """On which sides of the planes the vectors lie."""
        return self.drawn.codes(vectors)


class DrawnModel:
    """Answers the sentence "17" with the drawn query 17."""

    label_names = ()
    blend = 0.0

    def __init__(self, drawn: Drawn, queries: int) -> None:
        self.fingerprint = hashlib.sha256(repr(drawn).encode()).hexdigest()[:16]
        self.method = NoMethod(MethodConfig(), InputSizes(part_width=8, whole_width=8))
        self.shortlist = None
        self.coder = DrawnCodes(drawn)
        self.calibration = dict[str, Any]()
        self.queries = torch.from_numpy(drawn.queries(queries))

    def encode_raw_texts(self, sentences: Sequence[str]) -> Encoded:
        """The drawn query of each number."""
        return Encoded(self.queries[[int(one) if one.isdigit() else 0 for one in sentences]])

    def encode_image_files(self, paths: Sequence[Path], *, progress: object = None, reader: object = None) -> Any:
        """Nothing: there are no files."""
        raise NotImplementedError

    def understanding(self, text: str) -> Understanding:
        """All of it is understood."""
        return Understanding(text, (text,))

    def explain(self, sentence: str, path: Path) -> Any:
        """Nothing."""
        raise NotImplementedError


def write(folder: Path, drawn: Drawn) -> None:
    """A gallery of all drawn rows, with paths, dates, labels and hashes, as indexing writes them, in one commit."""
    store = Gallery.create(folder, DrawnModel(drawn, 1)).store
    table = store.tables["items"]
    at = datetime.now(UTC)

    def batches() -> Iterator[pa.RecordBatch]:
        random = np.random.default_rng(0)
        for block, (vectors, codes) in enumerate(drawn.blocks()):
            names = [
                hashlib.sha256(b"%d" % row).hexdigest()[:16]
                for row in range(block * BLOCK, block * BLOCK + len(vectors))
            ]
            count = len(names)
            columns = {
                "id": names,
                "path": [f"/pictures/{block:04}/{name}.jpg" for name in names],
                "digest": names,
                "width": [640] * count,
                "height": [480] * count,
                "captions": [[]] * count,
                "caption_ids": [[]] * count,
                "labels": [[f"label {int(one)}"] for one in random.integers(0, 1000, count)],
                "bytes": [100_000] * count,
                "modified": [at] * count,
                "taken": [None] * count,
                "perceptual_hash": [random.bytes(320) for _ in range(count)],
                "source": ["drawn"] * count,
                "indexed_at": [at] * count,
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
                "code": pa.FixedSizeListArray.from_arrays(pa.array(codes.ravel()), codes.shape[1]),
            }
            yield pa.RecordBatch.from_pydict(columns, schema=table.schema)

    table.dataset.insert(pa.RecordBatchReader.from_batches(table.schema, batches()))


def best_of(drawn: Drawn, queries: int) -> np.ndarray:
    """The hundred best scores of an exhaustive search, for every query."""
    asked, best = drawn.queries(queries), np.empty((queries, 0), np.float32)
    for vectors, _ in drawn.blocks():
        best = np.concatenate([best, asked @ vectors.T], axis=1)
        best = -np.sort(-best, axis=1)[:, :100]
    return best


def searched(folder: Path, drawn: Drawn, options: argparse.Namespace, *, memory: Memory) -> dict[str, object]:
    """What a fresh process measures: opening, then each mode at each number of probed lists."""
    best = np.load(folder.parent / "best.npy")
    before, started = most_mib(), time.perf_counter()
    gallery = Gallery.open(folder, DrawnModel(drawn, options.queries), memory=memory)
    gallery.snapshot()
    opened, rows = time.perf_counter() - started, []
    one_shard = list[float]()
    found: dict[str, object] = {"memory": memory, "imports_mib": before, "open_s": opened, "opened_mib": most_mib()}
    for candidates in (0, 1000, 10_000):
        for probe in PROBES if memory == "disk" else (None,):
            asked = SearchOptions(k=100, candidates=candidates, probe=probe, fold=options.fold)
            dropped(folder)
            times, spent, hits = [], [], {10: 0.0, 100: 0.0}
            for number, near in enumerate(best):
                processor = time.process_time()
                answer = gallery.search(str(number), asked)
                spent.append(1000 * (time.process_time() - processor))
                times.append(sum(answer.timings_ms.values()) - answer.timings_ms.get("encode", 0.0))
                ids = [gallery.snapshot().row(result.id) for result in answer.results]
                scores = (
                    gallery.snapshot().vectors.products(drawn.queries(options.queries)[number], np.array(ids))
                    if number < options.judged
                    else None
                )
                if scores is not None:
                    for k in hits:
                        hits[k] += int((scores[:k] >= near[k - 1] - 1e-5).sum()) / k / min(len(best), options.judged)
            warm = sorted(times[20:])
            if candidates == 1000 and probe == max(PROBES):
                one_shard = spent[20:]
            rows.append(
                {
                    "candidates": candidates,
                    "probe": probe,
                    "recall_10": hits[10],
                    "recall_100": hits[100],
                    "first_ms": times[0],
                    "first_20_ms": statistics.median(times[:20]),
                    "p50_ms": statistics.median(warm),
                    "p95_ms": warm[int(0.95 * (len(warm) - 1))],
                    "cpu_ms": statistics.median(spent[20:]),
                }
            )
    return found | {"searches": rows, "shard_ms": one_shard, "most_mib": most_mib()}


def step(options: argparse.Namespace) -> dict[str, object]:
    """One step, in this process."""
    drawn, folder = Drawn(options.rows, options.width), options.work / "gallery"
    started = time.perf_counter()
    if options.step == "write":
        write(folder, drawn)
        np.save(options.work / "best.npy", best_of(drawn, options.queries))
        size = bytes_under(folder)
        return {"seconds": time.perf_counter() - started, "bytes": size, "most_mib": most_mib()}
    if options.step == "shard":
        before = bytes_under(folder)
        done = shard(Gallery.open(folder), lists=options.lists)
        grown = bytes_under(folder) - before
        return {"columns": [vars(one) for one in done], "bytes": grown, "most_mib": most_mib()}
    if options.step == "recall":
        gallery = Gallery.open(folder, memory="disk")
        return {
            "stages": [vars(one) for one in shard_recall(gallery, queries=50, probes=PROBES)],
            "most_mib": most_mib(),
        }
    return searched(folder, drawn, options, memory="disk" if options.step == "disk" else "whole")


def bytes_under(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> None:
    """Run every step in a process of its own; print, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--lists", type=int)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--judged", type=int, default=50, help="queries whose recall is measured")
    parser.add_argument("--fold", action="store_true", help="fold pictures that look alike, as the command line does")
    parser.add_argument("--in-memory", action="store_true", help="also search the gallery whole in memory")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(step(options)))
        return
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        steps = ["write", "shard", "recall", "disk", *(["whole"] if options.in_memory else [])]
        measured: dict[str, object] = {"rows": options.rows, "width": options.width, "queries": options.queries}
        for name in steps:
            given = [one for one in sys.argv[1:] if not one.startswith("--work")]
            if options.work and str(options.work) in given:
                given.remove(str(options.work))
            done = subprocess.run(
                [sys.executable, __file__, *given, f"--work={folder}", "--step", name],
                stdout=subprocess.PIPE,
                check=True,
            )
            measured[name] = json.loads(done.stdout.splitlines()[-1])
            print(json.dumps({name: measured[name]}), file=sys.stderr, flush=True)
            if options.json:
                options.json.write_text(json.dumps(measured, indent=2) + "\n")
    print(told(measured))


def told(measured: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    lines = [f"{measured['rows']:,} rows of {measured['width']} numbers; shards: {measured['shard']}", ""]
    numbers = ("recall_10", "recall_100", "first_ms", "first_20_ms", "p50_ms", "p95_ms", "cpu_ms")
    lines += [f"| memory | candidates | probe | {' | '.join(numbers)} |", "|---|" + "--:|" * (2 + len(numbers))]
    for name in ("disk", "whole"):
        one = measured.get(name, {"searches": ()})
        for row in one["searches"]:
            cells = " | ".join(f"{row[number]:.4g}" for number in numbers)
            lines.append(f"| {name} | {row['candidates']:,} | {row['probe']} | {cells} |")
        if "open_s" in one:
            held = ", ".join(f"{key} {one[key]:.0f}" for key in ("imports_mib", "opened_mib", "most_mib", "open_s"))
            lines.append(f"\n{name}: {held}\n")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
