"""What a gallery does to hold the pictures of folders and corpora: look, plan, encode, store, remember."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from crossgraph.data.corpus import Corpus, FileCounts, Skipped
from crossgraph.errors import GalleryError
from crossgraph.gallery.changes.indexing import Encoder, ThisProcess
from crossgraph.gallery.changes.lost_labels import labels_lost
from crossgraph.gallery.changes.moved_sources import Digests, find_moved_sources, without_moved
from crossgraph.gallery.changes.sources import Sources, open_sources, source_to_index
from crossgraph.gallery.changes.sync import Sync, SyncReport, images_of
from crossgraph.gallery.folder import GalleryFolder
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.skipped import move_skipped, write_skipped
from crossgraph.progress import Progress, Silent


def index_source(
    gallery: GalleryFolder,
    source: Path | str | Corpus,
    *,
    exclude: Sequence[str] | None,
    batch: int,
    encoder: Encoder | None,
    progress: Progress | None,
) -> SyncReport:
    """What `Gallery.index` does."""
    opened = source_to_index(source, exclude, gallery.follow())
    corpus = opened.corpus
    if corpus.features is not None:
        raise GalleryError(f"corpus {corpus.name!r} has given features and no pictures; a gallery holds pictures.")
    if not len(corpus):
        unread = f" ({len(corpus.skipped)} files could not be read)" if corpus.skipped else ""
        raise GalleryError(f"{corpus.name} has no pictures to index{unread}. Name a folder that holds some.")
    return _follow(gallery, Sources((opened,)), batch=batch, encoder=encoder, progress=progress)


def sync_sources(
    gallery: GalleryFolder,
    sources: Sequence[Path | str],
    *,
    dry_run: bool,
    rehash: bool,
    allow_empty: bool,
    exclude: Sequence[str] | None,
    batch: int,
    encoder: Encoder | None,
    progress: Progress | None,
) -> SyncReport:
    """What `Gallery.sync` does."""
    found = open_sources(
        sources, gallery=gallery.storage, manifest=gallery.follow(), allow_empty=allow_empty, exclude=exclude
    )
    return _follow(gallery, found, batch=batch, encoder=encoder, rehash=rehash, dry_run=dry_run, progress=progress)


def _follow(
    gallery: GalleryFolder,
    sources: Sources,
    *,
    batch: int,
    encoder: Encoder | None,
    progress: Progress | None,
    rehash: bool = False,
    dry_run: bool = False,
) -> SyncReport:
    if batch < 1:
        raise GalleryError(f"batch must be at least 1, got {batch}.")
    images, progress, digests = images_of(sources.corpora), progress or Silent(), Digests()
    if dry_run:
        encoder = None
    elif encoder is None:
        encoder = ThisProcess(gallery.require_model())
    with nullcontext() if dry_run else gallery.changing():
        moved = find_moved_sources(sources, gallery.store, digests, progress=progress)
        run = Sync(
            gallery.store,
            encoder,
            images,
            roots=sources.roots,
            moved=moved,
            digests=digests,
            rehash=rehash,
            allow_empty=sources.allow_empty,
        )
        if dry_run:
            report = run.run(batch=batch, progress=progress, skipped=_skipped(sources.corpora))
            return _told(gallery, report, sources, run.unlabelled)
        if sources.emptied and run.gone:
            raise GalleryError(
                f"{sources.emptied} holds no pictures any more; {len(run.gone):,} of the gallery lie there. If its "
                "disk is not connected, connect it. If they are really gone, sync with --allow-empty."
            )
        for one in moved:
            move_skipped(gallery.storage, one.moves.place)
        _remember(gallery, sources)
        report = run.run(batch=batch, progress=progress, skipped=_skipped(sources.corpora))
        looked_at = {str(image.path) for image in images}
        write_skipped(gallery.storage, report.skipped, under=sources.roots, looked_at=looked_at)
        left = [one.before for one in report.moved_folders if one.left]
        _replace_if_new(gallery, without_moved(gallery.manifest, moved, left, sources))
        return replace(_told(gallery, report, sources, run.unlabelled), version=gallery.version())


def _remember(gallery: GalleryFolder, sources: Sources) -> None:
    """Note in the manifest the sources, and for each corpus the folder that holds all its pictures."""
    filled = [corpus for corpus in sources.corpora if len(corpus)]
    roots = [os.path.commonpath([path.absolute().parent for path in corpus.image_paths]) for corpus in filled]
    excludes = gallery.manifest.excludes | {one.name: one.exclude for one in sources.opened if one.name}
    new = {
        "roots": tuple(dict.fromkeys((*gallery.manifest.roots, *roots))),
        "sources": tuple(dict.fromkeys((*gallery.manifest.sources, *sources.names))),
        "excludes": {name: patterns for name, patterns in excludes.items() if patterns},
    }
    _replace_if_new(gallery, gallery.manifest.model_copy(update=new))


def _replace_if_new(gallery: GalleryFolder, manifest: Manifest) -> None:
    if manifest != gallery.manifest:
        gallery.replace_manifest(manifest)


def _told(gallery: GalleryFolder, report: SyncReport, sources: Sources, unlabelled: Sequence[Path]) -> SyncReport:
    """The report with what the sources themselves have to say: other files, rows and texts not used, labels lost."""
    corpora = sources.corpora
    return replace(
        report,
        files=FileCounts.sum_of(corpus.files for corpus in corpora if corpus.files is not None),
        skipped_rows=tuple(row for corpus in corpora for row in corpus.skipped_rows),
        unused=tuple(one for corpus in corpora for one in corpus.unused),
        labels_lost=labels_lost(sources, unlabelled, gallery.manifest),
    )


def _skipped(corpora: Sequence[Corpus]) -> list[Skipped]:
    return [entry for corpus in corpora for entry in corpus.skipped]
