"""Shards of a gallery built by workers: a function of the table's files, which all nodes read; no model is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossgraph.distributed.worker import Place
from crossgraph.errors import ClusterError

if TYPE_CHECKING:
    from crossgraph.data.feature_cache import FeatureCache


@dataclass(frozen=True)
class NoModel:
    """The place of a model where none is needed."""

    fingerprint: str = "none"

    def load(self, cache: FeatureCache, scratch: Path) -> None:
        """Nothing."""


@dataclass(frozen=True)
class ShardJob:
    """One shard to build, by `make`. It cannot be divided."""

    make: Callable[[Any], Any]
    task: Any
    place: Place = NoModel()

    def run(self, model: None) -> Any:
        """The shard, written and not visible yet."""
        return self.make(self.task)

    def received(self, result: Any) -> Any:
        """The same."""
        return result

    def split(self) -> tuple[ShardJob, ...]:
        """None."""
        return ()

    def given_up(self, reason: str) -> Any:
        """A column is in shards as a whole, or not at all."""
        raise ClusterError(
            f"a shard could not be built: {reason}. Nothing is changed. All nodes must see the gallery under the same "
            "path; where memory was short, give fewer --rows, and where time was, --cluster more batch_seconds."
        )
