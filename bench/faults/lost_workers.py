"""Take every worker of an indexing away in the middle: a clear error has to come, and this says after how many seconds.

    python bench/faults/lost_workers.py [--only nodes,taken] [--slow-health] [--work FOLDER] [--json FILE]

A Ray cluster on loopback, whose head has no processor, with two nodes of one each, and `crossgraph index` of drawn
scenes by it. As soon as something was stored, the workers go:

    nodes      every process of both nodes is killed (kill -9)
    silent     every process of both nodes is stopped and answers nothing any more, as behind a cut cable
    processes  the workers are killed, and each that comes after them
    taken      the workers are killed, and another job has their processors from then on
    head       the process of the head that knows of all nodes is killed
    here       of `local[2]`, all that Ray runs on this machine is killed (Ray may then end the command without a word)

Prints the seconds from then to the end of the command, its exit code and what it said last. Ends with status 1 unless
each ended within a minute, with exit code 2, or, as may be without a head, with the work done. `silent` takes as long
as Ray takes to find out: the head is started with `RAY_health_check_...` as docs/scale.md says, or, with
`--slow-health`, without.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cluster_index import CROSSGRAPH, small_model
from cluster_kills import descendants, name_of, send

MINUTE = 60.0
COUNT = 3000
PROMPT = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}


class Cluster:
    """A head without processors and two nodes with one each."""

    def __init__(self) -> None:
        from crossgraph.distributed.connection import ray_module

        ray_module()
        from ray.cluster_utils import Cluster as Nodes

        memory = {"object_store_memory": 128 * 2**20}
        head = {"num_cpus": 0, "include_dashboard": False, **memory}
        self.nodes: Any = Nodes(initialize_head=True, head_node_args=head, shutdown_at_exit=True)
        self.others = [self.nodes.add_node(num_cpus=1, **memory) for _ in range(2)]
        self.nodes.wait_for_nodes()

    def processes(self) -> list[int]:
        """All processes of the two nodes, raylets first."""
        raylets = [node.all_processes["raylet"][0].process.pid for node in self.others]
        return [*raylets, *(pid for raylet in raylets for pid in descendants(raylet))]

    def workers(self) -> list[int]:
        """The processes that encode."""
        return [pid for pid in self.processes() if name_of(pid).startswith("ray::Worker")]

    def kill_nodes(self) -> None:
        """End all processes of both nodes."""
        for pid in self.processes():
            send(pid, signal.SIGKILL)

    def stop_nodes(self) -> None:
        """Have them hang."""
        for pid in self.processes():
            send(pid, signal.SIGSTOP)

    def kill_workers(self) -> None:
        """End the processes that encode."""
        for pid in self.workers():
            send(pid, signal.SIGKILL)

    def kill_head(self) -> None:
        """End the process that knows of all nodes."""
        send(self.nodes.head_node.all_processes["gcs_server"][0].process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End what is left."""
        for pid in self.processes():
            send(pid, signal.SIGKILL)
        self.nodes.shutdown()


class Other:
    """Another job, which wants all processors and gets them when the workers are gone."""

    def __init__(self, address: str) -> None:
        words = [sys.executable, "-W", "ignore", __file__, "--take", address]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def close(self) -> None:
        """Let go."""
        self.process.kill()
        self.process.wait()


def take(address: str) -> None:
    """Hold two processors, as soon as they are to be had, until killed."""
    from crossgraph.distributed.connection import connected
    from crossgraph.distributed.settings import ClusterSettings

    with connected(ClusterSettings.parse(address)) as connection:

        class Holder:
            """Does nothing."""

        kept = [connection.ray.remote(Holder).options(num_cpus=1).remote() for _ in range(2)]
        print("asked", flush=True)
        time.sleep(10 * MINUTE)
        del kept


def started(work: Path, model: Path, cluster: str) -> tuple[subprocess.Popen[str], Path]:
    """An indexing that has stored something, and where it writes what it says."""
    shutil.rmtree(work / "gallery", ignore_errors=True)
    words = ["index", f"scenes:{COUNT}", "--gallery", work / "gallery", "--model", model, "--cluster", cluster]
    log = work / "said.log"
    with log.open("w") as said:
        process = subprocess.Popen([*CROSSGRAPH, *map(str, words)], stdout=subprocess.DEVNULL, stderr=said, text=True)
    while process.poll() is None and not any('"added": ' in line for line in log.read_text().splitlines()):
        time.sleep(0.1)
    return process, log


def ended(process: subprocess.Popen[str], log: Path, meanwhile: Callable[[], object]) -> dict[str, Any]:
    """How a command ends: after how many seconds, its exit code, its last line."""
    since = time.monotonic()
    while process.poll() is None and time.monotonic() - since < 4 * MINUTE:
        meanwhile()
        time.sleep(0.1)
    seconds = round(time.monotonic() - since, 1)
    process.kill()
    lines = log.read_text().strip().splitlines()
    return {"seconds": seconds, "code": process.wait(), "said": lines[-1] if lines else ""}


def nothing() -> None:
    """Only wait."""


def lose(kind: str, work: Path, model: Path) -> dict[str, Any]:
    """Start, take the workers away, and see."""
    if kind == "here":
        process, log = started(work, model, "local[2]")
        for pid in descendants(process.pid):
            send(pid, signal.SIGKILL)
        return ended(process, log, nothing)
    cluster = Cluster()
    try:
        process, log = started(work, model, cluster.nodes.address)
        if kind == "taken":
            other = Other(cluster.nodes.address)
            try:
                cluster.kill_workers()
                return ended(process, log, nothing)
            finally:
                other.close()
        actions = {
            "nodes": (cluster.kill_nodes, nothing),
            "silent": (cluster.stop_nodes, nothing),
            "processes": (nothing, cluster.kill_workers),
            "head": (cluster.kill_head, nothing),
        }
        first, meanwhile = actions[kind]
        first()
        return ended(process, log, meanwhile)
    finally:
        cluster.close()


def main() -> None:
    """Lose the workers in every way."""
    if sys.argv[1:2] == ["--take"]:
        return take(sys.argv[2])
    kinds = ("nodes", "silent", "processes", "taken", "head", "here")
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default=",".join(kinds))
    options.add_argument("--slow-health", action="store_true", help="leave Ray's own health checks as they are")
    options.add_argument("--work", type=Path)
    options.add_argument("--json", type=Path)
    asked = options.parse_args()
    work = asked.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    os.environ |= {"CROSSGRAPH_CACHE": str(work / "cache"), "RAY_AUTH_MODE": "token", "RAY_worker_niceness": "0"}
    os.environ |= {} if asked.slow_health else PROMPT
    model, found = small_model(work), {}
    for kind in asked.only.split(","):
        found[kind] = lose(kind, work, model)
        print(
            f"{kind:9} {found[kind]['seconds']:6.1f} s, exit code {found[kind]['code']}: {found[kind]['said']}",
            flush=True,
        )
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1))
    raise SystemExit(int(any(one["code"] not in (0, 2) or one["seconds"] > MINUTE for one in found.values())))


if __name__ == "__main__":
    main()
