"""Galleries: opened with the model that made them, filled, kept up with folders, moved, given to another model."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from crossgraph.data.corpus import Corpus
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.distributed.given import Workers, on_cluster
from crossgraph.encoders.names import model_reference, packaged_model
from crossgraph.errors import ConfigError
from crossgraph.gallery.changes.indexing import Encoder
from crossgraph.gallery.changes.moves import Moves
from crossgraph.gallery.changes.sync import SyncReport
from crossgraph.gallery.folder import Memory
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.home import home_gallery, no_gallery
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.upkeep.migrate import Migration
from crossgraph.gallery.upkeep.migrate import migrate as migrate_gallery
from crossgraph.gallery.upkeep.relocation import Relocation, relocate
from crossgraph.gallery.upkeep.run_place import find_run, remember_run
from crossgraph.progress import Progress, Silent
from crossgraph.quick.of_gallery import note_model
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of
from crossgraph.training.model import TrainedModel
from crossgraph.verbs.models import given_search_model


def index(
    source: Corpus | Path | str,
    gallery: Path | str | None = None,
    *,
    model: TrainedModel | CascadeModel | Path | str | None = None,
    exclude: Sequence[str] | None = None,
    cluster: Workers | str | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> SyncReport:
    """Add a folder's pictures to a gallery, which is made if need be; a second run adds what is new or changed.

    A new gallery is encoded by `model`, or the one that comes with crossgraph; an existing one keeps its own. None is
    the gallery of this user (`gallery.home`), here as elsewhere. Arguments as in `Gallery.index`. Workers of a
    `cluster` encode (`distributed.settings`), this process plans and stores.
    """
    gallery = home_gallery() if gallery is None else gallery
    with on_cluster(cluster, device=device, progress=progress) as workers:
        if Gallery.exists(gallery):
            opened = open_gallery(gallery, model=model, device=device)
            report = opened.index(source, exclude=exclude, encoder=_encoder(workers, opened), progress=progress)
            note_model(opened)
            return report
        loaded: TrainedModel | CascadeModel = given_search_model(model or DEFAULT_MODEL, device=device)
        with Gallery.filled(gallery, loaded, run=model_reference(loaded.run)) as opened:
            report = opened.index(source, exclude=exclude, encoder=_encoder(workers, opened), progress=progress)
        note_model(opened)
        return report


def sync(
    gallery: Path | str | None = None,
    folders: Sequence[Path | str] = (),
    *,
    model: TrainedModel | CascadeModel | Path | str | None = None,
    dry_run: bool = False,
    rehash: bool = False,
    allow_empty: bool = False,
    exclude: Sequence[str] | None = None,
    cluster: Workers | str | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> SyncReport:
    """Make a gallery hold what `folders` hold, by default all it was given before; it is made if need be.

    Arguments as in `Gallery.sync`, `cluster` as in `index`. A new gallery is encoded by `model`, or the one that comes
    with crossgraph. A dry run of an existing one needs no model, and one of a gallery that is not there yet leaves
    nothing behind.
    """
    gallery = home_gallery() if gallery is None else gallery

    def synced(opened: Gallery, workers: Workers | None = None) -> SyncReport:
        return opened.sync(
            folders,
            dry_run=dry_run,
            rehash=rehash,
            allow_empty=allow_empty,
            exclude=exclude,
            encoder=_encoder(workers, opened),
            progress=progress,
        )

    if Gallery.exists(gallery) and dry_run:
        return synced(Gallery.open(gallery, None if model is None else given_search_model(model, device=device)))
    if Gallery.exists(gallery):
        with on_cluster(cluster, device=device, progress=progress) as workers:
            return synced(open_gallery(gallery, model=model, device=device), workers)
    if not folders:
        raise no_gallery(gallery, "there is nothing to follow in it")
    loaded: TrainedModel | CascadeModel = given_search_model(model or DEFAULT_MODEL, device=device)
    if dry_run:
        with tempfile.TemporaryDirectory() as nowhere:
            return synced(Gallery.create(Path(nowhere) / "gallery", loaded))
    with (
        on_cluster(cluster, device=device, progress=progress) as workers,
        Gallery.filled(gallery, loaded, run=model_reference(loaded.run)) as opened,
    ):
        return synced(opened, workers)


def migrate(
    gallery: Path | str,
    model: TrainedModel | CascadeModel | Path | str | None = None,
    *,
    leave_out: bool = False,
    cluster: Workers | str | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> Migration:
    """Encode a gallery with another trained run beside the old tables, then switch to it at once.

    `model` may be left out of a gallery whose model came with crossgraph: it is given the one that comes with it now.
    Workers of a `cluster` encode.
    """
    opened = Gallery.open(gallery)
    noted = opened.manifest.run
    if model is None and (noted is None or packaged_model(noted) is None):
        raise ConfigError(
            f"{gallery} was encoded by a model of your own; name the one to encode it with: --model RUN, or "
            f"--model {DEFAULT_MODEL} for the one that comes with crossgraph."
        )
    loaded: TrainedModel | CascadeModel = given_search_model(model or noted or DEFAULT_MODEL, device=device)
    run = model_reference(loaded.run)
    with on_cluster(cluster, device=device, progress=progress) as workers:
        encoder = None if workers is None else workers.encoder(loaded)
        return migrate_gallery(opened, loaded, run=run, leave_out=leave_out, encoder=encoder, progress=progress)


def open_gallery(
    gallery: Storage | Path | str | None = None,
    *,
    model: TrainedModel | CascadeModel | Path | str | None = None,
    device: str = "cpu",
    memory: Memory = "auto",
) -> Gallery:
    """A gallery with the model it was made with; give `model` when the run has moved: its place is remembered.

    `memory` says where searches look for vectors: see `Gallery.open`.
    """
    place = storage_of(home_gallery() if gallery is None else gallery)
    if model is None:
        run = find_run(place, Manifest.read(place))
        return Gallery.open(place, given_search_model(run, device=device), memory=memory)
    loaded: TrainedModel | CascadeModel = given_search_model(model, device=device)
    opened = Gallery.open(place, loaded, memory=memory)
    remember_run(opened, loaded.run)
    return opened


def move_gallery(
    gallery: Path | str,
    places: Sequence[tuple[Path | str, Path | str]],
    *,
    trust: bool = False,
    allow_missing: bool = False,
    dry_run: bool = False,
    progress: Progress = Silent(),
) -> Relocation:
    """Have a gallery know what lay in each old place in its new one: pictures, folders, the run and its encoders.

    Arguments as in `gallery.upkeep.relocation.relocate`.
    """
    opened, moves = Gallery.open(gallery), Moves.of(places)
    return relocate(opened, moves, trust=trust, allow_missing=allow_missing, dry_run=dry_run, progress=progress)


def _encoder(workers: Workers | None, gallery: Gallery) -> Encoder | None:
    """What encodes for a gallery: workers, if there are any, with its model."""
    model = gallery.model
    return None if workers is None or not isinstance(model, (TrainedModel, CascadeModel)) else workers.encoder(model)
