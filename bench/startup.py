"""What it costs to start: CPU seconds of commands, as ratios to `python -c "import torch"` measured beside them.

    python bench/startup.py --gallery demo/gallery [--query "a red circle"] [--rounds 5] [--out startup.json]

CPU seconds are user and system time of the process with its children, so other work on the machine disturbs them
little; the rounds alternate, and medians are printed. `--data` is the corpus that is checked.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

COMMAND = (sys.executable, "-c", "from crossgraph.cli import main; main()")
TORCH = "import torch"


def commands(gallery: Path, query: str, data: str) -> Mapping[str, Sequence[str]]:
    """What is measured, the measure first."""
    return {
        TORCH: (sys.executable, "-c", TORCH),
        "crossgraph --help": (*COMMAND, "--help"),
        "crossgraph methods list": (*COMMAND, "methods", "list"),
        "crossgraph gallery stats": (*COMMAND, "gallery", "stats", str(gallery)),
        "crossgraph data check": (*COMMAND, "data", "check", data),
        **{
            f"crossgraph search --mode {mode}": (*COMMAND, "search", query, "--gallery", str(gallery), "--mode", mode)
            for mode in ("fast", "balanced", "best")
        },
    }


def cpu_seconds(command: Sequence[str]) -> float:
    """User and system time of one run. Ends the program if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gallery", type=Path, required=True)
    options.add_argument("--query", default="a red circle")
    options.add_argument("--data", default="scenes:20")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--out", type=Path)
    asked = options.parse_args()
    measured = commands(asked.gallery, asked.query, asked.data)
    found: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(asked.rounds):
        for name, command in measured.items():
            found[name].append(cpu_seconds(command))
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    ratios = {name: seconds / medians[TORCH] for name, seconds in medians.items()}
    for name, seconds in medians.items():
        print(f"{name:26} {seconds:6.2f} CPU s   {ratios[name]:5.2f} x torch")
    if asked.out is not None:
        asked.out.write_text(json.dumps({"cpu_seconds": found, "ratios": ratios}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
