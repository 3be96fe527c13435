"""An open gallery: its manifest, tables and what of them is in memory, kept up with what other processes write."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from crossgraph.errors import GalleryError
from crossgraph.gallery.search.state import State, required
from crossgraph.gallery.stages.model import SearchModel, code_bits, encode_texts_for_stages
from crossgraph.gallery.tables.lance import ReplacedError
from crossgraph.gallery.tables.manifest import FILE, Manifest
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.gallery.tables.store import Store
from crossgraph.gallery.tables.version import Version
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of

Memory: TypeAlias = Literal["auto", "whole", "disk"]
"""Where searches look for vectors, codes and hashes: in memory, in shards on disk, or there where that is asked for by
shards that were made, and by more than `MOST_IN_MEMORY` bytes."""

MOST_IN_MEMORY = 2**30
ATTEMPTS = 20
"""Readings that a writer outran, one after the other, before it is reported."""

OPENED_AFTER = 3
"""Of these, so many are tried before the gallery is opened anew: other files may lie there."""

PATIENCE = 5.0
"""Seconds for which a version that should be there is waited for."""

AGAIN = 0.2


class NotThereYetError(GalleryError):
    """A state of a gallery that was asked for is not there."""


@dataclass(frozen=True)
class _Opened:
    """What belongs together: the manifest, as of which file, its tables, the model that made them, and the state."""

    stamp: Hashable
    manifest: Manifest
    store: Store
    model: SearchModel | None
    state: State | None = None


class GalleryFolder:
    """The gallery in a folder or storage; what a search needs lies in memory, and what changes in the tables is read.

    May be used by many threads at once. Stages of searches are timed by `clock`, in seconds. In an object store, what
    other processes wrote is looked for only every `Storage.look_every` seconds; what this one wrote is seen at once.
    """

    def __init__(
        self, place: Storage | Path, manifest: Manifest, model: SearchModel | None, *, memory: Memory = "auto"
    ) -> None:
        self.storage = storage_of(place)
        self.memory = memory
        self._looked, self._news = -math.inf, 0
        self._changing = 0
        self.clock: Callable[[], float] = time.perf_counter
        self._refreshing = threading.RLock()
        self._opened = self._open(manifest, model)

    @staticmethod
    def exists(place: Storage | Path | str) -> bool:
        """Whether a folder or address is a gallery."""
        try:
            storage_of(place).stamp(FILE)
        except OSError:
            return False
        return True

    @property
    def folder(self) -> Path:
        """The folder of this machine for what can be made again; where the gallery lies in a folder, that one."""
        return self.storage.beside

    @property
    def manifest(self) -> Manifest:
        """What is known of the gallery, as it was when last looked at."""
        return self._opened.manifest

    @property
    def store(self) -> Store:
        """The tables, for those who look after them."""
        return self._opened.store

    @property
    def model(self) -> SearchModel | None:
        """The model it was opened with."""
        return self._opened.model

    def current(self) -> State:
        """The gallery as it is now; made by one thread while the others wait, and of what was read only once.

        Raises `GalleryError` if the gallery was given to another model meanwhile.
        """
        for attempt in range(ATTEMPTS):
            try:
                if self._just_looked() and (state := self._opened.state) is not None:
                    return state
                looked, news, opened = time.monotonic(), self._news, self._followed()
                if opened.state is not None and opened.state.snapshot.version == opened.store.version():
                    self._note_look(looked, news)
                    return opened.state
                with self._refreshing:
                    looked, news = time.monotonic(), self._news
                    opened = self._followed()  # another thread may have done it meanwhile
                    self._opened = self._refreshed(opened)
                    self._note_look(looked, news)
                    assert self._opened.state is not None
                    return self._opened.state
            except ReplacedError:
                if attempt >= OPENED_AFTER:
                    self._open_anew()
        raise GalleryError(f"{self.storage} changes faster than it can be read. Try again later.")

    def version(self) -> str:
        """What names all that is written by now: with `wait_for`, another process sees at least that."""
        opened = self._followed()
        return str(Version(opened.store.version(), opened.manifest.tables))

    def wait_for(self, version: str, *, seconds: float = PATIENCE) -> State:
        """The gallery in a state that has all that was written by `version`; later searches see at least that.

        It is looked up at once, and where a disk shows what was written only after a while, for so many seconds.
        Raises `GalleryError` for what is no version, `NotThereYetError` if it is not there by then.
        """
        wanted, until = Version.parse(version), time.monotonic() + seconds
        while True:
            self.look_again()
            state = self.current()
            if state.version.includes(wanted):
                return state
            if time.monotonic() >= until:
                raise NotThereYetError(
                    f"{self.storage} is at {state.version}, and {version} was asked for: it was not there after "
                    f"{seconds:g} seconds. Is it a version of this gallery? Ask again later, or without it."
                )
            time.sleep(AGAIN)

    def snapshot(self) -> Snapshot:
        """Everything visible now, in memory."""
        return self.current().snapshot

    @contextmanager
    def changing(self) -> Iterator[Manifest]:
        """Keep other processes from writing meanwhile; gives the manifest as it is now."""
        self.look_again()
        self.follow()
        with self.store.writing():
            self._changing += 1
            try:
                yield self.follow()  # a migration may have ended just before the lock was taken
            finally:
                self._changing -= 1
                self.look_again()

    def look_again(self) -> None:
        """Have the next reader look for what was written, however short ago the last did."""
        self._news += 1
        self._looked = -math.inf

    def _note_look(self, at: float, news: int) -> None:
        """Note that all was seen that was written until then, unless there is news of a later write."""
        if news == self._news:
            self._looked = at

    def _just_looked(self) -> bool:
        return not self._changing and time.monotonic() - self._looked < self.storage.look_every

    def replace_manifest(self, manifest: Manifest, *, model: SearchModel | None = None) -> None:
        """Write another manifest and go on with it, and with another model if the manifest names one."""
        with self._refreshing:
            if not self.storage.is_folder or manifest != self.follow():
                manifest.write(self.storage)
            self.look_again()
            if model is not None:
                self._opened = self._open(manifest, model)
            self.follow()

    def follow(self) -> Manifest:
        """The manifest, read again if it was replaced, and its tables opened if they are others now."""
        return self._followed().manifest

    def require_model(self) -> SearchModel:
        """The model it was opened with. Raises `GalleryError` if there is none."""
        return required(self._opened.model, self.storage, self._opened.manifest)

    def _refreshed(self, opened: _Opened) -> _Opened:
        """With the state of now. Where a gallery lies that is not the one that was read, all is read anew."""
        if opened.state is not None and not opened.store.holds(opened.state.memory):
            opened = self._open(opened.manifest, opened.model)
        if opened.state is None:
            on_disk = stays_on_disk(self.memory, opened.store)
            state = State.read(opened.manifest, opened.store, model=opened.model, on_disk=on_disk)
        elif opened.state.snapshot.version == opened.store.version():
            state = opened.state
        else:
            state = opened.state.following(opened.manifest)
        return replace(opened, state=state)

    def _followed(self) -> _Opened:
        """What is open, opened again if the manifest was replaced.

        An equal one in its place is that of a gallery that was put there in the place of this one, as a copy that was
        kept is: no writer replaces a manifest by an equal one.
        """
        if self._just_looked() or _stamp(self.storage) == self._opened.stamp:
            return self._opened
        with self._refreshing:
            before, stamp = self._opened, _stamp(self.storage)
            if stamp == before.stamp:
                return before
            found = Manifest.read(self.storage)
            if before.model is not None:
                require_same_model(self.storage, found, before.model)
            opened, state, old = self._open(found, before.model), before.state, before.manifest
            is_this = (found.tables, found.width, found.bits) == (old.tables, old.width, old.bits) and found != old
            if is_this and state is not None and opened.store.holds(state.memory):
                opened = replace(opened, state=replace(state, manifest=found, store=opened.store))
            self._opened = opened
            return opened

    def _open_anew(self) -> None:
        """Open what lies there now, and forget what was read."""
        with self._refreshing:
            self._opened = self._open(Manifest.read(self.storage), self._opened.model)

    def _open(self, manifest: Manifest, model: SearchModel | None) -> _Opened:
        while True:  # a migration may end between reading the manifest and opening the tables it names
            stamp, store = _stamp(self.storage), None
            try:
                store = Store(self.storage, width=manifest.width, bits=manifest.bits, set_name=manifest.tables)
            except GalleryError:
                if Manifest.read(self.storage) == manifest:
                    raise
            found = Manifest.read(self.storage)
            if store is not None and found == manifest:
                return _Opened(stamp, manifest, store, model)
            manifest = found
            if model is not None:
                require_same_model(self.storage, manifest, model)


def stays_on_disk(memory: Memory, store: Store) -> bool:
    """Whether vectors, codes and hashes stay on disk; what is decided when a gallery is first read holds after that."""
    if memory != "auto":
        return memory == "disk"
    return store.is_sharded() and store.bytes_in_memory() > MOST_IN_MEMORY


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


def require_same_model(folder: Storage, manifest: Manifest, model: SearchModel) -> None:
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


def _stamp(storage: Storage) -> Hashable:
    """Changes whenever the manifest is replaced."""
    try:
        return storage.stamp(FILE)
    except OSError:
        return None
