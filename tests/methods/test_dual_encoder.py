import pytest
import torch

from tests.methods.synthetic_items import (
    draw_captions,
    draw_images,
    image_batch,
    small_method,
    text_batch,
    training_batch,
)


@pytest.mark.parametrize("inputs", ["ids", "states"])
def test_word_scores_sum_to_the_score(inputs: str) -> None:
    method = small_method("dual_encoder", inputs)
    with torch.no_grad():
        for image, caption in zip(draw_images(4), draw_captions(4), strict=True):
            alignment = method.explain(image_batch([image]), text_batch([caption], inputs))
            assert alignment.word_scores.sum().item() == pytest.approx(alignment.score, abs=1e-5)


def test_weights_of_a_word_sum_to_one_unless_no_region_speaks_for_it() -> None:
    method = small_method("dual_encoder")
    with torch.no_grad():
        for image, caption in zip(draw_images(8), draw_captions(8), strict=True):
            totals = method.explain(image_batch([image]), text_batch([caption])).weights.sum(0)
            assert ((totals - 1).abs().lt(1e-5) | totals.eq(0)).all()


def test_the_score_is_the_product_of_the_embeddings() -> None:
    method = small_method("dual_encoder")
    with torch.no_grad():
        images = method.encode_images(image_batch(draw_images(3)))
        texts = method.encode_texts(text_batch(draw_captions(4)))
        assert torch.equal(method.score(images, texts), images.embedding @ texts.embedding.T)
    assert not method.reranks
    assert images.parts is None


def test_only_info_nce_learns_a_temperature_and_starts_where_it_is_told() -> None:
    warm = small_method("dual_encoder", temperature=0.1)
    assert warm.rank.scale.exp().item() == pytest.approx(10.0)
    assert "rank.scale" not in dict(small_method("dual_encoder", loss="triplet").named_parameters())


@pytest.mark.parametrize("loss", ["info_nce", "triplet"])
def test_the_loss_carries_the_name_of_its_kind(loss: str) -> None:
    assert list(small_method("dual_encoder", loss=loss).losses(training_batch())) == [loss]
