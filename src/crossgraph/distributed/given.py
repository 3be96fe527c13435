"""The cluster that a verb was given, if any: what stores and clusters need is loaded only where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from crossgraph.distributed.settings import ClusterSettings
from crossgraph.progress import Progress, Silent
from crossgraph.training.model import TrainedModel


@runtime_checkable
class Workers(Protocol):
    """An open cluster (`distributed.cluster.Cluster`)."""

    def run(self, model: TrainedModel) -> TrainedModel:
        """`model`, whose pictures and sentences are encoded by workers."""

    def encoder(self, model: Any) -> Any:
        """What encodes batches for a gallery of `model`."""

    def each(self, make: Any, tasks: Any) -> Any:
        """What `make` gives for each of the tasks, in order."""

    def encode_corpus(self, model: Any, corpus: Any, *, progress: Progress = Silent()) -> Any:
        """A corpus as calibration compares it."""


@contextmanager
def on_cluster(
    cluster: Workers | ClusterSettings | str | None, *, device: str = "cpu", progress: Progress = Silent()
) -> Iterator[Workers | None]:
    """The cluster that is meant, for as long as the block lasts; None where none is; an open one stays open.

    Raises `ConfigError` for what names none, `ClusterError` where it cannot be reached or is too small, and
    `MissingExtraError` without Ray.
    """
    if cluster is None or not isinstance(cluster, str | ClusterSettings):
        yield cluster
        return
    from crossgraph.distributed.cluster import open_cluster

    settings = ClusterSettings.parse(cluster) if isinstance(cluster, str) else cluster
    with open_cluster(settings, device=device, progress=progress) as opened:
        yield opened
