"""Hamming distance: the nearest codes of many beside a plain sort (and FAISS, where it is installed), and mAP@all."""

from __future__ import annotations

import importlib.util
import resource
from collections.abc import Callable

import numpy as np
import torch

from crossgraph.bench.timing import Machine, Outcome, by_turns
from crossgraph.bits import pack_words
from crossgraph.evaluation.hamming import hamming_groups
from crossgraph.evaluation.label_metrics import average_precision
from crossgraph.gallery.stages.codes import CodeIndex, hamming
from crossgraph.gallery.tables.matrix import Matrix

K = 100
QUERIES, ITEMS, BITS, LABELS = 5000, 117_218, 128, 24


def nearest(*, codes: int = 1_000_000, repeats: int = 9) -> Outcome:
    """The best 100 of many codes of 64 and of 256 bits."""
    rng = np.random.default_rng(0)
    rows, notes = [], []
    for bits in (64, 256):
        table = rng.integers(0, 256, (codes, bits // 8), np.uint8)
        query = torch.from_numpy(table[5])
        index, rest = CodeIndex(Matrix.of(table), bits=bits), torch.from_numpy(table)
        ways: dict[str, Callable[[], object]] = {
            "by a bound": lambda index=index, query=query: index.nearest(query, k=K),
            "all distances, sorted": lambda rest=rest, query=query: hamming(rest, query).argsort(stable=True)[:K],
        }
        found = [np.sort(_distances(index.nearest(query, k=K).scores, bits))]
        if importlib.util.find_spec("faiss"):
            import faiss

            peer = faiss.IndexBinaryFlat(bits)
            peer.add(table)
            ways["FAISS BinaryFlat"] = lambda peer=peer, table=table: peer.search(table[5:6], K)
            found.append(np.sort(peer.search(table[5:6], K)[0][0]))
        times = by_turns(ways, repeats=repeats)
        rows += [{"bits": bits, "way": name, **taken.facts()} for name, taken in times.items()]
        if len(found) > 1:
            ratio = times["by a bound"].seconds / times["FAISS BinaryFlat"].seconds
            same = "the same distances" if np.array_equal(*found) else "OTHER DISTANCES"
            notes.append(f"{bits} bits: {ratio:.2f} times FAISS's time (wanted at most 1.2 at 64); {same}")
    return Outcome("codes", Machine.now(), rows, notes)


def mean_average_precision(*, queries: int = QUERIES, items: int = ITEMS) -> Outcome:
    """mAP@all of codes, ties by expectation: seconds, and what memory it adds."""
    rng = np.random.default_rng(0)
    lean = rng.normal(size=(LABELS, BITS))

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.random((count, LABELS)) < 0.1
        return pack_words(labels @ lean + rng.normal(size=(count, BITS)) > 0), pack_words(labels)

    (asked, asked_labels), (gallery, gallery_labels) = drawn(queries), drawn(items)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    value: list[float] = []

    def compute() -> None:
        total = 0.0
        for start in range(0, queries, 4096):
            some = slice(start, start + 4096)
            groups = hamming_groups(
                asked[some], gallery, bits=BITS, query_labels=asked_labels[some], gallery_labels=gallery_labels
            )
            total += float(average_precision(groups).sum())
        value.append(total / queries)

    taken = by_turns({"compute": compute}, repeats=1)["compute"]
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    row = {
        "queries": queries,
        "items": items,
        "bits": BITS,
        "seconds": taken.seconds,
        "by_the_clock": taken.clock[0],
        "mebibytes_more": more,
        "map": value[0],
    }
    return Outcome("map", Machine.now(), [row], ["wanted: under 30 s and 300 MB"])


def _distances(scores: torch.Tensor, bits: int) -> np.ndarray:
    return np.rint((1 - scores.numpy()) * bits / 2).astype(np.int32)
