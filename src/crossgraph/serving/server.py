"""The parts of one server, which every request finds at `request.app.state.server`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.guarded_decode import DecodeLimits, GuardedDecoder
from crossgraph.gallery.thumbnails import Thumbnails
from crossgraph.serving.compaction import Compaction
from crossgraph.serving.engine import Engine
from crossgraph.serving.evaluated import Evaluated
from crossgraph.serving.explanations import Alignments
from crossgraph.serving.feedback import Judgements
from crossgraph.serving.jobs import Jobs
from crossgraph.serving.library import Library
from crossgraph.serving.metrics import Metrics
from crossgraph.serving.recent import Recent
from crossgraph.serving.schemas import SearchOut
from crossgraph.serving.settings import ServerSettings
from crossgraph.serving.uploads import Uploads
from crossgraph.serving.work import indexing

DECODERS = 2  # one that a hard picture keeps busy leaves another


@dataclass
class Server:
    """The gallery, the threads that search it (`engine`) and that read files (`files`), and what was sent."""

    settings: ServerSettings
    library: Library
    engine: Engine
    files: Engine
    uploads: Uploads
    decoder: GuardedDecoder
    thumbnails: Thumbnails
    evaluated: Evaluated
    metrics: Metrics = field(default_factory=Metrics)
    alignments: Alignments = field(default_factory=lambda: Recent(256))
    answers: Recent[SearchOut] = field(default_factory=lambda: Recent(64))
    jobs: Jobs = field(default_factory=Jobs)

    @cached_property
    def compaction(self) -> Compaction | None:
        """What compacts the gallery by the clock, if that was asked for."""
        hours = self.settings.compact_hours
        return None if hours is None else Compaction(self.library, self.jobs, hours=hours)

    @cached_property
    def judgements(self) -> Judgements:
        """What people said of answers: one object, so that one lock keeps its lines whole."""
        return Judgements(self.library.storage.beside)

    @classmethod
    def of(cls, settings: ServerSettings) -> Server:
        """A server that has not loaded anything yet."""
        decoder = GuardedDecoder(DecodeLimits(bytes=settings.upload_bytes), workers=DECODERS)
        library = Library(settings)
        return cls(
            settings,
            library,
            Engine("search", workers=settings.workers, waiting=settings.waiting, seconds=settings.seconds),
            Engine("files", workers=4, waiting=4 * settings.waiting, seconds=settings.seconds),
            Uploads(partial(decode_upload, decoder)),
            decoder,
            Thumbnails(library.storage.beside),
            Evaluated(settings, decoder),
        )

    def start(self) -> None:
        """Load the gallery in a thread of its own, and then, if a folder is to be indexed, begin that."""
        pictures = self.settings.pictures
        if self.compaction is not None:
            self.compaction.start()
        self.library.start(None if pictures is None else lambda gallery: self._index(gallery, pictures))

    def _index(self, gallery: Gallery, pictures: Path) -> None:
        self.jobs.start("index", indexing(gallery, pictures))

    def close(self) -> None:
        """Let go of threads and of what was sent; a job that runs ends after the picture it is at."""
        if self.compaction is not None:
            self.compaction.close()
        self.jobs.close()
        self.engine.close()
        self.files.close()
        self.evaluated.engine.close()
        self.decoder.close()
        self.uploads.close()


def server_of(request: Request) -> Server:
    """The server that got the request."""
    found: Server = request.app.state.server
    return found


TheServer = Annotated[Server, Depends(server_of)]


def decode_upload(decoder: GuardedDecoder, data: bytes, path: Path) -> tuple[int, int]:
    """Write a clean copy of a picture that was sent, and give its size. Raises `ImageError`."""
    image = decoder.decode(data)
    image.save(path, compress_level=1)
    return image.size
