"""The quick reader of the model that made a gallery, and the note that its files were checked."""

from __future__ import annotations

from pathlib import Path

from crossgraph.encoders.names import packaged_model
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, is_cascade
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.quick.reading import QuickReader
from crossgraph.quick.verified import is_verified, note_verified


def reader_of(gallery: Manifest) -> tuple[Path, CascadeManifest, QuickReader] | None:
    """The folder and the manifest of the cascade that made a gallery, and its reader; None where there is none."""
    if gallery.run is None:
        return None
    folder = packaged_model(gallery.run) or Path(gallery.run)
    if not is_cascade(folder):
        return None
    manifest = CascadeManifest.read(folder)
    reader = QuickReader.open(folder, manifest) if manifest.fingerprint == gallery.model else None
    return None if reader is None else (folder, manifest, reader)


def note_model(gallery: Gallery) -> None:
    """Note that the model of a gallery was loaded and its sentence encoder checked, for searches to come."""
    found = reader_of(gallery.manifest)
    model = gallery.model
    if found is None or model is None or model.fingerprint != found[1].fingerprint:
        return
    if is_verified(found[1].fingerprint, found[2].files):
        return
    dense = model.shortlist or model
    dense.encode_raw_texts(["a picture"])  # loads the sentence encoder, whose weights are checked
    note_verified(found[1].fingerprint, found[2].files)
