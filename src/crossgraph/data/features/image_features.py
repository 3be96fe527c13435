"""Features of pictures: computed once by a frozen encoder, cached, read back as padded batches.

Pictures are known by the content of their files, so a renamed, copied or repeated one costs nothing. A run that was
killed continues where the last complete shard ended.
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

from crossgraph.data.corpus import Skipped
from crossgraph.data.feature_cache import FeatureCache, Records, RecordStore
from crossgraph.data.features.padding import pad
from crossgraph.data.features.regions import mirrored_boxes
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.encoders.image import Boxes, ImageEncoder, ImageFeatures
from crossgraph.errors import ConfigError, ImageError, unknown_name
from crossgraph.progress import Progress, Silent
from crossgraph.types import ImageBatch

Item = TypeVar("Item")
Result = TypeVar("Result")

VIEWS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "plain": lambda image: image,
    "mirror": ImageOps.mirror,
    "turn1": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turn2": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "turn3": lambda image: image.transpose(Image.Transpose.ROTATE_270),
}
"""How a picture can be shown to the encoder, as augmentation: "mirror" swaps left and right, "turn1" to "turn3" turn it
counter-clockwise by quarters."""
TURNS = ("plain", "turn1", "turn2", "turn3")
"""The views by number of quarter turns."""


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


def extract_image_features(
    paths: Sequence[Path],
    encoder: ImageEncoder,
    cache: FeatureCache,
    *,
    view: str = "plain",
    batch: int = 16,
    progress: Progress | None = None,
    reader: ImageReader = PLAIN,
) -> tuple[ImageTable, list[Skipped]]:
    """The features of `paths` as a table, computing what the cache lacks, and the pictures that cannot be read.

    Files are hashed, then decoded ahead of the network, in threads, by `reader`; no larger than the encoder has use
    for, where decoding reduced is faster. An unreadable picture never stops the run.
    Pictures for which the encoder knows boxes have these as parts, and records of their own.
    """
    if view not in VIEWS:
        raise ConfigError(unknown_name("view", view, VIEWS))
    progress = progress or Silent()
    store = cache.records(encoder.name, encoder.fingerprint, view=view)
    with ThreadPoolExecutor() as pool:
        digests = _digest_files(paths, reader, pool=pool, progress=progress)
        regions: dict[str, Boxes] = {}
        if encoder.boxes_of is not None:
            digests = [
                _with_regions(key, encoder.boxes_of(path), regions) for path, key in zip(paths, digests, strict=True)
            ]
        known = {key: path for path, key in zip(paths, digests, strict=True) if isinstance(key, str)}
        missing = {key: path for key, path in known.items() if key not in store}
        if encoder.within is not None and not regions:
            wider = extract_image_features(
                tuple(missing.values()), encoder.within, cache, view=view, batch=batch, progress=progress, reader=reader
            )
            reasons = _taken_out(missing, encoder, store, *wider)
        else:
            reasons = _encode_images(
                missing, encoder, store, reader, regions=regions, view=view, batch=batch, pool=pool, progress=progress
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


def _digest_files(
    paths: Sequence[Path], reader: ImageReader, *, pool: Executor, progress: Progress
) -> list[str | Skipped]:
    def digest(path: Path) -> str | Skipped:
        try:
            return reader.digest(path)
        except ImageError as error:
            return Skipped(path, error.reason)

    digests = []
    with progress.task("checking pictures", len(paths)) as task:
        for key in _ahead(digest, paths, pool=pool, depth=256):
            digests.append(key)
            task.advance()
    return digests


def _encode_images(
    missing: Mapping[str, Path],
    encoder: ImageEncoder,
    store: RecordStore,
    reader: ImageReader,
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
            return key, VIEWS[view](reader.read(path, encoder))
        except ImageError as error:
            return key, error

    if not missing:
        return reasons
    loaded = _ahead(load, missing.items(), pool=pool, depth=2 * batch)
    try:
        with progress.task("encoding pictures", len(missing)) as task:
            while group := list(islice(loaded, batch)):
                images = {key: found for key, found in group if not isinstance(found, ImageError)}
                reasons.update({key: found.reason for key, found in group if isinstance(found, ImageError)})
                for key, features in _encoded(images, encoder, regions, view=view):
                    whole = features.whole[None]
                    store.write(key, {"parts": features.parts, "boxes": features.boxes, "whole": whole})
                task.advance(len(group))
    finally:
        store.flush()
    return reasons


def _taken_out(
    missing: Mapping[str, Path], encoder: ImageEncoder, store: RecordStore, wider: ImageTable, skipped: list[Skipped]
) -> dict[str, str]:
    """Store what of the records of the encoder that `encoder` is within is its own; why others are missing, by key."""
    for key in wider.keys:
        record = wider.store.read(key)
        own = {"parts": record["parts"][:, -encoder.part_width :], "whole": record["whole"][:, -encoder.whole_width :]}
        store.write(key, {**record, **own})
    store.flush()
    reasons = {entry.path: entry.reason for entry in skipped}
    return {key: reasons[path] for key, path in missing.items() if path in reasons}


def _with_regions(key: str | Skipped, boxes: Boxes | None, regions: dict[str, Boxes]) -> str | Skipped:
    """The key of a picture with these boxes, which are noted under it; the same key where there are none."""
    if boxes is None or isinstance(key, Skipped):
        return key
    key = f"{key}-{hashlib.sha256(boxes.tobytes()).hexdigest()[:16]}"
    regions[key] = boxes
    return key


def _encoded(
    images: Mapping[str, Image.Image], encoder: ImageEncoder, regions: Mapping[str, Boxes], *, view: str
) -> list[tuple[str, ImageFeatures]]:
    """The features of pictures by key: by their regions where these are known, by the encoder's grid elsewhere."""
    by_grid = [key for key in images if key not in regions]
    by_region = [key for key in images if key in regions]
    boxes = [mirrored_boxes(regions[key]) if view == "mirror" else regions[key] for key in by_region]
    found = encoder.encode([images[key] for key in by_grid])
    found += encoder.encode_regions([images[key] for key in by_region], boxes) if by_region else []
    return list(zip((*by_grid, *by_region), found, strict=True))


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
