"""Fifty steps of every method and loss on random batches, by one worker and by two, in double and single precision.

    python bench/parallel_steps.py [--steps 50] [--json steps.json]

The cases of `tests/training/test_workers.py`, with more steps: small modules, no dropout, AdamW. Prints for each how
far apart the losses of a step are at most, relative to the loss. `bench/parallel_training.py` does it with whole runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.training.steps_of_methods import take_steps, take_steps_alone
from tests.training.test_workers import SINGLE, cases
from tests.training.worker_pair import worker_pair


def apart(one: list[dict[str, float]], other: list[dict[str, float]]) -> float:
    """The largest relative difference of the losses of a step."""
    sums = [(sum(a.values()), sum(b.values())) for a, b in zip(one, other, strict=True)]
    return max(abs(a - b) / max(abs(a), 1e-6) for a, b in sums)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = []
    with worker_pair() as pair:
        for name, settings in cases():
            told: dict[str, object] = {"method": name, "settings": settings}
            for kind in (torch.float64, torch.float32):
                if kind == torch.float64 and (name == "tsscl" or settings in SINGLE):
                    continue  # these compute in single precision, whatever comes in
                what = (name, "states", {"dropout": 0.0, **settings}, asked.steps, kind)
                told[str(kind).removeprefix("torch.")] = apart(
                    take_steps_alone(*what)["losses"], pair.do(take_steps, *what)[0]["losses"]
                )
            found.append(told)
            print(json.dumps(told), flush=True)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
