"""Features of pictures and captions: computed once by a frozen encoder, cached, read back as padded batches.

Pictures are known by the content of their files, captions by their text, so a renamed, copied or repeated one
costs nothing. A run that was killed continues where the last complete shard ended.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from crossgraph.data.caption_graphs import parse_captions
from crossgraph.data.corpus import Skipped
from crossgraph.data.feature_cache import Array, FeatureCache, Records, RecordStore
from crossgraph.data.graph_batches import batch_graphs
from crossgraph.data.images import image_bytes_digest, read_image
from crossgraph.data.regions import mirrored_boxes
from crossgraph.data.text import normalise
from crossgraph.encoders.image import Boxes, ImageEncoder, ImageFeatures
from crossgraph.encoders.text import TextEncoder, TextFeatures
from crossgraph.errors import ConfigError, ImageError, unknown_name
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.graphs.scene_graph import SceneGraph
from crossgraph.progress import Progress, Silent
from crossgraph.types import ImageBatch, TextBatch

__all__ = ["FeatureCache", "ImageTable", "TextTable", "VIEWS", "extract_image_features", "extract_text_features"]

Item = TypeVar("Item")
Result = TypeVar("Result")

VIEWS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "plain": lambda picture: picture,
    "mirror": ImageOps.mirror,
}
"""How a picture can be shown to the encoder; "mirror" swaps left and right, as augmentation."""

TEXT_BATCH = 64


@dataclass(frozen=True)
class ImageTable:
    """Cached features of the readable pictures among those asked for, in their order.

    `kept[i]` is the position of row i in the list that was asked for, `paths[i]` its file.
    """

    paths: tuple[Path, ...]
    kept: tuple[int, ...]
    keys: tuple[str, ...]
    store: Records
    part_width: int
    whole_width: int

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, indices: Sequence[int]) -> ImageBatch:
        """The features at `indices`, which may repeat, in single precision and padded to the longest."""
        records = [self.store.read(self.keys[index]) for index in indices]
        parts, mask = pad([record["parts"] for record in records], np.zeros((0, self.part_width), np.float16))
        boxes, _ = pad([record["boxes"] for record in records], np.zeros((0, 4), np.float32))
        wholes = [record["whole"] for record in records]
        whole = torch.from_numpy(np.concatenate([np.zeros((0, self.whole_width), np.float16), *wholes]))
        return ImageBatch(parts.float(), mask, boxes, whole.float())


@dataclass(frozen=True)
class TextTable:
    """Words of captions with their ids or states; repeated captions share one record."""

    captions: tuple[str, ...]
    state_width: int
    read: Callable[[str], TextFeatures]
    graph: Callable[[str], SceneGraph] | None = None
    """Scene graphs of the captions, for methods that read them."""

    def __len__(self) -> int:
        return len(self.captions)

    def extended(self, other: TextTable) -> TextTable:
        """The captions of this table, then those of `other`, which must come from the same encoder."""
        theirs = frozenset(other.captions)

        def read(caption: str) -> TextFeatures:
            return other.read(caption) if caption in theirs else self.read(caption)

        def graph(caption: str) -> SceneGraph:
            source = other.graph if caption in theirs else self.graph
            assert source is not None
            return source(caption)

        captions = (*self.captions, *other.captions)
        return TextTable(captions, self.state_width, read, None if self.graph is None else graph)

    def rows(self, indices: Sequence[int]) -> TextBatch:
        """The captions at `indices`, which may repeat, padded to the longest; states in single precision."""
        captions = [self.captions[index] for index in indices]
        texts = [self.read(caption) for caption in captions]
        words = tuple(text.words for text in texts)
        graphs = None
        if self.graph is not None:
            graphs = batch_graphs(captions, [self.graph(caption) for caption in captions], lengths=[*map(len, words)])
        if self.state_width:
            empty = np.zeros((0, self.state_width), np.float16)
            states, mask = pad([text.states for text in texts if text.states is not None], empty)
            return TextBatch(mask, words, states=states.float(), graphs=graphs)
        ids, mask = pad([text.ids for text in texts if text.ids is not None], np.zeros(0, np.int64))
        return TextBatch(mask, words, ids=ids, graphs=graphs)


def pad(pieces: Sequence[Array], empty: Array) -> tuple[Tensor, Tensor]:
    """Pieces of different length and one type as one zero-padded tensor, and the mask of what is real.

    `empty` is a piece of length 0: it gives the type and width when there are no pieces.
    """
    longest = max(map(len, pieces), default=0)
    padded = np.zeros((len(pieces), longest, *empty.shape[1:]), pieces[0].dtype if pieces else empty.dtype)
    mask = np.zeros((len(pieces), longest), np.bool_)
    for row, piece in enumerate(pieces):
        padded[row, : len(piece)] = piece
        mask[row, : len(piece)] = True
    return torch.from_numpy(padded), torch.from_numpy(mask)


def extract_image_features(
    paths: Sequence[Path],
    encoder: ImageEncoder,
    cache: FeatureCache,
    *,
    view: str = "plain",
    batch: int = 16,
    progress: Progress | None = None,
) -> tuple[ImageTable, list[Skipped]]:
    """The features of `paths` as a table, computing what the cache lacks, and the pictures that cannot be read.

    Files are hashed, then decoded ahead of the network, in threads. An unreadable picture never stops the run.
    Pictures for which the encoder knows boxes have these as parts, and records of their own.
    """
    if view not in VIEWS:
        raise ConfigError(unknown_name("view", view, VIEWS))
    progress = progress or Silent()
    store = cache.records(encoder.name, encoder.fingerprint, view=view)
    with ThreadPoolExecutor() as pool:
        digests = _digest_files(paths, pool=pool, progress=progress)
        regions: dict[str, Boxes] = {}
        if encoder.boxes_of is not None:
            digests = [
                _with_regions(key, encoder.boxes_of(path), regions) for path, key in zip(paths, digests, strict=True)
            ]
        known = {key: path for path, key in zip(paths, digests, strict=True) if isinstance(key, str)}
        missing = {key: path for key, path in known.items() if key not in store}
        reasons = _encode_pictures(
            missing, encoder, store, regions=regions, view=view, batch=batch, pool=pool, progress=progress
        )
    rows: list[tuple[int, str]] = []
    skipped: list[Skipped] = []
    for position, (path, key) in enumerate(zip(paths, digests, strict=True)):
        if isinstance(key, Skipped):
            skipped.append(key)
        elif key in reasons:
            skipped.append(Skipped(path, reasons[key]))
        else:
            rows.append((position, key))
    table = ImageTable(
        paths=tuple(paths[position] for position, _ in rows),
        kept=tuple(position for position, _ in rows),
        keys=tuple(key for _, key in rows),
        store=store,
        part_width=encoder.part_width,
        whole_width=encoder.whole_width,
    )
    return table, skipped


def extract_text_features(
    captions: Sequence[str],
    encoder: TextEncoder,
    cache: FeatureCache,
    *,
    parser: CaptionParser | None = None,
    progress: Progress | None = None,
) -> TextTable:
    """The words of `captions` as a table, with their scene graphs if a `parser` is given; equal captions once.

    Vocabulary ids, and a handful of new captions (a query, not a corpus), stay in memory: reading and writing them
    would cost more than encoding them.
    """
    distinct = list(dict.fromkeys(captions))
    graph = None if parser is None else _graphs(distinct, parser, cache, progress=progress).__getitem__
    if encoder.vocabulary_size:
        features = dict(zip(distinct, encoder.encode(distinct), strict=True))
        return TextTable(tuple(captions), 0, features.__getitem__, graph)
    store = cache.records(encoder.name, encoder.fingerprint, view="text")
    missing = [caption for caption in distinct if _caption_key(caption) not in store]
    fresh: dict[str, TextFeatures] = {}
    if len(missing) <= TEXT_BATCH:
        fresh.update(zip(missing, encoder.encode(missing), strict=True))
    else:
        _encode_captions(missing, encoder, store, progress=progress or Silent())

    def read(caption: str) -> TextFeatures:
        return fresh[caption] if caption in fresh else _text_of_record(store.read(_caption_key(caption)))

    return TextTable(tuple(captions), encoder.state_width, read, graph)


def _graphs(
    captions: Sequence[str], parser: CaptionParser, cache: FeatureCache, *, progress: Progress | None
) -> dict[str, SceneGraph]:
    """The scene graph of each caption; a handful is parsed without asking the cache."""
    if len(captions) <= TEXT_BATCH:
        parsed = parser.parse_all([normalise(caption) for caption in captions])
    else:
        parsed = parse_captions(captions, parser, cache, progress=progress)
    return dict(zip(captions, parsed, strict=True))


def _digest_files(paths: Sequence[Path], *, pool: Executor, progress: Progress) -> list[str | Skipped]:
    def digest(path: Path) -> str | Skipped:
        try:
            return image_bytes_digest(path)
        except ImageError as error:
            return Skipped(path, error.reason)

    digests = []
    with progress.task("checking pictures", len(paths)) as task:
        for key in _ahead(digest, paths, pool=pool, depth=256):
            digests.append(key)
            task.advance()
    return digests


def _encode_pictures(
    missing: Mapping[str, Path],
    encoder: ImageEncoder,
    store: RecordStore,
    *,
    regions: Mapping[str, Boxes],
    view: str,
    batch: int,
    pool: Executor,
    progress: Progress,
) -> dict[str, str]:
    """Encode and store the pictures of `missing` (by key); why the unreadable ones could not be read, by key."""
    reasons: dict[str, str] = {}

    def load(item: tuple[str, Path]) -> tuple[str, Image.Image | ImageError]:
        key, path = item
        try:
            return key, VIEWS[view](encoder.prepare(read_image(path)))
        except ImageError as error:
            return key, error

    if not missing:
        return reasons
    loaded = _ahead(load, missing.items(), pool=pool, depth=2 * batch)
    try:
        with progress.task("encoding pictures", len(missing)) as task:
            while group := list(islice(loaded, batch)):
                pictures = {key: found for key, found in group if not isinstance(found, ImageError)}
                reasons.update({key: found.reason for key, found in group if isinstance(found, ImageError)})
                for key, features in _encoded(pictures, encoder, regions, view=view):
                    whole = features.whole[None]
                    store.write(key, {"parts": features.parts, "boxes": features.boxes, "whole": whole})
                task.advance(len(group))
    finally:
        store.flush()
    return reasons


def _with_regions(key: str | Skipped, boxes: Boxes | None, regions: dict[str, Boxes]) -> str | Skipped:
    """The key of a picture with these boxes, which are noted under it; the same key where there are none."""
    if boxes is None or isinstance(key, Skipped):
        return key
    key = f"{key}-{hashlib.sha256(boxes.tobytes()).hexdigest()[:16]}"
    regions[key] = boxes
    return key


def _encoded(
    pictures: Mapping[str, Image.Image], encoder: ImageEncoder, regions: Mapping[str, Boxes], *, view: str
) -> list[tuple[str, ImageFeatures]]:
    """The features of pictures by key: by their regions where these are known, by the encoder's grid elsewhere."""
    by_grid = [key for key in pictures if key not in regions]
    by_region = [key for key in pictures if key in regions]
    boxes = [mirrored_boxes(regions[key]) if view == "mirror" else regions[key] for key in by_region]
    found = encoder.encode([pictures[key] for key in by_grid])
    found += encoder.encode_regions([pictures[key] for key in by_region], boxes) if by_region else []
    return list(zip((*by_grid, *by_region), found, strict=True))


def _encode_captions(captions: Sequence[str], encoder: TextEncoder, store: RecordStore, *, progress: Progress) -> None:
    """Encode and store captions, short ones first, so that a batch holds captions of like length."""
    ordered = sorted(captions, key=len)
    try:
        with progress.task("encoding captions", len(ordered)) as task:
            for start in range(0, len(ordered), TEXT_BATCH):
                group = ordered[start : start + TEXT_BATCH]
                for caption, text in zip(group, encoder.encode(group), strict=True):
                    store.write(_caption_key(caption), _record_of_text(text))
                task.advance(len(group))
    finally:
        store.flush()


def _caption_key(caption: str) -> str:
    return hashlib.sha256(caption.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _record_of_text(text: TextFeatures) -> dict[str, Array]:
    """Words have no white space in them, so they are kept as one line-separated text."""
    if text.states is None:
        raise ConfigError("only word states are cached; vocabulary ids are quicker to compute than to read.")
    return {"words": np.frombuffer("\n".join(text.words).encode(), np.uint8), "states": text.states}


def _text_of_record(record: Mapping[str, Array]) -> TextFeatures:
    return TextFeatures(tuple(record["words"].tobytes().decode().split("\n")), states=record["states"])


def _ahead(
    function: Callable[[Item], Result], items: Iterable[Item], *, pool: Executor, depth: int
) -> Iterator[Result]:
    """`map(function, items)` in the pool's threads, at most `depth` results ahead of the reader to bound memory."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
