"""Training a method on a corpus, into a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.data.joined import join_corpora
from crossgraph.data.sources import given_corpus
from crossgraph.device import checked_device
from crossgraph.errors import ConfigError
from crossgraph.progress import Progress, Silent
from crossgraph.training.model import TrainedModel
from crossgraph.training.run import train_run
from crossgraph.training.worker_processes import TrainingJob, train_in_processes
from crossgraph.training.workers import started_by_torchrun, workers_of_torchrun
from crossgraph.verbs.models import run_folder


def train(
    data: Corpus | Path | str | Sequence[Corpus | Path | str],
    config: RunConfig,
    out: Path | str,
    *,
    shortlist: Path | str | None = None,
    resume: bool = False,
    cache: FeatureCache | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
    workers: int = 1,
    cluster: str | None = None,
) -> TrainedModel:
    """Train `config.method` on the train split of `data` into the run folder `out` and load the selected weights.

    Several `data` are joined (`data.joined`): each step is of one of them, in the shares that the settings say.
    `shortlist` is a trained dual encoder: it finds the candidates of a re-ranker in training (`training.neighbours`),
    validation and search, and is copied into the run. With `resume` the run continues where it was saved; without,
    an existing run is never written over. Several `workers` share each step: processes of this machine, or workers of
    the Ray `cluster` (an address, or "local[N]"); a process that torchrun started is one of its workers. Their loss and
    steps are those of one (docs/workers.md). Raises `ConfigError`, `DataError`, `ModelError`, or `WorkerError` where a
    worker was lost.
    """
    require_settings(config)
    several = [data] if isinstance(data, Corpus | Path | str) else data
    require_workers(workers, cluster=cluster)
    corpus = join_corpora([given_corpus(one) for one in several], progress=progress)
    helper = None if shortlist is None else run_folder(shortlist, "dense", "rerank")
    cache, device = cache or default_cache(), str(checked_device(device))
    if workers > 1:
        job = TrainingJob.of(
            corpus, config, Path(out).expanduser(), shortlist=helper, resume=resume, cache=cache, device=device
        )
        if cluster is None:
            train_in_processes(job, workers=workers, progress=progress)
        else:
            from crossgraph.distributed.ray_training import train_on_ray

            train_on_ray(job, workers=workers, cluster=cluster, progress=progress)
        return TrainedModel(Path(out).expanduser(), cache=cache, device=device)
    with workers_of_torchrun(device=device) as joined:
        return train_run(
            corpus,
            config,
            Path(out).expanduser(),
            shortlist=helper,
            resume=resume,
            cache=cache,
            progress=progress,
            device=device,
            workers=joined,
        )


def require_settings(config: object) -> None:
    """Raise `ConfigError` for what are no settings of a run."""
    if not isinstance(config, RunConfig):
        raise ConfigError(
            f"the settings of a training are a RunConfig; got {config!r}. Give crossgraph.RunConfig(method=...), or "
            "what crossgraph.read_config reads."
        )


def require_workers(workers: int, *, cluster: str | None) -> None:
    """Raise `ConfigError` for numbers of workers that make no sense, or by more than one way to start them."""
    if workers < 1:
        raise ConfigError(f"workers are 1 or more; got {workers}.")
    if workers > 1 and started_by_torchrun():
        raise ConfigError(f"torchrun has started the workers already; leave out --workers {workers}.")
    if cluster is not None and workers == 1:
        raise ConfigError(f"a training on the cluster {cluster} is shared by workers; say how many: --workers 2.")
