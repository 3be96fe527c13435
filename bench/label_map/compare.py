"""mAP@all with ties by expectation, 2,000 queries x 18,015 items x 64 bits: counts by distance against a full sort.

    python bench/label_map/compare.py [--runs 5]

Each side runs in fresh processes, by turns, on one thread. Time is of the computation alone: by the clock, and of the
processor, which other work on the machine disturbs less. Memory is the most the process ever held less what it held
once codes, labels and imports were in place.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

QUERIES, ITEMS, BITS, LABELS = 2000, 18015, 64, 24
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--side", choices=("ours", "peer"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(measured(given.side)))
        return 0
    found: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    for _ in range(given.runs):
        for side, results in found.items():
            words = [sys.executable, __file__, "--side", side]
            answer = subprocess.run(words, env=os.environ | THREADS, stdout=subprocess.PIPE, text=True, check=True)
            results.append(json.loads(answer.stdout))
    middle = {side: {key: median(run[key] for run in runs) for key in runs[0]} for side, runs in found.items()}
    print(f"{QUERIES:,} queries x {ITEMS:,} items x {BITS} bits, medians of {given.runs} runs")
    for side, numbers in middle.items():
        print(
            f"{side}: mAP@all {numbers['map']:.6f}, {numbers['seconds']:.3f} s by the clock, "
            f"{numbers['processor']:.3f} s of the processor, {numbers['mebibytes']:.1f} MiB"
        )
    ours, peer = middle["ours"], middle["peer"]
    faster, busy, smaller = (peer[key] / ours[key] for key in ("seconds", "processor", "mebibytes"))
    print(
        f"{faster:.1f} times faster by the clock, {busy:.1f} of the processor (at least 15 wanted), "
        f"{smaller:.1f} times less memory (at least 10 wanted)"
    )
    same = abs(ours["map"] - peer["map"]) < 1e-9
    return 0 if same and faster >= 15 and smaller >= 10 else 1


def measured(side: str) -> dict[str, float]:
    """One computation in this process: its result, seconds, and memory above the start."""
    import numpy as np

    rng = np.random.default_rng(0)
    rows = (QUERIES, ITEMS)
    labels = [rng.random((n, LABELS)) < 0.1 for n in rows]
    # bits that lean on labels, so that there is something to rank
    lean = rng.normal(size=(LABELS, BITS))
    codes = [some @ lean + rng.normal(size=(len(some), BITS)) > 0 for some in labels]
    if side == "peer":
        from peer import mean_average_precision

        def compute() -> float:
            return mean_average_precision(*codes, *labels)

    else:
        from crossgraph.bits import pack_words
        from crossgraph.evaluation.hamming import hamming_groups
        from crossgraph.evaluation.label_metrics import average_precision

        def compute() -> float:
            groups = hamming_groups(
                *(pack_words(rows) for rows in codes),
                bits=BITS,
                query_labels=pack_words(labels[0]),
                gallery_labels=pack_words(labels[1]),
            )
            return float(average_precision(groups).mean())

    forget_peak()
    held, busy, started = resident(), time.process_time(), time.perf_counter()
    found = compute()
    return {
        "map": found,
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - busy,
        "mebibytes": (peak() - held) / 2**20,
    }


def forget_peak() -> None:
    """Let the highest memory count from now on (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def resident() -> int:
    """Bytes this process holds now."""
    return _status("VmRSS")


def peak() -> int:
    """The most bytes this process held since `forget_peak`."""
    return _status("VmHWM")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    sys.exit(main())
