import math

import pytest
import torch

from crossgraph.layers.code_discriminators import CodeDiscriminators
from crossgraph.losses.adversarial import discriminator_loss, generator_loss


def drawn() -> tuple[CodeDiscriminators, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return CodeDiscriminators(8, hidden=16), torch.randn(5, 8).tanh(), torch.randn(7, 8).tanh()


def test_each_discriminator_is_to_know_its_own_medium_and_the_generator_to_pass_for_the_other() -> None:
    both, images, texts = drawn()
    seen = {
        (medium, side): discriminator(codes)[:, 0]
        for medium, discriminator in (("image", both.image), ("text", both.text))
        for side, codes in (("image", images), ("text", texts))
    }
    expected = discriminator_loss(seen["image", "image"], seen["image", "text"])
    expected = expected + discriminator_loss(seen["text", "text"], seen["text", "image"])
    assert both(images, texts).item() == pytest.approx(expected.item())
    deceived = generator_loss(seen["image", "text"]) + generator_loss(seen["text", "image"])
    assert both.generator_loss(images, texts).item() == pytest.approx(deceived.item())


def test_media_that_differ_are_told_apart_and_equal_ones_are_not() -> None:
    for shift, knows in ((1.0, True), (0.0, False)):
        both, images, texts = drawn()
        images, texts = images.repeat(20, 1) + shift, images.repeat(20, 1) - shift
        optimiser = torch.optim.Adam(both.parameters(), lr=1e-2)
        for _ in range(60):
            loss = both(images, texts)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert (loss.item() < 0.5) is knows
        assert knows or loss.item() == pytest.approx(4 * math.log(2), abs=0.01)
