"""A corpus that exists in memory only, and a trainer of a tiny method on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import Array, RecordStore
from crossgraph.data.features.image_features import ImageTable
from crossgraph.data.features.text_features import TextTable
from crossgraph.encoders.text import TextFeatures
from crossgraph.methods.catalogue import METHODS, build_method
from crossgraph.methods.contract import InputSizes
from crossgraph.progress import Silent, Task
from crossgraph.training.dataset import Dataset
from crossgraph.training.loop import Trainer
from crossgraph.training.random_state import RandomState
from crossgraph.training.validation import Validation
from crossgraph.training.workers import ALONE, Workers

PART_WIDTH, WHOLE_WIDTH, VOCABULARY = 6, 5, 14
LABELS = 4
SIZES = InputSizes(
    part_width=PART_WIDTH, whole_width=WHOLE_WIDTH, vocabulary=VOCABULARY, labels=LABELS, label_width=LABELS
)
MODELS: dict[str, dict[str, object]] = {
    "dual_encoder": {"width": 8, "heads": 2, "word_width": 6, "gru_width": 8, "dropout": 0.2},
    "encoder_ensemble": {"width": 8, "heads": 2, "word_width": 6, "gru_width": 8, "dropout": 0.2},
    "kidrr": {"width": 8, "similarity_width": 6, "word_width": 6, "gru_width": 8, "dropout": 0.2, "rounds": 1},
    "racg": {"width": 8, "heads": 2, "word_width": 6, "gru_width": 8, "dropout": 0.2, "neighbours": 2},
    "scahn": {"width": 8, "heads": 2, "region_width": 8, "hidden": 8, "bits": 16, "word_width": 6, "queue": 10},
    "sgfns": {"width": 8, "heads": 2, "word_width": 6, "gru_width": 8, "dropout": 0.2, "neighbours": 2},
    "tsscl": {"width": 8, "hidden": 8, "heads": 2, "word_width": 6, "label_hidden": 4, "dropout": 0.2, "companions": 2},
    "cca": {"components": 4},
    "random_projection": {"components": 4, "bits": 16},
    "random_codes": {"bits": 16},
    "semantic_matching": {"costs": (0.1, 1.0)},
    "dcmh": {"width": 16, "bits": 16},
}


class MemoryStore(RecordStore):
    """Records that are never written."""

    def __init__(self, records: dict[str, dict[str, Array]]) -> None:
        self.records = records

    def read(self, key: str) -> dict[str, Array]:
        return self.records[key]


def fake_corpus(counts: list[int], *, split: str = "train") -> Corpus:
    """So many captions for each picture."""
    links = [image for image, count in enumerate(counts) for _ in range(count)]
    return Corpus(
        name="fake",
        image_paths=tuple(Path(f"{i}.png") for i in range(len(counts))),
        image_ids=tuple(f"{i}.png" for i in range(len(counts))),
        image_splits=(split,) * len(counts),
        captions=tuple(f"caption {j} of {image}" for j, image in enumerate(links)),
        caption_image=np.array(links, dtype=np.int64),
    )


def labelled(dataset: Dataset) -> Dataset:
    """The same material, a label a picture."""
    corpus = dataset.corpus
    labels = np.arange(len(corpus))[:, None] % LABELS == np.arange(LABELS)
    names = tuple(f"label {number}" for number in range(LABELS))
    return replace(dataset, corpus=replace(corpus, labels=labels, label_names=names))


def fake_images(corpus: Corpus, *, view: int = 0) -> ImageTable:
    """Random features, one to four regions a picture, which depend on the picture's place and the view."""
    records: dict[str, dict[str, Array]] = {}
    for row in range(len(corpus)):
        rng, regions = np.random.default_rng((row, view)), 1 + row % 4
        records[str(row)] = {
            "parts": rng.normal(size=(regions, PART_WIDTH)).astype(np.float16),
            "boxes": rng.random((regions, 4), dtype=np.float32),
            "whole": rng.normal(size=(1, WHOLE_WIDTH)).astype(np.float16),
        }
    rows = tuple(range(len(corpus)))
    return ImageTable(corpus.image_paths, rows, tuple(records), MemoryStore(records), PART_WIDTH, WHOLE_WIDTH)


def fake_texts(corpus: Corpus) -> TextTable:
    """Captions of two to four words that depend on the picture, so that there is something to learn."""

    def read(caption: str) -> TextFeatures:
        number, image = (int(word) for word in caption.split() if word.isdigit())
        rng = np.random.default_rng(image)
        ids = rng.integers(1, VOCABULARY, 2 + number % 3)
        return TextFeatures(tuple(f"w{i}" for i in ids), ids=ids.astype(np.int64))

    return TextTable(corpus.captions, 0, read)


def fake_dataset(counts: list[int] | None = None, *, mirror: bool = False) -> Dataset:
    corpus = fake_corpus([2, 3, 0, 1, 4, 2, 2, 1, 3] if counts is None else counts)
    mirrored = fake_images(corpus, view=1) if mirror else None
    return Dataset(corpus, fake_images(corpus), mirrored, fake_texts(corpus))


class Watcher:
    """Calls `at_step(n)` after the n-th training step of this process."""

    def __init__(self, at_step: Callable[[int], None]) -> None:
        self.at_step, self.steps = at_step, 0

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        yield self if description.startswith("epoch") else Silent()

    def advance(self, amount: int = 1, **facts: object) -> None:
        if facts:
            self.steps += 1
            self.at_step(self.steps)

    def note(self, event: str, **facts: object) -> None:
        """Say nothing."""


def fake_trainer(
    run: Path,
    *,
    method: str = "dual_encoder",
    dataset: Dataset | None = None,
    at_step: Callable[[int], None] | None = None,
    fingerprint: str = "same",
    neighbours: bool = False,
    model: dict[str, object] | None = None,
    mirror: bool = False,
    device: str = "cpu",
    workers: Workers = ALONE,
    **training: object,
) -> Trainer:
    """A trainer whose every choice follows from its arguments."""
    dataset = dataset or fake_dataset(mirror=mirror)
    if METHODS[method].reads_labels:
        dataset = labelled(dataset)
    settings = {"epochs": 3, "batch_size": 3, "captions_per_image": 2, "warmup_steps": 2, "learning_rate": 0.01}
    config = RunConfig.model_validate(
        {"method": method, "images": {"mirror": mirror}, "training": {**settings, **training}}
    )
    n, random = len(dataset.corpus), RandomState(config.training.seed, device=device)
    with random.drawing():
        built = build_method(method, {**MODELS[method], **(model or {})}, SIZES)
    return Trainer(
        built,
        config,
        run=run,
        dataset=dataset,
        validation=Validation(fake_dataset([1, 2, 1, 0, 2]), 3, None, device=device),
        neighbours=torch.tensor([[(i + k) % n for k in (1, 2, 3)] for i in range(n)]) if neighbours else None,
        random=random,
        fingerprint=fingerprint,
        progress=Watcher(at_step or (lambda _: None)),
        device=device,
        workers=workers,
    )
