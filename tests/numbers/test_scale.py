"""The arithmetic of many pictures, and the simulation of many shards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from arithmetic import Assumptions, assumed, need, size
from simulate import Cluster, measured_ms, place, simulate

ONE = np.array([10.0])


def test_a_million_pictures_by_hand() -> None:
    given = replace(Assumptions(), width=100, bits=80, plain_bytes=90.0, sieve_bytes=10.0, encode_per_s=2.0)
    found = need(10**6, given)
    assert found.code_bytes == 10**7
    assert found.vector_bytes == 4 * 10**8
    assert found.memory_bytes == 10**8
    assert found.shards == 1
    assert found.encode_core_hours == pytest.approx(10**6 / 2 / 3600)
    assert found.nodes == 2  # no fewer than replicas
    assert found.latency_ms == given.shard_ms + given.merge_ms


def test_ten_times_the_pictures_take_ten_times_the_bytes_and_hours() -> None:
    small, large = need(10**9, Assumptions()), need(10**10, Assumptions())
    for name in ("code_bytes", "vector_bytes", "disk_bytes", "memory_bytes", "encode_core_hours", "encode_dollars"):
        assert getattr(large, name) == pytest.approx(10 * getattr(small, name))
    assert 9 < large.nodes / small.nodes < 11


def test_more_queries_ask_for_more_nodes() -> None:
    quiet, busy = (need(10**9, replace(Assumptions(), queries_per_s=rate)) for rate in (0.1, 1000.0))
    assert busy.nodes > quiet.nodes
    assert busy.nodes_for == "cores"


def test_an_assumption_is_changed_by_name_and_others_are_refused() -> None:
    assert assumed(["replicas=3"]).replicas == 3
    with pytest.raises(SystemExit, match="relicas"):
        assumed(["relicas=3"])


def test_bytes_for_people() -> None:
    assert [size(one) for one in (999, 1500, 2e12, 3e15)] == ["999 B", "1.5 kB", "2 TB", "3 PB"]


def test_where_nothing_fails_shards_take_turns_on_cores() -> None:
    found = simulate(ONE, Cluster(8, nodes=2, cores=2, replicas=1, stragglers=0.0), queries=20, seed=0)
    assert (found.p50_ms, found.p99_ms) == (20.0, 20.0)  # four shards a node, two at a time
    assert (found.recall_lost, found.requests) == (0.0, 1.0)


def test_lost_nodes_lose_recall_without_a_replica_and_hardly_any_with_one() -> None:
    cluster = Cluster(100, nodes=20, replicas=1, lost=0.05, stragglers=0.0)
    alone = simulate(ONE, cluster, queries=400, seed=0)
    twice = simulate(ONE, replace(cluster, replicas=2), queries=400, seed=0)
    assert alone.recall_lost == pytest.approx(0.05, abs=0.01)
    assert twice.recall_lost < 0.01
    assert twice.p99_ms > cluster.timeout


def test_a_second_request_shortens_the_tail_of_stragglers() -> None:
    cluster = Cluster(100, nodes=50, cores=4, replicas=2, stragglers=0.01, slow=20.0)
    alone = simulate(ONE, cluster, queries=200, seed=0)
    hedged = simulate(ONE, replace(cluster, hedge=95.0), queries=200, seed=0)
    assert hedged.p50_ms < alone.p50_ms
    assert 1 < hedged.requests < 1.1


def test_a_deadline_bounds_latency_and_costs_recall() -> None:
    cluster = Cluster(10, nodes=10, replicas=1, stragglers=0.5, slow=100.0, deadline=50.0)
    found = simulate(ONE, cluster, queries=50, seed=0)
    assert found.p99_ms <= 50
    assert found.recall_lost == pytest.approx(0.5, abs=0.1)


def test_replicas_lie_on_different_nodes_and_a_seed_says_all() -> None:
    cluster = Cluster(30, nodes=7, replicas=3, lost=0.1)
    placed = place(cluster, np.random.default_rng(0))
    assert all(len(set(nodes)) == 3 for nodes in placed.tolist())
    assert simulate(ONE, cluster, queries=20, seed=3) == simulate(ONE, cluster, queries=20, seed=3)


def test_measured_times_are_read_from_what_the_measurement_wrote(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"shard_ms": [1, 2]}), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps({"disk": {"shard_ms": [3]}}), encoding="utf-8")
    assert [measured_ms(tmp_path / name).tolist() for name in ("a.json", "b.json")] == [[1, 2], [3]]
