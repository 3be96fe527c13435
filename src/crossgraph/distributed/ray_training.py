"""Training by workers of a Ray cluster: Ray Train starts them, and starts them again where one was lost.

Each worker runs the loop that it would run under torchrun. What they share must be seen by all nodes under the same
path: the run's folder, the pictures or features, and, to be quick, the feature cache.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from crossgraph import errors
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.distributed.connection import Connection, connected
from crossgraph.distributed.settings import ClusterSettings
from crossgraph.errors import ClusterError, CrossgraphError, WorkerError
from crossgraph.files import write_atomically
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import LOG, MANIFEST
from crossgraph.training.loop import Interrupted
from crossgraph.training.run import require_place, train_run
from crossgraph.training.worker_processes import TrainingJob
from crossgraph.training.workers import lost_workers_are_errors, worker_deadline, workers_of_default_group

TRIES = 3
"""So often workers are started again after a loss; each time they go on where training was last saved."""
VERDICT = "verdict.json"
"""What a worker refused, which trying again would not mend."""


def train_on_ray(job: TrainingJob, *, workers: int, cluster: str, progress: Progress) -> None:
    """Train `job` by so many workers of a cluster; the run is then in `job.out`.

    Raises what a worker raises, `ClusterError` where they do not fit, and `WorkerError` where they were lost too often.
    """
    settings = ClusterSettings.parse(cluster)
    require_place(job.out, resume=job.resume)
    if settings.is_local:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    out = job.out.absolute()
    notes = out.parent / f".{out.name}.ray"
    shutil.rmtree(notes, ignore_errors=True)
    try:
        with connected(settings) as connection:
            _require_room(connection, workers, job.device)
            with _validations_noted(out / LOG, progress, known=job.resume):
                _fit(replace(job, out=out, cache=job.cache.absolute()), workers, settings, notes)
        _raise_verdict(notes)
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        shutil.rmtree(notes, ignore_errors=True)


def _fit(job: TrainingJob, workers: int, settings: ClusterSettings, notes: Path) -> None:
    """Run Ray Train to its end. Raises `WorkerError` where workers were lost too often."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    on_gpus = torch.device(job.device).type == "cuda"
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job, "notes": notes},
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=on_gpus, resources_per_worker={"CPU": settings.threads, "GPU": int(on_gpus)}
        ),
        torch_config=TorchConfig(backend="nccl" if on_gpus else "gloo", timeout_s=int(worker_deadline())),
        run_config=RunConfig(
            name="train",
            storage_path=str(notes),
            failure_config=FailureConfig(max_failures=TRIES, controller_failure_limit=TRIES),
        ),
    )
    try:
        trainer.fit()
    except Exception as error:  # Ray's errors are many; all say that the workers could not go on
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WorkerError(
            f"workers were lost more than {TRIES} times, or could not be started ({told}). Where training last stood "
            "is saved: go on with --resume."
        ) from error


def _work(given: dict[str, Any]) -> None:
    """The life of one worker. What the user must mend is noted and ends it well, so that Ray does not try again."""
    from ray.train import get_context
    from ray.train.torch import get_device

    job: TrainingJob = given["job"]
    device = str(get_device()) if torch.device(job.device).type == "cuda" else job.device
    try:
        with lost_workers_are_errors():
            train_run(
                job.corpus,
                job.config,
                job.out,
                shortlist=job.shortlist,
                resume=job.resume or (job.out / MANIFEST).exists(),
                cache=FeatureCache(job.cache, shard_size=job.shard_size),
                progress=Silent(),
                device=device,
                workers=workers_of_default_group(),
            )
    except WorkerError:
        raise
    except CrossgraphError as error:
        if get_context().get_world_rank() == 0:
            verdict = {"kind": type(error).__name__, "message": str(error)}
            write_atomically(given["notes"] / VERDICT, json.dumps(verdict).encode())


def _raise_verdict(notes: Path) -> None:
    try:
        verdict = json.loads((notes / VERDICT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    kind = getattr(errors, verdict["kind"], CrossgraphError)
    raise (errors.DataError if kind is errors.ImageError else kind)(verdict["message"])


def _require_room(connection: Connection, workers: int, device: str) -> None:
    """Raise `ClusterError` where so many workers do not fit: Ray would wait for room for ever."""
    needed = {"CPU": workers * connection.settings.threads}
    if torch.device(device).type == "cuda":
        needed["GPU"] = workers
    for resource, count in needed.items():
        if connection.total(resource) < count:
            raise ClusterError(
                f"{workers} workers need {count} {resource}s, and the cluster has {connection.total(resource):g}. Ask "
                "for fewer --workers, or add a node."
            )
    connection.await_room()


@contextmanager
def _validations_noted(log: Path, progress: Progress, *, known: bool) -> Iterator[None]:
    """Note each validation that the first worker logs meanwhile; those `known` before are not told again."""
    ended = threading.Event()
    seen = len(_validations(log)) if known else 0

    def follow() -> None:
        nonlocal seen
        while True:
            last = ended.wait(1.0)
            found = _validations(log)
            for facts in found[seen:]:
                progress.note("validation", **facts)
            seen = max(seen, len(found))
            if last:
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _validations(log: Path) -> list[dict[str, int | float]]:
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # it is being written
            continue
        if "validation" in entry:
            found.append({name: round(value, 3) for name, value in entry["validation"].items()})
    return found
