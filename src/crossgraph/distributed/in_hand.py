"""Who does what: jobs in pieces, and workers with what they have in hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crossgraph.distributed.worker import Job


@dataclass(eq=False)
class Piece:
    """A job, how many workers ended over it, whether it is done `alone`, since one did, and its result.

    Of several jobs in hand it is not certain which one ended a worker: the answer to an earlier one may be lost too.
    """

    job: Job
    deaths: int = 0
    alone: bool = False
    done: bool = False
    result: Any = None


@dataclass(eq=False)
class Slot:
    """A job that was asked for, in the pieces it was divided into, in order."""

    note: Any
    pieces: list[Piece]

    @property
    def done(self) -> bool:
        """Whether all pieces are."""
        return all(piece.done for piece in self.pieces)


@dataclass(eq=False)
class Seat:
    """An actor: where it is, once it is placed, and what it has in hand, by reference, the oldest first.

    `starting` is what it was asked before it gets jobs: first where it is, then to load what they need.
    """

    actor: Any
    starting: Any
    node: str | None = None
    held: dict[Any, Piece] = field(default_factory=dict)
    since: float = 0.0
