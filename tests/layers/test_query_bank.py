"""A bank charges what is near to everything, within the cosine of unit vectors."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crossgraph.layers.charges import LENGTH, REACH
from crossgraph.layers.query_bank import QueryBank


def units(count: int, width: int = 8, *, seed: int) -> Tensor:
    return F.normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def filled(share: float = 0.5, sharpness: float = 20.0) -> QueryBank:
    bank = QueryBank(30, 50, width=8, share=share, sharpness=sharpness)
    bank.fill(units(30, seed=1), units(50, seed=2))
    return bank


def near(one: Tensor, others: Tensor, sharpness: float) -> float:
    return math.log(sum(math.exp(sharpness * float(one @ other)) for other in others)) / sharpness


def test_the_cosine_is_the_charged_score_pair_by_pair() -> None:
    bank, images, texts = filled(), units(7, seed=3), units(5, seed=4)
    usual_images = sum(near(one, bank.texts, 20.0) for one in bank.images) / 30
    usual_texts = sum(near(one, bank.images, 20.0) for one in bank.texts) / 50
    scores = bank.of_images(images) @ bank.of_texts(texts).T
    for row, image in enumerate(images):
        for column, text in enumerate(texts):
            of_image = 0.5 * (near(image, bank.texts, 20.0) - usual_images)
            of_text = 0.5 * (near(text, bank.images, 20.0) - usual_texts)
            expected = (float(image @ text) - of_image - of_text) / LENGTH**2
            assert float(scores[row, column]) == pytest.approx(expected, abs=1e-5)


def test_vectors_keep_unit_length_however_much_is_charged() -> None:
    bank = filled(share=1.0)
    for vectors in (bank.of_images(units(20, seed=5)), bank.of_texts(units(20, seed=6)), bank.of_images(bank.texts)):
        assert vectors.shape[1] == 8 + 4
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
    alike = QueryBank(10, 10, width=8, share=1.0, sharpness=20.0)
    one = units(1, seed=7)
    alike.fill(one.expand(10, 8), one.expand(10, 8))
    charged, plain = alike.of_images(-one), alike.of_texts(one)
    assert float(charged @ plain.T) == pytest.approx((-1 + REACH) / LENGTH**2, abs=1e-5)  # 2 by right, cut at REACH


def test_nothing_charged_leaves_the_order_as_it_was() -> None:
    bank, images, texts = filled(share=0.0), units(9, seed=8), units(9, seed=9)
    scores = bank.of_images(images) @ bank.of_texts(texts).T
    torch.testing.assert_close(scores * LENGTH**2, images @ texts.T)


def test_a_hub_is_charged_most() -> None:
    hub, text = units(1, seed=12), units(1, seed=11)
    bank = QueryBank(30, 50, width=8, share=0.2, sharpness=20.0)
    bank.fill(units(30, seed=1), F.normalize(hub + 0.2 * units(50, seed=2), dim=1))
    images = torch.cat([hub, units(20, seed=10)])
    charges = images @ text.T - LENGTH**2 * bank.of_images(images) @ bank.of_texts(text).T
    assert int(charges.argmax()) == 0
