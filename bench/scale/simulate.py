"""Searches over many shards on many nodes, from what one shard was measured to cost, with failures.

    python bench/scale/simulate.py MEASURED.json [--codes 1000000000] [--lost 0.01] [--hedge 95] [--seeds 0 1 2]

MEASURED is what `bench/disk_search.py --json` wrote, or any file with a list of milliseconds under `shard_ms`. Every
query asks one replica of every shard; a node answers its shards one after another on each of its cores. An answer takes
a time drawn from the measured ones; one in `--stragglers` takes `--slow` times as long. A node is lost for the whole
query with probability `--lost`: its shards are asked of another replica after `--timeout` ms. Of answers later than the
`--hedge` percentile of all, a second is asked of another replica, and the earlier counts. What no replica answers by
`--deadline` ms is left out: the recall lost is its share of the codes, since rows lie in shards by chance.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cluster:
    """How many shards lie on how many nodes, and what may go wrong."""

    shards: int
    nodes: int
    cores: int = 16
    replicas: int = 2
    lost: float = 0.0
    stragglers: float = 0.01
    slow: float = 10.0
    hedge: float | None = None
    timeout: float = 200.0
    deadline: float = 2000.0


@dataclass(frozen=True)
class Outcome:
    """Of all queries: latency in ms, the mean share of rows that were not searched, how many queries lost any, and how
    many requests were made for each that is needed."""

    p50_ms: float
    p99_ms: float
    recall_lost: float
    queries_with_loss: float
    requests: float


def simulate(measured: NDArray[np.float64], cluster: Cluster, *, queries: int, seed: int) -> Outcome:
    """So many queries, one at a time, on an idle cluster."""
    random = np.random.default_rng(seed)
    placed = place(cluster, random)
    latencies, losses, asked = np.empty(queries), np.empty(queries), 0
    for query in range(queries):
        times, requests = one_query(measured, cluster, placed, random)
        in_time = times <= cluster.deadline
        latencies[query] = times[in_time].max(initial=0.0) if in_time.all() else cluster.deadline
        losses[query] = 1 - in_time.mean()
        asked += requests
    return Outcome(
        float(np.percentile(latencies, 50)),
        float(np.percentile(latencies, 99)),
        float(losses.mean()),
        float((losses > 0).mean()),
        asked / (queries * cluster.shards),
    )


def place(cluster: Cluster, random: np.random.Generator) -> NDArray[np.int64]:
    """The nodes that each shard lies on: all different, every node with as many as any other, but for one."""
    first = random.permutation(cluster.shards) % cluster.nodes
    steps = np.stack([np.arange(cluster.replicas)] * cluster.shards)
    return (first[:, None] + steps * max(1, cluster.nodes // cluster.replicas)) % cluster.nodes


def one_query(
    measured: NDArray[np.float64], cluster: Cluster, placed: NDArray[np.int64], random: np.random.Generator
) -> tuple[NDArray[np.float64], int]:
    """When the answer of each shard is there, infinite if never, and how many requests that took."""
    up = random.random(cluster.nodes) >= cluster.lost
    turn = random.integers(cluster.replicas, size=cluster.shards)
    order = (turn[:, None] + np.arange(cluster.replicas)) % cluster.replicas
    nodes = np.take_along_axis(placed, order, axis=1)
    tries = np.where(up[nodes].any(1), up[nodes].argmax(1), cluster.replicas)
    chosen = nodes[np.arange(len(nodes)), np.minimum(tries, cluster.replicas - 1)]
    times = waited(chosen, cluster, drawn(measured, cluster, random)) + tries * cluster.timeout
    times[tries == cluster.replicas] = np.inf
    requests = int((tries + 1).clip(max=cluster.replicas).sum())
    if cluster.hedge is not None and cluster.replicas > 1 and np.isfinite(times).any():
        limit = np.percentile(times[np.isfinite(times)], cluster.hedge)
        late = np.flatnonzero((times > limit) & (tries < cluster.replicas - 1))
        other = nodes[late, tries[late] + 1]
        second = limit + drawn(measured, cluster, random)[late]
        times[late] = np.where(up[other], np.minimum(times[late], second), times[late])
        requests += len(late)
    return times, requests


def drawn(measured: NDArray[np.float64], cluster: Cluster, random: np.random.Generator) -> NDArray[np.float64]:
    """How long each shard takes, once a core is at it."""
    times = random.choice(measured, cluster.shards)
    return np.where(random.random(cluster.shards) < cluster.stragglers, times * cluster.slow, times)


def waited(chosen: NDArray[np.int64], cluster: Cluster, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """When each answer is there: a node's shards take turns on its cores."""
    order = np.argsort(chosen, kind="stable")
    nodes, place_on_node = chosen[order], np.empty(len(chosen), np.int64)
    starts = np.searchsorted(nodes, nodes, side="left")
    place_on_node[order] = np.arange(len(nodes)) - starts
    lane = chosen * cluster.cores + place_on_node % cluster.cores
    found, turns = np.empty(len(chosen)), place_on_node // cluster.cores
    busy = np.zeros(cluster.nodes * cluster.cores)
    for turn in range(int(turns.max(initial=-1)) + 1):
        here = turns == turn
        busy[lane[here]] += times[here]
        found[here] = busy[lane[here]]
    return found


def measured_ms(file: Path) -> NDArray[np.float64]:
    """The measured times of one shard."""
    told = json.loads(file.read_text())
    times = told.get("shard_ms") or told["disk"]["shard_ms"]
    return np.array(times, np.float64)


def main() -> None:
    """Print one row for each policy, the mean of all seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", type=Path)
    parser.add_argument("--codes", type=int, default=10**9)
    parser.add_argument("--rows", type=int, default=10**6, help="codes of a shard")
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--lost", type=float, default=0.01)
    parser.add_argument("--stragglers", type=float, default=0.01)
    parser.add_argument("--slow", type=float, default=10.0)
    parser.add_argument("--timeout", type=float, default=200.0)
    parser.add_argument("--deadline", type=float, default=2000.0)
    parser.add_argument("--hedge", type=float, default=95.0)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    measured = measured_ms(options.measured)
    shards = -(-options.codes // options.rows)
    common = {name: getattr(options, name) for name in ("nodes", "cores", "slow", "timeout", "deadline")}
    policies = {
        "nothing fails, 1 replica": {"replicas": 1, "lost": 0.0, "stragglers": 0.0},
        "stragglers, 1 replica": {"replicas": 1, "lost": 0.0, "stragglers": options.stragglers},
        "stragglers and lost nodes, 1 replica": {"replicas": 1, "lost": options.lost, "stragglers": options.stragglers},
        "the same, 2 replicas": {"replicas": 2, "lost": options.lost, "stragglers": options.stragglers},
        "the same, 2 replicas, hedged": {
            "replicas": 2,
            "lost": options.lost,
            "stragglers": options.stragglers,
            "hedge": options.hedge,
        },
        "the same, 3 replicas, hedged": {
            "replicas": 3,
            "lost": options.lost,
            "stragglers": options.stragglers,
            "hedge": options.hedge,
        },
    }
    rows = []
    print(
        f"{options.codes:,} codes in {shards:,} shards on {options.nodes} nodes of {options.cores} cores; one shard: "
        f"{len(measured)} measured times, median {np.median(measured):.1f} ms; seeds {options.seeds}\n"
    )
    print("| | p50 ms | p99 ms | recall lost | queries that lost any | requests a shard |\n|---|--:|--:|--:|--:|--:|")
    for name, policy in policies.items():
        cluster = Cluster(shards, **common, **policy)
        found = [asdict(simulate(measured, cluster, queries=options.queries, seed=seed)) for seed in options.seeds]
        mean = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
        rows.append({"policy": name, **mean, "seeds": found})
        print(
            f"| {name} | {mean['p50_ms']:.0f} | {mean['p99_ms']:.0f} | {mean['recall_lost']:.4%} | "
            f"{mean['queries_with_loss']:.1%} | {mean['requests']:.3f} |",
            flush=True,
        )
    if options.json:
        options.json.write_text(
            json.dumps({"codes": options.codes, "shards": shards, "policies": rows}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
