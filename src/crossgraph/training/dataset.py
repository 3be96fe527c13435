"""What a training run reads: features of both splits, cached or made from pixels, tied to their captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.data.batches import Step
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache, Records
from crossgraph.data.features.given_tables import given_image_table, given_text_table
from crossgraph.data.features.image_features import TURNS, ImageTable, extract_image_features
from crossgraph.data.features.inner_table import InnerTable
from crossgraph.data.features.pixel_table import PixelTable
from crossgraph.data.features.text_features import TextTable, extract_text_features
from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.image import ImageEncoder
from crossgraph.encoders.inner_maps import InnerMapEncoder
from crossgraph.encoders.text import TextEncoder
from crossgraph.errors import DataError
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.progress import Progress
from crossgraph.training.teachers import Teachers
from crossgraph.types import Batch, ImageBatch, TextBatch


@dataclass(frozen=True)
class Dataset:
    """One split as features: `corpus` holds only readable pictures, in the order of `images`.

    Features are cached ones of a frozen network, with a second table for mirrored pictures; or those that a network
    in training makes of the pixels, in which case every reading costs a pass through it.
    """

    corpus: Corpus
    images: ImageTable | PixelTable | InnerTable
    mirrored: ImageTable | None
    texts: TextTable
    label_texts: TextTable | None = None
    """The names of all labels as texts, where the method reads them."""
    class_texts: TextTable | None = None
    """The names of the classes that the image network told apart before training, where the method reads them."""
    teachers: Teachers | None = None
    """What finished runs say of every pair, where some teach."""
    digests: tuple[str, ...] = ()
    """Of the file of each picture; empty where features were given."""

    def caption_image(self) -> Int[Tensor, " m"]:
        """The row of every caption's picture."""
        return torch.from_numpy(self.corpus.caption_image.copy())

    @cached_property
    def _labels_known(self) -> Bool[Tensor, "n c"] | None:
        known = self.corpus.known_labels()
        return None if known is None else torch.from_numpy(known)

    def batch(self, step: Step, *, hardness: float, own: slice | None = None) -> Batch:
        """One step's pictures and captions as padded tensors.

        Of pictures only the `own` are read, where that is said: the features of others are NaN.
        """
        labels, sources, rows = self.corpus.labels, self.corpus.sources, list(step.images)
        known = self._labels_known
        return Batch(
            self._images(step) if own is None else self._own_images(step, own),
            self.texts.rows(step.captions),
            torch.tensor(step.caption_image),
            hardness,
            labels=None if labels is None else torch.from_numpy(labels[rows]),
            rows=torch.tensor(step.images),
            label_texts=self._names_of("labels", self.label_texts),
            class_texts=self._names_of("classes", self.class_texts),
            classes=self._classes(step),
            labels_known=None if known is None else known[rows],
            source=None if sources is None else torch.from_numpy(sources[rows]),
            taught=None if self.teachers is None else self.teachers.scores(rows, step.captions),
        )

    @cached_property
    def _names(self) -> dict[str, TextBatch]:
        """The names of all labels and classes, which every step brings: read once."""
        return {}

    def _names_of(self, what: str, table: TextTable | None) -> TextBatch | None:
        """All sentences of a table: read once, or at every step where layers that read them are in training."""
        if table is None:
            return None
        if table.upper is not None:
            return table.rows(range(len(table)))
        if what not in self._names:
            self._names[what] = table.rows(range(len(table)))
        return self._names[what]

    def _classes(self, step: Step) -> Float[Tensor, "n k"] | None:
        """What the image network took the pictures of a step for before training, where the method asks."""
        if self.class_texts is None or not isinstance(self.images, InnerTable):
            return None
        return self.images.classes(step.images)

    def _own_images(self, step: Step, own: slice) -> ImageBatch:
        """The pictures of a step, of which only the `own` are read."""
        count = len(step.images)
        rows = replace(step, images=step.images[own], mirrored=step.mirrored[own], turns=step.turns[own])
        read = self._images(rows)
        before, after = own.start, count - own.stop
        if not before and not after:
            return read

        def placed(rows: Tensor, filler: float) -> Tensor:
            sides = (0, 0) * (rows.ndim - 1) + (before, after)
            return torch.nn.functional.pad(rows, sides, value=filler)

        nothing = float("nan")
        return ImageBatch(
            placed(read.parts, nothing),
            placed(read.mask, False),
            placed(read.boxes, nothing),
            placed(read.whole, nothing),
        )

    def _images(self, step: Step) -> ImageBatch:
        """The pictures of a step, turned and mirrored where it says so."""
        if isinstance(self.images, PixelTable):
            return self.images.rows(step.images, mirrored=step.mirrored, turns=step.turns)
        if isinstance(self.images, InnerTable):
            return self.images.rows(step.images, mirrored=step.mirrored, turns=step.turns, crop=step.crop)
        images = self.images.rows(step.images)
        if self.mirrored is None or not any(step.mirrored):
            return images
        other, flip = self.mirrored.rows(step.images), torch.tensor(step.mirrored)
        return ImageBatch(
            torch.where(flip[:, None, None], other.parts, images.parts),
            images.mask,
            torch.where(flip[:, None, None], other.boxes, images.boxes),
            torch.where(flip[:, None], other.whole, images.whole),
        )


@dataclass(frozen=True)
class TrainingPass:
    """Every picture of `material` once with all its captions, in order, in batches of `size`; then again mirrored.

    Can be read any number of times; only one batch is in memory at a time. Pictures without captions are left out.
    """

    dataset: Dataset
    size: int
    device: str

    def __len__(self) -> int:
        """How many batches one reading gives."""
        views = 1 if self.dataset.mirrored is None else 2
        return views * -(-len(self._described()) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        captions, described = self.dataset.corpus.captions_of_images(), self._described()
        for mirrored in (False,) if self.dataset.mirrored is None else (False, True):
            for start in range(0, len(described), self.size):
                images = described[start : start + self.size]
                step = Step(
                    images=tuple(images),
                    captions=tuple(caption for image in images for caption in captions[image]),
                    caption_image=tuple(row for row, image in enumerate(images) for _ in captions[image]),
                    mirrored=(mirrored,) * len(images),
                )
                yield self.dataset.batch(step, hardness=1.0).to(self.device)

    def _described(self) -> list[int]:
        return [image for image, captions in enumerate(self.dataset.corpus.captions_of_images()) if captions]


def gather_dataset(
    corpus: Corpus,
    image_encoder: ImageEncoder,
    text_encoder: TextEncoder,
    *,
    cache: FeatureCache,
    mirror: bool,
    parser: CaptionParser | None = None,
    backbone: Backbone | None = None,
    cells: tuple[int, ...] = (),
    turned: Sequence[str] = (),
    device: str = "cpu",
    progress: Progress,
) -> Dataset:
    """Features of one split, from the cache where they are known. Unreadable pictures are left out of the corpus.

    A `parser` is given for methods that read scene graphs. Of a corpus with given features, these are the features.
    With a `backbone`, pictures are pixels, of which it makes features of `cells` at every reading; the frozen encoder
    then only finds out which can be read. Where it is frozen below a block, what comes into the block is cached and
    read instead; of the sources named in `turned` also what comes of the pictures turned by quarters.
    """
    if not corpus.captions:
        raise DataError(f"corpus {corpus.name!r} has no captions in this split; training and evaluation need them.")
    if corpus.features is not None:
        images = given_image_table(corpus)
        if corpus.features.texts is not None:
            return Dataset(corpus, images, None, given_text_table(corpus))
        texts = extract_text_features(corpus.captions, text_encoder, cache, parser=parser, progress=progress)
        return Dataset(corpus, images, None, texts)
    inner = backbone is not None and backbone.frozen_below > 0
    reader = InnerMapEncoder(backbone, device=device) if backbone is not None and inner else image_encoder
    images, skipped = extract_image_features(corpus.image_paths, reader, cache, progress=progress)
    digests = tuple(key.partition("-")[0] for key in images.keys)  # less what says of its regions
    corpus = corpus.without(list(skipped))
    turns: tuple[Records, ...] = ()
    if inner and turned:
        may_turn = [path for path, own in zip(corpus.image_paths, corpus.of_sources(turned), strict=True) if own]
        turns = tuple(
            extract_image_features(may_turn, reader, cache, view=view, progress=progress)[0].store for view in TURNS[1:]
        )
    mirrored = None
    if mirror and backbone is None:
        mirrored, _ = extract_image_features(corpus.image_paths, image_encoder, cache, view="mirror", progress=progress)
    texts = extract_text_features(corpus.captions, text_encoder, cache, parser=parser, progress=progress)
    if backbone is not None and inner:
        return Dataset(corpus, InnerTable(images, backbone, cells, turns), None, texts, digests=digests)
    if backbone is not None:
        return Dataset(corpus, PixelTable(images.paths, backbone, cells), None, texts, digests=digests)
    return Dataset(corpus, images, mirrored, texts, digests=digests)
