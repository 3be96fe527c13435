"""What each baseline learns from pairs, from labels, or not at all."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from crossgraph.errors import ModelError
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import Method
from crossgraph.methods.dcmh import alike
from crossgraph.types import Batch
from tests.methods.synthetic_items import LABELS, SIZES, small_method, training_batch

CLASSES = 4


def classes_of_items(inputs: str, *, seed: int = 0, images: int = 60) -> Batch:
    """Pictures and captions of four classes; which class is in the first features of a part, and in one word."""
    batch = training_batch(inputs, images=images, captions=2 * images, seed=seed)
    kind = torch.arange(images) % CLASSES
    parts = batch.images.parts.clone()
    parts[:, :, :CLASSES] += 4 * F.one_hot(kind, CLASSES)[:, None, :]
    caption_kind = kind[batch.caption_image]
    texts = batch.texts
    if texts.ids is not None:
        ids = texts.ids.clone()
        ids[:, 0] = 2 + caption_kind
        texts = replace(texts, ids=ids)
    else:
        states = texts.states.clone()
        states[:, :, :CLASSES] += 4 * F.one_hot(caption_kind, CLASSES)[:, None, :]
        texts = replace(texts, states=states)
    labels = F.one_hot(kind, LABELS).bool()
    return replace(batch, images=replace(batch.images, parts=parts), texts=texts, labels=labels)


def shares_of_right_class(method: Method, inputs: str) -> float:
    """How often the best caption of a new picture is of its class."""
    new = classes_of_items(inputs, seed=77)
    scores = method.score(method.encode_images(new.images), method.encode_texts(new.texts))
    kind = torch.arange(60) % CLASSES
    best = new.caption_image[scores.argmax(dim=1)]
    return (kind[best] == kind).float().mean().item()


@pytest.mark.parametrize("inputs", ["ids", "states"])
@pytest.mark.parametrize("name", ["cca", "semantic_matching", "random_projection"])
def test_what_is_solved_for_some_items_ranks_new_items_by_class(name: str, inputs: str) -> None:
    settings = {"random_projection": {"bits": 64}}.get(name, {})
    method: Any = build_method(name, settings, SIZES[inputs])
    method.fit([classes_of_items(inputs, seed=seed) for seed in range(3)])
    assert shares_of_right_class(method, inputs) > 0.8


@pytest.mark.parametrize("inputs", ["ids", "states"])
def test_random_codes_rank_by_nothing_and_pictures_are_told_apart(inputs: str) -> None:
    method: Any = build_method("random_codes", {"bits": 64}, SIZES[inputs])
    assert shares_of_right_class(method, inputs) < 0.6
    codes = method.encode_images(classes_of_items(inputs).images).embedding
    agreement = (codes @ codes.T)[~torch.eye(60, dtype=torch.bool)]
    assert agreement.abs().max() < 0.8
    assert agreement.mean().abs() < 0.02


@pytest.mark.parametrize("name", ["cca", "random_projection", "semantic_matching"])
def test_how_a_training_pass_is_cut_into_batches_does_not_matter(name: str) -> None:
    torch.manual_seed(0)
    batches = [classes_of_items("states", seed=seed) for seed in range(2)]
    one: Any = build_method(name, {}, SIZES["states"])
    other: Any = build_method(name, {}, SIZES["states"])
    other.load_state_dict(one.state_dict())
    one.fit(batches)
    other.fit([half for batch in batches for half in halves(batch)])
    new = classes_of_items("states", seed=5)
    assert torch.allclose(one.encode_images(new.images).embedding, other.encode_images(new.images).embedding, atol=1e-3)


def halves(batch: Batch) -> list[Batch]:
    """The first pictures and the others, each with their captions in the order of the whole."""
    found = []
    for first, last in ((0, 25), (25, 60)):
        captions = (batch.caption_image >= first) & (batch.caption_image < last)
        images, texts, rows = batch.images, batch.texts, slice(first, last)
        found.append(
            Batch(
                replace(
                    images,
                    parts=images.parts[rows],
                    mask=images.mask[rows],
                    boxes=images.boxes[rows],
                    whole=images.whole[rows],
                ),
                replace(
                    texts,
                    mask=texts.mask[captions],
                    words=tuple(word for word, keep in zip(texts.words, captions.tolist(), strict=True) if keep),
                    states=texts.states[captions],
                    whole=texts.whole[captions],
                    graphs=None,
                ),
                batch.caption_image[captions] - first,
                labels=batch.labels[rows],
            )
        )
    return found


def solved_matching(compare: str = "product", *, several: bool = False) -> Any:
    method: Any = build_method("semantic_matching", {"compare": compare, "costs": (1.0,)}, SIZES["ids"])
    batch = classes_of_items("ids")
    if several:
        batch = replace(batch, labels=batch.labels | torch.roll(batch.labels, 1, dims=1))
    method.fit([batch])
    return method


@pytest.mark.parametrize("several", [False, True])
def test_semantic_matching_scores_are_inner_products_of_probabilities(several: bool) -> None:
    method, new = solved_matching(several=several), classes_of_items("ids", seed=9)
    seen = method.image_classifier(
        new.images.parts.mul(new.images.mask[..., None]).sum(1) / new.images.mask.sum(1)[:, None]
    )
    read = method.text_classifier(method.caption_vector(new.texts))
    scores = method.score(method.encode_images(new.images), method.encode_texts(new.texts))
    assert torch.allclose(scores, seen @ read.T / (LABELS if several else 1), atol=1e-5)
    if not several:
        assert torch.allclose(seen.sum(dim=1), torch.ones(60))


def test_semantic_matching_by_cosine_scores_cosines_of_probabilities() -> None:
    method, new = solved_matching("cosine"), classes_of_items("ids", seed=9)
    scores = method.score(method.encode_images(new.images), method.encode_texts(new.texts))
    plain = solved_matching()
    one, other = plain.encode_images(new.images).embedding, plain.encode_texts(new.texts).embedding
    expected = F.normalize(one[:, :LABELS], dim=1) @ F.normalize(other[:, :LABELS], dim=1).T
    assert torch.allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["semantic_matching", "dcmh"])
def test_methods_that_learn_from_labels_refuse_batches_without(name: str) -> None:
    bare = replace(training_batch("ids"), labels=None)
    with pytest.raises(ModelError, match="learns from labels"):
        small_method(name).losses(bare) if name == "dcmh" else small_method(name).fit([bare])


def test_pictures_and_captions_are_alike_when_they_share_a_label_or_are_a_pair() -> None:
    labels = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]).bool()
    batch = replace(
        training_batch("ids", images=4, captions=5), caption_image=torch.tensor([0, 1, 2, 3, 3]), labels=labels
    )
    assert alike(batch).int().tolist() == [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1]]


def test_dcmh_codes_of_a_pair_grow_together_and_bits_stay_balanced() -> None:
    torch.manual_seed(0)
    method, batch = small_method("dcmh", dropout=0.0, bits=16), classes_of_items("ids")
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    for _ in range(150):
        losses = method.losses(batch)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    with torch.no_grad():
        images, texts = method.encode_images(batch.images), method.encode_texts(batch.texts)
        kind = torch.arange(60) % CLASSES
        same = kind[:, None] == kind[batch.caption_image]
        scores = method.score(images, texts)
    assert scores[same].mean() > scores[~same].mean() + 0.8
    assert images.embedding.mean(dim=0).abs().mul(4).max() <= 0.6


def test_random_projection_bits_tell_angles() -> None:
    torch.manual_seed(0)
    method: Any = build_method("random_projection", {"bits": 4096, "components": 6}, SIZES["states"])
    method.fit([classes_of_items("states")])
    new = classes_of_items("states", seed=3)
    vectors, codes = method.space.place_images(new.images), method.encode_images(new.images).embedding
    angles = (vectors @ vectors.T).clamp(-1, 1).arccos() / torch.pi
    assert torch.allclose((1 - codes @ codes.T) / 2, angles, atol=0.04)
