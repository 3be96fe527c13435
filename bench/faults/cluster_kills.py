"""Kill a worker, a node or the driver of a cluster at random moments of an indexing; show that no row is lost.

    python bench/faults/cluster_kills.py [--kills 3] [--count 400] [--seed 0] [--only node] [--work FOLDER]

Two Ray nodes on loopback index drawn scenes in small batches. Each time one thing is killed (kill -9): a worker, the
second node with all its processes, or the process that stores. A driver that was killed is started again. Then the
gallery is compared with that of one undisturbed process:

    lost     a picture, caption or set of parts that is not there, or was skipped
    doubled  one that is there twice
    half     there, with other values, or what `verify` finds

Prints a line a kill, then the sums, and ends with status 1 unless all are 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cluster_index import difference, small_model, tables

KINDS = ("worker", "node", "driver")
BATCH = 16
LONGEST = 400.0


def child(gallery: Path, model: Path, count: int, address: str) -> None:
    """Index as a driver; a line on stdout when the cluster is joined, and one at the end."""
    from crossgraph import verbs
    from crossgraph.data.sources import open_corpus
    from crossgraph.distributed.given import on_cluster
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.progress import JsonLines

    loaded = verbs.load(model)
    with on_cluster(address or None, progress=JsonLines()) as workers:
        if Gallery.exists(gallery):
            opened = Gallery.open(gallery, loaded)
        else:
            opened = Gallery.create(gallery, loaded, run=str(model))
        print("joined", flush=True)
        encoder = None if workers is None else workers.encoder(loaded)
        report = opened.index(open_corpus(f"scenes:{count}"), batch=BATCH, encoder=encoder)
    print(json.dumps({"added": report.added, "skipped": len(report.skipped)}), flush=True)


class Nodes:
    """Two Ray nodes with a processor each on this machine."""

    def __init__(self) -> None:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_worker_niceness": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
        from crossgraph.distributed.connection import ray_module

        ray_module()
        from ray.cluster_utils import Cluster

        self._memory = {"object_store_memory": 128 * 2**20}
        head = {"num_cpus": 1, "include_dashboard": False, **self._memory}
        self.cluster: Any = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=True)
        self.second: Any = None
        self.complete()

    def complete(self) -> None:
        """Have the second node there."""
        if self.second is None:
            self.second = self.cluster.add_node(num_cpus=1, **self._memory)
            self.cluster.wait_for_nodes()

    def kill_second(self) -> None:
        """Kill every process of the second node."""
        raylet = self.second.all_processes["raylet"][0].process.pid
        doomed = [raylet, *descendants(raylet)]
        for process in doomed:
            send(process, signal.SIGKILL)
        self.cluster.remove_node(self.second, allow_graceful=False)
        self.second = None

    def kill_worker(self, chance: random.Random) -> bool:
        """Kill one worker; whether there was any."""
        raylets = [node.all_processes["raylet"][0].process.pid for node in self.cluster.list_all_nodes()]
        workers = [pid for raylet in raylets for pid in descendants(raylet) if name_of(pid).startswith("ray::Worker")]
        if workers:
            send(chance.choice(workers), signal.SIGKILL)
        return bool(workers)


def descendants(parent: int) -> list[int]:
    """The processes that a process started, and theirs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found += [int(folder.name), *descendants(int(folder.name))]
    return found


def name_of(pid: int) -> str:
    """The command line of a process; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def send(pid: int, what: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, what)


def start(gallery: Path, model: Path, count: int, address: str, log: Path) -> subprocess.Popen[str]:
    """A driver that has joined the cluster."""
    words = [sys.executable, __file__, "--child", gallery, model, count, address]
    with log.open("a") as errors:
        process = subprocess.Popen([*map(str, words)], stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    if process.stdout.readline().strip() != "joined":
        raise SystemExit(f"a driver failed before it began; see {log}")
    return process


def end(process: subprocess.Popen[str]) -> dict[str, int] | None:
    """What a driver says at its end; None if it was killed or failed."""
    said, _ = process.communicate(timeout=LONGEST)
    return json.loads(said.splitlines()[-1]) if process.returncode == 0 else None


def faults(one: Path, gallery: Path, skipped: int) -> Counter[str]:
    """What is wrong with a gallery."""
    from crossgraph import verbs
    from crossgraph.gallery.upkeep.health import verify

    found: Counter[str] = Counter(lost=skipped, doubled=0, half=0)
    for (name, here), there in zip(tables(one).items(), tables(gallery).values(), strict=True):
        key = "key" if name == "parts" else "id"
        keys = Counter(there[key].to_pylist())
        found["lost"] += len(set(here[key].to_pylist()) - set(keys))
        found["doubled"] += sum(times - 1 for times in keys.values()) + len(set(keys) - set(here[key].to_pylist()))
    found["half"] += len(verify(verbs.open_gallery(gallery)).problems)
    found["half"] += not difference(one, gallery)["equal"]
    return found


def main() -> None:
    """Index undisturbed, then kill again and again."""
    if sys.argv[1:2] == ["--child"]:
        words = sys.argv[2:]
        return child(Path(words[0]), Path(words[1]), int(words[2]), words[3])
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=3)
    options.add_argument("--count", type=int, default=400)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", choices=KINDS)
    options.add_argument("--work", type=Path)
    options.add_argument("--json", type=Path)
    asked = options.parse_args()
    work = asked.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    os.environ["CROSSGRAPH_CACHE"] = str(work / "cache")
    model, log, chance = small_model(work), work / "drivers.log", random.Random(asked.seed)
    for name in ("one", "killed"):
        shutil.rmtree(work / name, ignore_errors=True)
    end(start(work / "one", model, asked.count, "", log))
    nodes = Nodes()
    address = nodes.cluster.address
    started = time.monotonic()
    end(start(work / "killed", model, asked.count, address, log))
    longest = time.monotonic() - started
    print(f"undisturbed: {longest:.0f} s, {dict(faults(work / 'one', work / 'killed', 0))}", flush=True)
    sums: dict[str, Counter[str]] = {}
    for kind in [asked.only] if asked.only else KINDS:
        sums[kind] = Counter(kills=0, ended_by_itself=0)
        while sums[kind]["kills"] < asked.kills:
            shutil.rmtree(work / "killed", ignore_errors=True)
            nodes.complete()
            process = start(work / "killed", model, asked.count, address, log)
            delay = chance.uniform(0, longest)
            time.sleep(delay)
            if process.poll() is not None:
                longest = max(longest / 2, 5)
                end(process)
                continue
            if kind == "driver":
                process.kill()
            elif kind == "node":
                nodes.kill_second()
            elif not nodes.kill_worker(chance):
                end(process)
                continue
            sums[kind]["kills"] += 1
            report = end(process)
            sums[kind]["ended_by_itself"] += report is not None
            if report is None:
                report = end(start(work / "killed", model, asked.count, address, log))
            if report is None:
                raise SystemExit(f"the run after a killed {kind} failed; see {log}")
            wrong = faults(work / "one", work / "killed", report["skipped"])
            sums[kind] += wrong
            for name in ("lost", "doubled", "half"):
                sums[kind].setdefault(name, 0)
            print(f"{kind:6} killed after {delay:5.1f} s: {dict(wrong)}", flush=True)
    for kind, counted in sums.items():
        print(f"{kind:6} {', '.join(f'{name} {number}' for name, number in counted.items())}")
    if asked.json is not None:
        asked.json.write_text(json.dumps({kind: dict(counted) for kind, counted in sums.items()}, indent=1))
    nodes.cluster.shutdown()
    raise SystemExit(int(any(one[name] for one in sums.values() for name in ("lost", "doubled", "half"))))


if __name__ == "__main__":
    main()
