"""Workers as processes of this machine: started, heard, and ended together.

Each process runs `train_run` as one worker. They meet on the loopback address. Ctrl-C reaches them through this
process, once each time it is pressed, so that a first one saves and a second one breaks off. If this process dies they
save and stop; if one of them dies, the others are ended and the run is left as it was last saved.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from crossgraph import errors
from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.errors import ConfigError, CrossgraphError, DataError, ImageError, WorkerError
from crossgraph.progress import Progress, Silent, Task
from crossgraph.training.loop import Interrupted
from crossgraph.training.memory import keep_freed_memory
from crossgraph.training.run import train_run
from crossgraph.training.workers import joined

GRACE = 15.0
"""Seconds that the others have to end by themselves once one is lost; then they are killed."""


@dataclass(frozen=True)
class TrainingJob:
    """What each worker trains; it travels to processes, so a cache is its folder."""

    corpus: Corpus
    config: RunConfig
    out: Path
    shortlist: Path | None
    resume: bool
    cache: Path
    shard_size: int
    device: str

    @classmethod
    def of(
        cls,
        corpus: Corpus,
        config: RunConfig,
        out: Path,
        *,
        shortlist: Path | None,
        resume: bool,
        cache: FeatureCache,
        device: str,
    ) -> TrainingJob:
        """The job of a training with these arguments."""
        return cls(corpus, config, out, shortlist, resume, cache.folder, cache.shard_size, device)

    def device_of(self, place: int) -> str:
        """The device of worker `place` of a machine: the next one each where several are meant."""
        if self.device != "cuda":
            return self.device
        return f"cuda:{place % max(1, torch.cuda.device_count())}"


def train_in_processes(job: TrainingJob, *, workers: int, progress: Progress) -> None:
    """Train `job` by so many processes; the run is then in `job.out`.

    Raises what a worker raises, `Interrupted` after Ctrl-C, and `WorkerError` where one was lost.
    """
    if workers < 2:
        raise ConfigError(f"several workers are two or more; got {workers}. Leave it out to train in this process.")
    start = multiprocessing.get_context("spawn")
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))  # type: ignore[attr-defined]
    heard: dict[Connection, SpawnProcess] = {}
    for rank in range(workers):
        here, there = start.Pipe(duplex=False)
        process = start.Process(target=_work, args=(there, rank, workers, store.port, job), name=f"worker {rank}")
        process.start()
        there.close()
        heard[here] = process
    try:
        with _ctrl_c_goes_to(list(heard.values())):
            _listen(heard, progress)
    finally:
        _end(list(heard.values()), within=0.0)


@dataclass
class _Heard:
    """What workers have said so far."""

    done: set[int] = field(default_factory=set)
    stopped: bool = False
    raised: list[Exception] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def verdict(self) -> Exception | KeyboardInterrupt | None:
        """What went wrong, the first cause before what followed of it; None if nothing did."""
        causes = [error for error in self.raised if not isinstance(error, WorkerError)]
        if causes:
            return causes[0]
        if self.lost:
            return WorkerError(
                f"{self.lost[0]}; the others were ended. Where training last stood is saved: go on with --resume."
            )
        if self.raised:
            return self.raised[0]
        return Interrupted() if self.stopped else None


def _listen(heard: dict[Connection, SpawnProcess], progress: Progress) -> None:
    """Until all have ended, or one has failed and the others had time to follow."""
    found, replay = _Heard(), _Replay(progress)
    waiting, last = dict(heard), None
    while waiting:
        if last is None and (found.raised or found.lost):
            last = time.monotonic() + GRACE
        if last is not None and time.monotonic() > last:
            break
        for pipe in wait(list(waiting), timeout=0.5):
            assert isinstance(pipe, Connection)
            process = waiting[pipe]
            try:
                kind, *told = pipe.recv()
            except (EOFError, OSError):
                del waiting[pipe]
                process.join(GRACE)
                if process.pid not in found.done:
                    found.lost.append(f"{process.name} was lost ({_why(process.exitcode)})")
                continue
            if kind in ("done", "stopped", "failed"):
                found.done.add(process.pid or 0)
                found.stopped |= kind == "stopped"
                found.raised += [_error(*told)] if kind == "failed" else []
            else:
                replay.take(kind, *told)
    replay.close()
    _end(list(heard.values()), within=0.0 if waiting else GRACE)
    if (wrong := found.verdict()) is not None:
        raise wrong


def _why(code: int | None) -> str:
    if code is not None and code < 0:
        killed = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"ended by {signal.Signals(-code).name}{killed}"
    return f"exit code {code}"


def _end(processes: list[SpawnProcess], *, within: float) -> None:
    """Wait for processes to end; kill those that have not."""
    last = time.monotonic() + within
    for process in processes:
        process.join(max(0.0, last - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _error(name: str, message: str) -> Exception:
    """An error of a worker as one of this process; one that is no user's comes with its traceback."""
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, CrossgraphError)):
        return RuntimeError(message)
    return DataError(message) if kind is ImageError else kind(message)


@contextmanager
def _ctrl_c_goes_to(processes: list[SpawnProcess]) -> Iterator[None]:
    """Hand each Ctrl-C to the workers, which save and stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        for process in processes:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGINT)

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _work(pipe: Connection, rank: int, workers: int, port: int, job: TrainingJob) -> None:
    """The life of one worker: join the others, train, say how it went."""
    os.setpgrp()  # a terminal's Ctrl-C goes to the parent alone, which hands it on
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    keep_freed_memory()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    progress: Progress = _Reported(pipe) if rank == 0 else Silent()
    try:
        device = job.device_of(rank)
        store = dist.TCPStore("127.0.0.1", port, is_master=False, timeout=timedelta(seconds=60))  # type: ignore[attr-defined]
        with joined(rank=rank, count=workers, store=store, device=device) as together:
            train_run(
                job.corpus,
                job.config,
                job.out,
                shortlist=job.shortlist,
                resume=job.resume,
                cache=FeatureCache(job.cache, shard_size=job.shard_size),
                progress=progress,
                device=device,
                workers=together,
            )
        pipe.send(("done",))
    except KeyboardInterrupt:
        pipe.send(("stopped",))
    except CrossgraphError as error:
        pipe.send(("failed", type(error).__name__, str(error)))
    except Exception:  # noqa: BLE001 the parent raises it
        pipe.send(("failed", "", traceback.format_exc()))


def _stop_with_parent() -> None:
    """Once the parent is gone: as by Ctrl-C."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGINT)


@dataclass(frozen=True)
class _Reported:
    """Progress that is shown by the parent."""

    pipe: Connection
    numbers: Iterator[int] = field(default_factory=count)

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """A task that the parent shows."""
        number, ended = next(self.numbers), "broken off"
        self.pipe.send(("task", number, description, total))
        try:
            yield _ReportedTask(self.pipe, number)
            ended = "ended"
        finally:
            self.pipe.send((ended, number))

    def note(self, event: str, **facts: object) -> None:
        """A note that the parent shows."""
        self.pipe.send(("note", event, facts))


@dataclass(frozen=True)
class _ReportedTask:
    pipe: Connection
    number: int

    def advance(self, amount: int = 1, **facts: object) -> None:
        self.pipe.send(("advance", self.number, amount, facts))


class _Replay:
    """What a worker reported, on the progress of this process."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.open: dict[int, tuple[AbstractContextManager[Task], Task]] = {}
        self.kinds: dict[str, Callable[..., None]] = {
            "task": self._begin,
            "advance": self._advance,
            "ended": self._end,
            "broken off": self._stop,
            "note": self._note,
        }

    def take(self, kind: str, *told: Any) -> None:
        """Show one report."""
        self.kinds[kind](*told)

    def close(self) -> None:
        """End what was left open by a worker that was lost."""
        for number in sorted(self.open, reverse=True):
            self._stop(number)

    def _begin(self, number: int, description: str, total: int) -> None:
        context = self.progress.task(description, total)
        self.open[number] = context, context.__enter__()

    def _advance(self, number: int, amount: int, facts: dict[str, object]) -> None:
        self.open[number][1].advance(amount, **facts)

    def _end(self, number: int) -> None:
        self.open.pop(number)[0].__exit__(None, None, None)

    def _stop(self, number: int) -> None:
        error = WorkerError("stopped")
        self.open.pop(number)[0].__exit__(WorkerError, error, None)

    def _note(self, event: str, facts: dict[str, object]) -> None:
        self.progress.note(event, **facts)
