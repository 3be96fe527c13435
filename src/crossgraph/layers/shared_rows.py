"""Rows that several workers make between them: each makes its share, all get all, and gradients find their way back.

A method marks what makes one row of each item with `by_row`. In a training by several workers (`shared`) each makes the
rows of its share of a step's items, and receives those of the others; the loss of the whole batch is then computed by
every worker alike, so that negatives are those of one worker with that batch. Three rules make the gradient the same,
however often rows are gathered on the way to a loss:

* each worker's objective is its loss divided by the number of workers: their sum is the loss;
* what comes back to gathered rows is summed over workers, and each takes that of its own rows;
* gradients of parameters are summed over workers (`training.workers`).

What is drawn at random while rows are made (dropout) comes from a stream of the worker's own; all else that is drawn
comes from the stream that all workers share, so that they stay alike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

Owner = TypeVar("Owner")
Items = TypeVar("Items")
Made = TypeVar("Made")


@dataclass(frozen=True)
class RowSharing:
    """How rows are made now: by the workers of `group` (None: by this process alone), in `precision` on a `device`.

    `own_draws` lends the random generators this worker's own state. In another precision than float32 rows are made
    under autocast and handed on in float32, so that scores and losses are computed as ever.
    """

    group: dist.ProcessGroup | None = None
    precision: torch.dtype = torch.float32
    device: str = "cpu"
    own_draws: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def workers(self) -> int:
        """How many share the rows."""
        return 1 if self.group is None else dist.get_world_size(self.group)

    def make(self, make: Callable[[Items], Made], items: Items, *, rows: int, apart: bool = True) -> Made:
        """What `make` gives for all `rows` of `items`; rows that do not stand `apart` are made by every worker."""
        if self.group is None or not apart or rows < self.workers:
            return self._made(make, items)
        own = share_of(rows, rank=dist.get_rank(self.group), workers=self.workers)
        with self.own_draws():
            made = self._made(make, picked(items, own))
        return gathered(made, self.group)

    def _made(self, make: Callable[[Items], Made], items: Items) -> Made:
        """What `make` gives; what it calls in turn is made where it is called."""
        token = _SHARING.set(None)
        try:
            if self.precision == torch.float32:
                return make(items)
            with torch.autocast(torch.device(self.device).type, dtype=self.precision):
                made = make(items)
            return mapped(made, lambda tensor: tensor.float() if tensor.dtype == self.precision else tensor)
        finally:
            _SHARING.reset(token)


_SHARING: ContextVar[RowSharing | None] = ContextVar("sharing", default=None)


@contextmanager
def shared(sharing: RowSharing) -> Iterator[None]:
    """Inside, what is marked `by_row` is made as `sharing` says."""
    token = _SHARING.set(sharing)
    try:
        yield
    finally:
        _SHARING.reset(token)


def by_row(make: Callable[[Owner, Items], Made]) -> Callable[[Owner, Items], Made]:
    """Mark a method's function from a batch of items to a tensor, or a record of tensors, of one row an item.

    No row may depend on its companions, unless the owner says so: `rows_stand_apart`.
    """

    @functools.wraps(make)
    def made(owner: Owner, items: Items) -> Made:
        sharing = _SHARING.get()
        if sharing is None:
            return make(owner, items)
        apart = bool(getattr(owner, "rows_stand_apart", True))
        return sharing.make(functools.partial(make, owner), items, rows=len(cast(Any, items)), apart=apart)

    return made


def each_pair(make: Callable[[tuple[Tensor, Tensor]], Tensor], rows: Tensor, columns: Tensor) -> Tensor:
    """What `make` gives for pairs (rows[i], columns[i]), each worker taking every so-many-th pair."""
    sharing = _SHARING.get()
    if sharing is None:
        return make((rows, columns))
    turns = torch.arange(len(rows), device=rows.device) % sharing.workers
    order = turns.argsort(stable=True)
    found = sharing.make(make, (rows[order], columns[order]), rows=len(rows))
    return found[order.argsort()]


def share_of(rows: int, *, rank: int, workers: int) -> slice:
    """The rows that worker `rank` makes: equally many each, the first ones one more where they do not divide."""
    each, more = divmod(rows, workers)
    start = rank * each + min(rank, more)
    return slice(start, start + each + (rank < more))


def picked(record: Items, rows: slice) -> Items:
    """The chosen rows of a record, of all tensors and tuples in it."""
    if isinstance(record, tuple) and any(isinstance(one, Tensor) for one in record):
        return cast(Items, tuple(picked(one, rows) for one in record))
    if isinstance(record, Tensor | tuple):
        return cast(Items, record[rows])
    if not is_dataclass(record) or isinstance(record, type):
        return record
    found: dict[str, Any] = {one.name: picked(getattr(record, one.name), rows) for one in fields(record) if one.init}
    return replace(record, **found)


def mapped(record: Made, change: Callable[[Tensor], Tensor]) -> Made:
    """The same record with every tensor changed, in their order."""
    if isinstance(record, Tensor):
        return cast(Made, change(record))
    if isinstance(record, tuple):
        return cast(Made, tuple(mapped(one, change) for one in record))
    if not is_dataclass(record) or isinstance(record, type):
        return record
    found: dict[str, Any] = {one.name: mapped(getattr(record, one.name), change) for one in fields(record) if one.init}
    return replace(record, **found)


def gathered(own: Made, group: dist.ProcessGroup) -> Made:
    """The rows of all workers, in their order: tensors padded with zeros to the widest; gradients come back summed."""
    tensors: list[Tensor] = []
    mapped(own, lambda tensor: tensors.append(tensor) or tensor)  # type: ignore[func-returns-value]
    sizes = torch.tensor([size for tensor in tensors for size in tensor.shape], device=tensors[0].device)
    of_all = [torch.empty_like(sizes) for _ in range(dist.get_world_size(group))]
    dist.all_gather(of_all, sizes, group=group)
    shapes = torch.split(torch.stack(of_all).cpu(), [tensor.ndim for tensor in tensors], dim=1)
    wanted = iter(shapes)
    return mapped(own, lambda tensor: cast(Tensor, _Gathering.apply(tensor, next(wanted), group)))  # type: ignore[no-untyped-call]


class _Gathering(torch.autograd.Function):
    """Rows of all workers from the rows of each; backwards, the sum over workers of what comes to the own rows."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, shapes: Tensor, group: dist.ProcessGroup) -> Tensor:
        """`shapes` says for each worker the shape of what it brings."""
        ctx.group, ctx.shape = group, own.shape
        ctx.start = int(shapes[: dist.get_rank(group), 0].sum())
        widest = shapes.amax(dim=0).tolist()
        sent = own.new_zeros(widest, dtype=torch.uint8 if own.dtype == torch.bool else own.dtype)
        sent[tuple(slice(size) for size in own.shape)] = own
        received = [torch.empty_like(sent) for _ in range(len(shapes))]
        dist.all_gather(received, sent, group=group)
        rows = torch.cat([part[:count] for part, count in zip(received, shapes[:, 0].tolist(), strict=True)])
        if not own.dtype.is_floating_point:
            rows = rows.to(own.dtype)
            ctx.mark_non_differentiable(rows)
        return rows

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None, None]:
        """A sum, of which each worker keeps its own rows."""
        total = grads[0].contiguous().clone()
        dist.all_reduce(total, group=ctx.group)
        rows, *others = ctx.shape
        own = total[(slice(ctx.start, ctx.start + rows), *(slice(size) for size in others))]
        return own, None, None
