"""Dual encoders side by side: the mean of their scores, each trained as if it were alone."""

from dataclasses import replace

import pytest
import torch

from crossgraph.errors import ConfigError
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import InputSizes
from crossgraph.methods.dual_encoder import DualEncoder
from crossgraph.methods.encoder_ensemble import EncoderEnsemble
from crossgraph.types import ImageBatch
from tests.methods.synthetic_items import (
    draw_captions,
    draw_images,
    image_batch,
    small_method,
    text_batch,
    training_batch,
)


def members(method: EncoderEnsemble) -> list[DualEncoder]:
    return [branch for branch in method.branches if isinstance(branch, DualEncoder)]


def halves(images: ImageBatch) -> list[ImageBatch]:
    """The two blocks of channels, by slicing."""
    parts, whole = images.parts.shape[2] // 2, images.whole.shape[1] // 2
    return [
        replace(
            images,
            parts=images.parts[..., cut * parts : (cut + 1) * parts],
            whole=images.whole[:, cut * whole :][:, :whole],
        )
        for cut in range(2)
    ]


def doubled(images: ImageBatch) -> ImageBatch:
    """Pictures with another block of channels behind their own."""
    return replace(
        images,
        parts=torch.cat([images.parts, images.parts.roll(1, dims=2) * 0.5], dim=2),
        whole=torch.cat([images.whole, images.whole.roll(1, dims=1) * 0.5], dim=1),
    )


def in_two_blocks(**changes: object) -> EncoderEnsemble:
    """Three branches on two blocks of what the drawn pictures have."""
    plain = small_method("dual_encoder")
    sizes = plain.sizes.model_copy(
        update={"part_width": 2 * plain.sizes.part_width, "whole_width": 2 * plain.sizes.whole_width}
    )
    settings = {"width": 16, "heads": 4, "word_width": 12, "gru_width": 16, "branches": 3, "blocks": 2, **changes}
    method = build_method("encoder_ensemble", settings, sizes).eval()
    assert isinstance(method, EncoderEnsemble)
    return method


def test_the_score_is_the_mean_of_the_branches_each_on_its_block() -> None:
    method = in_two_blocks()
    images, texts = doubled(image_batch(draw_images(4))), text_batch(draw_captions(5))
    with torch.no_grad():
        found = method.score(method.encode_images(images), method.encode_texts(texts))
        blocks = halves(images)
        each = [
            branch.score(branch.encode_images(blocks[number % 2]), branch.encode_texts(texts))
            for number, branch in enumerate(members(method))
        ]
    torch.testing.assert_close(found, torch.stack(each).mean(dim=0))


def test_losses_are_those_of_the_branches_and_gradients_do_not_cross() -> None:
    method, batch = in_two_blocks(dropout=0.0), training_batch()
    batch = replace(batch, images=doubled(batch.images))
    blocks = halves(batch.images)
    alone = [
        branch.losses(replace(batch, images=blocks[number % 2]))["info_nce"]
        for number, branch in enumerate(members(method))
    ]
    found = method.losses(batch)
    assert list(found) == ["info_nce"]
    torch.testing.assert_close(found["info_nce"], sum(alone))
    method.zero_grad()
    alone[0].backward()
    assert any(parameter.grad is not None for parameter in members(method)[0].parameters())
    assert all(parameter.grad is None for parameter in members(method)[1].parameters())


def test_the_explanation_is_the_mean_and_adds_up_to_the_score() -> None:
    method = in_two_blocks()
    with torch.no_grad():
        for image, caption in zip(draw_images(3), draw_captions(3), strict=True):
            images, texts = doubled(image_batch([image])), text_batch([caption])
            told = method.explain(images, texts)
            score = method.score_pairs(method.encode_images(images), method.encode_texts(texts))
            assert told.score == pytest.approx(float(score[0]), abs=1e-5)
            assert told.explained == pytest.approx(told.score, abs=1e-5)


def test_blocks_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.blocks"):
        build_method("encoder_ensemble", {"blocks": 2}, InputSizes(part_width=7, whole_width=6, vocabulary=9))
