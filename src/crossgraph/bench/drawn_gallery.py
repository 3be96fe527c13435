"""A gallery of any size in seconds: pictures that are links to a few files, and a model that sees nothing in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from crossgraph.data.corpus import Skipped
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.encoders.image import ImageEncoder, ImageFeatures
from crossgraph.encoders.understanding import Understanding
from crossgraph.gallery.changes.indexing import FileState
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.stages.codes import RandomPlanes
from crossgraph.gallery.tables.items import BY_HAND, caption_id, item_id
from crossgraph.gallery.tables.likeness import BYTES
from crossgraph.gallery.tables.notes import SCHEMA
from crossgraph.methods.contract import InputSizes, Method, MethodConfig
from crossgraph.progress import Progress
from crossgraph.types import Alignment, Batch, Encoded, ImageBatch, TextBatch

WIDTH, BITS = 64, 64
IN_A_FOLDER = 1000  # pictures, which are links to one file: file systems allow some 65,000
BLOCK = 50_000
WRITTEN = datetime(2024, 1, 1, tzinfo=UTC)


class NoMethod(Method):
    """What cannot re-rank: embeddings alone."""

    name = "drawn"
    config_type = MethodConfig
    provenance = ()
    reranks = False

    def encode_images(self, images: ImageBatch) -> Encoded:
        """Nothing."""
        raise NotImplementedError

    def encode_texts(self, texts: TextBatch) -> Encoded:
        """Nothing."""
        raise NotImplementedError

    def score_pairs(self, images: Encoded, texts: Encoded) -> Tensor:
        """Nothing."""
        raise NotImplementedError

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Tensor]:
        """Nothing."""
        raise NotImplementedError

    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        """Nothing."""
        raise NotImplementedError


class AsItIs(ImageEncoder):
    """What prepares nothing."""

    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        """Nothing."""
        raise NotImplementedError


@dataclass(frozen=True)
class Vectors:
    """Encoded pictures; all could be read."""

    encoded: Encoded
    kept: tuple[int, ...]
    skipped: tuple[Skipped, ...] = ()


class DrawnModel:
    """Reads pictures, and gives each a vector drawn by its name; texts likewise."""

    fingerprint = "0" * 16
    label_names: tuple[str, ...] = ()
    blend = 0.0
    shortlist = None

    def __init__(self) -> None:
        self.method = NoMethod(MethodConfig(), InputSizes(part_width=WIDTH, whole_width=WIDTH))
        self.coder = RandomPlanes(BITS, WIDTH)
        self.calibration = dict[str, Any]()

    def encode_image_files(
        self, paths: Sequence[Path], *, progress: Progress | None = None, reader: ImageReader = PLAIN
    ) -> Vectors:
        """Vectors of pictures, each of which is decoded."""
        for path in paths:
            reader.read(path, AsItIs())
        return Vectors(self.encode_raw_texts([str(path) for path in paths]), tuple(range(len(paths))))

    def encode_raw_texts(self, sentences: Sequence[str]) -> Encoded:
        """Vectors of texts."""
        seeds = [int.from_bytes(sha256(text.encode()).digest()[:8]) for text in sentences]
        rows = np.stack([np.random.default_rng(seed).standard_normal(WIDTH, np.float32) for seed in seeds])
        return Encoded(torch.nn.functional.normalize(torch.from_numpy(rows)))

    def understanding(self, text: str) -> Understanding:
        """All of it is understood."""
        return Understanding(text, (text,))

    def explain(self, sentence: str, path: Path) -> Alignment:
        """Nothing."""
        raise NotImplementedError


def draw_files(folder: Path, count: int, *, seed: int = 0) -> list[Path]:
    """So many small pictures, all different."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    paths = [folder / f"{number:06}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    return paths


def link_files(folder: Path, count: int) -> Iterator[tuple[str, int]]:
    """So many pictures, a thousand of which are one file; each path, and how many bytes it has."""
    for start in range(0, count, IN_A_FOLDER):
        inside = folder / f"{start // IN_A_FOLDER:06}"
        first = draw_files(inside, 1)[0]
        os.utime(first, (WRITTEN.timestamp(), WRITTEN.timestamp()))
        size = first.stat().st_size
        yield str(first), size
        for number in range(1, min(IN_A_FOLDER, count - start)):
            path = f"{inside}/{number:06}.png"
            os.link(first, path)
            yield path, size


def drawn_gallery(place: Path, folder: Path, count: int) -> list[str]:
    """A gallery of `count` pictures in `folder`, as a sync would leave it, with a note on each: all ids."""
    gallery, ids = Gallery.create(place, DrawnModel()), list[str]()
    files, state = link_files(folder, count), None
    with gallery.changing():
        for start in range(0, count, BLOCK):
            block = [file for file, _ in zip(files, range(min(BLOCK, count - start)), strict=False)]
            state = state or FileState.of(Path(block[0][0]))
            assert state is not None
            ids += _write(gallery, block, state, start)
        gallery.replace_manifest(
            gallery.manifest.model_copy(update={"sources": (str(folder),), "roots": (str(folder),)})
        )
        gallery.store.optimize()
        gallery.store.merge_small_files()
    return ids


def _write(gallery: Gallery, files: Sequence[tuple[str, int]], state: FileState, start: int) -> list[str]:
    """Write the rows of these pictures: their ids."""
    count = len(files)
    random = np.random.default_rng(start)
    vectors, codes = _features(random, count)
    keys = [sha256(b"%d" % (start + row)).hexdigest() for row in range(count)]
    ids = [item_id(Path(path)) for path, _ in files]
    texts = [f"caption of picture {key[:12]}" for key in keys]
    captions = [caption_id(text) for text in texts]
    rows = {
        "items": {
            "id": ids,
            "path": [path for path, _ in files],
            "digest": keys,
            "width": [16] * count,
            "height": [16] * count,
            "captions": [[text] for text in texts],
            "caption_ids": [[caption] for caption in captions],
            "labels": [[] for _ in files],
            "bytes": [size for _, size in files],
            "modified": [state.modified] * count,
            "taken": [None] * count,
            "perceptual_hash": [random.bytes(BYTES) for _ in files],
            "source": [BY_HAND] * count,
            "indexed_at": [datetime.now(UTC)] * count,
            "vector": _lists(vectors),
            "code": _lists(codes),
        },
        "captions": {"id": captions, "text": texts, "vector": _lists(vectors), "code": _lists(codes)},
    }
    for name, columns in rows.items():
        table = gallery.store.tables[name]
        table.to_write().insert(pa.Table.from_pydict(columns, schema=table.schema))
    gallery.store.notes.write({ids[0]: {"number": 0}})  # makes the table
    noted = {"id": ids, "name": ["number"] * count, "flag": [None] * count, "number": list(map(float, range(count)))}
    notes = pa.Table.from_pydict(noted | {"text": [None] * count}, schema=SCHEMA)
    gallery.store.notes.tables["notes"].to_write().insert(notes.slice(1))
    return ids


def _features(random: np.random.Generator, count: int) -> tuple[Float[np.ndarray, "n d"], UInt8[np.ndarray, "n bytes"]]:
    rows = random.standard_normal((count, WIDTH), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), random.integers(0, 256, (count, BITS // 8), np.uint8)


def _lists(rows: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
