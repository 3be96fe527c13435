"""An open gallery: its manifest, tables and snapshot, kept up with what other processes write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossgraph.errors import GalleryError
from crossgraph.gallery.search.mirror import Mirror
from crossgraph.gallery.stages.model import SearchModel, code_bits, encode_texts_for_stages
from crossgraph.gallery.tables.manifest import FILE, Manifest
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.gallery.tables.store import Store


class GalleryFolder:
    """The gallery in `folder`; what is hot of it lives in memory and is read again when the tables change."""

    def __init__(self, folder: Path, manifest: Manifest, model: SearchModel | None) -> None:
        self.folder = folder
        self._model = model
        self.manifest: Manifest
        self._store: Store
        self._mirror: Mirror
        self._stamp: tuple[int, int]
        self._load(manifest)

    @staticmethod
    def exists(folder: Path | str) -> bool:
        """Whether `folder` is a gallery."""
        return (Path(folder) / FILE).is_file()

    @property
    def store(self) -> Store:
        """The tables, for those who look after them."""
        return self._store

    @property
    def model(self) -> SearchModel | None:
        """The model it was opened with."""
        return self._model

    def snapshot(self) -> Snapshot:
        """Everything visible now, in memory; read again if the tables changed.

        Raises `GalleryError` if the gallery was given to another model meanwhile.
        """
        self.follow()
        if self._mirror.snapshot.version != self._store.version():
            self._mirror = Mirror(self._store.snapshot(), bits=self.manifest.bits)
        return self._mirror.snapshot

    @contextmanager
    def changing(self) -> Iterator[Manifest]:
        """Keep other processes from writing meanwhile; gives the manifest as it is now."""
        self.follow()
        with self._store.writing():
            yield self.follow()  # a migration may have ended just before the lock was taken

    def replace_manifest(self, manifest: Manifest, *, model: SearchModel | None = None) -> None:
        """Write another manifest and go on with it, and with another model if the manifest names one."""
        manifest.write(self.folder)
        self._model = model or self._model
        self.follow()

    def follow(self) -> Manifest:
        """The manifest, read again if it was replaced, and its tables opened if they are others now."""
        stamp = _stamp(self.folder)
        if stamp != self._stamp:
            found = Manifest.read(self.folder)
            if self._model is not None:
                require_same_model(self.folder, found, self._model)
            if (found.tables, found.width, found.bits) != (
                *(self.manifest.tables, self.manifest.width, self.manifest.bits),
            ):
                self._load(found)
            else:
                self.manifest, self._stamp = found, stamp
        return self.manifest

    def require_model(self) -> SearchModel:
        """The model it was opened with. Raises `GalleryError` if there is none."""
        if self._model is None:
            named = self.manifest.run or f"{self.manifest.method} {self.manifest.model}"
            raise GalleryError(
                f"{self.folder} was opened without a model. Open it with the one that made it ({named})."
            )
        return self._model

    def _load(self, manifest: Manifest) -> None:
        while True:  # a migration may end between reading the manifest and opening the tables it names
            self._stamp = _stamp(self.folder)
            self.manifest = manifest
            try:
                self._store = Store(self.folder, width=manifest.width, bits=manifest.bits, set_name=manifest.tables)
                self._mirror = Mirror(self._store.snapshot(), bits=manifest.bits)
            except GalleryError:
                if Manifest.read(self.folder) == manifest:
                    raise
            if Manifest.read(self.folder) == manifest:
                return
            manifest = Manifest.read(self.folder)
            if self._model is not None:
                require_same_model(self.folder, manifest, self._model)


def described(model: SearchModel, run: str | None) -> Manifest:
    """The manifest of an empty gallery for `model`, which was loaded from `run`."""
    encoded = encode_texts_for_stages(model, ["a picture"])
    return Manifest(
        model=model.fingerprint,
        shortlist=None if model.shortlist is None else model.shortlist.fingerprint,
        method=model.method.name,
        run=run,
        width=encoded.vectors.shape[1],
        bits=code_bits(model, encoded),
    )


def require_same_model(folder: Path, manifest: Manifest, model: SearchModel) -> None:
    """Raise `GalleryError` if the gallery was not encoded by `model` and its shortlist model."""
    shortlist = None if model.shortlist is None else model.shortlist.fingerprint
    for role, stored, given in (
        ("model", manifest.model, model.fingerprint),
        ("shortlist model", manifest.shortlist, shortlist),
    ):
        if stored != given:
            made_by = f" (loaded from {manifest.run})" if manifest.run else ""
            raise GalleryError(
                f"{folder} was encoded by {role} {stored}{made_by}, this one is {given}; their vectors cannot be "
                "compared. Pass the model that made the gallery, or encode the gallery again with this one: "
                f"crossgraph gallery migrate {folder} --model RUN."
            )


def _stamp(folder: Path) -> tuple[int, int]:
    """Changes whenever the manifest is replaced: every replacement is a new file."""
    try:
        status = (folder / FILE).stat()
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns
