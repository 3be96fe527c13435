"""Train each method by one process and by two, and say how far apart the losses of the same steps and the weights are.

    python bench/parallel_training.py --out /tmp/parallel --json parallel.json [--methods kidrr,racg] [--steps 50]
    python bench/parallel_training.py --out /tmp/parallel --double        # the same loop in double precision
    python bench/parallel_training.py --out /tmp/parallel --nudged        # one process, and one a rounding beside it
    python bench/parallel_training.py --out /tmp/parallel --methods sgfns --set model.negatives=edits --double

Drawn scenes, no dropout, small widths, everything else as a run has it: features from the cache, schedule, clipping,
validation. What differs is the order in which sums are made; a method that picks (the hardest negative, the nearest
nodes, signs of codes) can pick otherwise for it, after which the steps are no longer the same ones. In double precision
that is 1e-16 of a number, in single 6e-8. `--nudged` shows what that alone does: no second process, but every weight
that training starts from replaced by the next number of its precision, up or down. Prints for every method the largest
relative difference of the losses of a step, of the first ten and of all, and after how many steps it passed 1e-5; the
largest difference of a weight, and of a tensor of weights by its norm; the rSum or mAP of both; seconds a step of both
(median; the machine's other work counts).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import crossgraph
from crossgraph.layers.shared_rows import mapped
from crossgraph.methods.catalogue import METHODS, method_type
from crossgraph.methods.contract import ClosedForm
from crossgraph.methods.tsscl import Tsscl
from crossgraph.progress import Silent
from crossgraph.training.dataset import Dataset
from crossgraph.training.loop import Trainer

TRAINED = [name for name in METHODS if not issubclass(method_type(name), ClosedForm) and name != "pretrained"]
SMALL = {
    "kidrr": ["model.similarity_width=32", "model.candidates=8"],
    "racg": ["model.candidates=8"],
    "sgfns": ["model.candidates=8", "model.neg_share=0.2"],
    "scahn": ["model.bits=32", "model.queue=64"],
    "dcmh": ["model.bits=32"],
}


WIDTHS = {"width": 64, "word_width": 64, "gru_width": 32, "dropout": 0.0}
HOW, ENDED = "CROSSGRAPH_PARALLEL_BENCH", "ended.safetensors"
"""The variable that says to train in `single` or `double` precision, or from `nudged` weights; where the last are."""


def in_double(batch: Any) -> Any:
    """The same batch in double precision."""
    return mapped(batch, lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


@contextmanager
def in_single(method: nn.Module) -> Any:
    """A method in single precision for as long as the block lasts; then it is as it was, to the bit."""
    known = {name: tensor.detach().clone() for name, tensor in tensors_of(method)}
    method.float()
    yield
    method.double()
    with torch.no_grad():
        for name, tensor in tensors_of(method):
            tensor.copy_(known[name])


class InDouble:
    """The structure of texts that TSSCL is guided by, in double precision."""

    def __init__(self, structure: Any) -> None:
        self._structure = structure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._structure, name)

    def similarity(self, rows: Tensor) -> Tensor:
        """How alike texts are."""
        found: Tensor = self._structure.similarity(rows).double()
        return found


def tensors_of(method: nn.Module) -> list[tuple[str, Tensor]]:
    """Parameters and buffers, also those that are not saved."""
    return [*method.named_parameters(), *method.named_buffers()]


def train_as_told() -> None:
    """Have the loop work as the environment says at the time, and keep its last weights."""
    init, train, batch = Trainer.__init__, Trainer.train, Dataset.batch

    def told_init(self: Trainer, method: Any, *given: Any, **named: Any) -> None:
        double = "double" in os.environ[HOW]
        method = method.double() if double else method
        if "nudged" in os.environ[HOW]:
            chance = torch.Generator().manual_seed(0)
            with torch.no_grad():
                for one in method.parameters():
                    up = torch.rand(one.shape, generator=chance) < 0.5
                    one.copy_(torch.nextafter(one, torch.where(up, torch.inf, -torch.inf)))
        if double and isinstance(method, Tsscl):
            method.structure = cast(Any, InDouble(method.structure))
        init(self, method, *given, **named)

    def told_train(self: Trainer) -> Any:
        found = train(self)
        if self.workers.leads:
            save_file({name: value.contiguous() for name, value in self.method.state_dict().items()}, self.run / ENDED)
        return found

    def told_batch(*given: Any, **named: Any) -> Any:
        found = batch(*given, **named)
        return in_double(found) if "double" in os.environ[HOW] else found

    def single(work: Any) -> Any:
        def told(self: Trainer) -> Any:
            with in_single(self.method) if "double" in os.environ[HOW] else nullcontext():
                return work(self)

        return told

    Trainer.__init__, Trainer.train = told_init, told_train  # type: ignore[method-assign]
    Dataset.batch = told_batch  # type: ignore[method-assign]
    Trainer._validated = single(Trainer._validated)  # type: ignore[method-assign]
    Trainer._find_look_alikes = single(Trainer._find_look_alikes)  # type: ignore[method-assign]


train_as_told()  # also in the processes that training starts, which import this file


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


def weights_apart(one: Path, other: Path) -> dict[str, Any]:
    """How far the last weights of two runs are apart: a number at most, and a tensor at most, by its norm."""
    first, second = load_file(one / ENDED), load_file(other / ENDED)
    numbers, norms = {}, {}
    for name, tensor in first.items():
        if tensor.is_floating_point():
            gap = (tensor.double() - second[name].double()).abs()
            numbers[name] = float(gap.max()) if gap.numel() else 0.0
            norms[name] = float(gap.norm() / tensor.double().norm().clamp(min=1e-12))
    most = max(norms, key=lambda name: norms[name])
    return {"number": max(numbers.values()), "tensor": norms[most], "which": most}


def settings_of(method: str, steps: int) -> list[str]:
    """The settings of a run of so many steps."""
    known = method_type(method).config_type.model_fields
    changes = [f"method={method}", "training.epochs=2", f"training.steps_per_epoch={steps // 2}"]
    changes += ["training.batch_size=32", "training.warmup_steps=10", "texts.min_count=1", "labels.source=concepts"]
    changes += [f"model.{name}={value}" for name, value in WIDTHS.items() if name in known]
    return changes + SMALL.get(method, [])


def compared(method: str, data: str, out: Path, *, steps: int, how: str, changes: list[str]) -> dict[str, Any]:
    """One method trained both ways."""
    config = crossgraph.read_config(None, changes=[*settings_of(method, steps), *changes])
    corpus, clocks, models = crossgraph.open_corpus(data), [Clock(), Clock()], []
    runs = [out / f"{method}-{place}" for place in ("one", "other")]
    precision = "double" if "double" in how else "single"
    ways = [(precision, 1), (f"nudged {precision}", 1)] if "nudged" in how else [(how, 1), (how, 2)]
    for run, clock, (told, workers) in zip(runs, clocks, ways, strict=True):
        os.environ[HOW] = told
        models.append(crossgraph.train(corpus, config, run, workers=workers, progress=clock))
    one, two = map(losses, runs)
    apart = [abs(a - b) / max(abs(a), 1e-6) for a, b in zip(one, two, strict=True)]
    selected = [model.manifest.selected or {} for model in models]
    by = "map" if "map" in selected[0] else "rsum"
    return {
        "method": method,
        "how": how,
        "set": changes,
        "steps": len(one),
        "apart_first_10": max(apart[:10]),
        "apart_all": max(apart),
        "apart_1e-5_at": next((step for step, gap in enumerate(apart, start=1) if gap > 1e-5), None),
        "weights": weights_apart(*runs),
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
    parser.add_argument("--double", action="store_true")
    parser.add_argument("--nudged", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    asked = parser.parse_args()
    how = f"{'nudged ' * asked.nudged}{'double' if asked.double else 'single'}"
    found = []
    for method in asked.methods.split(","):
        found.append(compared(method, asked.data, asked.out, steps=asked.steps, how=how, changes=asked.set))
        print(json.dumps(found[-1]), flush=True)
        if asked.json is not None:
            asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(asked.out)


if __name__ == "__main__":
    main()
