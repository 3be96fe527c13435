"""A gallery given to another model: encoded again beside the old tables, which serve until the switch.

The switch is one replacement of the manifest. A kill before it leaves the old gallery and what was encoded so far,
which the next run continues; a kill after it leaves the new gallery and old tables, which the next compaction removes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from crossgraph.data.corpus import Skipped
from crossgraph.data.images import image_bytes_digest
from crossgraph.data.places import placed
from crossgraph.errors import GalleryError, ImageError
from crossgraph.gallery.changes.indexing import Batch, Encoder, Entry, FileState, ThisProcess, batch_of, store_batch
from crossgraph.gallery.folder import described
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.gallery.tables.items import Known
from crossgraph.gallery.tables.notes import Departed
from crossgraph.gallery.tables.store import Store
from crossgraph.gallery.upkeep.health import remove_leftovers
from crossgraph.gallery.upkeep.run_place import is_noted_run
from crossgraph.progress import Progress, Silent


@dataclass(frozen=True)
class Migration:
    """What one migration did: pictures encoded now, those that an earlier run had encoded, those left out."""

    encoded: int
    found_encoded: int
    left_out: tuple[Skipped, ...]
    seconds: float


def migrate(
    gallery: Gallery,
    model: SearchModel,
    *,
    run: str | None = None,
    leave_out: bool = False,
    batch: int = 256,
    encoder: Encoder | None = None,
    progress: Progress | None = None,
) -> Migration:
    """Encode every picture of `gallery` with `model` and switch to it; searches by the old model go on meanwhile.

    Ids, captions, labels and notes stay. The same model from another place, if it is not where it was, is only noted
    there. `encoder` encodes elsewhere with that model. Raises `GalleryError`, before the switch, if pictures
    cannot be read any more and `leave_out` is not set, or if another process is writing.
    """
    started = time.perf_counter()
    with gallery.changing() as manifest:
        new = described(model, run).with_run(run, gallery.storage)
        if (new.model, new.shortlist) == (manifest.model, manifest.shortlist):
            if run is not None and not is_noted_run(manifest):  # it moved, no more
                gallery.replace_manifest(manifest.with_run(run, gallery.storage))
                return Migration(0, len(gallery), (), time.perf_counter() - started)
            raise GalleryError(f"{gallery.storage} is encoded by {new.method} {new.model} already.")
        fingerprint = hashlib.sha256(f"{new.model} {new.shortlist}".encode()).hexdigest()[:12]
        name = f"tables-{fingerprint}"
        if manifest.migrating != name:
            gallery.replace_manifest(manifest.model_copy(update={"migrating": None}))
            gallery.storage.remove(name)  # of another migration, or cut off while removed
            gallery.replace_manifest(manifest.model_copy(update={"migrating": name}))
        store = Store(gallery.storage, width=new.width, bits=new.bits, set_name=name, new_set=True)
        encoded, found, left_out = _encode_all(
            gallery, store, encoder or ThisProcess(model), batch=batch, progress=progress or Silent()
        )
        if left_out and not leave_out:
            raise GalleryError(
                f"{len(left_out):,} pictures of {gallery.storage} cannot be read any more, for example "
                f"{left_out[0].path} ({left_out[0].reason}). Bring them back, sync their folder, or migrate with "
                "--leave-out; the old model serves on, and what was encoded is kept."
            )
        if left_out:
            unread = {str(one.path) for one in left_out}
            known = gallery.store.known().items()
            gallery.store.notes.depart(Departed(one.id, path, one.digest) for path, one in known if path in unread)
        store.drop_orphans()
        kept = {"roots": manifest.roots, "sources": manifest.sources, "excludes": manifest.excludes, "tables": name}
        gallery.replace_manifest(new.model_copy(update=kept), model=model)
        remove_leftovers(gallery.storage, gallery.manifest)
    return Migration(encoded, found, tuple(left_out), time.perf_counter() - started)


def _encode_all(
    gallery: Gallery, store: Store, encoder: Encoder, *, batch: int, progress: Progress
) -> tuple[int, int, list[Skipped]]:
    """Bring the new `store` to the rows of the old: how many were encoded, were there already, cannot be read."""
    wanted = sorted(gallery.store.known().values(), key=lambda known: known.id)
    done = {known.id: known for known in store.known().values()}
    store.remove_items(sorted(set(done) - {known.id for known in wanted}))
    missing = [known for known in wanted if not (known.id in done and _same(done[known.id], known))]
    sentences, new = store.known_captions(), {known.id for known in missing} - set(done)
    left_out: list[Skipped] = []
    encoded = 0

    def batches() -> Iterator[tuple[tuple[int, list[Skipped]], Batch]]:
        with ThreadPoolExecutor() as readers:
            for start in range(0, len(missing), batch):
                found = list(readers.map(_entry, missing[start : start + batch]))
                unread = [one for one in found if isinstance(one, Skipped)]
                entries = [one for one in found if isinstance(one, Entry)]
                yield (len(found), unread), batch_of(store, entries, sentences)

    with progress.task("migrating", len(wanted)) as task:
        task.advance(len(wanted) - len(missing))
        for (size, unread), planned, pieces in encoder.stream(batches()):
            items, skipped = store_batch(store, planned, pieces, sentences, new=new)
            store.merge_small_files()
            left_out += (*unread, *skipped)
            encoded += len(items)
            task.advance(size, encoded=encoded, skipped=len(left_out))
    return encoded, len(wanted) - len(missing), left_out


def _same(done: Known, wanted: Known) -> bool:
    """Whether an earlier run stored this picture as it is now."""
    return all(getattr(done, name) == getattr(wanted, name) for name in ("path", "digest", "captions", "labels"))


def _entry(known: Known) -> Entry | Skipped:
    """A picture as its file is now, or why it cannot be read."""
    path = placed(known.path)
    try:
        digest, state = image_bytes_digest(path), FileState.of(path)
        if state is None:
            raise ImageError(path, "no such file")
    except ImageError as error:
        return Skipped(path, error.reason)
    return Entry(known.id, path, digest, state, known.captions, known.labels, known.source, None)
