"""Hamming distance: the nearest codes of many beside a plain sort (and FAISS, where it is installed), and mAP@all."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossgraph.bench.timing import Machine, Outcome, by_turns
from crossgraph.bits import pack_words
from crossgraph.evaluation.hamming import hamming_groups
from crossgraph.evaluation.label_metrics import average_precision
from crossgraph.gallery.stages.code_index import CodeIndex, hamming, nearest_by_a_bound
from crossgraph.gallery.tables.matrix import Matrix

K = 100
ASKED = 10
"""Queries one after the other: of the first alone, much is what the processor had forgotten meanwhile."""
QUERIES, ITEMS, BITS, LABELS = 5000, 117_218, 128, 24


def nearest(*, codes: int = 1_000_000, repeats: int = 9) -> Outcome:
    """The best 100 of many codes of 64 and of 256 bits."""
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for bits in (64, 256):
        more, said = _of_length(bits, codes, repeats=repeats)
        rows += more
        notes += said
    return Outcome("codes", Machine.now(), rows, notes)


def _of_length(bits: int, codes: int, *, repeats: int) -> tuple[list[dict[str, Any]], list[str]]:
    table = np.random.default_rng(0).integers(0, 256, (codes, bits // 8), np.uint8)
    index = CodeIndex(Matrix.of(table), bits=bits)
    asked = table[:ASKED].copy()
    ways: dict[str, Callable[[], object]] = {
        "search": lambda: [index.nearest(query, k=K) for query in asked],
        "by a bound": lambda: [nearest_by_a_bound(table, query, k=K) for query in asked],
        "all distances, sorted": lambda: [hamming(table, query).argsort(kind="stable")[:K] for query in asked],
    }
    peer = _faiss(table, bits)
    if peer is not None:
        ways["FAISS BinaryFlat"] = lambda: [peer.search(query[None], K) for query in asked]
    times = by_turns(ways, repeats=repeats)
    rows = [{"bits": bits, "way": name, **taken.facts(per=ASKED)} for name, taken in times.items()]
    if peer is None:
        return rows, [f"{bits} bits: FAISS is not installed, so nothing is compared with it"]
    ratio, plain = (times[name].seconds / times["FAISS BinaryFlat"].seconds for name in ("search", "by a bound"))
    found = [np.rint((1 - index.nearest(query, k=K).scores) * bits / 2) for query in asked]
    same = np.array_equal(found, np.sort(peer.search(asked, K)[0]))
    told = "the same distances" if same else "OTHER DISTANCES"
    return rows, [
        f"{bits} bits: {ratio:.2f} times FAISS's time (wanted at most 1.2 at 64), numpy alone {plain:.2f}; {told}"
    ]


def _faiss(table: np.ndarray, bits: int) -> Any:
    """FAISS's exhaustive index of the codes, on one thread, where it is installed."""
    if importlib.util.find_spec("faiss") is None:
        return None
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(torch.get_num_threads())
    peer = faiss.IndexBinaryFlat(bits)
    peer.add(table)
    return peer


def mean_average_precision(*, queries: int = QUERIES, items: int = ITEMS) -> Outcome:
    """mAP@all of codes, ties by expectation: seconds, and what memory a process of its own has, before and at most."""
    rng = np.random.default_rng(0)
    lean = rng.normal(size=(LABELS, BITS))

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.random((count, LABELS)) < 0.1
        return pack_words(labels @ lean + rng.normal(size=(count, BITS)) > 0), pack_words(labels)

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        facts = apart.submit(_mean_average_precision, drawn(queries), drawn(items)).result()
    row = {"queries": queries, "items": items, "bits": BITS, **facts}
    return Outcome("map", Machine.now(), [row], ["wanted: under 30 s and 300 MB more"])


def _mean_average_precision(
    asked: tuple[np.ndarray, np.ndarray], gallery: tuple[np.ndarray, np.ndarray]
) -> dict[str, float]:
    before = _kilobytes("VmRSS")
    value: list[float] = []

    def compute() -> None:
        total = 0.0
        for start in range(0, len(asked[0]), 4096):
            codes, labels = (words[start : start + 4096] for words in asked)
            groups = hamming_groups(codes, gallery[0], bits=BITS, query_labels=labels, gallery_labels=gallery[1])
            total += float(average_precision(groups).sum())
        value.append(total / len(asked[0]))

    taken = by_turns({"compute": compute}, repeats=1)["compute"]
    most = _kilobytes("VmHWM")
    return {
        "seconds": taken.seconds,
        "by_the_clock": taken.clock[0],
        "mebibytes_before": before / 1024,
        "mebibytes_more": (most - before) / 1024,
        "map": value[0],
    }


def _kilobytes(field: str) -> int:
    """What the system says of this process's memory; 0 where it says nothing."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), 0)
