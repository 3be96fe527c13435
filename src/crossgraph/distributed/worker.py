"""What runs on a worker: models, loaded once, and jobs, of which nothing stays behind.

A worker says that it is there before it loads PyTorch: this module must import nothing that does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from crossgraph.errors import ClusterError, CrossgraphError

if TYPE_CHECKING:
    from crossgraph.data.feature_cache import FeatureCache
    from crossgraph.distributed.scratch import ScratchCache

SCRATCH = "crossgraph-worker-"
"""How the folders of workers begin; the number of the process follows."""

MODELS = 4
"""How many models a worker keeps loaded."""


@runtime_checkable
class Place(Protocol):
    """Where a model is to be had; two of one `fingerprint` have the same encodings."""

    @property
    def fingerprint(self) -> str: ...

    def load(self, cache: FeatureCache, scratch: Path) -> Any:
        """The model, whose features go to `cache`; what has to be unpacked goes to `scratch`."""


@runtime_checkable
class Job(Protocol):
    """Work for one worker, of which all that is needed travels with it."""

    @property
    def place(self) -> Place:
        """The model to do it with."""

    def run(self, model: Any) -> Any:
        """Do it, on the worker."""

    def received(self, result: Any) -> Any:
        """What the worker gave, made ready where it was asked for."""

    def split(self) -> tuple[Job, ...]:
        """The same work in smaller jobs; none if it cannot be divided."""

    def given_up(self, reason: str) -> Any:
        """What stands for the result of a job that cannot be done. Raises `ClusterError` if nothing can."""


class Worker:
    """One process of a cluster, which does one job after the other."""

    def __init__(self, threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is loaded
        self._threads = threads
        _remove_leftovers()
        self._scratch = Path(tempfile.gettempdir()) / f"{SCRATCH}{os.getpid()}"
        self._scratch.mkdir(mode=0o700, exist_ok=True)
        self._cache: ScratchCache | None = None
        self._models: dict[str, Any] = {}

    def where(self) -> tuple[str, str, int]:
        """The id of the node, the version of crossgraph there, and the process."""
        import importlib.metadata

        import ray

        return ray.get_runtime_context().get_node_id(), importlib.metadata.version("crossgraph"), os.getpid()

    def end(self) -> None:
        """Remove what lies on the disk of the node."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def run(self, job: Job) -> Any:
        """The result of a job."""
        cache = self._cache or self._load()
        try:
            return job.run(self._model(job.place, cache))
        finally:
            cache.clear()

    def _load(self) -> ScratchCache:
        """Load what all jobs need, which takes seconds; gives the cache for their features."""
        import torch

        from crossgraph.distributed.scratch import ScratchCache

        torch.set_num_threads(self._threads)
        self._cache = ScratchCache(self._scratch / "features")
        return self._cache

    def get_ready(self) -> None:
        """Load what all jobs need."""
        self._load()

    def _model(self, place: Place, cache: FeatureCache) -> Any:
        if place.fingerprint not in self._models:
            if len(self._models) >= MODELS:
                del self._models[next(iter(self._models))]
            try:
                self._models[place.fingerprint] = place.load(cache, self._scratch)
            except CrossgraphError as error:
                raise ClusterError(f"the model could not be loaded on a worker: {error}") from None
        return self._models[place.fingerprint]


def _remove_leftovers() -> None:
    """Remove the folders of workers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        number = folder.name.removeprefix(SCRATCH)
        if number.isdigit() and not Path(f"/proc/{number}").exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)
