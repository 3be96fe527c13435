import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from crossgraph.errors import ConfigError, ModelError
from crossgraph.graphs.label_association import label_association
from crossgraph.layers.hash_head import CODE_LENGTHS
from crossgraph.layers.packed_bits import unpack_bits
from crossgraph.losses.contrastive import info_nce
from crossgraph.losses.own_and_like import own_and_like_loss
from crossgraph.losses.quantisation import bit_balance_loss, quantisation_loss, uniformity_loss
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import Method
from crossgraph.methods.scahn import Scahn, ScahnConfig, _straight_signs
from tests.methods.synthetic_items import (
    LABELS,
    SIZES,
    SMALL,
    draw_captions,
    draw_images,
    draw_labels,
    image_batch,
    small_method,
    text_batch,
    training_batch,
    training_set,
)


def gradients(method: Method, names: tuple[str, ...]) -> dict[str, bool]:
    """Which modules, by the beginning of their names, some gradient reached."""
    return {
        name: any(
            parameter.grad is not None and bool(parameter.grad.any())
            for key, parameter in method.named_parameters()
            if key.startswith(name)
        )
        for name in names
    }


@pytest.mark.parametrize("bits", CODE_LENGTHS)
def test_the_code_is_packed_signs_and_the_embedding_the_same_signs_at_unit_length(bits: int) -> None:
    encoded = small_method("scahn", bits=bits).encode_images(image_batch(draw_images(6)))
    assert encoded.code.shape == (6, bits // 8)
    signs = torch.where(unpack_bits(encoded.code, bits=bits), 1.0, -1.0)
    assert torch.allclose(encoded.embedding, signs / bits**0.5)


def test_scores_are_hamming_distances_turned_round() -> None:
    method = small_method("scahn", bits=32)
    images = method.encode_images(image_batch(draw_images(6)))
    texts = method.encode_texts(text_batch(draw_captions(7)))
    differ = (unpack_bits(images.code, bits=32)[:, None] != unpack_bits(texts.code, bits=32)[None]).sum(dim=2)
    assert torch.equal(method.score(images, texts), 1 - 2 * differ / 32)


def relaxed(method: Method, rows: slice) -> torch.Tensor:
    """The relaxed codes of some pictures when those alone are in the batch."""
    assert isinstance(method, Scahn)
    codes: torch.Tensor = method.media["image"].hash(method._image_features(image_batch(draw_images(8)[rows])))
    return codes


@pytest.mark.parametrize("mode", ["repaired", "released"])
def test_an_items_code_depends_on_its_batch_only_in_the_released_mode(mode: str) -> None:
    torch.manual_seed(0)
    method = small_method("scahn", mode=mode)
    with torch.no_grad():
        method.media["image"].hash.map.bias.zero_()
        crowd, few = relaxed(method, slice(0, 8))[:2], relaxed(method, slice(0, 2))
    if mode == "repaired":
        assert torch.allclose(crowd, few, atol=1e-6)
    else:
        assert not torch.allclose(crowd, few, atol=1e-2)
        codes = [method.encode_images(image_batch(draw_images(8)[:size])).embedding[0] for size in (1, 2, 8)]
        assert not torch.equal(codes[0], codes[2])


def test_pads_reach_a_captions_code_only_in_the_released_mode() -> None:
    for mode in ("repaired", "released"):
        torch.manual_seed(0)
        method = small_method("scahn", mode=mode)
        states, mask = torch.randn(3, 5, 16), torch.ones(3, 5, dtype=torch.bool)
        medium = method.media["text"]
        with torch.no_grad():
            short, long = (
                medium(F.pad(states, (0, 0, 0, pads)), F.pad(mask, (0, pads)), pads=mode == "released")
                for pads in (0, 20)
            )
        assert torch.allclose(short, long, atol=1e-5) == (mode == "repaired")


def test_the_released_mode_changes_the_settings_that_are_not_given() -> None:
    released = small_method("scahn", mode="released", temperature=0.3).config
    assert (released.temperature, released.normalised) == (0.3, False)
    assert (released.quantisation, released.balance, released.spread, released.graph_rate) == (0, 0, 0, 5000)
    assert small_method("scahn").config.graph_rate == 1


def test_the_released_class_loss_takes_the_sigmoid_twice() -> None:
    features, labels = {m: torch.randn(4, 16) for m in ("image", "text")}, draw_labels(4)
    for mode in ("repaired", "released"):
        method = small_method("scahn", mode=mode)
        classes = method.graph(method.label_vectors, method.adjacency)
        expected = torch.zeros(())
        for medium in ("image", "text"):
            unit = F.normalize(features[medium], dim=1)
            chances = (
                (5 * unit @ classes.T).sigmoid()
                if mode == "repaired"
                else (features[medium] @ classes.T).sigmoid().sigmoid()
            )
            expected += F.binary_cross_entropy(chances, labels.float())
        found = method._class_loss(features, {"image": labels, "text": labels})
        assert found.item() == pytest.approx(expected.item(), rel=1e-4)


def test_queues_start_random_in_the_released_mode_and_empty_in_the_repaired() -> None:
    for mode, filled in (("released", True), ("repaired", False)):
        queues = small_method("scahn", mode=mode).contrast.queues
        assert sorted(queues) == ["inter_image", "inter_text", "intra_image", "intra_text"]
        assert all(
            bool(queue.filled.all()) is filled and bool(queue.filled.any()) is filled for queue in queues.values()
        )


def test_training_fills_four_queues_with_detached_keys_of_the_right_medium_and_evaluation_none() -> None:
    method, batch = small_method("scahn", queue=20, normalised=False, dropout=0.0), training_batch()
    method.losses(batch)
    assert not any(queue.filled.any() for queue in method.contrast.queues.values())
    method.train().losses(batch)
    with torch.no_grad():
        codes = {m: method.media[m].hash(f) for m, f in method._features(batch).items()}
    labels = {"image": batch.labels, "text": batch.labels[batch.caption_image]}
    keys = {"inter_image": "text", "inter_text": "image", "intra_image": "image", "intra_text": "text"}
    for name, medium in keys.items():
        seen, seen_labels = method.contrast.queues[name].seen()
        assert torch.allclose(seen, codes[medium], atol=1e-6)
        assert torch.equal(seen_labels, labels[medium])
        assert not seen.requires_grad


def test_a_key_in_the_queue_changes_the_next_loss() -> None:
    method, batch = small_method("scahn", dropout=0.0, adversary=False).train(), training_batch()
    first, second = (method.losses(batch)["inter"].item() for _ in range(2))
    assert first != second


def test_only_the_hash_heads_hear_the_discriminators() -> None:
    method = small_method("scahn").train()
    method.losses(training_batch())["adversary"].backward()
    heard = gradients(
        method, ("region_mlp", "region_proj", "word_encoder", "image.transformer", "text.transformer", "contrast")
    )
    assert not any(heard.values())
    assert all(gradients(method, ("image.hash", "text.hash")).values())


def test_the_weight_of_the_adversary_is_that_of_deceiving_and_not_of_judging() -> None:
    found = []
    for weight in (1.0, 0.25):
        torch.manual_seed(0)
        method, batch = small_method("scahn", dropout=0.0, adversary_weight=weight), training_batch()
        found.append((method.losses(batch)["adversary"].item(), method.losses(batch, "discriminator")["discriminator"]))
    (whole, judged), (quarter, judged_too) = found
    assert quarter == pytest.approx(whole / 4)
    assert torch.equal(judged, judged_too)


def test_the_discriminators_learn_from_detached_codes_of_before_the_step() -> None:
    method, batch = small_method("scahn", dropout=0.0).train(), training_batch()
    method.losses(batch)
    codes = batch.carried
    assert not any(code.requires_grad for code in codes.values())
    before = method.discriminators(codes["image"], codes["text"])
    with torch.no_grad():
        for parameter in method.phases()["joint"]:
            parameter.add_(0.1)
    loss = method.losses(batch, "discriminator")
    assert list(loss) == ["discriminator"]
    assert torch.equal(loss["discriminator"], before)
    loss["discriminator"].backward()
    assert all(parameter.grad is None for parameter in method.phases()["joint"])
    assert all(parameter.grad is not None for parameter in method.phases()["discriminator"])


def test_on_a_batch_that_no_joint_phase_saw_the_discriminators_learn_from_the_codes_of_now() -> None:
    method, batch = small_method("scahn", dropout=0.0).train(), training_batch()
    method.losses(batch)
    other = training_batch(seed=1)
    found = method.losses(other, "discriminator")["discriminator"]
    with torch.no_grad():
        codes = {medium: method.media[medium].hash(one) for medium, one in method._features(other).items()}
    assert torch.equal(found, method.discriminators(codes["image"], codes["text"]))
    assert other.carried == {}
    assert replace(batch, hardness=0.1).carried == {}, "a copy is another batch"


def test_what_a_step_carries_is_freed_with_its_batch() -> None:
    method, batch = small_method("scahn").train(), training_batch()
    method.losses(batch)
    code = weakref.ref(batch.carried["image"])
    method.losses(batch, "discriminator")
    assert code() is not None
    del batch
    gc.collect()
    assert code() is None


def test_the_phases_share_no_parameter_and_leave_none_out() -> None:
    method = small_method("scahn", mode="released")
    every = [id(parameter) for parameters in method.phases().values() for parameter in parameters]
    assert sorted(every) == sorted(id(parameter) for parameter in method.parameters())
    for phase, parameters in method.phases().items():
        grouped = [id(parameter) for group in method.groups(phase) for parameter in group.parameters]
        assert sorted(grouped) == sorted(map(id, parameters))
    rates = {group.rate for group in method.groups("joint")}
    assert rates == {1.0, 5000.0}
    assert [(group.rate, group.betas) for group in method.groups("discriminator")] == [(2.5, (0.5, 0.9))]


def test_quantisation_balance_and_spread_are_weighed_means_over_media() -> None:
    method, batch = small_method("scahn", dropout=0.0, quantisation=0.7, balance=0.2, spread=3), training_batch()
    with torch.no_grad():
        codes = [method.media[m].hash(f) for m, f in method._features(batch).items()]
    losses = method.losses(batch)
    assert losses["quantisation"].item() == pytest.approx(0.35 * sum(quantisation_loss(code).item() for code in codes))
    assert losses["balance"].item() == pytest.approx(0.1 * sum(bit_balance_loss(code).item() for code in codes))
    assert losses["spread"].item() == pytest.approx(1.5 * sum(uniformity_loss(code).item() for code in codes))


FULL = {"inter", "intra", "classes", "adversary", "quantisation", "balance", "spread"}


@pytest.mark.parametrize(
    ("variant", "gone"),
    [
        ("no-label-graph", {"classes"}),
        ("no-intra", {"intra"}),
        ("no-inter", {"inter"}),
        ("no-adversary", {"adversary"}),
        ("no-quantisation", {"quantisation", "balance"}),
        ("no-spread", {"spread"}),
        ("triplet-loss", set()),
        ("global-vectors", set()),
        ("bits-128", set()),
    ],
)
def test_each_variant_loses_what_it_is_called_after_and_still_trains(variant: str, gone: set[str]) -> None:
    method = small_method("scahn", "ids", **Scahn.ablations[variant]).train()
    batch = training_batch()
    reached = set()
    for phase in method.phases():
        losses = method.losses(batch, phase)
        assert all(loss.isfinite() for loss in losses.values())
        reached |= set(losses)
        torch.stack(list(losses.values())).sum().backward()
    assert reached == FULL - gone | ({"discriminator"} if variant != "no-adversary" else set())
    assert [name for name, parameter in method.named_parameters() if parameter.grad is None] == []


def test_every_other_code_length_is_a_variant() -> None:
    assert {variant for variant in Scahn.ablations if variant.startswith("bits")} == {
        f"bits-{bits}"
        for bits in CODE_LENGTHS
        if bits != 64  # which is the default
    }


def test_without_fine_grained_parts_regions_are_not_looked_at() -> None:
    method, pictures = small_method("scahn", fine_grained=False), draw_images(4)
    images = image_batch(pictures)
    assert torch.equal(
        method.encode_images(images).code, method.encode_images(replace(images, parts=images.parts + 1)).code
    )
    assert method.reads_wholes
    assert not small_method("scahn").reads_wholes


def test_relaxed_codes_have_the_signs_of_the_codes() -> None:
    method, images, texts = small_method("scahn"), image_batch(draw_images(3)), text_batch(draw_captions(4))
    for soft, hard in (
        (method.soft_images(images), method.encode_images(images)),
        (method.soft_texts(texts), method.encode_texts(texts)),
    ):
        assert soft.code is None
        assert torch.equal(soft.embedding >= 0, hard.embedding > 0)
        assert torch.allclose(soft.embedding.norm(dim=1), torch.ones(len(soft)))


@torch.no_grad()
def test_without_fine_grained_parts_a_word_says_what_the_relaxed_score_loses_without_it() -> None:
    method = small_method("scahn", fine_grained=False)
    images, texts = image_batch(draw_images(1)), text_batch(draw_captions(1))
    alignment = method.explain(images, texts)
    assert not alignment.weights.any(), "no region of features is looked at"
    assert alignment.score == pytest.approx(
        float(method.score(method.encode_images(images), method.encode_texts(texts))[0, 0])
    )
    picture, whole = method.soft_images(images).embedding[0], method.soft_texts(texts).embedding[0]
    for word in range(len(alignment.words)):
        mask = texts.mask.clone()
        mask[0, word] = False
        left = method.soft_texts(replace(texts, mask=mask)).embedding[0]
        assert alignment.word_scores[word].item() == pytest.approx(float(picture @ whole - picture @ left), abs=1e-5)


def test_captions_of_one_picture_have_its_labels() -> None:
    method, batch = small_method("scahn", dropout=0.0, adversary=False), training_batch()
    once = method.losses(batch)
    turned = torch.arange(7, -1, -1)
    texts = text_batch([draw_captions(8)[row] for row in turned.tolist()])
    again = method.losses(replace(batch, texts=texts, caption_image=batch.caption_image[turned]))
    assert once.keys() == again.keys()
    assert all(once[name].item() == pytest.approx(again[name].item(), rel=1e-4) for name in once)


def test_label_vectors_and_their_graph_are_learnt_before_the_first_step() -> None:
    method: Any = build_method("scahn", {"width": 16}, SIZES["ids"])
    assert not method.label_vectors.any()
    method.learn(training_set())
    assert torch.equal(method.adjacency, label_association(training_set().labels))
    assert torch.equal(method.label_vectors, training_set().label_vectors)


def test_what_regions_and_words_say_sums_to_the_code_before_its_tanh() -> None:
    method = small_method("scahn", layers=2)
    with torch.no_grad():
        for image in draw_images(4):
            parts, mask = method._regions(image_batch([image], padding=2))
            medium = method.media["image"]
            votes = medium.votes(parts, mask)
            assert torch.allclose(
                votes.sum(dim=0) + medium.hash.map.bias, medium.hash.map(medium(parts, mask))[0], atol=1e-5
            )
            assert votes[len(image.parts) :].abs().max() < 1e-6


def test_word_scores_and_the_constant_are_how_surely_the_bits_agree() -> None:
    method = small_method("scahn")
    with torch.no_grad():
        image, text = image_batch(draw_images(1)), text_batch(draw_captions(1))
        alignment = method.explain(image, text)
        logits = method.media["text"].hash.map(method._text_features(text))[0]
        signs = method.encode_images(image).embedding[0].sign()
        constant = method.media["text"].hash.map.bias @ signs / logits.abs().sum()
        assert (alignment.word_scores.sum() + constant).item() == pytest.approx(
            (logits @ signs / logits.abs().sum()).item(), abs=1e-5
        )


def test_training_without_labels_is_refused() -> None:
    with pytest.raises(ModelError, match="scahn trains on labels"):
        small_method("scahn").losses(replace(training_batch(), labels=None))
    with pytest.raises(ConfigError, match="scahn learns from labels"):
        build_method("scahn", {}, SIZES["ids"].model_copy(update={"labels": 0}))


@pytest.mark.parametrize(("setting", "value"), [("bits", 12), ("mode", "repared"), ("temperature", 0.0)])
def test_a_setting_out_of_range_is_refused_by_name(setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{setting}"):
        small_method("scahn", "ids", **{setting: value})


def test_an_item_without_any_label_trains_without_harm() -> None:
    method, batch = small_method("scahn").train(), training_batch()
    losses = method.losses(replace(batch, labels=torch.zeros(5, LABELS, dtype=torch.bool)))
    assert all(loss.isfinite() for loss in losses.values())


PAIRS: dict[str, Any] = {"supervision": "pairs", "dropout": 0.0}


def unlabelled(**changes: Any) -> Any:
    """A method that learns by pairs from data without labels."""
    sizes = SIZES["ids"].model_copy(update={"labels": 0, "label_width": 0})
    return build_method("scahn", {**SMALL["scahn"], **PAIRS, **changes}, sizes)


@pytest.mark.parametrize("pooling", [False, True])
@pytest.mark.parametrize("fine_grained", [False, True])
def test_by_pairs_it_trains_without_labels_and_every_parameter_is_reached(pooling: bool, fine_grained: bool) -> None:
    method = unlabelled(pooling=pooling, fine_grained=fine_grained).train()
    batch = replace(training_batch(), labels=None)
    for phase in method.phases():
        losses = method.losses(batch, phase)
        assert all(loss.isfinite() for loss in losses.values())
        torch.stack(list(losses.values())).sum().backward()
    assert [name for name, parameter in method.named_parameters() if parameter.grad is None] == []
    assert "classes" not in method.losses(batch)


def test_by_pairs_the_contrast_is_of_cosines_of_codes_as_they_are_scored() -> None:
    method, batch = unlabelled(neighbours=0.0, queue=0), replace(training_batch(), labels=None)
    with torch.no_grad():
        scores = method.score(method.encode_images(batch.images), method.encode_texts(batch.texts))
    owns = batch.caption_image == torch.arange(len(batch.images))[:, None]
    scale = method.pairs.scale.detach().exp()
    ways = ((scores, owns), (scores.T, owns.T))
    expected = sum(own_and_like_loss(scale * way, own, torch.zeros_like(way), share=0.0) for way, own in ways)
    assert method.losses(batch)["inter"].item() == pytest.approx(float(expected), rel=1e-4)


def test_by_pairs_labels_order_what_is_foreign_through_the_graph_of_which_come_together() -> None:
    batch = training_batch()
    found = []
    for neighbours, labels in ((0.5, batch.labels), (0.5, ~batch.labels), (0.0, batch.labels), (0.0, ~batch.labels)):
        torch.manual_seed(0)
        method = small_method("scahn", **PAIRS, neighbours=neighbours, queue=0)
        found.append(method.losses(replace(batch, labels=labels))["inter"].item())
    assert found[0] != pytest.approx(found[1], rel=1e-4)
    assert found[2] == found[3]


def test_by_pairs_a_picture_of_an_earlier_batch_is_known_again() -> None:
    batch = replace(training_batch(), labels=None)
    known = replace(batch, rows=torch.arange(len(batch.images)))
    others = replace(known, rows=known.rows + 100)
    found = {}
    for name, before in (("itself", known), ("others", others)):
        torch.manual_seed(0)
        method = unlabelled(queue=40).train()
        method.losses(before)
        found[name] = method.losses(known)["inter"].item()
    with torch.no_grad():
        scores = method.score(method.encode_images(batch.images), method.encode_texts(batch.texts))
    own = batch.caption_image == torch.arange(len(batch.images))[:, None]
    expected = 0.0
    for way, owns in ((scores, own), (scores.T, own.T)):
        twice = method.pairs.scale.detach().exp() * torch.cat([way, way], dim=1)
        expected += own_and_like_loss(twice, torch.cat([owns, owns], dim=1), twice * 0, share=0.0).item()
    assert found["itself"] == pytest.approx(expected, rel=1e-4)
    assert found["others"] > found["itself"], "the own codes under other pictures compete"


def test_codes_take_after_features_which_learn_the_pairs_themselves() -> None:
    method, batch = unlabelled(teaching=0.5, temperature=0.1), replace(training_batch(), labels=None)
    losses = method.losses(batch)
    assert set(losses) - set(unlabelled().losses(batch)) == {"features", "teaching"}
    with torch.no_grad():
        features = {m: F.normalize(f, dim=1) for m, f in method._features(batch).items()}
        cosines = features["image"] @ features["text"].T
        codes = method.score(method.encode_images(batch.images), method.encode_texts(batch.texts)) / 0.1
    own = info_nce(cosines, batch.caption_image, scale=10.0)
    assert losses["features"].item() == pytest.approx(own.item(), rel=1e-4)
    wanted = -sum(((cosines / 0.1).softmax(dim=d) * codes.log_softmax(dim=d)).sum(dim=d).mean() for d in (0, 1))
    assert losses["teaching"].item() == pytest.approx(0.5 * wanted.item(), rel=1e-4)


def test_signs_are_straight_through() -> None:
    relaxed = torch.tensor([[-0.3, 0.0, 0.8]], requires_grad=True)
    signs = _straight_signs(relaxed)
    signs.backward(torch.tensor([[1.0, 2.0, 3.0]]))
    assert signs.tolist() == [[-1, 1, 1]]
    assert relaxed.grad.tolist() == [[1, 2, 3]]


def test_pooled_features_are_the_vectors_of_a_dual_encoder_of_the_same_weights() -> None:
    settings = {"width": 16, "heads": 4, "word_width": 12, "gru_width": 0}
    dense: Any = build_method("dual_encoder", settings, SIZES["ids"]).eval()
    method = unlabelled(**settings, pooling=True).eval()
    missing = method.load_state_dict(dense.state_dict(), strict=False)
    assert missing.unexpected_keys == ["rank.scale"]
    batch = training_batch()
    for medium, vectors in (
        ("image", dense.encode_images(batch.images).embedding),
        ("text", dense.encode_texts(batch.texts).embedding),
    ):
        assert torch.allclose(F.normalize(method._features(batch)[medium], dim=1), vectors, atol=1e-5)


def test_votes_of_pooled_parts_sum_to_the_code_before_its_tanh() -> None:
    method = unlabelled(pooling=True).eval()
    with torch.no_grad():
        for image in draw_images(4):
            parts, mask = method._regions(image_batch([image], padding=2))
            medium = method.media["image"]
            summed = medium.votes(parts, mask).sum(dim=0) + medium.hash.map.bias
            assert torch.allclose(summed, medium.hash.map(medium(parts, mask))[0], atol=1e-5)


def test_the_weight_of_the_class_loss_is_its_factor() -> None:
    found = []
    for weight in (1.0, 0.25):
        torch.manual_seed(0)
        method = small_method("scahn", dropout=0.0, class_weight=weight)
        found.append(method.losses(training_batch())["classes"].item())
    assert found[0] == pytest.approx(4 * found[1])


def test_labels_are_needed_by_labels_and_not_by_pairs() -> None:
    assert not ScahnConfig(supervision="labels").goes_without_labels
    assert ScahnConfig(supervision="pairs").goes_without_labels
