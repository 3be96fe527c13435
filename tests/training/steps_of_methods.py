"""A few training steps of any method on random batches, as one worker of some, with everything that comes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from crossgraph.layers.shared_rows import mapped, shared
from crossgraph.methods.contract import Method
from crossgraph.training.workers import ALONE, Workers
from crossgraph.types import Batch
from tests.methods.synthetic_items import small_method, training_batch


def in_numbers(batch: Batch, kind: torch.dtype) -> Batch:
    """The same batch in numbers of another kind: in double precision, sums in another order differ by 1e-16 only."""
    return mapped(batch, lambda tensor: tensor.to(kind) if tensor.is_floating_point() else tensor)


def seen_by(workers: Workers, method: Method, batch: Batch) -> Batch:
    """The batch with NaN for pictures of others, as a training's data give it to a worker."""
    if not method.rows_stand_apart:
        return batch
    own = workers.share(len(batch.images))
    others = torch.ones(len(batch.images), dtype=torch.bool)
    others[own] = False

    def hidden(rows: Tensor) -> Tensor:
        gone = others.view(-1, *(1,) * (rows.ndim - 1))
        return rows.masked_fill(gone, float("nan") if rows.is_floating_point() else False)

    return replace(batch, images=mapped(batch.images, hidden))


def take_steps(
    workers: Workers,
    name: str,
    inputs: str,
    settings: dict[str, Any],
    steps: int,
    kind: torch.dtype,
    precision: torch.dtype = torch.float32,
) -> dict[str, Any]:
    """Losses of every step, gradients of the first, and weights and buffers after the last."""
    torch.manual_seed(0)
    edits = 4 if name == "sgfns" else None
    method = small_method(name, inputs, **settings).to(kind).train()
    # a gradient that is 0 but for rounding must not make a step
    tiny = 1e-6 if kind == torch.float64 else 1e-2
    optimisers = {
        phase: torch.optim.AdamW(parameters, lr=0.01, eps=tiny) for phase, parameters in method.phases().items()
    }
    found: dict[str, Any] = {"losses": [], "gradients": {}}
    for step in range(steps):
        drawn = training_batch(inputs, images=7, captions=12, seed=step, edits=edits)
        batch = seen_by(workers, method, in_numbers(drawn, kind))
        for phase, optimiser in optimisers.items():
            with shared(workers.sharing(precision=precision, device="cpu", seed=0, step=step)):
                losses = method.losses(batch, phase)
            loss = torch.stack(list(losses.values())).sum()
            optimiser.zero_grad(set_to_none=True)
            (loss / workers.count).backward()
            stepped = [parameter for group in optimiser.param_groups for parameter in group["params"]]
            workers.sum_gradients(stepped)
            found["losses"].append({name: value.item() for name, value in losses.items()})
            if step == 0:
                found["gradients"] |= {
                    f"{phase} {place}": None if one.grad is None else one.grad.clone()
                    for place, one in enumerate(stepped)
                }
            optimiser.step()
    return found | {"state": {name: value.clone() for name, value in method.state_dict().items()}}


def take_steps_alone(name: str, inputs: str, settings: dict[str, Any], steps: int, kind: torch.dtype) -> dict[str, Any]:
    """The same by one worker."""
    return take_steps(ALONE, name, inputs, settings, steps, kind)
