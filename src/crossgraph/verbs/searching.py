"""Searching a gallery."""

from __future__ import annotations

from pathlib import Path

from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import Query
from crossgraph.gallery.search.results import SearchResults
from crossgraph.verbs.galleries import open_gallery


def search(
    query: Query | str | Path,
    gallery: Gallery | Path | str | None = None,
    options: SearchOptions | None = None,
    *,
    at_least: str | None = None,
) -> SearchResults:
    """The best pictures for a sentence, or for a picture given as a path; see `Gallery.search`.

    Without a `gallery` that of this user is searched (`gallery.home`). `at_least` is a version that a write reported:
    what it wrote is searched too, or it is a `GalleryError` (`Gallery.wait_for`).
    """
    opened = gallery if isinstance(gallery, Gallery) else open_gallery(gallery)
    if at_least is not None:
        opened.wait_for(at_least)
    return opened.search(query, options)
