"""What 10 million, 1 billion and 10 billion pictures take: bytes, nodes, hours, latency, money.

    python bench/scale/arithmetic.py [--pictures 10000000 1000000000 10000000000] [--set NAME=VALUE] [--json FILE]

Every number comes from the table of assumptions, which is printed with it: what was measured, by which command, and
what a provider charges, as assumed on a stated date. Change one with `--set`. Nothing is fetched.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

HOURS_OF_A_MONTH = 730


@dataclass(frozen=True)
class Assumptions:
    """Per picture unless another unit is named; prices in US dollars, without discounts."""

    width: float = 1024  # numbers of a shortlist vector: the model in the box
    bits: float = 256  # of a code: the model in the box
    plain_bytes: float = 160.0  # path, date, labels and the like in memory (bench/disk_search.py)
    sieve_bytes: float = 96.0  # of a perceptual hash that stay in memory
    hash_bytes: float = 320.0
    part_bytes: float = 25_000.0  # fine features on disk for re-ranking (bench/cascade_scale.py)
    index_overhead: float = 0.01  # of shards over the numbers in them (bench/disk/engines.py)
    encode_per_s: float = 3.0  # pictures a core encodes in a second, all stages of the model in the box
    build_s_per_million: float = 144.0  # one core, shards of vectors and codes (bench/disk_search.py)
    shard_rows: float = 1_000_000.0
    shard_ms: float = 55.0  # one shard on one core, its share of lists of codes and candidates' vectors
    merge_ms: float = 2.0  # merging the answers of all nodes, and the network
    rerank_ms: float = 60.0  # 100 pairs on one core
    node_cores: float = 16.0
    node_memory: float = 128e9
    node_disk: float = 3.75e12
    node_dollars_per_hour: float = 1.10
    batch_dollars_per_core_hour: float = 0.02  # cores that may be taken away, for encoding
    object_dollars_per_gb_month: float = 0.023
    replicas: float = 2.0
    use_of_memory: float = 0.7  # of a node's memory and disk that is planned with
    queries_per_s: float = 10.0  # to be served at once
    encoding_cores: float = 2000.0  # rented for encoding and building


PRICED_ON = "2026-11, list prices of large clouds in the United States, rounded, assumed and not fetched"
SOURCES = {
    "width": "model in the box",
    "bits": "model in the box",
    "plain_bytes": "measured: opened less imports, bench/disk_search.py",
    "index_overhead": "measured: bench/disk/engines.py",
    "build_s_per_million": "measured: bench/disk_search.py",
    "shard_ms": "measured: bench/disk_search.py, processor time",
}


@dataclass(frozen=True)
class Need:
    """What so many pictures take."""

    pictures: int
    code_bytes: float
    vector_bytes: float
    part_bytes: float
    disk_bytes: float
    memory_bytes: float
    shards: int
    encode_core_hours: float
    encode_hours: float
    build_core_hours: float
    nodes: int
    nodes_for: str
    latency_ms: float
    latency_reranked_ms: float
    encode_dollars: float
    serving_dollars_per_month: float
    storage_dollars_per_month: float


def need(pictures: int, given: Assumptions) -> Need:
    """The arithmetic. A node serves what fits into its memory and on its disk, and what its cores answer in time."""
    codes, vectors = pictures * given.bits / 8, pictures * given.width * 4
    features = pictures * given.part_bytes
    once = pictures * given.hash_bytes + (codes + vectors) * (2 + given.index_overhead)  # the table, and its shards
    memory = pictures * (given.plain_bytes + given.sieve_bytes)
    shards = math.ceil(pictures / given.shard_rows)
    core_hours = pictures / given.encode_per_s / 3600
    build = pictures / 1e6 * given.build_s_per_million / 3600
    busy = given.queries_per_s * shards * given.shard_ms / 1000  # cores that are at work at any time
    wanted = {
        "memory": memory * given.replicas / (given.node_memory * given.use_of_memory),
        "disk": (once + features) * given.replicas / (given.node_disk * given.use_of_memory),
        "cores": max(busy, given.replicas) / (given.node_cores * given.use_of_memory),
    }
    reason = max(wanted, key=lambda one: wanted[one])
    nodes = max(math.ceil(wanted[reason]), math.ceil(given.replicas))
    of_a_node = math.ceil(shards * given.replicas / nodes)  # shards that lie on one node
    asked = math.ceil(of_a_node / given.replicas)  # of which every query asks so many
    rounds = math.ceil(asked / given.node_cores)
    latency = rounds * given.shard_ms + given.merge_ms
    return Need(
        pictures,
        codes,
        vectors,
        features,
        once + features,
        memory,
        shards,
        core_hours,
        core_hours / given.encoding_cores,
        build,
        nodes,
        reason,
        latency,
        latency + given.rerank_ms,
        (core_hours + build) * given.batch_dollars_per_core_hour,
        nodes * given.node_dollars_per_hour * HOURS_OF_A_MONTH,
        (once + features) / 1e9 * given.object_dollars_per_gb_month,
    )


def assumed(changes: list[str]) -> Assumptions:
    """The assumptions with some of them changed, each as NAME=VALUE."""
    values = dict[str, Any]()
    for change in changes:
        name, _, value = change.partition("=")
        if name not in {field.name for field in fields(Assumptions)}:
            raise SystemExit(
                f"no assumption is called {name!r}; there are {', '.join(f.name for f in fields(Assumptions))}"
            )
        values[name] = float(value)
    return replace(Assumptions(), **values)


def table(needs: list[Need], given: Assumptions) -> str:
    """Assumptions and what follows of them, as Markdown."""
    lines = [f"| assumed ({PRICED_ON}) | value | source |", "|---|--:|---|"]
    lines += [f"| {name} | {value:g} | {SOURCES.get(name, 'assumed')} |" for name, value in asdict(given).items()]
    lines += [
        "",
        "| | " + " | ".join(f"{one.pictures:,} pictures" for one in needs) + " |",
        "|---|" + "--:|" * len(needs),
    ]
    rows: dict[str, Callable[[Need], str]] = {
        "codes": lambda one: size(one.code_bytes),
        "vectors": lambda one: size(one.vector_bytes),
        "fine features": lambda one: size(one.part_bytes),
        "on disk, with shards, once": lambda one: size(one.disk_bytes),
        "in memory, once": lambda one: size(one.memory_bytes),
        "shards": lambda one: f"{one.shards:,}",
        "encoding, core hours": lambda one: f"{one.encode_core_hours:,.0f}",
        f"encoding on {given.encoding_cores:,.0f} cores, hours": lambda one: f"{one.encode_hours:,.1f}",
        "building shards, core hours": lambda one: f"{one.build_core_hours:,.1f}",
        f"nodes, {given.replicas:.0f} replicas": lambda one: f"{one.nodes:,} ({one.nodes_for})",
        "latency, ms": lambda one: f"{one.latency_ms:,.0f}",
        "latency with re-ranking, ms": lambda one: f"{one.latency_reranked_ms:,.0f}",
        "encoding and building, $": lambda one: f"{one.encode_dollars:,.0f}",
        "serving, $ a month": lambda one: f"{one.serving_dollars_per_month:,.0f}",
        "storage, $ a month": lambda one: f"{one.storage_dollars_per_month:,.0f}",
    }
    lines += [f"| {name} | " + " | ".join(cell(one) for one in needs) + " |" for name, cell in rows.items()]
    return "\n".join(lines)


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"


def main() -> None:
    """Print both tables, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, nargs="+", default=[10**7, 10**9, 10**10])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    given = assumed(options.set)
    needs = [need(pictures, given) for pictures in options.pictures]
    if options.json:
        told = {"priced_on": PRICED_ON, "assumed": asdict(given), "needs": [asdict(one) for one in needs]}
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    print(table(needs, given))


if __name__ == "__main__":
    main()
