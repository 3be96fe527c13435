"""Pictures into the store, one commit at a time: each batch is encoded, stored, then forgotten.

Encoding reads files and needs no store, so that it can be done anywhere; storing needs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from crossgraph.data.corpus import Skipped
from crossgraph.data.images import read_picture
from crossgraph.data.places import absolute, placed, state_of
from crossgraph.errors import ImageError, UnreadableError
from crossgraph.gallery.changes.describing_reader import CHANGED, ENOUGH, DescribingReader, Look
from crossgraph.gallery.changes.encoded import EncodedEntries, Features
from crossgraph.gallery.stages.model import (
    SearchModel,
    Stages,
    encode_images_for_stages,
    encode_texts_for_stages,
)
from crossgraph.gallery.tables.items import Item, caption_id
from crossgraph.gallery.tables.store import Store, Stored


@dataclass(frozen=True, slots=True)
class FileState:
    """Size and time of a file: while they stay, so does its content, as far as anybody can tell without reading."""

    bytes: int
    modified: datetime

    @classmethod
    def of(cls, path: Path) -> FileState | None:
        """The state of the file at `path` now, or None if it cannot be asked."""
        try:
            return cls(*state_of(path))
        except (OSError, ValueError):
            return None


@dataclass(frozen=True)
class Entry:
    """One picture to be stored. `duplicate_of` is a stored picture of the same content, whose
    features are taken over."""

    id: str
    path: Path
    digest: str
    state: FileState
    captions: tuple[str, ...]
    labels: tuple[str, ...]
    source: str
    duplicate_of: str | None


@dataclass(frozen=True)
class Batch:
    """Pictures to be stored in one commit: `entries` are to be encoded, `copies` have the features of stored ones.

    `captions` are the sentences of the copies, to be encoded too; `known` are the ids of those of the batch that are
    stored already.
    """

    entries: tuple[Entry, ...] = ()
    copies: tuple[Stored, ...] = ()
    captions: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()

    @property
    def to_encode(self) -> bool:
        """Whether there is anything to encode."""
        return bool(self.entries or {caption_id(text) for text in self.captions} - self.known)


Note = TypeVar("Note")


@runtime_checkable
class Encoder(Protocol):
    """Where batches are encoded: in this process, or by workers elsewhere."""

    def stream(
        self, batches: Iterable[tuple[Note, Batch]], *, read: Callable[[], None] | None = None
    ) -> Iterator[tuple[Note, Batch, Sequence[EncodedEntries]]]:
        """Each batch with its encodings, in one piece or several, and what was noted with it; in the order given.

        Where the batches are encoded one after the other, `read` is called for each picture of one before that batch
        is given.

        So many batches may be taken before the first is given that memory stays bounded: what they say of the store
        (`copies`, `known`) must stay true however many are stored after.
        """


@dataclass(frozen=True)
class ThisProcess:
    """Encodes one batch when it is asked for, here."""

    model: SearchModel

    def stream(
        self, batches: Iterable[tuple[Note, Batch]], *, read: Callable[[], None] | None = None
    ) -> Iterator[tuple[Note, Batch, Sequence[EncodedEntries]]]:
        """One batch after the other."""
        for note, batch in batches:
            yield note, batch, [encode_batch(self.model, batch, read=read)] if batch.to_encode else []


def commit(
    store: Store, model: SearchModel, entries: Sequence[Entry], sentences: set[str], *, new: Container[str] = ()
) -> tuple[list[Item], list[Skipped]]:
    """Encode and store one batch: what became of it, and what could not be read.

    `sentences` are the ids of the captions already stored, at least of those among the entries', and grow by those of
    this batch; `new` are ids of pictures that are not stored.
    """
    batch = batch_of(store, entries, sentences)
    return store_batch(store, batch, [encode_batch(model, batch)], sentences, new=new)


def batch_of(store: Store, entries: Sequence[Entry], sentences: Container[str]) -> Batch:
    """What of `entries` is to be encoded, and what the store has of it; `sentences` are the ids of stored captions."""
    if not entries:
        return Batch()
    copies = copies_of(store, entries)
    others = tuple(entry for entry in entries if entry.id not in copies)
    captions = tuple(caption for copy in copies.values() for caption in copy.item.captions)
    ids = {caption_id(text) for text in chain(captions, *(entry.captions for entry in others))}
    return Batch(others, tuple(copies.values()), captions, frozenset(key for key in ids if key in sentences))


def encode_batch(model: SearchModel, batch: Batch, *, read: Callable[[], None] | None = None) -> EncodedEntries:
    """What of a batch is to be encoded, encoded here; `read` as in `encode_entries`."""
    return encode_entries(model, batch.entries, captions=batch.captions, known=batch.known, read=read)


def store_batch(
    store: Store,
    batch: Batch,
    pieces: Sequence[EncodedEntries],
    sentences: set[str],
    *,
    new: Container[str] = (),
) -> tuple[list[Item], list[Skipped]]:
    """Store a batch that was encoded in `pieces`, of which the first has the captions of the copies.

    What is `new`, and captions that are not among the `sentences`, are not looked for in the tables.
    """
    items: list[Item] = []
    for place, encoded in enumerate(pieces or [EncodedEntries.none()]):
        unheard = sentences.isdisjoint(encoded.captions.keys)
        items += commit_entries(store, encoded, copies=() if place else batch.copies, new=new, new_captions=unheard)
        sentences.update(encoded.captions.keys)
    return items, [skipped for encoded in pieces for skipped in encoded.skipped]


def copies_of(store: Store, entries: Sequence[Entry]) -> dict[str, Stored]:
    """Those of `entries` whose content is stored, by id, with the features stored for it: they need no encoding."""
    stored = store.images([entry.duplicate_of for entry in entries if entry.duplicate_of is not None])
    found = {}
    for entry in entries:
        same = stored.get(entry.duplicate_of or "")
        if same is not None and same.item.digest == entry.digest:  # else the other changed meanwhile
            found[entry.id] = replace(same, item=_item(entry, same.item))
    return found


def encode_entries(
    model: SearchModel,
    entries: Sequence[Entry],
    *,
    captions: Iterable[str] = (),
    known: Container[str] = frozenset(),
    read: Callable[[], None] | None = None,
) -> EncodedEntries:
    """The pictures of `entries`, encoded, with their captions and others that are given, less those whose id is known.

    Reads the files and nothing else, and writes nowhere. What cannot be read, or changed while it was, is skipped. Each
    picture is decoded once, ahead of the network, for the features, which may be known already, and for its item.
    `read` is called for each content that was read, by one thread at a time.
    """
    reader = DescribingReader({entry.path: entry.digest for entry in entries}, read)
    items, skipped, images = list[Item](), list[Skipped](), Features.none()
    encoded, kept, broken = _encode(model, entries, reader)
    skipped += broken
    steady = []
    for row, look in enumerate(_looks(reader, [entries[place] for place in kept])):
        entry = entries[kept[row]]
        if isinstance(look, ImageError):
            skipped.append(Skipped(entry.path, look.reason))
        elif FileState.of(entry.path) != entry.state:  # its digest and its features may be of two contents
            skipped.append(Skipped(entry.path, CHANGED))
        else:
            steady.append(row)
            items.append(_described(entry, look))
    if encoded is not None:
        images = _features(model, encoded, steady, tuple(item.digest for item in items))
    wanted = {caption_id(text): text for text in chain(captions, *(item.captions for item in items))}
    texts = {key: text for key, text in wanted.items() if key not in known}
    sentences = encode_captions(model, texts)
    return EncodedEntries(tuple(items), images, tuple(texts.values()), sentences, tuple(skipped))


def _encode(
    model: SearchModel, entries: Sequence[Entry], reader: DescribingReader
) -> tuple[Stages | None, tuple[int, ...], tuple[Skipped, ...]]:
    """All encodings of the pictures that could be read, None if none could; which those are, and the others."""
    try:
        return encode_images_for_stages(model, [entry.path for entry in entries], reader=reader)
    except UnreadableError as error:
        return None, (), tuple(Skipped(path, reason) for path, reason in error.reasons.items())


def _looks(reader: DescribingReader, entries: Sequence[Entry]) -> list[Look | ImageError]:
    """What the items of these pictures say of them; those whose features were known are read for it now."""

    def look(entry: Entry) -> Look | ImageError:
        try:
            return reader.look(entry.path)
        except ImageError as error:
            return error

    with ThreadPoolExecutor() as pool:
        return list(pool.map(look, entries))


def encode_captions(model: SearchModel, texts: Mapping[str, str]) -> Features:
    """What the stages compare of sentences, given by their ids."""
    if not texts:
        return Features.none()
    return _features(model, encode_texts_for_stages(model, list(texts.values())), None, tuple(texts))


def _features(model: SearchModel, encoded: Stages, rows: list[int] | None, keys: tuple[str, ...]) -> Features:
    """Some rows (None: all) of what the stages compare; parts only if they are re-ranked."""
    if not keys:
        return Features.none()
    vectors, codes, fine = encoded.vectors, encoded.codes, encoded.need_fine()
    if rows is not None:
        vectors, codes, fine = vectors[rows], None if codes is None else codes[rows], fine[rows]
    return Features(keys, vectors, codes, fine if model.method.reranks else None)


def commit_entries(
    store: Store,
    encoded: EncodedEntries,
    *,
    copies: Sequence[Stored] = (),
    new: Container[str] = (),
    new_captions: bool = False,
) -> list[Item]:
    """Store one batch, and pictures whose content is stored already, with its features: all pictures stored.

    A picture is stored after all that belongs to it, in one commit with the others of the batch. Storing a batch again
    changes nothing, unless it was said that its pictures, or all its captions, are new.
    """
    for features in (encoded.images, encoded.captions):
        if features.parts is not None:
            store.write_parts(features.keys, features.parts)
    if encoded.texts:
        store.write_captions(encoded.texts, encoded.captions.vectors, encoded.captions.codes, new=new_captions)
    items = [*(copy.item for copy in copies), *encoded.items]
    if items:
        vectors = [*(copy.vector for copy in copies), *encoded.images.vectors]
        codes = [copy.code for copy in copies if copy.code is not None]
        codes += [] if encoded.images.codes is None else [*encoded.images.codes]
        store.write_items(
            items,
            np.stack(vectors),
            np.stack(codes) if codes else None,
            new=all(item.id in new for item in items),
        )
    return items


def describe(entry: Entry) -> Item:
    """The picture of `entry` with what its file says. Raises `ImageError` if it cannot be read."""
    return _described(entry, Look.at(read_picture(entry.path, shorter_side=ENOUGH)))


def _described(entry: Entry, look: Look) -> Item:
    blank = Item(entry.id, entry.path, entry.digest, look.width, look.height, ())
    return _item(entry, replace(blank, taken=look.taken, perceptual_hash=look.perceptual_hash))


def _item(entry: Entry, like: Item) -> Item:
    """`entry` with the size, date and perceptual hash of a picture of the same content."""
    return replace(
        like,
        id=entry.id,
        path=placed(absolute(entry.path)),
        digest=entry.digest,
        captions=entry.captions,
        labels=entry.labels,
        bytes=entry.state.bytes,
        modified=entry.state.modified,
        source=entry.source,
    )
