"""A trained run, loaded: pictures and sentences in, encodings and explanations out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from crossgraph.config import ImagesConfig
from crossgraph.data.corpus import Corpus, Skipped
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.given_tables import given_image_table, given_text_table
from crossgraph.data.features.image_features import ImageTable, extract_image_features
from crossgraph.data.features.inner_table import InnerTable
from crossgraph.data.features.pixel_table import PixelTable
from crossgraph.data.features.regions import SuppliedRegions
from crossgraph.data.features.text_features import TextTable, extract_text_features
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.data.images import read_image
from crossgraph.device import checked_device
from crossgraph.encoders.catalogue import build_image_encoder, build_text_encoder
from crossgraph.encoders.given import GivenImageEncoder
from crossgraph.encoders.image import ImageEncoder
from crossgraph.encoders.text import TextEncoder, described_languages
from crossgraph.encoders.understanding import Understanding
from crossgraph.errors import ImageError, ModelError, UnreadableError
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import (
    WEIGHTS,
    fingerprint_of,
    load_weights,
    own_weights,
    read_manifest,
    read_tensors,
)
from crossgraph.training.encoder_pool import EncoderPool
from crossgraph.training.fine_tuning import own_encoder, own_text_encoder, without_network
from crossgraph.training.held_out import split_as_trained
from crossgraph.training.labels import labels_as_trained
from crossgraph.training.occluded_inputs import explain_by_inputs
from crossgraph.training.places import located_images, located_texts
from crossgraph.types import Alignment, Encoded, stack_encoded

SHORTLIST = "shortlist"


@dataclass(frozen=True)
class EncodedImages:
    """Encoded pictures, which of the given paths they are (`kept`), and what could not be read."""

    encoded: Encoded
    kept: tuple[int, ...]
    skipped: tuple[Skipped, ...]


def build_encoder(images: ImagesConfig, device: str, download: bool = True) -> ImageEncoder:
    """The picture encoder that the settings name, with the regions that they supply.

    `download=False` is for settings that stand in a run, which somebody else may have made.
    """
    encoder = build_image_encoder(
        images.encoder, size=images.size, cells=images.cells, device=device, download=download
    )
    if images.regions is not None:
        encoder.boxes_of = SuppliedRegions(Path(images.regions))
    return encoder


class TrainedModel:
    """A method with its selected weights and the encoders it was trained on; never changes after loading.

    Encoders come from `encoders`, and are loaded when they are first needed: models with one pool share them, as a
    run does with its shortlist.
    """

    def __init__(
        self, run: Path, *, cache: FeatureCache, device: str = "cpu", encoders: EncoderPool | None = None
    ) -> None:
        self.run, self.cache, self.device = run, cache, str(checked_device(device))
        self.manifest = read_manifest(run)
        self.config = self.manifest.config
        method = build_method(self.config.method, self.config.model, self.manifest.sizes)
        self.fingerprint = fingerprint_of(own_weights(run, self.manifest), self.manifest)
        self.method = self._with_weights(method)
        self.encoders = encoders or EncoderPool()
        self.shortlist: TrainedModel | None = None
        if (run / SHORTLIST).is_dir():
            self.shortlist = TrainedModel(run / SHORTLIST, cache=cache, device=self.device, encoders=self.encoders)

    def _with_weights(self, method: Method) -> Method:
        tensors, _ = read_tensors(self.run / WEIGHTS)
        load_weights(method, without_network(tensors), run=self.run)
        return method.eval().to(self.device)

    @property
    def coder(self) -> None:
        """A run has no codes besides those of its own encodings, if its method hashes."""
        return None

    @property
    def calibration(self) -> Mapping[str, Any]:
        """What was fitted to tell good answers from bad (`gallery.search.score_calibration`), if anything was."""
        return self.manifest.calibration

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the labels that the run learned from, if it learned from any."""
        return tuple((self.manifest.labels or {}).get("names", ()))

    @property
    def blend(self) -> float:
        """The share of the shortlist's score that is added in re-ranking, as chosen on the validation split."""
        return 0.0 if self.manifest.blend is None else self.manifest.blend.chosen

    @property
    def given(self) -> dict[str, Any] | None:
        """Kind and widths of the given features this run was trained on; None for pictures and sentences."""
        return self.manifest.given

    @property
    def image_encoder(self) -> ImageEncoder:
        """The picture encoder: the run's own, or else refused when it is not the one the run was trained on."""
        if self.config.images.trainable:
            finished = self.manifest.weights is not None
            name = self.manifest.image_encoder if finished else f"of run {self.fingerprint}"
            return self.encoders.image_encoder(name, regions=None, load=self._load_own_encoder)
        return self.encoders.image_encoder(
            self.manifest.image_encoder, regions=self.manifest.regions, load=self._load_image_encoder
        )

    def _load_own_encoder(self) -> ImageEncoder:
        """The network that the run trained; loaded only when pictures are to be read, which a search by text is not."""
        images = located_images(self.run, self.manifest, self.config.images)
        config = self.config.model_copy(update={"images": images})
        return own_encoder(config, read_tensors(self.run / WEIGHTS)[0], run=self.run, device=self.device)

    def _load_image_encoder(self) -> ImageEncoder:
        if self.given is not None:
            return GivenImageEncoder(self.given)
        encoder = build_encoder(located_images(self.run, self.manifest, self.config.images), self.device, False)
        if encoder.fingerprint != self.manifest.image_encoder:
            raise ModelError(
                f"{self.run} was trained on features of {self.config.images.encoder!r} with fingerprint "
                f"{self.manifest.image_encoder}, but the encoder here has {encoder.fingerprint}. "
                "Install the same weights, or train the run again."
            )
        return encoder

    @property
    def text_encoder(self) -> TextEncoder:
        """The sentence encoder as the manifest describes it, with the layers that the run trained, if it did."""
        name = self.manifest.text_encoder["fingerprint"]
        if self.config.texts.trainable and self.manifest.weights is None:
            name = f"of run {self.fingerprint}"
        return self.encoders.text_encoder(name, load=self._load_text_encoder)

    def _load_text_encoder(self) -> TextEncoder:
        if self.config.texts.trainable:
            finished = self.manifest.weights is not None
            return own_text_encoder(self.run, self.manifest, device=self.device, fingerprint=finished)
        return build_text_encoder(located_texts(self.run, self.manifest), device=self.device, download=False)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that sentences may be in, as ISO codes; none where nobody knows. Nothing is loaded to tell."""
        return described_languages(self.manifest.text_encoder)

    @property
    def parser(self) -> CaptionParser | None:
        """What gives sentences their scene graphs; None for a method that reads none, refused when its rules differ."""
        if not self.method.reads_graphs:
            return None
        parser = self.encoders.parser()
        if parser.fingerprint != self.manifest.parser:
            raise ModelError(
                f"{self.run} was trained on scene graphs of caption parser {self.manifest.parser}, but the parser "
                f"here is {parser.fingerprint}. Install the same version, or train the run again."
            )
        return parser

    def image_features(
        self, paths: Sequence[Path], *, progress: Progress | None = None, reader: ImageReader = PLAIN
    ) -> tuple[ImageTable, tuple[Skipped, ...]]:
        """Cached features of the readable pictures among `paths`, and the rest with reasons."""
        if self.given is not None:
            self.image_encoder.encode([])  # says why not
        table, skipped = extract_image_features(
            paths, self.image_encoder, self.cache, progress=progress or Silent(), reader=reader
        )
        return table, tuple(skipped)

    def text_features(self, sentences: Sequence[str], *, progress: Progress | None = None) -> TextTable:
        """Words of `sentences`, with their scene graphs if the method reads them."""
        return extract_text_features(
            sentences, self.text_encoder, self.cache, parser=self.parser, progress=progress or Silent()
        )

    def encode_image_files(
        self, paths: Sequence[Path], *, progress: Progress | None = None, reader: ImageReader = PLAIN
    ) -> EncodedImages:
        """One row per readable picture. Raises `UnreadableError` if there is none."""
        table, skipped = self.image_features(paths, progress=progress, reader=reader)
        if not len(table):
            raise UnreadableError({one.path: one.reason for one in skipped})
        return EncodedImages(self.encode_image_table(table), tuple(table.kept), skipped)

    def encode_raw_texts(self, sentences: Sequence[str], *, progress: Progress | None = None) -> Encoded:
        """One row per sentence."""
        table = self.text_features(sentences, progress=progress)
        return self.encode_text_table(table)

    def encode_corpus_images(self, corpus: Corpus, *, progress: Progress | None = None) -> EncodedImages:
        """One row per image of a corpus that can be read: its picture, or its given features."""
        self._require_same_inputs(corpus)
        if corpus.features is None:
            return self.encode_image_files(corpus.image_paths, progress=progress)
        return EncodedImages(self.encode_image_table(given_image_table(corpus)), tuple(range(len(corpus))), ())

    def encode_corpus_texts(self, corpus: Corpus, *, progress: Progress | None = None) -> Encoded:
        """One row per caption of a corpus: its sentence, or its given features."""
        self._require_same_inputs(corpus)
        if corpus.features is None or corpus.features.texts is None:
            return self.encode_raw_texts(corpus.captions, progress=progress)
        return self.encode_text_table(given_text_table(corpus))

    def _require_same_inputs(self, corpus: Corpus) -> None:
        """Refuse a corpus whose features are of another kind than those the run was trained on."""
        here = None if corpus.features is None else corpus.features.describe()
        if here != self.given:
            raise ModelError(
                f"{self.run} was trained on {_inputs(self.given)}, but corpus {corpus.name!r} has {_inputs(here)}. "
                "Give a corpus like the one it was trained on, or train on this one."
            )

    def understanding(self, text: str) -> Understanding:
        """What of a text is read and known, by this run and by the one that makes its shortlist."""
        found = self.text_encoder.understanding(text).judged_by(self.manifest.data.scripts)
        return found if self.shortlist is None else found.together_with(self.shortlist.understanding(text))

    def split_of(self, corpus: Corpus, name: str) -> Corpus:
        """One split of a corpus; where it names none, drawn as it was drawn when this run was trained."""
        return split_as_trained(self.manifest.data, corpus, name)

    def with_labels(self, corpus: Corpus, *, progress: Progress | None = None) -> Corpus:
        """A corpus with the labels this run was trained on: its own, or the run's concepts read off its captions."""
        return labels_as_trained(corpus, self.manifest.labels, cache=self.cache, progress=progress or Silent())

    def encode_image_table(self, table: ImageTable) -> Encoded:
        """One row per picture of a feature table."""
        return encode_images(self.method, table, device=self.device)

    def encode_text_table(self, table: TextTable) -> Encoded:
        """One row per sentence of a feature table."""
        return encode_texts(self.method, table, device=self.device)

    def explain(self, sentence: str, path: Path) -> Alignment:
        """Which region of a picture matched which word; raises `ImageError` when the picture cannot be read."""
        table, skipped = self.image_features([path])
        if skipped:
            raise ImageError(path, skipped[0].reason)
        images, texts = table.rows([0]).to(self.device), self.text_features([sentence]).rows([0]).to(self.device)
        with torch.inference_mode():
            if not self.method.reads_wholes:
                return self.method.explain(images, texts)
            return explain_by_inputs(
                self.method,
                images,
                texts,
                picture=read_image(path),
                sentence=sentence,
                image_encoder=self.image_encoder,
                text_encoder=self.text_encoder,
            )

    def describe(self) -> dict[str, Any]:
        """What a result should name: method, run, fingerprint, seed, selected epoch."""
        return {
            "run": str(self.run),
            "method": self.config.method,
            "fingerprint": self.fingerprint,
            "seed": self.config.training.seed,
            "selected_epoch": (self.manifest.selected or {}).get("epoch"),
        }


def _inputs(given: dict[str, Any] | None) -> str:
    if given is None:
        return "pictures and sentences"
    return f"given features ({given['kind']}: {given['image_width']} numbers an image, {given['text_width']} a text)"


@torch.inference_mode()
def encode_images(
    method: Method, table: ImageTable | PixelTable | InnerTable, *, device: str = "cpu", block: int = 256
) -> Encoded:
    """All pictures of a table, block by block."""
    blocks = [range(i, min(i + block, len(table))) for i in range(0, len(table), block)]
    if not blocks:
        raise ModelError("there is no picture to encode; every file was unreadable, or the list was empty.")
    return stack_encoded([method.encode_images(table.rows(rows).to(device)) for rows in blocks])


@torch.inference_mode()
def encode_texts(method: Method, table: TextTable, *, device: str = "cpu", block: int = 512) -> Encoded:
    """All sentences of a table, block by block."""
    blocks = [range(i, min(i + block, len(table))) for i in range(0, len(table), block)]
    if not blocks:
        raise ModelError("there is no sentence to encode.")
    return stack_encoded([method.encode_texts(table.rows(rows).to(device)) for rows in blocks])
