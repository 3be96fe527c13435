"""A gallery opened for searches alone: by the text half of its model, where that is enough."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crossgraph.gallery.folder import Memory
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.home import home_gallery
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.quick.model import QuickModel
from crossgraph.quick.of_gallery import note_model, reader_of
from crossgraph.quick.verified import is_verified
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of

if TYPE_CHECKING:
    from crossgraph.gallery.stages.cascade_model import CascadeModel
    from crossgraph.training.model import TrainedModel


def open_to_search(
    gallery: Storage | Path | str | None = None,
    *,
    model: TrainedModel | CascadeModel | Path | str | None = None,
    device: str = "cpu",
    memory: Memory = "auto",
) -> Gallery:
    """A gallery as `open_gallery` opens it, whose model is loaded when a search needs more of it than its text half.

    Sentences are read without torch if the gallery was made by a cascade whose dense stage is a dual encoder
    over MiniLM, as the one that comes with crossgraph, and whose files were checked once (`quick.verified`).
    """
    place = storage_of(home_gallery() if gallery is None else gallery)
    quick = None
    if model is None and device == "cpu" and Gallery.exists(place):
        quick = _quick_model(Manifest.read(place))
    if quick is not None:
        return Gallery.open(place, quick, memory=memory)
    from crossgraph.verbs.galleries import open_gallery  # with all that models are made of

    opened = open_gallery(place, model=model, device=device, memory=memory)
    note_model(opened)
    return opened


def _quick_model(gallery: Manifest) -> QuickModel | None:
    """The model of a gallery, if it is a cascade that is read quickly and was checked."""
    found = reader_of(gallery)
    if found is None:
        return None
    folder, manifest, reader = found
    if not is_verified(manifest.fingerprint, reader.files):
        return None
    return QuickModel(folder, manifest, reader, partial(_whole, folder))


def _whole(folder: Path) -> SearchModel:
    from crossgraph.verbs.models import load_search_model

    return load_search_model(folder)
