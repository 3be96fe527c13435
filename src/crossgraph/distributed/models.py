"""Models on workers: from where they lie on shared disks or in the package, or else sent along."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossgraph.distributed.connection import Connection
from crossgraph.encoders.names import model_folder, model_reference, packaged_model
from crossgraph.errors import ClusterError, CrossgraphError, ModelError

if TYPE_CHECKING:
    from crossgraph.data.feature_cache import FeatureCache
    from crossgraph.gallery.stages.cascade_model import CascadeModel
    from crossgraph.training.model import TrainedModel

MOST_BYTES = 2 * 2**30
"""Larger models are not sent along: they must lie where every node can read them."""


@dataclass(frozen=True)
class ModelPlace:
    """A run or cascade by the name or path of its folder; `files` is where its files are had if it is not there."""

    reference: str
    fingerprint: str
    device: str
    files: Any = None

    def load(self, cache: FeatureCache, scratch: Path) -> TrainedModel | CascadeModel:
        """The model, on this worker. Raises `ModelError` if it is nowhere to be had."""
        try:
            found = _load(model_folder(self.reference), cache, self.device)
            if found.fingerprint == self.fingerprint:
                return found
            problem = f"{self.reference} has other weights there ({found.fingerprint}, not {self.fingerprint})"
        except CrossgraphError as error:
            problem = str(error)
        if self.files is None:
            raise ModelError(f"{problem} Put the model where every node can read it.")
        import ray

        folder = scratch / f"model-{self.fingerprint}"
        for name, content in ray.get(self.files).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return _load(folder, cache, self.device)


def place_of(model: TrainedModel | CascadeModel, connection: Connection, *, device: str) -> ModelPlace:
    """Where workers find `model`. Raises `ClusterError` for one that is too large to be sent and lies in no package."""
    reference = model_reference(model.run)
    if packaged_model(reference) is not None or connection.settings.is_local:
        return ModelPlace(reference, model.fingerprint, device)
    paths = [path for path in sorted(model.run.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    if sum(path.stat().st_size for path in paths) > MOST_BYTES:
        raise ClusterError(f"{model.run} is too large to be sent to workers. Put it on a disk that all nodes share.")
    files = {path.relative_to(model.run).as_posix(): path.read_bytes() for path in paths}
    return ModelPlace(reference, model.fingerprint, device, connection.ray.put(files))


def _load(folder: Path, cache: FeatureCache, device: str) -> TrainedModel | CascadeModel:
    from crossgraph.gallery.stages.cascade_manifest import is_cascade
    from crossgraph.gallery.stages.cascade_model import CascadeModel
    from crossgraph.training.model import TrainedModel

    return (CascadeModel if is_cascade(folder) else TrainedModel)(folder, cache=cache, device=device)
