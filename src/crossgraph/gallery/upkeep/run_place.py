"""Where the run or cascade lies that made a gallery, also after it moved."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from crossgraph.encoders.names import model_folder, model_reference, packaged_model
from crossgraph.errors import CrossgraphError, GalleryError
from crossgraph.gallery.changes.moves import Moves
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, is_cascade
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of
from crossgraph.training.checkpoint import MANIFEST, run_fingerprint


def is_run(folder: Path) -> bool:
    """Whether `folder` holds a trained run or a cascade."""
    return (folder / MANIFEST).is_file() or is_cascade(folder)


def is_same_run(folder: Path, manifest: Manifest) -> bool:
    """Whether `folder` holds the run or cascade that made the gallery of this manifest."""
    try:
        if is_cascade(folder):
            return CascadeManifest.read(folder).fingerprint == manifest.model
        return (folder / MANIFEST).is_file() and run_fingerprint(folder) == manifest.model
    except (CrossgraphError, OSError):
        return False


def is_noted_run(manifest: Manifest) -> bool:
    """Whether there is a run where the one that made the gallery was, or the very model of the name that is noted."""
    if manifest.run is None:
        return False
    packaged = packaged_model(manifest.run)
    return is_run(Path(manifest.run)) if packaged is None else is_same_run(packaged, manifest)


def located_run(gallery: Storage | Path | str, manifest: Manifest) -> Path | None:
    """The run or cascade that made a gallery: where it was, or as far from the gallery as it was; None: at neither."""
    if manifest.run is not None and (packaged := packaged_model(manifest.run)) is not None:
        return packaged if is_same_run(packaged, manifest) else None
    if manifest.run is not None and is_run(Path(manifest.run)):
        return Path(manifest.run)
    if manifest.run_from_here is not None:
        folder = storage_of(gallery).beside
        beside = Path(os.path.normpath(folder.resolve() / manifest.run_from_here))
        if is_same_run(beside, manifest):
            return beside
    return None


def find_run(gallery: Storage | Path | str, manifest: Manifest) -> Path:
    """As `located_run`. Raises `GalleryError`, which says the ways out, if the run is not there or is another now."""
    found = located_run(gallery, manifest)
    if found is not None:
        return found
    if manifest.run is None:
        raise GalleryError(f"{gallery} does not know the run that made it ({manifest.method}). Name it: --model RUN.")
    if packaged_model(manifest.run) is not None:
        model_folder(manifest.run)  # says so where there is none
        raise GalleryError(
            f"{gallery} was encoded by the model {manifest.run!r} of another version of crossgraph ({manifest.model}); "
            "this version brings another one, and their vectors cannot be compared. Encode the gallery again with it: "
            f"crossgraph gallery migrate {gallery}. Or name a copy of the model that made it: --model FOLDER."
        )
    raise GalleryError(
        f"the run that made {gallery} is not at {manifest.run} any more. Name its place with --model RUN, once: it is "
        f"remembered. If other things moved with it: crossgraph gallery move {gallery} OLD NEW."
    )


def remember_run(gallery: Gallery, run: Path) -> None:
    """Note that the model of `gallery` was loaded from `run`, if the run is not where it was.

    A gallery that cannot be written, or that another process is writing, is left as it is: this only spares naming the
    run again.
    """
    if is_noted_run(gallery.follow()):
        return
    try:
        with gallery.changing() as manifest:
            gallery.replace_manifest(manifest.with_run(model_reference(run), gallery.storage))
    except GalleryError:
        return


def hints_concern(run: Path, moves: Moves) -> bool:
    """Whether a manifest in the folder of `run` names a place that moved."""
    return any(moves.concern(text) for text in _texts_of(run))


def move_hints(run: Path, moves: Moves) -> str | None:
    """Have the run name its encoders' folders where they lie now; what became of that, None if it names none of them.

    A run that cannot be written stays as it is: its gallery moves all the same.
    """
    if not hints_concern(run, moves):
        return None
    from crossgraph.training.relocate import relocate_run

    try:
        relocate_run(run, moves.paths())
    except (CrossgraphError, OSError) as error:
        return f"{run} still names the old place of its encoders, for it could not be changed: {error}"
    return f"{run} names the new place of its encoders"


def _texts_of(run: Path) -> Iterator[str]:
    """Every text in the manifests of a run, of its shortlist and of the parts of a cascade."""
    for file in run.rglob(MANIFEST):
        try:
            left = [json.loads(file.read_text(encoding="utf-8"))]
        except (OSError, ValueError):
            continue
        while left:
            match left.pop():
                case str() as text:
                    yield text
                case dict() as values:
                    left += values.values()
                case list() as values:
                    left += values
