"""What indexing camera-size photos costs beside the image networks alone: the decoder, and the whole, before and after.

    python bench/indexing_speed.py [--photos 500] [--pictures FOLDER] [--rounds 3] [--threads 1] [--out speed.json]

The photos are those of FOLDER (by default drawn scenes), enlarged to 4,000 x 3,000 pixels with noise on them, as JPEG;
they are made in a temporary folder first. Then, in turns, with an empty feature cache and an empty gallery each time:

    network   the image networks that indexing runs, over pictures that are decoded and squared already: a frozen one
              that two stages have runs once, beside the trained one
    apart     the network of each stage for itself
    decode    every photo read as indexing reads it, in a pool, without any network
    before    indexed with every photo decoded whole twice, once of it in the thread that waits for the network
    after     indexed as it is done now

Wall seconds a photo say how long one waits on this machine as busy as it is; CPU seconds what it costs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Container, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from crossgraph.data.corpus import Skipped
from crossgraph.data.drawn.scenes import open_named_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.images import image_bytes_digest, image_size, read_image, read_picture
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.encoders.fast_tokens import AFTER
from crossgraph.encoders.image import ImageEncoder
from crossgraph.errors import ImageError
from crossgraph.gallery.changes import indexing
from crossgraph.gallery.changes.describing_reader import Look
from crossgraph.gallery.changes.encoded import EncodedEntries
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.gallery.stages.model import SearchModel, encode_images_for_stages
from crossgraph.gallery.tables.likeness import perceptual_hash
from crossgraph.verbs.models import load_search_model

WIDTH, HEIGHT = 4000, 3000
BATCH = 16  # as features are extracted


def make_photos(sources: Sequence[Path], folder: Path, count: int) -> list[Path]:
    """So many different camera-size photos in `folder`."""
    folder.mkdir()

    def make(number: int) -> Path:
        random = np.random.default_rng(number)
        with Image.open(sources[number % len(sources)]) as image:
            large = image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        tile = random.normal(0, 6, (HEIGHT // 4, WIDTH // 4, 1)).astype(np.int16)
        noisy = np.asarray(large).astype(np.int16) + np.tile(tile, (4, 4, 1))
        path = folder / f"{number:05}.jpg"
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        return path

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(make, range(count)))


class WholeReader:
    """Reads every photo whole, each time it is asked."""

    def digest(self, path: Path) -> str:
        """The digest of the file's bytes."""
        return image_bytes_digest(path)

    def read(self, path: Path, encoder: ImageEncoder) -> Image.Image:
        """The picture as `encoder` prepares it."""
        return encoder.prepare(read_image(path))


def encode_as_before(
    model: SearchModel,
    entries: Sequence[indexing.Entry],
    *,
    captions: Iterable[str] = (),  # noqa: ARG001 - as the one it stands for
    known: Container[str] = frozenset(),  # noqa: ARG001
    read: Callable[[], None] | None = None,  # noqa: ARG001
) -> EncodedEntries:
    """What `encode_entries` gives of pictures without captions, each described first and decoded again after that."""
    described: list[tuple[indexing.Entry, Look]] = []
    skipped: list[Skipped] = []
    for entry in entries:
        try:
            image = read_image(entry.path)
            image_size(entry.path)  # the header once more, as the date was asked for
            described.append((entry, Look(*image_size(entry.path), None, perceptual_hash(image))))
        except ImageError as error:
            skipped.append(Skipped(entry.path, error.reason))
    encoded, kept, broken = encode_images_for_stages(
        model, [entry.path for entry, _ in described], reader=WholeReader()
    )
    items = [indexing._described(*described[place]) for place in kept]
    images = indexing._features(model, encoded, None, tuple(item.digest for item in items))
    return EncodedEntries(tuple(items), images, (), indexing.encode_captions(model, {}), (*skipped, *broken))


def encoders_of(model: CascadeModel) -> list[ImageEncoder]:
    """The image encoders of the stages, each once."""
    found = {run.image_encoder.fingerprint: run.image_encoder for run in model.runs}
    if model.shortlist is not None:
        model.last.image_encoder.look_within(model.shortlist.image_encoder)
    return list(found.values())


class Measured:
    """Seconds a photo of each way, by round."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.wall: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}

    def run(self, name: str, work: Callable[[], object]) -> None:
        """Do it and note what it took."""
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.wall.setdefault(name, []).append((time.perf_counter() - wall) / self.count)
        self.cpu.setdefault(name, []).append((time.process_time() - cpu) / self.count)


def measure(photos: Sequence[Path], place: Path, rounds: int) -> Measured:
    """All ways in turns."""
    model = load_search_model(DEFAULT_MODEL, cache=FeatureCache(place / "cache"))
    assert isinstance(model, CascadeModel)
    encoders = encoders_of(model)
    side = max(encoder.shorter_side or 0 for encoder in encoders)
    with ThreadPoolExecutor() as pool:
        squares = list(pool.map(lambda path: encoders[0].prepare(read_image(path, shorter_side=side)), photos))
    for encoder in encoders:
        for _ in range(AFTER // BATCH + 1):
            encoder.encode((squares * BATCH)[:BATCH])  # what is made once, with OpenVINO after so many pictures

    def network(encoders: Sequence[ImageEncoder]) -> None:
        for encoder in encoders:
            for start in range(0, len(squares), BATCH):
                encoder.encode(squares[start : start + BATCH])

    def decode() -> None:
        def one(path: Path) -> object:
            picture = read_picture(path, shorter_side=side)
            return Look.at(picture), encoders[0].prepare(picture.image)

        with ThreadPoolExecutor() as pool:
            for _ in pool.map(one, photos):
                pass

    def index(name: str, encode: Callable[..., EncodedEntries]) -> None:
        indexing.encode_entries = encode
        with tempfile.TemporaryDirectory(dir=place) as folder:
            cache = FeatureCache(Path(folder) / "cache")
            for run in model.runs:
                run.cache = cache
            gallery = Gallery.create(Path(folder) / "gallery", model)
            found.run(name, lambda: gallery.index(photos[0].parent))
            assert len(gallery) == len(photos)

    now = indexing.encode_entries
    found = Measured(len(photos))
    for _ in range(rounds):
        found.run("network", lambda: network([encoder for encoder in encoders if encoder.within is None]))
        found.run("apart", lambda: network(encoders))
        found.run("decode", decode)
        index("after", now)
        index("before", encode_as_before)
    indexing.encode_entries = now
    return found


def main() -> None:
    """Make photos, measure, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=int, default=500)
    options.add_argument("--pictures", type=Path)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--out", type=Path)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory(prefix="crossgraph-") as folder:
        place = Path(folder)
        sources = (
            sorted(asked.pictures.iterdir())
            if asked.pictures
            else open_named_scenes(f"scenes:{min(asked.photos, 100)}").image_paths
        )
        photos = make_photos(sources, place / "photos", asked.photos)
        found = measure(photos, place, asked.rounds)
    load = os.getloadavg()
    print(
        f"{asked.photos} photos of {WIDTH} x {HEIGHT}, {asked.threads} threads of {os.cpu_count()} cores, load {load}"
    )
    print(f"{'':10} wall ms a photo   CPU ms a photo   wall, network = 1")
    wall, cpu = ({name: statistics.median(all_) for name, all_ in of.items()} for of in (found.wall, found.cpu))
    for name in wall:
        ratio = wall[name] / wall["network"]
        print(f"{name:10} {1000 * wall[name]:15.1f} {1000 * cpu[name]:16.1f} {ratio:19.2f}")
    if asked.out is not None:
        told = {"photos": asked.photos, "threads": asked.threads, "cores": os.cpu_count(), "load": load}
        asked.out.write_text(json.dumps({**told, "wall": found.wall, "cpu": found.cpu}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
