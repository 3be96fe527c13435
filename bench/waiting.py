"""Training steps a second, with and without another busy process, for the two ways in which threads can wait.

    python bench/waiting.py [--data scenes:400] [--seconds 15] [--busy 1] [--rounds 3] [--out waiting.json]

"default" is torch as it comes, imported before crossgraph with no setting in the environment; "asleep" are threads
that sleep at once; "passive" is what crossgraph sets when it is imported first: sleep after a moment. The method is a
small dual encoder, threads are as many as torch takes by itself. Each measurement is a `crossgraph train` of its own,
stopped after so many seconds of steps; the rounds alternate, and medians are printed. For the ratio, a default that
takes no step at all counts as one that takes one. Other work on the machine counts as busy too: the load is printed
beside.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossgraph.waiting import SETTINGS

TRAIN = "from crossgraph.cli import main; main()"
POLICIES = {
    "default": f"import torch; {TRAIN}",
    "asleep": f"import os; os.environ['OMP_WAIT_POLICY'] = 'PASSIVE'; {TRAIN}",
    "passive": TRAIN,
}
SMALL = ("model.width=128", "model.heads=4", "images.size=64", "images.cells=[3]", "training.batch_size=32")


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many other processes that never rest."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def steps_a_second(program: str, data: str, seconds: float) -> float:
    """How fast a training goes, from its first steps on."""
    kept = {name: value for name, value in os.environ.items() if name not in (*SETTINGS, "OMP_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "run" / "log.jsonl"
        settings = [word for change in (*SMALL, "training.epochs=100000") for word in ("--set", change)]
        words = ["train", "--data", data, "--method", "dual_encoder", "--out", str(log.parent), *settings]
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words], env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while _steps(log) < 2:
                if process.poll() is not None:
                    raise SystemExit(f"crossgraph {' '.join(words)} ended before its first step")
                time.sleep(0.1)
            began, before = time.monotonic(), _steps(log)
            time.sleep(seconds)
            return (_steps(log) - before) / (time.monotonic() - began)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _steps(log: Path) -> int:
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return sum('"loss"' in line for line in lines)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", default="scenes:400")
    options.add_argument("--seconds", type=float, default=15)
    options.add_argument("--busy", type=int, default=1, help="How many other processes compute.")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--out", type=Path)
    asked = options.parse_args()
    found: dict[str, list[float]] = {}
    loads = []
    for _ in range(asked.rounds):
        for others in (0, asked.busy):
            for policy, program in POLICIES.items():
                with busy(others):
                    found.setdefault(f"{policy}, {others} busy", []).append(
                        steps_a_second(program, asked.data, asked.seconds)
                    )
                loads.append(os.getloadavg()[0])
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    print(f"{os.cpu_count()} cores, load {min(loads):.1f} to {max(loads):.1f}")
    for name, rate in medians.items():
        print(f"{name:16} {rate:7.2f} steps/s   {', '.join(f'{one:.2f}' for one in found[name])}")
    ratios = {
        f"{others} busy": medians[f"passive, {others} busy"]
        / max(medians[f"default, {others} busy"], 1 / asked.seconds)
        for others in (0, asked.busy)
    }
    for name, ratio in ratios.items():
        print(f"passive / default, {name}: {ratio:.1f}")
    if asked.out is not None:
        asked.out.write_text(json.dumps({"steps_per_second": found, "ratios": ratios, "loads": loads}, indent=1))


if __name__ == "__main__":
    main()
