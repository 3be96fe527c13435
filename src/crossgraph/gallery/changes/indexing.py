"""Pictures into the store, one commit at a time: each batch is encoded, stored, then forgotten."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from crossgraph.data.corpus import Skipped
from crossgraph.data.images import date_taken, read_image
from crossgraph.errors import ImageError
from crossgraph.gallery.stages.model import SearchModel, encode_images_for_stages, encode_texts_for_stages
from crossgraph.gallery.tables.folding import perceptual_hash
from crossgraph.gallery.tables.items import Item, caption_id
from crossgraph.gallery.tables.store import Store


@dataclass(frozen=True)
class FileState:
    """Size and time of a file: while they stay, so does its content, as far as anybody can tell without reading."""

    bytes: int
    modified: datetime

    @classmethod
    def of(cls, path: Path) -> FileState | None:
        """The state of the file at `path` now, or None if it cannot be asked."""
        try:
            status = path.stat()
        except (OSError, ValueError):
            return None
        return cls(status.st_size, datetime.fromtimestamp(status.st_mtime_ns // 1000 / 1e6, UTC))


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


def commit(
    store: Store, model: SearchModel, entries: Sequence[Entry], sentences: set[str]
) -> tuple[list[Item], list[Skipped]]:
    """Store one batch: what became of it, and what could not be read.

    `sentences` are the ids of the captions already stored, and grow by those of this batch. A picture is stored after
    all that belongs to it, in one commit with the others of the batch.
    """
    stored = store.images([entry.duplicate_of for entry in entries if entry.duplicate_of is not None])
    described: list[tuple[Entry, Item]] = []
    items: list[Item] = []
    vectors: list[Float[Tensor, " d"]] = []
    codes: list[UInt8[Tensor, " bytes"] | None] = []
    skipped: list[Skipped] = []
    for entry in entries:
        same = stored.get(entry.duplicate_of or "")
        try:
            if same is None or same.item.digest != entry.digest:  # the other may have changed meanwhile
                described.append((entry, describe(entry)))
            else:
                items.append(_item(entry, same.item))
                vectors.append(same.vector)
                codes.append(same.code)
        except ImageError as error:
            skipped.append(Skipped(entry.path, error.reason))
    if described:
        encoded, kept_rows, broken = encode_images_for_stages(model, [entry.path for entry, _ in described])
        skipped += broken
        steady = []
        for row, place in enumerate(kept_rows):
            entry, item = described[place]
            if FileState.of(entry.path) != entry.state:  # its digest and its features may be of two contents
                skipped.append(Skipped(entry.path, "it changed while it was read; the next run takes it"))
                continue
            steady.append(row)
            items.append(item)
            vectors.append(encoded.vectors[row])
            codes.append(None if encoded.codes is None else encoded.codes[row])
        digests = [described[kept_rows[row]][1].digest for row in steady]
        if model.method.reranks and steady:
            store.write_parts(digests, encoded.fine[steady])
    if items:
        commit_captions(store, model, items, sentences)
        every = [code for code in codes if code is not None]
        store.write_items(items, torch.stack(vectors), torch.stack(every) if every else None)
    return items, skipped


def commit_captions(store: Store, model: SearchModel, items: Sequence[Item], sentences: set[str]) -> None:
    """Encode and store the captions of `items` that are not among `sentences` yet, and add them there."""
    texts = {caption_id(text): text for item in items for text in item.captions}
    new = {key: text for key, text in texts.items() if key not in sentences}
    if new:
        encoded = encode_texts_for_stages(model, list(new.values()))
        if model.method.reranks:
            store.write_parts(list(new), encoded.fine)
        store.write_captions(list(new.values()), encoded.vectors, encoded.codes)
        sentences.update(new)


def describe(entry: Entry) -> Item:
    """The picture of `entry` with what its file says. Raises `ImageError` if it cannot be read."""
    image = read_image(entry.path)
    blank = Item(entry.id, entry.path, entry.digest, *image.size, ())
    return _item(entry, replace(blank, taken=date_taken(entry.path), perceptual_hash=perceptual_hash(image)))


def _item(entry: Entry, like: Item) -> Item:
    """`entry` with the size, date and perceptual hash of a picture of the same content."""
    return replace(
        like,
        id=entry.id,
        path=Path(os.path.abspath(entry.path)),
        digest=entry.digest,
        captions=entry.captions,
        labels=entry.labels,
        bytes=entry.state.bytes,
        modified=entry.state.modified,
        source=entry.source,
    )
