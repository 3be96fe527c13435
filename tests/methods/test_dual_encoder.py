from dataclasses import replace

import pytest
import torch

from crossgraph.errors import ConfigError, ModelError
from crossgraph.losses.distillation import caption_likeness, soft_target_loss
from crossgraph.losses.names import name_loss
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


def test_names_of_labels_and_classes_are_losses_of_their_own_and_unknown_labels_count_for_nothing() -> None:
    method = small_method("dual_encoder", label_weight=0.5, class_weight=2.0).eval()
    batch = training_batch()
    names, kinds = text_batch(draw_captions(3)), text_batch(draw_captions(5))
    count = len(batch.images)
    labels = torch.arange(count)[:, None] % 3 == torch.arange(3)
    known = torch.ones(count, 3, dtype=torch.bool)
    known[:, 2] = False
    classes = torch.rand(count, 5).softmax(dim=1)
    batch = replace(batch, labels=labels, labels_known=known, label_texts=names, class_texts=kinds, classes=classes)
    with torch.no_grad():
        found = method.losses(batch)
        images, scale = method.encode_images(batch.images), method.rank.inverse_temperature
        scores = method.score(images, method.encode_texts(names))
        there = name_loss(scores[:, :2], labels[:, :2].float(), scale=scale)
        back = name_loss(scores[:, :2].T, labels[:, :2].T.float(), scale=scale)
        other = replace(batch, labels=labels & known)
        verdict = name_loss(method.score(images, method.encode_texts(kinds)), classes, scale=scale)
    torch.testing.assert_close(found["labels"], 0.5 * (there + back))
    torch.testing.assert_close(found["classes"], 2.0 * verdict)
    torch.testing.assert_close(method.losses(other)["labels"].detach(), found["labels"])
    assert list(small_method("dual_encoder").losses(batch)) == ["info_nce"]


def test_pictures_with_a_caption_of_the_same_words_are_not_pushed_away() -> None:
    batch = training_batch()
    twice = replace(batch, texts=replace(batch.texts, words=(batch.texts.words[0],) * len(batch.texts)))
    with torch.no_grad():
        forgiving = small_method("dual_encoder", ignore_equal=True).eval()
        assert float(forgiving.losses(twice)["info_nce"]) == pytest.approx(0.0, abs=1e-4)
        assert float(small_method("dual_encoder").eval().losses(twice)["info_nce"]) > 0.1


def test_soft_targets_share_the_ranking_loss_and_want_sentence_vectors() -> None:
    batch = training_batch()
    soft = small_method("dual_encoder", soft_share=0.25).eval()
    with pytest.raises(ModelError, match=r"model\.soft_share=0"):
        soft.losses(replace(batch, texts=replace(batch.texts, whole=None)))
    vectors = torch.randn(len(batch.texts), 6)
    given = replace(batch, texts=replace(batch.texts, whole=vectors))
    plain = small_method("dual_encoder").eval()
    plain.load_state_dict(soft.state_dict())
    with torch.no_grad():
        found, alone = soft.losses(given), plain.losses(given)
        scores = plain.score(plain.encode_images(given.images), plain.encode_texts(given.texts))
        like = caption_likeness(vectors, given.caption_image, len(given.images))
        expected = soft_target_loss(scores, like, scale=plain.rank.inverse_temperature, temperature=0.1)
    torch.testing.assert_close(found["info_nce"], 0.75 * alone["info_nce"])
    torch.testing.assert_close(found["soft"], 0.25 * expected)


def test_teachers_take_their_share_of_the_ranking_loss() -> None:
    batch = training_batch(seed=3)
    taught = torch.randn(len(batch.images), len(batch.texts), generator=torch.Generator().manual_seed(1))
    plain = small_method("dual_encoder", dropout=0.0)
    with_teachers = small_method("dual_encoder", dropout=0.0, teacher_share=0.25, teacher_temperature=0.5)
    with_teachers.load_state_dict(plain.state_dict())
    alone = plain.losses(batch)
    found = with_teachers.losses(replace(batch, taught=taught))
    assert with_teachers.reads_teachers
    assert not plain.reads_teachers
    torch.testing.assert_close(found["info_nce"], 0.75 * alone["info_nce"])
    scores = with_teachers.score(with_teachers.encode_images(batch.images), with_teachers.encode_texts(batch.texts))
    logits, targets = scores.detach() * 20.0, taught / 0.5
    by_hand = 0.0
    for column in range(scores.shape[1]):
        log = logits[:, column] - logits[:, column].exp().sum().log()
        by_hand -= float(targets[:, column].softmax(0) @ log) / scores.shape[1]
    for row in range(scores.shape[0]):
        log = logits[row] - logits[row].exp().sum().log()
        by_hand -= float(targets[row].softmax(0) @ log) / scores.shape[0]
    assert float(found["teachers"].detach()) == pytest.approx(0.25 * by_hand, rel=1e-4)


def test_earlier_steps_are_negatives_but_those_of_the_own_picture() -> None:
    batch = training_batch()
    method = small_method("dual_encoder", queue=20, queue_share=1.0, queue_momentum=0.5).train()
    alone = small_method("dual_encoder", dropout=0.0).eval()
    alone.load_state_dict(method.state_dict())  # what the slow weights begin with
    with torch.no_grad():
        image_keys, text_keys = alone(batch.images, batch.texts)
        method.losses(batch)
    assert torch.equal(method.earlier.images.keys[: len(image_keys)], image_keys)
    method.eval()
    for parameter in method.parameters():
        parameter.data.add_(0.05)
    with torch.no_grad():
        found = float(method.losses(batch)["info_nce"])  # not in training: the queue and the slow weights stand still
        assert found == float(method.losses(batch)["info_nce"])
        images, texts = method(batch.images, batch.texts)
    scale, owner, slow = float(method.rank.inverse_temperature.detach()), batch.caption_image.tolist(), 0.0
    for caption, image in enumerate(owner):  # every other key is met twice, in the batch and in the queue
        to_images, to_texts = (image_keys @ texts[caption] * scale).exp(), (text_keys @ images[image] * scale).exp()
        seen = sum(to_images[i] * (1 if i == image else 2) for i in range(len(images)))
        foreign = sum(to_texts[j] * 2 for j, other in enumerate(owner) if other != image)
        slow -= float((to_images[image] / seen).log() + (to_texts[caption] / (to_texts[caption] + foreign)).log())
    assert found == pytest.approx(slow / len(owner), rel=1e-4)
    assert method.state_dict().keys() == alone.state_dict().keys()


def test_the_queue_has_its_share_and_gradients_reach_queries_alone() -> None:
    batch = training_batch()
    plain = small_method("dual_encoder", dropout=0.0)
    half = small_method("dual_encoder", dropout=0.0, queue=20, queue_share=0.5)
    whole = small_method("dual_encoder", dropout=0.0, queue=20, queue_share=1.0)
    for other in (half, whole):
        other.load_state_dict(plain.state_dict())
    losses = [method.train().losses(batch)["info_nce"] for method in (plain, half, whole)]
    torch.testing.assert_close(losses[1], (losses[0] + losses[2]) / 2)
    losses[2].backward()
    assert all(parameter.grad is not None for name, parameter in whole.named_parameters())
    assert whole.training
    assert whole.earlier.slow.steps == 1


def test_a_queue_gives_the_hinge_nothing() -> None:
    with pytest.raises(ConfigError, match="leave out queue"):
        small_method("dual_encoder", loss="triplet", queue=20)
