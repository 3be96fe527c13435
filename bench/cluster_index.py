"""The same drawn scenes indexed by one process, by two local workers, and by two Ray nodes on loopback, in one run.

    python bench/cluster_index.py [--count 2000] [--repeats 1] [--work FOLDER] [--json FILE]

Trains a small re-ranker (64 pixels, 32 channels), indexes each way into a new gallery with features that nobody has
cached, and compares the galleries row for row: every column exactly, vectors and parts by their largest difference.
Seconds are medians of the repeats, of the run alone and with what starts before it. What is done is noted in the work
folder: the same command, killed, goes on with the next way. Ends with status 1 if rows differ.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

CROSSGRAPH = (sys.executable, "-c", "from crossgraph.cli import main; main()")
SETTINGS = (
    *("images.size=64", "images.cells=[3]", "training.epochs=1", "training.batch_size=16"),
    *("model.width=32", "model.word_width=64", "model.gru_width=32"),
)
CLOSE = 1e-4
WAYS = {"one process": "one", "local[2]": "local", "two nodes": "nodes"}
"""How it is indexed, and the folder of the gallery."""


def small_model(work: Path, *, fine: bool = True) -> Path:
    """A small run that encodes in little time, trained now unless it is there."""
    from crossgraph import verbs
    from crossgraph.config import read_config
    from crossgraph.data.sources import open_corpus

    dual, rerank = work / "dual", work / "fine"
    corpus = open_corpus("scenes:120")
    if not dual.exists():
        verbs.train(corpus, read_config(None, changes=list(SETTINGS)), dual)
    if fine and not rerank.exists():
        changes = [*SETTINGS, "method=kidrr", "model.similarity_width=16"]
        verbs.train(corpus, read_config(None, changes=changes), rerank, shortlist=dual)
    return rerank if fine else dual


@contextmanager
def two_nodes() -> Iterator[str]:
    """The address of a cluster of two nodes with a processor each, on this machine."""
    from crossgraph.distributed.connection import ray_module

    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_worker_niceness": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    ray_module()
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 128 * 2**20}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, **memory},
        shutdown_at_exit=True,
    )
    try:
        cluster.add_node(num_cpus=1, **memory)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


def tables(gallery: Path) -> dict[str, Any]:
    """The tables of a gallery as pandas-free Arrow tables, sorted by key, without the time of writing."""
    import lance

    found = {}
    for name, key in (("items", "id"), ("captions", "id"), ("parts", "key")):
        table = lance.dataset(gallery / f"{name}.lance").to_table()
        kept = [column for column in table.column_names if column != "indexed_at"]
        found[name] = table.select(kept).sort_by(key)
    return found


def difference(one: Path, other: Path) -> dict[str, Any]:
    """Rows of each table, whether every column that is no feature is equal, and by how much features differ at most."""
    first, second = tables(one), tables(other)
    found: dict[str, Any] = {"equal": True, "largest": 0.0, "bitwise": True}
    for name, table in first.items():
        there = second[name]
        found[name] = [table.num_rows, there.num_rows]
        if table.num_rows != there.num_rows:
            found["equal"] = False
            continue
        for column in table.column_names:
            left, right = table[column].combine_chunks(), there[column].combine_chunks()
            if left.equals(right):
                continue
            numbers = [_numbers(values) for values in (left, right)]
            if numbers[0] is None or numbers[1] is None or numbers[0].shape != numbers[1].shape:
                found["equal"] = False
                continue
            found["bitwise"] = False
            found["largest"] = max(found["largest"], float(np.abs(numbers[0] - numbers[1]).max()))
    found["equal"] = bool(found["equal"] and found["largest"] <= CLOSE)
    return found


def _numbers(values: Any) -> Any:
    """All numbers in a column of lists, or None where it holds none."""
    while hasattr(values, "flatten") and str(values.type).find("list") >= 0:
        values = values.flatten()
    return values.to_numpy(zero_copy_only=False).astype(float) if str(values.type) in ("float", "halffloat") else None


def index(gallery: Path, model: Path, count: int, cluster: str | None, cache: Path) -> dict[str, float]:
    """Index scenes into a new gallery: seconds of the run, and with all that starts and stops around it."""
    shutil.rmtree(gallery, ignore_errors=True)
    shutil.rmtree(cache / "features", ignore_errors=True)
    words = ["index", f"scenes:{count}", "--gallery", gallery, "--model", model, "--json"]
    words += [] if cluster is None else ["--cluster", cluster]
    started = time.perf_counter()
    done = subprocess.run([*CROSSGRAPH, *map(str, words)], stdout=subprocess.PIPE, check=True, text=True)
    report = json.loads(done.stdout)
    assert report["added"] == count, report
    return {"seconds": report["seconds"], "wall": time.perf_counter() - started}


def index_by_two_nodes(gallery: Path, model: Path, count: int, cache: Path) -> dict[str, float]:
    """Index by two Ray nodes, which start before the time that is taken."""
    with two_nodes() as address:
        return index(gallery, model, count, address, cache)


def noted(file: Path, count: int) -> dict[str, list[dict[str, float]]]:
    """The times that an earlier run for as many scenes noted, by way."""
    found = json.loads(file.read_text()) if file.exists() else {}
    return {way: found.get(f"{count} {way}", []) for way in WAYS}


def main() -> None:
    """Index each way, compare, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=2000)
    options.add_argument("--repeats", type=int, default=1)
    options.add_argument("--work", type=Path)
    options.add_argument("--json", type=Path)
    asked = options.parse_args()
    work = asked.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    cache = work / "cache"
    os.environ["CROSSGRAPH_CACHE"] = str(cache)
    from crossgraph.data.sources import open_corpus

    model = small_model(work)
    open_corpus(f"scenes:{asked.count}")
    found: dict[str, Any] = {"count": asked.count, "processors": os.cpu_count()}
    notes = work / "times.json"
    times = noted(notes, asked.count)
    for repeat in range(asked.repeats):
        for way, name in WAYS.items():
            if len(times[way]) > repeat:
                continue
            given = (work / name, model, asked.count)
            if way == "two nodes":
                times[way].append(index_by_two_nodes(*given, cache))
            else:
                times[way].append(index(*given, None if way == "one process" else way, cache))
            print(f"{way:12} {times[way][-1]}", flush=True)
            notes.write_text(json.dumps({f"{asked.count} {one}": rows for one, rows in times.items()}))
    for name, rows in times.items():
        found[name] = {kind: round(statistics.median(row[kind] for row in rows), 2) for kind in rows[0]}
        print(
            f"{name:12} {found[name]['seconds']:8.1f} s, with start and stop {found[name]['wall']:8.1f} s", flush=True
        )
    for name in ("local", "nodes"):
        found[f"{name} against one"] = told = difference(work / "one", work / name)
        print(f"{name:12} {'equal' if told['equal'] else 'DIFFERENT'} {told}", flush=True)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1))
    raise SystemExit(int(not all(found[f"{name} against one"]["equal"] for name in ("local", "nodes"))))


if __name__ == "__main__":
    main()
