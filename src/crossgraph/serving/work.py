"""What jobs do, each as a function that takes a `Progress` and gives what came out as plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from crossgraph.data.inventory import holds_images
from crossgraph.data.sources import open_corpus
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.encoders.names import model_reference
from crossgraph.gallery.changes.sync import SyncReport
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.upkeep.health import optimize, verify
from crossgraph.gallery.upkeep.migrate import migrate
from crossgraph.progress import Progress
from crossgraph.serving.jobs import require_sources
from crossgraph.serving.library import shown_name
from crossgraph.serving.models import OfferedModel, offered_model
from crossgraph.serving.settings import ServerSettings
from crossgraph.verbs.models import load_search_model

Kind: TypeAlias = Literal["sync", "optimize", "verify", "migrate"]
Work: TypeAlias = Callable[[Progress], Mapping[str, Any]]
BATCH = 64  # pictures that are searchable at once, while a folder is indexed
LISTED = 100


def work_of(kind: Kind, gallery: Gallery, settings: ServerSettings, *, model: str = DEFAULT_MODEL) -> Work:
    """What a job of this kind does; `model` is the id of an offered one, for migrate. Raises `Problem` for another."""
    if kind == "migrate":
        chosen = offered_model(settings, model)
        return lambda progress: _migrated(gallery, chosen, settings, progress)
    return {
        "sync": lambda progress: _synced(gallery, progress),
        "optimize": lambda progress: _optimized(gallery, progress),
        "verify": lambda progress: _verified(gallery, progress),
    }[kind]


def indexing(gallery: Gallery, folder: Path) -> Work:
    """Put a folder into a gallery, a few pictures after the other: they can be searched at once."""
    return lambda progress: _told(gallery.index(folder, batch=BATCH, progress=progress))


def require_pictures(place: Path) -> None:
    """Raise `DataError` where a folder or file to be indexed gives no pictures.

    A folder is only listed, up to the first file with a picture's ending; what has none is opened as a corpus, whose
    error says what is wrong.
    """
    if not holds_images(place):
        open_corpus(place)


def compacting(gallery: Gallery, done: Callable[[str], None]) -> Work:
    """Compact the tables, and then tell the version they have."""

    def work(progress: Progress) -> Mapping[str, Any]:
        found = _optimized(gallery, progress)
        done(found["version"])
        return found

    return work


def _synced(gallery: Gallery, progress: Progress) -> Mapping[str, Any]:
    require_sources(gallery.manifest.sources)
    return _told(gallery.sync(progress=progress))


def _optimized(gallery: Gallery, progress: Progress) -> Mapping[str, Any]:
    with progress.task("compacting the tables", 1) as task:
        before, after = optimize(gallery)
        task.advance()
    return {"bytes_before": before, "bytes_after": after, "version": gallery.version()}


def _verified(gallery: Gallery, progress: Progress) -> Mapping[str, Any]:
    found = verify(gallery, progress=progress)
    problems = [{"subject": shown_name(one.subject), "message": one.message} for one in found.problems[:LISTED]]
    return {"rows": found.rows, "found": found.found, "problems": len(found.problems), "listed": problems}


def _migrated(
    gallery: Gallery, chosen: OfferedModel, settings: ServerSettings, progress: Progress
) -> Mapping[str, Any]:
    model = load_search_model(chosen.place, device=settings.device)
    done = migrate(gallery, model, run=model_reference(model.run), progress=progress)
    return {
        "encoded": done.encoded,
        "found_encoded": done.found_encoded,
        "left_out": len(done.left_out),
        "version": gallery.version(),
    }


def _told(report: SyncReport) -> Mapping[str, Any]:
    skipped = [{"name": shown_name(one.path), "reason": one.reason} for one in report.skipped[:LISTED]]
    counts = {name: getattr(report, name) for name in ("added", "updated", "moved", "removed", "unchanged")}
    return {
        **counts,
        "skipped": len(report.skipped),
        "listed": skipped,
        "seconds": round(report.seconds, 1),
        "version": report.version,
    }
