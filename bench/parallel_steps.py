"""Fifty steps of every method and loss on random batches, by one worker and by two, in double and single precision.

    python bench/parallel_steps.py [--steps 50] [--only kidrr] [--json steps.json]

The cases of `tests/training/test_workers.py`, with more steps: small modules, no dropout, AdamW. Prints for each how
far apart the losses of a step are at most, relative to the loss; and, as `nudged`, the same of one worker in single
precision and one whose weights begin a rounding beside (the next number, up or down), which is what single precision
alone does. Of hinge losses: the first step at which a negative is picked otherwise than in that pair, the losses'
distance before that step and from it on, and how many picks of how many were others in the end.
`bench/parallel_training.py` does it with whole runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crossgraph.losses import triplet
from tests.training import steps_of_methods
from tests.training.steps_of_methods import take_steps, take_steps_alone
from tests.training.test_workers import SINGLE, cases
from tests.training.worker_pair import worker_pair


def apart(one: list[dict[str, float]], other: list[dict[str, float]]) -> float:
    """The largest relative difference of the losses of a step."""
    sums = [(sum(a.values()), sum(b.values())) for a, b in zip(one, other, strict=True)]
    return max(abs(a - b) / max(abs(a), 1e-6) for a, b in sums)


@contextmanager
def nudged() -> Iterator[None]:
    """Methods begin a rounding beside where they do otherwise."""
    make, chance = vars(steps_of_methods)["small_method"], torch.Generator().manual_seed(1)

    def beside(*given: Any, **named: Any) -> Any:
        method = make(*given, **named)
        with torch.no_grad():
            for one in method.parameters():
                up = torch.rand(one.shape, generator=chance) < 0.5
                one.copy_(torch.nextafter(one, torch.where(up, torch.inf, -torch.inf)))
        return method

    vars(steps_of_methods)["small_method"] = beside
    try:
        yield
    finally:
        vars(steps_of_methods)["small_method"] = make


@contextmanager
def picks() -> Iterator[list[Tensor]]:
    """Which negative of each query is the worst offender, or -1 where none offends, call by call of the hinge."""
    offence, found = triplet._offence, list[Tensor]()

    def noted(cost: Tensor, negative: Tensor, hardness: float) -> Tensor:
        worst = cost.detach().max(dim=1)
        found.append(torch.where(worst.values > 0, worst.indices, -1))
        return offence(cost, negative, hardness)

    triplet._offence = noted
    try:
        yield found
    finally:
        triplet._offence = offence


def beside(what: tuple[Any, ...]) -> dict[str, Any]:
    """One worker, and one that begins a rounding beside: their distance, and at which steps their hinges pick alike."""
    with picks() as first:
        one = take_steps_alone(*what)["losses"]
    with nudged(), picks() as second:
        other = take_steps_alone(*what)["losses"]
    gaps = [apart([a], [b]) for a, b in zip(one, other, strict=True)]
    told: dict[str, Any] = {"nudged": max(gaps)}
    if first:
        each = len(first) // len(gaps)
        others = [int((a != b).sum()) for a, b in zip(first, second, strict=True)]
        step = next((call // each for call, count in enumerate(others) if count), None)
        told["picks"] = [sum(others), sum(len(one) for one in first)]
        told["picks_otherwise_at"] = None if step is None else step + 1
        told["nudged_before_and_then"] = None if step is None else [max(gaps[:step], default=0.0), max(gaps[step:])]
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--only", help="one method")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = []
    with worker_pair() as pair:
        for name, settings in cases():
            if asked.only not in (None, name):
                continue
            told: dict[str, object] = {"method": name, "settings": settings}
            for kind in (torch.float64, torch.float32):
                if kind == torch.float64 and (name == "tsscl" or settings in SINGLE):
                    continue  # these compute in single precision, whatever comes in
                what = (name, "states", {"dropout": 0.0, **settings}, asked.steps, kind)
                told[str(kind).removeprefix("torch.")] = apart(
                    take_steps_alone(*what)["losses"], pair.do(take_steps, *what)[0]["losses"]
                )
            told |= beside((name, "states", {"dropout": 0.0, **settings}, asked.steps, torch.float32))
            found.append(told)
            print(json.dumps(told), flush=True)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
