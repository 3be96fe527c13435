"""The gallery that is served: opened and warmed in a thread of its own, so that the server can say how far it is."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from crossgraph.data.corpus import Skipped
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.encoders.names import model_reference
from crossgraph.errors import CrossgraphError, GalleryError, unknown_name
from crossgraph.files import write_atomically
from crossgraph.gallery.folder import NotThereYetError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.picture_map import PictureMap
from crossgraph.gallery.search.facets import FacetIndex
from crossgraph.gallery.tables.items import ID, Item
from crossgraph.gallery.tables.skipped import LeftOut, left_out, read_skipped
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.serving.maps import Maps
from crossgraph.serving.problems import NotReady, Problem, readable
from crossgraph.serving.settings import ServerSettings
from crossgraph.storage.opening import storage_of
from crossgraph.verbs.galleries import open_gallery
from crossgraph.verbs.models import load_search_model

Phase = Literal["loading the model", "reading the gallery", "warming up", "ready", "failed"]
WARMED = "served.json"
DEFAULT = "default"  # what the one gallery of a server is called
WRITES_PATIENCE = 2.0  # seconds for which a version is waited for that a client knows to be there
AGAIN = 10.0  # seconds after which loading that failed is tried again
LOG = logging.getLogger("crossgraph.serving")


class Library:
    """The gallery of one server. `start` loads it; until then, or if that failed, whoever needs it gets a `Problem`."""

    def __init__(self, settings: ServerSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.storage = storage_of(settings.gallery)
        self.phase: Phase = "loading the model"
        self.error = ""
        self._clock = clock
        self._started = clock()
        self._took: float | None = None
        self._gallery: Gallery | None = None
        self._model = settings.model
        self._loading = threading.Lock()
        self._thread: threading.Thread | None = None
        self._then: Callable[[Gallery], None] | None = None
        self._maps = Maps()
        self._left_out: tuple[Snapshot, tuple[Skipped, ...], LeftOut] | None = None

    def start(self, then: Callable[[Gallery], None] | None = None) -> None:
        """Load it in a thread, and call `then` with it once it is loaded; errors are kept for those who ask."""
        self._started, self._took = self._clock(), None
        self._then = then or self._then
        self._thread = threading.Thread(target=self._load, name="load", daemon=True)
        self._thread.start()

    def load(self) -> None:
        """Load it now. Raises what `open_gallery` does."""
        settings = self.settings
        if settings.pictures is not None and not Gallery.exists(self.storage):
            model = load_search_model(settings.model or DEFAULT_MODEL, device=settings.device)
            opened = Gallery.create(self.storage, model, run=model_reference(model.run))
        else:
            opened = open_gallery(self.storage, model=self._model, device=settings.device)
        self._model = None  # its place is remembered; loaded again, the gallery may be of another model
        self.phase = "reading the gallery"
        opened.snapshot()
        self.phase = "warming up"
        opened.warm()
        took = self._clock() - self._started
        with suppress(OSError):  # a gallery that cannot be written is served all the same
            write_atomically(self.storage.beside / WARMED, json.dumps({"seconds": round(took, 1)}).encode())
        self._took, self._gallery, self.phase = took, opened, "ready"

    @property
    def is_ready(self) -> bool:
        """Whether model and index are warm; loading that failed is tried again now and then."""
        if self._gallery is None and self.phase == "failed":
            self._try_again()
        return self._gallery is not None

    @property
    def seconds(self) -> float:
        """How long loading has taken, so far or in all."""
        return self._clock() - self._started if self._took is None else self._took

    @property
    def seconds_last_time(self) -> float | None:
        """How long it took the last time that this gallery was served, if that is known."""
        try:
            return float(json.loads((self.storage.beside / WARMED).read_text(encoding="utf-8"))["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def gallery(self) -> Gallery:
        """The gallery. Raises `NotReady` while it is loaded, `Problem` 503 if that failed."""
        if self._gallery is not None:
            return self._followed(self._gallery)
        if self.phase == "failed":
            self._try_again()
            raise Problem(503, f"the gallery could not be opened: {self.error}", headers={"Retry-After": "10"})
        raise NotReady(self.phase)

    def _followed(self, gallery: Gallery) -> Gallery:
        """`gallery`, if it is still that of its model; else it is loaded again, with the model that it has now."""
        try:
            gallery.follow()
            return gallery
        except GalleryError as error:
            with self._loading:
                if self._gallery is gallery:
                    self._gallery, self.phase = None, "loading the model"
                    self.start()
            raise NotReady("loading the gallery again, which was given to another model or moved") from error

    def item(self, name: str) -> Item:
        """The picture with this id; no other name is looked for. Raises `Problem` 404 if there is none."""
        snapshot = self.gallery.snapshot()
        row = snapshot.row(name)
        if row is None:
            raise unknown_item(name)
        return snapshot.item(row)

    def facets(self) -> FacetIndex:
        """The facets of the gallery as it is now."""
        return self.gallery.current().facets

    def left_out(self) -> LeftOut:
        """What is left out of the gallery, or not followed, as of now. Raises `GalleryError` if the list is damaged."""
        snapshot, listed = self.gallery.snapshot(), read_skipped(self.storage)
        held = self._left_out
        if held is None or held[0] is not snapshot or held[1] != listed:
            held = self._left_out = snapshot, listed, left_out(listed, snapshot.items["path"])
        return held[2]

    def version(self) -> str:
        """What names the state of the gallery: another one after every write."""
        return str(self.gallery.current().version)

    def wait_for(self, version: str) -> None:
        """Have every later answer see what was written by `version`. Raises `Problem` 409 if that is not there."""
        try:
            self.gallery.wait_for(version, seconds=WRITES_PATIENCE)
        except NotThereYetError as error:
            raise Problem(409, str(error), headers={"Retry-After": "2"}) from error

    def map(self) -> PictureMap:
        """The map of the gallery as it is now. Raises `Problem` 503 while the first is computed."""
        return self._maps.get(self.gallery.current())

    def require_items(self, names: tuple[str, ...]) -> None:
        """Raise `Problem` 404 unless every one is the id of a picture."""
        snapshot = self.gallery.snapshot()
        for name in names:
            if snapshot.row(name) is None:
                raise unknown_item(name)

    def require_called(self, name: str) -> None:
        """Raise `Problem` 404 unless this gallery is called so."""
        if name != DEFAULT:
            raise Problem(404, unknown_name("gallery", name, [DEFAULT]))

    def _try_again(self) -> None:
        """Load it once more, if the last time is `AGAIN` seconds ago: a disk may be there again."""
        with self._loading:
            if self.phase == "failed" and self._clock() - self._started > AGAIN:
                self.phase = "loading the model"
                self.start()

    def _load(self) -> None:
        try:
            self.load()
            then, self._then = self._then, None
            if then is not None:
                then(self.gallery)
        except (CrossgraphError, OSError) as error:
            self._fail(str(error))
        except Exception as error:  # a thread's error would be lost: it is kept, and told by every answer
            self._fail(f"{type(error).__name__}: {error}")
            raise

    def _fail(self, error: str) -> None:
        """Keep why loading failed, and say it on the server's log, once for as long as it is the same."""
        if error != self.error:
            LOG.error("the gallery could not be opened; it is tried again", extra={"facts": {"error": error}})
        self.error, self.phase = error, "failed"


def unknown_item(name: str) -> Problem:
    """The error that no picture has this id; what cannot be an id is not said again."""
    called = f"the id {name[:64]!r}" if re.fullmatch(ID, name) else "an id like that"
    return Problem(404, f"no picture has {called}. It may have been removed: search again.")


def shown_name(path: Path | str) -> str:
    """The name of a file as text that any program can read, also where it is not Unicode."""
    return readable(Path(path).name)
