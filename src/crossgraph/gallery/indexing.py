"""Pictures into the store, batch by batch: each batch is encoded, then committed, then forgotten."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from crossgraph.data.corpus import Corpus, Skipped
from crossgraph.data.images import image_bytes_digest, read_image
from crossgraph.errors import ImageError
from crossgraph.gallery.model import SearchModel, encode_pictures, encode_sentences
from crossgraph.gallery.store import Item, Store, caption_id, item_id
from crossgraph.progress import Progress

Value = TypeVar("Value")


@dataclass(frozen=True)
class IndexReport:
    """What one run of indexing did. `updated` pictures were there with other content or captions."""

    added: int
    updated: int
    unchanged: int
    skipped: tuple[Skipped, ...]
    seconds: float


@dataclass(frozen=True)
class _Picture:
    """A picture of the corpus."""

    id: str
    path: Path
    captions: tuple[str, ...]


def index_corpus(store: Store, model: SearchModel, corpus: Corpus, *, batch: int, progress: Progress) -> IndexReport:
    """Store the pictures of `corpus` that are not stored yet with the same content and captions.

    What one commit wrote stays, whatever happens later. An unreadable file is listed with its reason; if an earlier
    version of it is in the gallery, that stays.
    """
    started = time.perf_counter()
    known, sentences = store.known(), store.known_captions()
    pictures = _pictures(corpus)
    skipped = list(corpus.skipped)
    added = updated = unchanged = 0
    with progress.task("indexing", len(pictures)) as task:
        for start in range(0, len(pictures), batch):
            chunk = pictures[start : start + batch]
            hashed, unreadable = _read_each(chunk, image_bytes_digest)
            fresh = {
                picture: digest for picture, digest in hashed if known.get(picture.id) != (digest, picture.captions)
            }
            stored, broken = _commit(store, model, fresh, sentences)
            updated += sum(item.id in known for item in stored)
            added += sum(item.id not in known for item in stored)
            unchanged += len(hashed) - len(fresh)
            skipped += [*unreadable, *broken]
            task.advance(len(chunk), added=added, updated=updated, skipped=len(skipped))
    if added or updated:
        store.drop_orphans()
    return IndexReport(added, updated, unchanged, tuple(skipped), time.perf_counter() - started)


def _pictures(corpus: Corpus) -> list[_Picture]:
    """The pictures of `corpus` in order; a file that occurs under two names is one picture with both's captions."""
    found: dict[str, _Picture] = {}
    for path, captions in zip(corpus.image_paths, corpus.captions_of_images(), strict=True):
        key = item_id(path)
        before = found[key].captions if key in found else ()
        texts = (*before, *(corpus.captions[caption] for caption in captions))
        found[key] = _Picture(key, Path(os.path.abspath(path)), tuple(dict.fromkeys(texts)))
    return list(found.values())


def _read_each(
    pictures: Iterable[_Picture], read: Callable[[Path], Value]
) -> tuple[list[tuple[_Picture, Value]], list[Skipped]]:
    """What `read` says of each picture, and those whose file it cannot read or whose name cannot be stored."""
    done: list[tuple[_Picture, Value]] = []
    skipped: list[Skipped] = []
    for picture in pictures:
        try:
            str(picture.path).encode()
            done.append((picture, read(picture.path)))
        except UnicodeEncodeError:
            skipped.append(Skipped(picture.path, "its name is not valid UTF-8; rename it"))
        except ImageError as error:
            skipped.append(Skipped(picture.path, error.reason))
    return done, skipped


def _commit(
    store: Store, model: SearchModel, digests: Mapping[_Picture, str], sentences: set[str]
) -> tuple[list[Item], list[Skipped]]:
    """Encode and store one batch; `sentences` are the captions already stored, and grows by those of this batch."""
    sized, broken = _read_each(digests, lambda path: read_image(path).size)
    if not sized:
        return [], broken
    encoded, kept, skipped = encode_pictures(model, [picture.path for picture, _ in sized])
    items = [
        Item(picture.id, picture.path, digests[picture], *size, picture.captions)
        for picture, size in (sized[row] for row in kept)
    ]
    if items:
        if model.method.reranks:
            store.write_parts([item.digest for item in items], encoded.fine)
        store.write_codes([item.digest for item in items], encoded.codes)
        _commit_captions(store, model, items, sentences)
        store.write_items(items, encoded.vectors)
    return items, [*broken, *skipped]


def _commit_captions(store: Store, model: SearchModel, items: Sequence[Item], sentences: set[str]) -> None:
    """Encode and store the captions of `items` that are not among `sentences` yet, and add them there."""
    texts = {caption_id(text): text for item in items for text in item.captions}
    new = {key: text for key, text in texts.items() if key not in sentences}
    if new:
        encoded = encode_sentences(model, list(new.values()))
        if model.method.reranks:
            store.write_parts(list(new), encoded.fine)
        store.write_codes(list(new), encoded.codes)
        store.write_captions(list(new.values()), encoded.vectors)
        sentences.update(new)
