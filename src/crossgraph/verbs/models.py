"""Models: loaded from the folder of a run, taken as they are where a verb is given one, or made of a pretrained one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.device import checked_device
from crossgraph.encoders.names import model_folder
from crossgraph.errors import ModelError
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, Part, is_cascade
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.training.model import TrainedModel
from crossgraph.training.one_model import make_pretrained_run

Role = Literal["codes", "dense", "rerank"]
GivenModel = TypeVar("GivenModel", bound=SearchModel)


def load(
    model: Path | str = DEFAULT_MODEL, *, cache: FeatureCache | None = None, device: str = "cpu"
) -> TrainedModel | CascadeModel:
    """The model that comes with crossgraph, or any trained run or cascade by its folder, ready to encode and search.

    Raises `ModelError` when it is not in this copy of crossgraph, and as `load_search_model` does.
    """
    return load_search_model(model, cache=cache, device=device)


def load_model(run: Path | str, *, cache: FeatureCache | None = None, device: str = "cpu") -> TrainedModel:
    """A trained run, by folder or name, ready to encode and score. Raises `ModelError` when `run` is not one."""
    return TrainedModel(model_folder(run), cache=cache or default_cache(), device=str(checked_device(device)))


def load_search_model(
    folder: Path | str, *, cache: FeatureCache | None = None, device: str = "cpu"
) -> TrainedModel | CascadeModel:
    """A trained run or a cascade of them, by folder or name, ready to encode and search.

    Raises `ModelError` when `folder` is neither, `ConfigError` when it is not there.
    """
    if is_cascade(found := model_folder(folder)):
        return CascadeModel(found, cache=cache or default_cache(), device=str(checked_device(device)))
    return load_model(found, cache=cache, device=device)


def pretrained(
    model: Path | str,
    out: Path | str,
    *,
    cells: Sequence[int] = (5,),
    cache: FeatureCache | None = None,
    device: str = "cpu",
) -> TrainedModel:
    """Make the run folder `out` of CLIP, SigLIP, ALIGN, Chinese-CLIP or their kin, by folder or `hf:owner/model`.

    It serves wherever a trained run does, and re-rankers can be trained over its features: `cells` are the sides of
    the grids of parts. Raises `ConfigError` or `ModelError`.
    """
    return make_pretrained_run(
        str(model),
        Path(out).expanduser(),
        cells=cells,
        cache=cache or default_cache(),
        device=str(checked_device(device)),
    )


def run_folder(name: Path | str, *roles: Role) -> Path:
    """The folder of a trained run, by folder or name; of a cascade that of its part in the first role that is filled.

    Raises `ModelError` for a cascade that has none of the `roles`.
    """
    if not is_cascade(folder := model_folder(name)):
        return folder
    parts = CascadeManifest.read(folder).parts()
    for role in roles:
        if isinstance(parts[role], Part):
            return folder / role
    raise ModelError(f"the cascade {name} has no run as {' or '.join(roles)}. Name a trained run.")


def last_run(model: TrainedModel | CascadeModel) -> TrainedModel:
    """The run whose score counts last: of a cascade that of its last stage."""
    return model.last if isinstance(model, CascadeModel) else model


def given_search_model(
    model: GivenModel | Path | str, *, device: str = "cpu"
) -> GivenModel | TrainedModel | CascadeModel:
    """The run or cascade that a verb was given: loaded onto `device` from its folder, or as it is."""
    return load_search_model(model, device=device) if isinstance(model, (Path, str)) else model
