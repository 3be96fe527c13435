"""Small corpora and methods that score in plain sight."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.methods.contract import InputSizes, Method, MethodConfig
from crossgraph.types import Alignment, Batch, Encoded, ImageBatch, Provenance, TextBatch

MakeCorpus = Callable[..., Corpus]


class WordsOverRegions(Method):
    """Scores a pair by the mean over words of the best region's product with it."""

    name: ClassVar[str] = "words_over_regions"
    config_type = MethodConfig
    provenance: ClassVar[tuple[Provenance, ...]] = ()
    reranks: ClassVar[bool] = True

    def encode_images(self, images: ImageBatch) -> Encoded:
        raise NotImplementedError

    def encode_texts(self, texts: TextBatch) -> Encoded:
        raise NotImplementedError

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Tensor]:
        raise NotImplementedError

    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        raise NotImplementedError

    def score_pairs(self, images: Encoded, texts: Encoded) -> Tensor:
        assert not self.training
        assert images.parts is not None
        assert images.mask is not None
        assert texts.parts is not None
        assert texts.mask is not None
        products = (images.parts[:, :, None] * texts.parts[:, None]).sum(-1)
        best = products.masked_fill(~images.mask[:, :, None], -torch.inf).amax(1)
        return (best * texts.mask).sum(1) / texts.mask.sum(1)


@pytest.fixture
def method() -> Method:
    """A fine-grained method, in training mode."""
    return WordsOverRegions(MethodConfig(), InputSizes(part_width=4, whole_width=4)).train()


class ProductOfEmbeddings(WordsOverRegions):
    """Scores a pair by the product of its embeddings; needs no parts."""

    name: ClassVar[str] = "product_of_embeddings"
    reranks: ClassVar[bool] = False

    def score_pairs(self, images: Encoded, texts: Encoded) -> Tensor:
        return (images.embedding * texts.embedding).sum(-1)


@pytest.fixture
def product_method() -> Method:
    """A method without parts."""
    return ProductOfEmbeddings(MethodConfig(), InputSizes(part_width=4, whole_width=4))


@pytest.fixture
def make_encoded() -> Callable[..., Encoded]:
    """Random rows of whole numbers, so that sums are exact in any order, with 1 to `width` real parts each."""

    def make(rows: int, width: int, *, seed: int, channels: int = 4) -> Encoded:
        generator = torch.Generator().manual_seed(seed)
        real = torch.randint(1, width + 1, (rows, 1), generator=generator)
        parts = torch.randint(-9, 10, (rows, width, channels), generator=generator).float()
        embedding = torch.randint(-9, 10, (rows, channels), generator=generator).float()
        return Encoded(embedding, parts, torch.arange(width) < real)

    return make


@pytest.fixture
def make_corpus() -> MakeCorpus:
    """A corpus from its caption->image links; captions are all different unless given."""

    def make(
        caption_image: Sequence[int],
        n_images: int,
        *,
        captions: Sequence[str] | None = None,
        twin_group: Sequence[int] | None = None,
        telling: Sequence[bool] | None = None,
    ) -> Corpus:
        return Corpus(
            name="toy",
            image_paths=tuple(Path(f"{i}.png") for i in range(n_images)),
            image_ids=tuple(str(i) for i in range(n_images)),
            image_splits=("val",) * n_images,
            captions=tuple(captions or [f"caption {j}" for j in range(len(caption_image))]),
            caption_image=np.asarray(caption_image, dtype=np.int64),
            twin_group=None if twin_group is None else np.asarray(twin_group, dtype=np.int64),
            telling=None if telling is None else np.asarray(telling, dtype=np.bool_),
        )

    return make
