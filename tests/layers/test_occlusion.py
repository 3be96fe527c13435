"""Leaving out words and regions, checked where it can be done by hand: a score that is a sum over pairs."""

import torch
from torch import Tensor

from crossgraph.layers.occlusion import explain_by_occlusion
from crossgraph.types import Alignment, Encoded, ImageBatch, TextBatch


def sum_of_parts(images: ImageBatch) -> Encoded:
    return Encoded((images.parts * images.mask[..., None]).sum(dim=1))


def sum_of_words(texts: TextBatch) -> Encoded:
    return Encoded((texts.states * texts.mask[..., None]).sum(dim=1))


def product(images: Encoded, texts: Encoded) -> Tensor:
    return images.embedding @ texts.embedding.T


def explained(regions: list[list[float]], words: list[list[float]], *, real_words: int | None = None) -> Alignment:
    real = len(words) if real_words is None else real_words
    images = ImageBatch(
        torch.tensor([regions]),
        torch.ones(1, len(regions), dtype=torch.bool),
        torch.rand(1, len(regions), 4),
        torch.zeros(1, 3),
    )
    mask = torch.arange(len(words))[None] < real
    texts = TextBatch(mask, (tuple(f"w{j}" for j in range(real)),), states=torch.tensor([words]))
    return explain_by_occlusion(images, texts, encode_images=sum_of_parts, encode_texts=sum_of_words, score=product)


def test_a_sum_over_pairs_comes_apart_into_them() -> None:
    found = explained([[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [1.0, 1.0]])
    # products of region and word: 3 and 1 from the first region, 0 and 2 from the second
    assert found.score == 6.0
    assert found.word_scores.tolist() == [3.0, 3.0]
    assert torch.allclose(found.weights, torch.tensor([[1.0, 1 / 3], [0.0, 2 / 3]]))
    assert found.words == ("w0", "w1")


def test_a_word_that_no_region_supports_looks_nowhere() -> None:
    found = explained([[1.0, 0.0], [2.0, 0.0]], [[0.0, 5.0], [-1.0, 0.0]])
    assert found.weights.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert found.word_scores.tolist() == [0.0, -3.0]


def test_padding_carries_nothing() -> None:
    found = explained([[1.0, 1.0]], [[2.0, 0.0], [7.0, 7.0]], real_words=1)
    assert found.weights.tolist() == [[1.0, 0.0]]
    assert found.word_scores.tolist() == [2.0, 0.0]
    assert found.score == 2.0
