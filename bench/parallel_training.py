"""Train each method by one process and by two, and say how far apart the losses of the same steps are.

    python bench/parallel_training.py --out /tmp/parallel --json parallel.json [--methods kidrr,racg] [--steps 50]

Drawn scenes, no dropout, everything else as a run has it: features from the cache, schedule, clipping, validation. What
differs is the order in which sums are made, in single precision; a method that picks (the hardest negative, the nearest
nodes, signs of codes) can pick otherwise for it, after which the steps are no longer the same ones. Prints for every
method the largest relative difference of the losses of a step, of the first ten and of all, the rSum or mAP of both,
and seconds a step of both (median; the machine's other work counts).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import crossgraph
from crossgraph.methods.catalogue import METHODS, method_type
from crossgraph.methods.contract import ClosedForm
from crossgraph.progress import Silent

TRAINED = [name for name in METHODS if not issubclass(method_type(name), ClosedForm) and name != "pretrained"]
SMALL = {
    "kidrr": ["model.similarity_width=32", "model.candidates=8"],
    "racg": ["model.candidates=8"],
    "sgfns": ["model.candidates=8", "model.neg_share=0.2"],
    "scahn": ["model.bits=32", "model.queue=64"],
    "dcmh": ["model.bits=32"],
}


@dataclass
class Clock:
    """Progress that notes when each step of training ended."""

    times: list[float] = field(default_factory=list)

    @contextmanager
    def task(self, description: str, total: int) -> Any:
        """A task whose steps are timed if it is an epoch."""
        yield self if description.startswith("epoch") else Silent()

    def advance(self, amount: int = 1, **facts: object) -> None:
        """A step has ended."""
        if facts:
            self.times.append(time.monotonic())

    def note(self, event: str, **facts: object) -> None:
        """Say nothing."""

    @property
    def seconds(self) -> float:
        """The median time from one step to the next."""
        return statistics.median(b - a for a, b in zip(self.times, self.times[1:], strict=False))


def losses(run: Path) -> list[float]:
    """The loss of every step of a run."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "step" in line]


def compared(method: str, data: str, out: Path, *, steps: int) -> dict[str, Any]:
    """One method trained both ways."""
    known = method_type(method).config_type.model_fields
    changes = [f"method={method}", "training.epochs=2", f"training.steps_per_epoch={steps // 2}"]
    changes += ["training.batch_size=32", "training.warmup_steps=10", "texts.min_count=1", "labels.source=concepts"]
    changes += [f"model.{name}={value}" for name, value in (("width", 64), ("dropout", 0.0)) if name in known]
    changes += SMALL.get(method, [])
    config = crossgraph.read_config(None, changes=changes)
    corpus, clocks, models = crossgraph.open_corpus(data), [Clock(), Clock()], []
    for workers, clock in enumerate(clocks, start=1):
        run = out / f"{method}-{workers}"
        models.append(crossgraph.train(corpus, config, run, workers=workers, progress=clock))
    one, two = (losses(out / f"{method}-{workers}") for workers in (1, 2))
    apart = [abs(a - b) / max(abs(a), 1e-6) for a, b in zip(one, two, strict=True)]
    selected = [model.manifest.selected or {} for model in models]
    by = "map" if "map" in selected[0] else "rsum"
    return {
        "method": method,
        "steps": len(one),
        "apart_first_10": max(apart[:10]),
        "apart_all": max(apart),
        "loss_first": one[0],
        "loss_last": [one[-1], two[-1]],
        by: [found[by] for found in selected],
        "seconds_a_step": [round(clock.seconds, 4) for clock in clocks],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder that is made, and removed at the end")
    parser.add_argument("--data", default="scenes:240")
    parser.add_argument("--methods", default=",".join(TRAINED))
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = []
    for method in asked.methods.split(","):
        found.append(compared(method, asked.data, asked.out, steps=asked.steps))
        print(json.dumps(found[-1]), flush=True)
        if asked.json is not None:
            asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(asked.out)


if __name__ == "__main__":
    main()
