"""Jobs done by workers that may die: results in order, so many ahead, each job once or, if it kills, in smaller ones.

Plain actors of Ray, not Ray Data: a job that ends its process must be tried again in halves until one picture is left,
jobs are planned from what was stored a moment ago, and results are stored in order; of this Ray Data gives none.
Losing a worker costs what it had in hand, which another does again. A worker that cannot be placed (a node is gone)
holds nothing up: the others go on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from crossgraph.distributed.connection import Connection
from crossgraph.distributed.head import HeadWatch
from crossgraph.distributed.in_hand import Piece, Seat, Slot
from crossgraph.distributed.worker import Job, Worker
from crossgraph.errors import ClusterError, CrossgraphError
from crossgraph.progress import Progress, Silent

Note = TypeVar("Note")

HELD = 2
"""Jobs that a worker has: the one it does, and the next."""

AHEAD = 2
"""Jobs per worker that are taken besides: their results wait in memory for an earlier one."""

DEATHS = 2
"""Workers that a job may end before it is divided, or, if it cannot be, given up."""

BARREN = 12
"""Workers that end one after the other, with no result between, before the run is given up."""

STARTING = 15.0
"""Seconds that a worker has to start at least once there was room, however long that was waited for."""

LOST = "it ended the process that read it"


class Pool:
    """Workers of a connection, which start with the first job and end with `close`, or at the end of a `with` block."""

    def __init__(self, connection: Connection, *, device: str = "cpu", progress: Progress = Silent()) -> None:
        self._connection, self._ray, self._progress = connection, connection.ray, progress
        self._settings = connection.settings
        self._device = device
        self._seats: list[Seat] = []
        self._todo: deque[Piece] = deque()
        self._slots: deque[Slot] = deque()
        self._barren = 0
        self._began = time.monotonic()
        self._alone_until = self._began
        self._head = HeadWatch(connection)
        self._count = connection.workers

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, those that are idle after they cleared up."""
        with suppress(self._ray.exceptions.RayError):
            idle = [seat.actor.end.remote() for seat in self._seats if seat.starting is None and not seat.held]
            if idle:
                self._ray.wait(idle, num_returns=len(idle), timeout=2)
        for seat in self._seats:
            self._ray.kill(seat.actor)
        self._seats = []

    def stream(self, jobs: Iterable[tuple[Note, Job | None]]) -> Iterator[tuple[Note, list[Any]]]:
        """What was noted with each job and its results, of one piece or several; in order. No job: no results.

        Jobs are taken from `jobs` while workers compute, `HELD` and `AHEAD` for each. Raises `ClusterError` when no
        worker is left or can start, or time is up, and the errors a user can mend that a job raised.
        """
        source, more, most = iter(jobs), True, (HELD + AHEAD) * self._count
        self._todo.clear()
        self._slots.clear()
        for seat in self._seats:  # of a stream that was broken off: nobody waits for it any more
            seat.held.clear()
        while more or self._slots:
            if self._slots and self._slots[0].done:
                slot = self._slots.popleft()
                yield slot.note, [piece.result for piece in slot.pieces]
            elif not more or len(self._slots) >= most:
                self._step(1.0)
                continue
            if more and len(self._slots) < most:
                found = next(source, None)
                more = found is not None
                if found is not None:
                    note, job = found
                    self._slots.append(Slot(note, [] if job is None else [Piece(job)]))
                    self._todo += self._slots[-1].pieces
            if self._todo:
                self._step(0.0)

    def _step(self, seconds: float) -> None:
        """Give out what is to be done and take in what is done, waiting at most so long for the first of it."""
        if not self._seats:
            self._alone_until = time.monotonic() + self._settings.start_seconds
            self._connection.await_room()
            self._alone_until = max(self._alone_until, time.monotonic() + STARTING)
            self._seats = [self._seat() for _ in range(self._count)]
        self._give_out()
        references = {seat.starting: seat for seat in self._seats if seat.starting is not None}
        references |= {reference: seat for seat in self._seats for reference in seat.held}
        ready, _ = self._ray.wait(list(references), num_returns=1, timeout=seconds, fetch_local=True)
        if ready:  # all that is done by now, without waiting for more
            ready, _ = self._ray.wait(list(references), num_returns=len(references), timeout=0, fetch_local=True)
        for reference in ready:
            self._take(references[reference], reference)
        self._give_out()
        self._watch_time()

    def _seat(self) -> Seat:
        """A new worker, which may have to wait for room."""
        options: dict[str, Any] = {"num_cpus": self._settings.threads, "scheduling_strategy": "SPREAD"}
        options |= {"max_restarts": 0, "max_task_retries": 0}
        if self._device.startswith("cuda"):
            options["num_gpus"] = 1
        actor = self._ray.remote(Worker).options(**options).remote(self._settings.threads)
        return Seat(actor, actor.where.remote())

    def _give_out(self) -> None:
        """Fill the hands of workers, each first once. What a worker ended over goes to one that has nothing else."""
        ready = [seat for seat in self._seats if seat.starting is None]
        for hold in range(HELD):
            for seat in ready:
                if not self._todo or len(seat.held) > hold or any(piece.alone for piece in seat.held.values()):
                    continue
                if self._todo[0].alone and seat.held:
                    continue
                piece = self._todo.popleft()
                if not seat.held:
                    seat.since = time.monotonic()
                seat.held[seat.actor.run.remote(piece.job)] = piece

    def _take(self, seat: Seat, reference: Any) -> None:
        """Take in one result, unless its worker was replaced meanwhile."""
        errors = self._ray.exceptions
        if seat not in self._seats:
            return
        try:
            value = self._ray.get(reference)
        except errors.RayTaskError as error:
            self._failed(seat, reference, error.cause)
        except errors.LocalRayletDiedError as error:
            raise ClusterError("the cluster's process on this machine ended. Run the same command again.") from error
        except errors.RayError as error:
            self._replace(seat, _reason(error))
        else:
            if reference is seat.starting:
                self._started(seat, value)
                return
            self._barren = 0
            piece = seat.held.pop(reference)
            seat.since = time.monotonic()
            piece.result, piece.done = piece.job.received(value), True

    def _started(self, seat: Seat, found: tuple[str, str, int] | None) -> None:
        """A worker said where it is, or is ready."""
        if found is None:
            seat.starting = None
            return
        import importlib.metadata

        seat.node, version, _ = found
        here = importlib.metadata.version("crossgraph")
        if version != here:
            raise ClusterError(f"a node has crossgraph {version}, this process {here}. Install the same on all nodes.")
        seat.starting, seat.since = seat.actor.get_ready.remote(), time.monotonic()

    def _failed(self, seat: Seat, reference: Any, cause: BaseException | None) -> None:
        """A job raised: what the user can mend ends the run, anything else costs the pictures that cause it."""
        if isinstance(cause, CrossgraphError):
            raise cause
        if reference is seat.starting:
            self._replace(seat, str(cause))
            return
        piece = seat.held.pop(reference)
        seat.since = time.monotonic()
        piece.deaths = DEATHS
        self._count_barren(str(cause))
        self._again(piece, f"it could not be encoded ({type(cause).__name__}: {cause})")

    def _replace(self, seat: Seat, reason: str) -> None:
        """A worker is gone: another in its place, and what it had in hand to do again."""
        self._head.require()
        there = seat.node is None or seat.node in self._connection.living_nodes()
        self._progress.note("worker lost", node=(seat.node or "")[:8], reason=reason if there else "its node is gone")
        self._ray.kill(seat.actor)
        held = list(seat.held.values())
        for piece in held:
            piece.alone = True
        self._seats[self._seats.index(seat)] = self._seat()
        if seat.starting is None and not any(one.node for one in self._seats):
            self._alone_until = time.monotonic() + self._settings.start_seconds
        self._todo.extendleft(reversed(held[1:]))
        if there:
            self._count_barren(reason)
        if held:
            held[0].deaths += there
            self._again(held[0], LOST)

    def _again(self, piece: Piece, reason: str) -> None:
        """Have a piece done again: whole, in smaller ones, or not at all."""
        if piece.deaths < DEATHS:
            self._todo.appendleft(piece)
            return
        parts = [Piece(job, deaths=DEATHS - 1, alone=True) for job in piece.job.split()]
        if not parts:
            if reason == LOST and piece.deaths == DEATHS:  # it alone, and once only: perhaps it was not its fault
                self._todo.appendleft(piece)
                return
            piece.result, piece.done = piece.job.given_up(reason), True
            return
        slot = next(slot for slot in self._slots if piece in slot.pieces)
        place = slot.pieces.index(piece)
        slot.pieces[place : place + 1] = parts
        self._todo.extendleft(reversed(parts))

    def _count_barren(self, reason: str) -> None:
        self._barren += 1
        if self._barren > BARREN + 2 * self._count:
            raise ClusterError(
                f"{self._barren} workers ended one after the other and nothing was done meanwhile; the last: {reason}. "
                "The logs of Ray on their nodes may say why. What was stored stays; run again to go on."
            )

    def _watch_time(self) -> None:
        """Replace workers whose job takes too long; raise `ClusterError` when time is up or no worker can start."""
        now, settings = time.monotonic(), self._settings
        if settings.seconds is not None and now - self._began > settings.seconds:
            raise ClusterError(f"the {settings.seconds:g} seconds are over. What was stored stays; run again to go on.")
        self._head.look()
        for seat in list(self._seats):
            loads = seat.node is not None and seat.starting is not None
            if (seat.held or loads) and now - seat.since > settings.batch_seconds:
                self._replace(seat, f"a batch took longer than {settings.batch_seconds:g} s")
        if any(seat.node is not None for seat in self._seats):
            return
        if now > self._alone_until:
            raise ClusterError(
                f"no worker is left, and none could be started: the cluster has {self._connection.total():g} "
                f"processors, of which {self._connection.free():g} are free, and a worker needs {settings.threads}. "
                "What was stored stays; run again to go on. Where starting takes longer, give start_seconds (now "
                f"{settings.start_seconds:g}) of --cluster."
            )


def _reason(error: Exception) -> str:
    """Why a worker was lost, in a line."""
    said = str(error)
    if "worker process has died" in said:
        return "its process was killed or crashed"
    return (said.strip().splitlines() or [type(error).__name__])[0][:200]
