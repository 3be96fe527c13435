"""The one training loop: plan, step, validate, keep the best, stop and resume at any step without a trace."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crossgraph.config import RunConfig, TrainingConfig
from crossgraph.data.batches import Step, cropped, plan_epoch, plan_joint_epoch, turned
from crossgraph.errors import DataError, ModelError, ScoreError
from crossgraph.layers.shared_rows import shared
from crossgraph.methods.contract import ClosedForm, Method, ParameterGroup
from crossgraph.progress import Progress
from crossgraph.training.checkpoint import (
    LAST,
    LOG,
    WEIGHTS,
    Position,
    forget_after,
    load_weights,
    optimiser_tensors,
    read_tensors,
    restore_optimiser,
    write_tensors,
)
from crossgraph.training.dataset import Dataset, TrainingPass
from crossgraph.training.fine_tuning import groups_of
from crossgraph.training.model import encode_images, encode_texts
from crossgraph.training.negative_sampler import LOOK_ALIKES, NegativeSampler
from crossgraph.training.neighbours import find_neighbours
from crossgraph.training.precision import PRECISIONS
from crossgraph.training.random_state import RandomState
from crossgraph.training.schedule import hardness, learning_rate_factor
from crossgraph.training.validation import Validation
from crossgraph.training.workers import ALONE, Workers
from crossgraph.types import Batch


class Interrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C and has saved where it stands; resume it."""


class Trainer:
    """Trains `method` on `dataset` into the folder `run`; everything random comes from the seed, through `random`.

    With several `workers` each has a trainer of the same run; all take the same steps, and the first one writes.
    """

    def __init__(
        self,
        method: Method,
        config: RunConfig,
        *,
        run: Path,
        dataset: Dataset,
        validation: Validation,
        neighbours: Tensor | None,
        negative_sampler: NegativeSampler | None = None,
        random: RandomState,
        fingerprint: str,
        progress: Progress,
        device: str,
        workers: Workers = ALONE,
    ) -> None:
        self.workers = workers
        self.method, self.training, self.run = method.to(device), config.training, run
        self.dataset, self.validation = dataset, validation
        companions = method.companions()
        given = companions if neighbours is None else neighbours
        own = companions is not None and neighbours is None
        self.neighbours = workers.of_first(lambda: None if given is None else given.cpu().numpy())
        self.group_size = companions.shape[1] + 1 if own and companions is not None else None
        self.negative_sampler, self.look_alikes = negative_sampler, torch.empty(0, 0, dtype=torch.long)
        self.images, self.random = config.images, random
        self.fingerprint, self.progress, self.device = fingerprint, progress, device
        self.optimisers = {
            phase: _optimiser(
                groups_of(
                    method,
                    phase,
                    backbone_rate=config.images.rate,
                    decay=config.images.rate_decay,
                    text_rate=config.texts.rate,
                    text_decay=config.texts.rate_decay,
                ),
                config.training,
            )
            for phase in method.phases()
        }
        self.average: dict[str, Tensor] | None = None
        if config.training.average and self.optimisers:
            self.average = {name: value.detach().clone() for name, value in _trained(method)}
        self.position = Position()
        self.selected: dict[str, Any] | None = None
        self.captions = dataset.corpus.captions_of_images()
        self.steps_per_epoch = len(self._plan(0))
        if not self.steps_per_epoch:
            raise DataError(
                f"corpus {dataset.corpus.name!r} has {len(dataset.corpus)} readable pictures to train on; a step "
                "compares at least two that have captions."
            )

    def train(self) -> dict[str, Any]:
        """Run to the last epoch from wherever the position is; returns the selected epoch and its metrics."""
        if self.workers.leads:
            self.run.mkdir(parents=True, exist_ok=True)
            forget_after(self.run / LOG, self.position)
        self.workers.align([*self.method.parameters(), *self.method.buffers(), *(self.average or {}).values()])
        if isinstance(self.method, ClosedForm):
            self._fit(self.method)
        else:
            with _stop_requested() as stop:
                while self.position.epoch < self.training.epochs:
                    self._epoch(stop)
                    self._validate()
        assert self.selected is not None  # every epoch validates
        return self.selected

    def _fit(self, method: ClosedForm) -> None:
        """Solve once and validate once, unless that is done: there is nothing in between to resume."""
        if self.position.epoch:
            return
        with self.progress.task("fit in closed form", 1) as task, self.random.drawing(), torch.no_grad():
            method.fit(TrainingPass(self.dataset, self.training.batch_size, self.device))
            task.advance(1)
        self._validate()

    def _plan(self, epoch: int) -> list[Step]:
        plan: Callable[..., list[Step]] = plan_epoch
        corpus, training = self.dataset.corpus, self.training
        if corpus.sources is not None or training.shares or training.steps_per_epoch:
            plan = partial(
                plan_joint_epoch,
                sources=np.zeros(len(corpus), np.int64) if corpus.sources is None else corpus.sources,
                source_names=corpus.source_names or (corpus.name,),
                shares=training.shares,
                steps=training.steps_per_epoch,
            )
        steps = plan(
            self.captions,
            batch_size=self.training.batch_size,
            captions_per_image=self.training.captions_per_image,
            seed=self.training.seed,
            epoch=epoch,
            neighbours=self.neighbours,
            group_size=self.group_size,
            mirror=self.images.mirror,
            drop_tail=self.training.drop_tail,
        )
        if self.images.turned:
            may_turn = self.dataset.corpus.of_sources(self.images.turned)
            steps = turned(steps, may_turn, seed=self.training.seed, epoch=epoch)
        whole = epoch >= round((1 - self.images.uncropped) * self.training.epochs)
        if whole or not self.images.crops:
            return steps
        return cropped(steps, self.images.crops, seed=self.training.seed, epoch=epoch)

    def _epoch(self, stop: threading.Event) -> None:
        epoch, plan = self.position.epoch, self._plan(self.position.epoch)
        if self.negative_sampler is not None:
            if self.position.step == 0 and self.negative_sampler.needs_look_alikes:
                self.look_alikes = self.workers.of_first(self._find_look_alikes)
            self.workers.first_then_others(partial(self.negative_sampler.begin, epoch, self.look_alikes))
        self.method.train()
        saved = time.monotonic()
        with self.progress.task(f"epoch {epoch + 1} of {self.training.epochs}", len(plan)) as task:
            task.advance(self.position.step)
            while self.position.step < len(plan):
                facts = self._step(plan[self.position.step])
                self.position = replace(
                    self.position, step=self.position.step + 1, steps_done=self.position.steps_done + 1
                )
                self._log({"epoch": epoch + 1, "step": self.position.steps_done, **facts})
                task.advance(1, loss=round(facts["loss"], 4))
                if self.workers.any(stop.is_set()):
                    self.save()
                    raise Interrupted
                if time.monotonic() - saved > self.training.save_seconds:
                    self.save()
                    saved = time.monotonic()

    def _step(self, step: Step) -> dict[str, float]:
        done = self.position.steps_done
        total = self.steps_per_epoch * self.training.epochs
        rate = self.training.learning_rate * learning_rate_factor(done, total=total, training=self.training)
        own = self.workers.share(len(step.images)) if self.method.rows_stand_apart else None
        hard = hardness(done / self.steps_per_epoch, training=self.training)
        batch = self.dataset.batch(step, hardness=hard, own=own)
        if self.negative_sampler is not None:
            batch = replace(batch, negative_captions=self.negative_sampler.of_step(step, self.position.epoch))
        batch = batch.to(self.device)
        with self.random.drawing():
            phases = {phase: self._phase(phase, batch, rate=rate) for phase in self.optimisers}
        self._follow()
        return {"rate": rate, **self._facts(phases)}

    def _phase(self, phase: str, batch: Batch, *, rate: float) -> dict[str, Tensor]:
        """Step the parameters of a phase; returns its loss, the norm of its gradient and its parts, still on device."""
        optimiser = self.optimisers[phase]
        for group in optimiser.param_groups:
            group["lr"] = rate * group["rate"]
        precision = PRECISIONS[self.training.precision]
        seed, done = self.training.seed, self.position.steps_done
        with shared(self.workers.sharing(precision=precision, device=self.device, seed=seed, step=done)):
            losses = self.method.losses(batch, phase)
        loss = torch.stack(list(losses.values())).sum()
        optimiser.zero_grad(set_to_none=True)
        (loss / self.workers.count).backward()  # type: ignore[no-untyped-call]
        stepped = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        self.workers.sum_gradients(stepped)
        norm = torch.nn.utils.clip_grad_norm_(stepped, self.training.clip)
        optimiser.step()
        parts = {f"loss_{name}": part for name, part in losses.items()}
        return {name: value.detach() for name, value in {"loss": loss, "gradient": norm, **parts}.items()}

    def _facts(self, phases: dict[str, dict[str, Tensor]]) -> dict[str, float]:
        """The numbers of a step; its only wait for the device. Raises `ScoreError` where a loss is not finite."""
        values = iter(torch.stack([value for found in phases.values() for value in found.values()]).tolist())
        facts: dict[str, float] = {}
        for found in phases.values():
            named = {name: float(next(values)) for name in found}
            if not math.isfinite(named["loss"]):
                parts = {name: value for name, value in named.items() if name.startswith("loss_")}
                raise ScoreError(
                    f"the loss is {named['loss']} at step {self.position.steps_done + 1} ({parts}); train again into "
                    "another folder with a lower training.learning_rate."
                )
            facts |= {**named, "loss": facts.get("loss", 0.0) + named["loss"]}
        return facts

    def _find_look_alikes(self) -> Tensor:
        """The nearest other training pictures of each, as the method sees them now."""
        self.method.eval()
        images = encode_images(self.method, self.dataset.images, device=self.device)
        texts = encode_texts(self.method, self.dataset.texts, device=self.device)
        links = self.dataset.caption_image().to(self.device)
        return find_neighbours(images, texts, links, count=LOOK_ALIKES).cpu()

    def _follow(self) -> None:
        """Move the running average of weights towards the weights; it catches up fast while it is young.

        Only parameters are averaged: a buffer (a queue, a counter, a mask) means something as it is, or nothing.
        """
        if self.average is None:
            return
        decay = min(self.training.average, (1 + self.position.steps_done) / (10 + self.position.steps_done))
        for name, value in _trained(self.method):
            self.average[name].lerp_(value.detach(), 1 - decay)

    def _validate(self) -> None:
        """The first worker measures, and saves; all go on to the next epoch."""
        self.position, self.selected = self.workers.of_first(self._validated)

    def _validated(self) -> tuple[Position, dict[str, Any] | None]:
        epoch = self.position.epoch
        current = {name: value.detach().clone() for name, value in self.method.state_dict().items()}
        if self.average is not None:
            self.method.load_state_dict({**current, **self.average})
        measured = self.validation.measure(self.method, progress=self.progress)
        facts = {"epoch": epoch + 1, **measured.values}
        better = self.position.best is None or measured.selects > self.position.best
        if better:
            self.selected = facts
            write_tensors(self.run / WEIGHTS, self.method.state_dict(), {"selected": facts})
        self.method.load_state_dict(current)
        best = measured.selects if better else self.position.best
        self.position = Position(epoch + 1, 0, self.position.steps_done, best)
        self._log({"validation": facts})
        self.progress.note("validation", **{key: round(value, 3) for key, value in facts.items()}, best=better)
        self.save()
        return self.position, self.selected

    def save(self) -> None:
        """Write where training stands, as one file; of several workers, all of which stand alike, the first does."""
        if not self.workers.leads:
            return
        tensors: dict[str, Tensor] = {f"weights.{name}": value for name, value in self.method.state_dict().items()}
        for name, value in (self.average or {}).items():
            tensors[f"average.{name}"] = value
        tensors |= {f"passing.{name}": value for name, value in _passing(self.method)}
        for phase, optimiser in self.optimisers.items():
            tensors |= {f"{phase}/{name}": value for name, value in optimiser_tensors(optimiser).items()}
        tensors |= {**self.random.tensors(), "look_alikes": self.look_alikes}
        facts = {"position": asdict(self.position), "fingerprint": self.fingerprint, "selected": self.selected}
        write_tensors(self.run / LAST, tensors, facts, sealed=True)

    def restore(self, *, former_fingerprint: str | None = None, differences: Sequence[str] = ()) -> None:
        """Continue where `save` stopped; refused when the settings or the data have changed since.

        A run may also have been saved under `former_fingerprint`. `differences` say what has changed, if it is known.
        """
        tensors, facts = read_tensors(self.run / LAST)
        if facts["fingerprint"] not in (self.fingerprint, former_fingerprint):
            what = "; ".join(differences) or f"fingerprint {facts['fingerprint']}, now {self.fingerprint}"
            raise ModelError(
                f"{self.run} was started with other settings or other data ({what}); resume with the same ones, or "
                "train into another folder."
            )
        load_weights(self.method, _under("weights.", tensors), run=self.run)
        passed = _under("passing.", tensors)
        for name, value in _passing(self.method):
            value.copy_(passed[name])
        if self.average is not None:
            self.average = {name: value.to(self.device) for name, value in _under("average.", tensors).items()}
        for phase, optimiser in self.optimisers.items():
            restore_optimiser(optimiser, _under(f"{phase}/", tensors))
        self.random.restore(tensors)
        self.look_alikes = tensors.get("look_alikes", self.look_alikes)
        self.position, self.selected = Position(**facts["position"]), facts["selected"]

    def _log(self, facts: dict[str, Any]) -> None:
        if not self.workers.leads:
            return
        with (self.run / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")


def _optimiser(groups: list[ParameterGroup], training: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW over groups, each with its multiple of the learning rate beside it."""
    return torch.optim.AdamW(
        [{"params": group.parameters, "rate": group.rate, "betas": group.betas} for group in groups],
        lr=training.learning_rate,
        weight_decay=training.weight_decay,
    )


def _trained(method: Method) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters that are stepped, by name."""
    return ((name, value) for name, value in method.named_parameters() if value.requires_grad)


def _passing(method: Method) -> Iterator[tuple[str, Tensor]]:
    """What training goes on with and a finished run has no use for: buffers that are no part of its state."""
    kept = method.state_dict()
    return ((name, value) for name, value in method.named_buffers() if name not in kept)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


@contextmanager
def _stop_requested() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets instead of raising, so that a step is never cut in half; a second Ctrl-C raises."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)
