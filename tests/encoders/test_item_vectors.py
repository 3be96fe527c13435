"""One vector an item: TF-IDF as scikit-learn has it, means over what is real."""

from typing import Literal

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfTransformer

from crossgraph.encoders.item_vectors import CaptionVector, image_vectors, image_width
from crossgraph.errors import ConfigError, ModelError
from crossgraph.types import ImageBatch, TextBatch
from crossgraph.words import UNKNOWN


def captions(*sentences: list[int], padding: int = 0) -> TextBatch:
    longest = max(map(len, sentences)) + padding
    ids = torch.zeros(len(sentences), longest, dtype=torch.long)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = torch.tensor(sentence, dtype=torch.long)
    return TextBatch(ids > 0, tuple(tuple(map(str, sentence)) for sentence in sentences), ids=ids)


def test_captions_are_weighed_as_scikit_learn_weighs_them() -> None:
    texts = captions([2, 3, 3], [2, 4], [2, 5, 1, 3], [4], padding=2)
    vectors = CaptionVector(vocabulary=7, state_width=0)
    vectors.count([captions([2, 3, 3], [2, 4]), captions([2, 5, 1, 3], [4], padding=3)])
    counts = np.array([[row.count(word) for word in range(7)] for row in ([2, 3, 3], [2, 4], [2, 5, 1, 3], [4])])
    assert np.allclose(vectors(texts).numpy(), TfidfTransformer().fit_transform(counts).toarray(), atol=1e-6)


def test_before_counting_all_words_weigh_alike_and_no_words_are_zero() -> None:
    vectors = CaptionVector(vocabulary=5, state_width=0)
    found = vectors(captions([3, 4], []))
    assert torch.allclose(found[0], torch.tensor([0, 0, 0, 0.5**0.5, 0.5**0.5]))
    assert not found[1].any()


def test_rare_words_beyond_the_most_frequent_count_as_unknown() -> None:
    vectors = CaptionVector(vocabulary=9, state_width=0, most_words=4)
    assert vectors.width == 4
    assert vectors(captions([8, 3])).nonzero()[:, 1].tolist() == [UNKNOWN, 3]
    assert torch.equal(vectors(captions([8])), vectors(captions([UNKNOWN])))


def test_states_are_averaged_over_real_words_whatever_was_counted() -> None:
    vectors = CaptionVector(vocabulary=0, state_width=2)
    texts = TextBatch(
        torch.tensor([[True, True, False]]), (("a", "b"),), states=torch.tensor([[[1.0, 2.0], [3.0, 0.0], [9.0, 9.0]]])
    )
    vectors.count([texts])
    assert vectors(texts).tolist() == [[2.0, 1.0]]
    assert vectors.state_dict()["rarity"].shape == (0,)


@pytest.mark.parametrize(("which", "expected"), [("parts", [2.0, 1.0]), ("whole", [7.0]), ("both", [2.0, 1.0, 7.0])])
def test_a_picture_is_the_mean_of_its_parts_its_whole_or_both(
    which: Literal["parts", "whole", "both"], expected: list[float]
) -> None:
    images = ImageBatch(
        torch.tensor([[[1.0, 2.0], [3.0, 0.0], [9.0, 9.0]]]),
        torch.tensor([[True, True, False]]),
        torch.zeros(1, 3, 4),
        torch.tensor([[7.0]]),
    )
    assert image_vectors(images, which=which).tolist() == [expected]
    assert image_width(which, part_width=2, whole_width=1) == len(expected)


def test_words_of_the_other_kind_and_both_kinds_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="give vocabulary or state_width, got 5 and 3"):
        CaptionVector(vocabulary=5, state_width=3)
    with pytest.raises(ModelError, match="reads word states, which the texts lack"):
        CaptionVector(vocabulary=0, state_width=3)(captions([2]))
    with pytest.raises(ModelError, match="reads word ids, which the texts lack"):
        CaptionVector(vocabulary=3, state_width=0)(
            TextBatch(torch.ones(1, 1).bool(), (("a",),), states=torch.ones(1, 1, 3))
        )
