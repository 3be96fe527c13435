"""Long work on the gallery while it is served: one job at a time, with its progress, which can be stopped."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from crossgraph.errors import CrossgraphError, GalleryError
from crossgraph.progress import Progress, Task
from crossgraph.serving.problems import Problem, readable

State: TypeAlias = Literal["running", "done", "failed", "stopped"]
KEPT = 50
LOG = logging.getLogger("crossgraph.serving")


@dataclass(frozen=True)
class Job:
    """One piece of long work, as of a moment: what it is `doing`, how many of `total` are `done`, what came out."""

    id: str
    kind: str
    state: State
    started: datetime
    ended: datetime | None = None
    doing: str = ""
    done: int = 0
    total: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


class _Stopped(Exception):
    """The job was told to stop: what was finished is kept."""


class Jobs:
    """The jobs of one server, newest first; the last `KEPT` are remembered."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._stops: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def start(self, kind: str, work: Callable[[Progress], Mapping[str, Any]]) -> Job:
        """Begin `work` in a thread; what it gives is the job's result. Raises `Problem` 409 if another one runs."""
        with self._lock:
            running = next((job for job in self._jobs.values() if job.state == "running"), None)
            if running is not None:
                raise Problem(409, f"{running.kind} is running ({running.id}). Wait for it, or stop it.")
            job = Job(secrets.token_hex(6), kind, "running", datetime.now(UTC))
            self._jobs[job.id], self._stops[job.id] = job, threading.Event()
            while len(self._jobs) > KEPT:
                gone, _ = self._jobs.popitem(last=False)
                self._stops.pop(gone, None)
                self._threads.pop(gone, None)
        thread = threading.Thread(target=self._run, args=(job.id, work), name=f"job-{kind}", daemon=True)
        self._threads[job.id] = thread
        thread.start()
        return job

    def get(self, id: str) -> Job:
        """A job as it is now. Raises `Problem` 404 for an unknown one."""
        found = self._jobs.get(id)
        if found is None:
            raise Problem(404, f"no job has the id {id[:64]!r}; /v1/jobs lists them.")
        return found

    def list(self) -> tuple[Job, ...]:
        """All that are remembered, newest first."""
        return tuple(reversed(list(self._jobs.values())))

    def running(self) -> Job | None:
        """The one that runs."""
        return next((job for job in self.list() if job.state == "running"), None)

    def stop(self, id: str) -> Job:
        """Tell a job to stop at the next picture. Raises `Problem` 404 for an unknown one."""
        job = self.get(id)
        self._stops[id].set()
        return job

    def close(self, seconds: float = 5.0) -> None:
        """Stop what runs, and wait for it a little: it ends after the picture it is at."""
        for id, thread in list(self._threads.items()):
            self._stops[id].set()
            thread.join(seconds)

    def _run(self, id: str, work: Callable[[Progress], Mapping[str, Any]]) -> None:
        try:
            result = work(_JobProgress(lambda **facts: self._change(id, **facts), self._stops[id]))
            self._change(id, state="done", result=dict(result), ended=datetime.now(UTC))
        except _Stopped:
            self._change(id, state="stopped", ended=datetime.now(UTC))
        except (CrossgraphError, OSError) as error:
            self._fail(id, str(error))
        except Exception as error:  # told by the job: a thread's error would be lost
            self._fail(id, f"{type(error).__name__}: {error}")
            raise

    def _fail(self, id: str, error: str) -> None:
        """Note that a job failed, and say it on the server's log: nobody may look at the job."""
        told, job = readable(error), self._jobs.get(id)
        LOG.error("job failed", extra={"facts": {"job": id, "kind": job and job.kind, "error": told}})
        self._change(id, state="failed", error=told, ended=datetime.now(UTC))

    def _change(self, id: str, **changes: Any) -> None:
        with self._lock:
            if id in self._jobs:
                self._jobs[id] = replace(self._jobs[id], **changes)


class _JobProgress:
    """Notes progress in a job; raises `_Stopped` from within the work once it was told to stop."""

    def __init__(self, change: Callable[..., None], stop: threading.Event) -> None:
        self._change, self._stop = change, stop

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """A piece of the job."""
        self._change(doing=description, done=0, total=total)
        yield _JobTask(self._change, self._stop)

    def note(self, event: str, **facts: object) -> None:
        """A single event."""
        self._change(facts={"event": event, **facts})


class _JobTask:
    def __init__(self, change: Callable[..., None], stop: threading.Event) -> None:
        self._change, self._stop, self._done = change, stop, 0

    def advance(self, amount: int = 1, **facts: object) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._done += amount
        self._change(done=self._done, **({"facts": facts} if facts else {}))


def require_managing(manage: bool) -> None:
    """Raise `Problem` 403 unless the server was started to let requests change the gallery."""
    if not manage:
        raise Problem(403, "this server changes nothing. Start it with --manage to let requests change the gallery.")


def require_sources(sources: tuple[str, ...]) -> None:
    """Raise `GalleryError` where there is nothing to follow."""
    if not sources:
        raise GalleryError("the gallery follows no folder yet. Add one with `crossgraph sync GALLERY FOLDER`.")
