"""The workers that train one run together: processes that share each step and stay alike, the first of them leading.

    torchrun --nproc-per-node 2 -m crossgraph train ...     torchrun starts them, here or on several machines
    crossgraph train --workers 2 ...                        `worker_processes` does, on this machine
    crossgraph train --workers 2 --cluster ADDRESS ...      Ray Train does (`distributed.ray_training`)

All run the same training. Each makes its share of a step's rows (`layers.shared_rows`), gradients are summed, and every
worker takes the same step. The first one writes: the lock, the manifest, saves, the log; it also validates, for which
the others wait. A lost worker breaks the connection of the others at once, a silent one after the deadline.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous

from crossgraph.errors import ConfigError, WorkerError
from crossgraph.layers.shared_rows import RowSharing, share_of
from crossgraph.training.random_state import RandomState

Found = TypeVar("Found")

DEADLINE_VARIABLE = "CROSSGRAPH_WORKER_DEADLINE"
"""The variable of the environment that says after how many seconds a worker that says nothing counts as lost."""
_DEADLINE = 600.0
_FOR_LONG = timedelta(days=30)
"""How long others wait for what only the first worker does, such as reading pictures; its loss ends the wait."""


def worker_deadline() -> float:
    """Seconds after which a silent worker counts as lost: $CROSSGRAPH_WORKER_DEADLINE, by default 600."""
    given = os.environ.get(DEADLINE_VARIABLE)
    try:
        seconds = _DEADLINE if given is None else float(given)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ConfigError(f"{DEADLINE_VARIABLE} is {given!r}; give seconds, more than 0, or leave it out.")
    return seconds


class Workers:
    """This worker and its companions in a process group; without a group it is the only one, and nothing is shared.

    `waiting` is the same group for what may take long.
    """

    def __init__(self, group: dist.ProcessGroup | None = None, *, waiting: dist.ProcessGroup | None = None) -> None:
        self.group = group
        self._waiting = waiting
        self.rank = 0 if group is None else dist.get_rank(group)
        self.count = 1 if group is None else dist.get_world_size(group)

    @property
    def leads(self) -> bool:
        """Whether this is the first worker, which writes."""
        return self.rank == 0

    def share(self, rows: int) -> slice:
        """Which of so many rows this worker makes: all of them where there are fewer than workers."""
        if rows < self.count:
            return slice(0, rows)
        return share_of(rows, rank=self.rank, workers=self.count)

    def sharing(self, *, precision: torch.dtype, device: str, seed: int, step: int) -> RowSharing:
        """How rows of a step are made. What is drawn meanwhile depends on seed, step and worker alone."""
        if self.group is None:
            return RowSharing(precision=precision, device=device)
        mixed = torch.tensor([seed, step, self.rank], dtype=torch.int64)
        factors = torch.tensor([1_000_003, 8191, 524_287], dtype=torch.int64)
        own = RandomState(int((mixed * factors).sum()) % 2**63, device=device)
        return RowSharing(self.group, precision, device, own.drawing)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum gradients over workers, at once. A parameter that no worker's loss hears of keeps none."""
        if self.group is None or not parameters:
            return
        heard = [parameter.grad is not None for parameter in parameters]
        grads = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        flags = torch.tensor(heard, dtype=grads[0].dtype, device=grads[0].device)
        total = torch.cat([*(grad.flatten() for grad in grads), flags])
        dist.all_reduce(total, group=self.group)
        *sums, flags = torch.split(total, [*(grad.numel() for grad in grads), len(heard)])
        for parameter, summed, by_any in zip(parameters, sums, flags.tolist(), strict=True):
            parameter.grad = summed.view_as(parameter) if by_any else None

    def any(self, asked: bool) -> bool:
        """Whether any worker was asked: all get the same answer."""
        if self.group is None:
            return asked
        told = torch.tensor([float(asked)])
        dist.all_reduce(told, group=self._waiting)
        return bool(told.item())

    def align(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors with those of the first worker."""
        if self.group is not None:
            for tensor in tensors:
                dist.broadcast(tensor.data, 0, group=self.group)

    def of_first(self, work: Callable[[], Found]) -> Found:
        """What `work` gives the first worker, which alone does it; the others wait, however long it takes."""
        if self.group is None:
            return work()
        found = [work() if self.leads else None]
        dist.broadcast_object_list(found, 0, group=self._waiting)
        return cast(Found, found[0])

    def first_then_others(self, work: Callable[[], Found]) -> Found:
        """What `work` gives this worker; the first does it before the others, who find in caches what it left there."""
        if self.group is None:
            return work()
        if not self.leads:
            dist.barrier(group=self._waiting)
            return work()
        found = work()
        dist.barrier(group=self._waiting)
        return found


ALONE = Workers()


@contextmanager
def lost_workers_are_errors() -> Iterator[None]:
    """Turn what the connection to other workers raises when one is lost, or silent for too long, into `WorkerError`."""
    try:
        yield
    except (dist.DistError, RuntimeError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        if not _is_connection(error):
            raise
        raise WorkerError(
            f"a worker was lost, or said nothing for {worker_deadline():g} seconds ({told}). Where training last stood "
            "is saved: go on with --resume."
        ) from error


def _is_connection(error: Exception) -> bool:
    """PyTorch raises plain `RuntimeError` for what breaks gloo's connections; only its words tell."""
    words = ("gloo", "connection", "timed out", "timeout", "recv", "socket", "nccl", "peer")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)


@contextmanager
def joined(*, rank: int, count: int, store: Store, device: str) -> Iterator[Workers]:
    """This process as worker `rank` of `count`, which meet in `store`."""
    backend = "nccl" if torch.device(device).type == "cuda" else "gloo"
    timeout = timedelta(seconds=worker_deadline())
    with lost_workers_are_errors():
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=timeout)
    try:
        with lost_workers_are_errors():
            yield workers_of_default_group()
    finally:
        dist.destroy_process_group()


def workers_of_default_group() -> Workers:
    """The workers of the process group that this process is in already."""
    waiting = dist.new_group(backend="gloo", timeout=_FOR_LONG)
    return Workers(dist.group.WORLD, waiting=waiting)


def started_by_torchrun() -> bool:
    """Whether torchrun started this process."""
    return dist.is_torchelastic_launched()


def follows_another() -> bool:
    """Whether torchrun started this process as a worker that is not the first, and so has nothing to say."""
    return started_by_torchrun() and os.environ.get("RANK") != "0"


@contextmanager
def workers_of_torchrun(*, device: str) -> Iterator[Workers]:
    """The workers that torchrun started this process as one of; alone where it did not."""
    if not started_by_torchrun():
        yield ALONE
        return
    store, rank, count = next(rendezvous("env://", timeout=timedelta(seconds=worker_deadline())))
    with joined(rank=rank, count=count, store=store, device=device) as workers:
        yield workers
