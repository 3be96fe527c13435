"""What every method must keep, whatever it does inside."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from crossgraph.errors import ModelError
from crossgraph.evaluation.metrics import retrieval_metrics
from crossgraph.evaluation.two_stage import two_stage
from crossgraph.layers.packed_bits import unpack_bits
from crossgraph.methods.catalogue import METHODS, build_method
from crossgraph.methods.contract import ClosedForm, Method
from crossgraph.training.checkpoint import read_tensors, write_tensors
from crossgraph.types import OBJECT, Batch, Encoded, Status
from tests.methods.synthetic_items import (
    LABELS,
    LOSSES,
    PART_WIDTH,
    STATE_WIDTH,
    VOCABULARY,
    WHOLE_WIDTH,
    Caption,
    SourceImage,
    draw_captions,
    draw_graph,
    draw_images,
    image_batch,
    small_method,
    text_batch,
    training_batch,
)


@pytest.fixture(params=list(METHODS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["ids", "states"])
def inputs(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def method(name: str, inputs: str) -> Iterator[Method]:
    with torch.no_grad():
        yield small_method(name, inputs)


def both_sides(method: Method, inputs: str, *, images: int = 6, captions: int = 7) -> tuple[Encoded, Encoded]:
    pictures, texts = draw_images(images), draw_captions(captions)
    return method.encode_images(image_batch(pictures)), method.encode_texts(text_batch(texts, inputs))


def test_pictures_and_captions_of_any_length_are_encoded_and_scored(method: Method, inputs: str) -> None:
    images, texts = both_sides(method, inputs)
    scores = method.score(images, texts)
    assert scores.shape == (6, 7)
    assert scores.isfinite().all()
    assert torch.allclose(images.embedding.norm(dim=1), torch.ones(6))
    assert torch.allclose(texts.embedding.norm(dim=1), torch.ones(7))
    assert scores.std() > 0


def test_encoding_twice_gives_the_same(method: Method, inputs: str) -> None:
    once, twice = both_sides(method, inputs), both_sides(method, inputs)
    assert torch.equal(method.score(*once), method.score(*twice))


def assert_same_item(alone: Encoded, crowd: Encoded, row: int) -> None:
    """The only row of `alone` is that row of `crowd`, whose padding is zero."""
    assert torch.allclose(alone.embedding[0], crowd.embedding[row], atol=1e-5)
    assert (alone.parts is None) == (crowd.parts is None)
    if alone.parts is None:
        return
    real = int(alone.mask.sum())
    assert torch.equal(crowd.mask[row].nonzero()[:, 0], torch.arange(real))
    assert torch.equal(alone.mask[0].nonzero()[:, 0], torch.arange(real))
    assert torch.allclose(alone.parts[0, :real], crowd.parts[row, :real], atol=1e-5)
    assert not crowd.parts[row, real:].any()
    if alone.nodes is not None:
        assert torch.equal(alone.nodes.mask, alone.mask)
        assert torch.equal(crowd.nodes.mask, crowd.mask)
        for one, other in ((alone.nodes.kinds, crowd.nodes.kinds), (alone.nodes.ends, crowd.nodes.ends)):
            assert torch.equal(one[0, :real], other[row, :real])
            assert not other[row, real:].any()


def test_neighbours_and_padding_do_not_reach_an_item(method: Method, inputs: str) -> None:
    pictures, captions = draw_images(6), draw_captions(7)
    images = method.encode_images(image_batch(pictures, padding=3, filler=5.0))
    texts = method.encode_texts(text_batch(captions, inputs, padding=4))
    scores = method.score(images, texts)
    for i, image in enumerate(pictures):
        alone = method.encode_images(image_batch([image]))
        assert_same_item(alone, images, i)
        if alone.parts is not None and alone.nodes is None:
            assert alone.mask.sum() == len(image.parts)
        for j, caption in enumerate(captions):
            text = method.encode_texts(text_batch([caption], inputs))
            assert_same_item(text, texts, j)
            if text.parts is not None and text.nodes is None:
                assert text.mask.sum() == len(caption.ids)
            assert torch.allclose(method.score(alone, text)[0, 0], scores[i, j], atol=1e-5)


def test_scoring_a_block_equals_the_block_of_the_scores(method: Method, inputs: str) -> None:
    images, texts = both_sides(method, inputs)
    rows, columns = [4, 0, 3], [6, 2]
    block = method.score(images[rows], texts[columns])
    assert torch.allclose(block, method.score(images, texts)[rows][:, columns], atol=1e-6)


def test_scoring_in_blocks_of_one_picture_gives_the_same_scores(
    method: Method, inputs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, texts = both_sides(method, inputs)
    whole = method.score(images, texts)
    monkeypatch.setattr("crossgraph.methods.contract.PAIR_BYTES", 1)
    assert torch.allclose(method.score(images, texts), whole, atol=1e-6)


def test_scoring_pairs_equals_those_elements_of_the_scores(method: Method, inputs: str) -> None:
    images, texts = both_sides(method, inputs)
    rows, columns = torch.tensor([0, 5, 5, 2]), torch.tensor([6, 0, 1, 2])
    pairs = method.score_pairs(images[rows], texts[columns])
    assert torch.allclose(pairs, method.score(images, texts)[rows, columns], atol=1e-6)


def test_a_shortlist_as_long_as_the_gallery_ranks_as_scoring_every_pair_does(method: Method, inputs: str) -> None:
    images, texts = both_sides(method, inputs)
    coarse = images.embedding @ texts.embedding.T
    ranked = two_stage(method, images, texts, shortlist_scores=coarse, k=7)
    relevant = torch.arange(7)[None, :] % 6 == torch.arange(6)[:, None]
    short = retrieval_metrics(ranked.image_to_text, relevant, text_to_image=ranked.text_to_image)
    assert short == retrieval_metrics(method.score(images, texts), relevant)


def test_saved_and_loaded_weights_score_exactly_alike(name: str, method: Method, inputs: str, tmp_path: Path) -> None:
    write_tensors(tmp_path / "weights.safetensors", method.state_dict(), {"epoch": 3})
    torch.manual_seed(1)
    other = small_method(name, inputs)
    before = other.score(*both_sides(other, inputs))
    tensors, facts = read_tensors(tmp_path / "weights.safetensors")
    other.load_state_dict(tensors)
    expected = method.score(*both_sides(method, inputs))
    assert facts == {"epoch": 3}
    assert torch.equal(before, expected) == METHODS[name].one_model  # which has no weights that scores depend on
    assert torch.equal(other.score(*both_sides(other, inputs)), expected)


def chosen_loss(name: str, which: int) -> dict[str, object]:
    """The first or second loss of a method, where there is a choice."""
    if "loss" not in METHODS[name].config_type.model_fields:
        return {}
    return {"loss": LOSSES.get(name, ("info_nce", "triplet"))[which]}


@pytest.mark.parametrize("which", [0, 1])
def test_every_parameter_gets_a_finite_gradient_in_some_phase(name: str, inputs: str, which: int) -> None:
    method = small_method(name, inputs, **chosen_loss(name, which)).train()
    if isinstance(method, ClosedForm):
        assert method.phases() == {}
        assert list(method.parameters()) == []
        return
    for phase, parameters in method.phases().items():
        losses = method.losses(training_batch(inputs, edits=3), phase)
        assert all(value.isfinite() for value in losses.values())
        torch.stack(list(losses.values())).sum().backward()
        assert parameters
    reached = {key: parameter.grad for key, parameter in method.named_parameters()}
    assert [key for key, gradient in reached.items() if gradient is None] == []
    assert [key for key, gradient in reached.items() if not gradient.isfinite().all()] == []


def test_a_batch_of_one_picture_trains_without_harm(name: str, inputs: str) -> None:
    method = small_method(name, inputs).train()
    losses = method.losses(training_batch(inputs, images=1, captions=2))
    if isinstance(method, ClosedForm):
        assert losses == {}
        return
    torch.stack(list(losses.values())).sum().backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in method.parameters())
    if method.reads_labels:  # a single picture still has its labels to learn
        return
    ranking = {key: value.item() for key, value in losses.items() if key != "reconstruction"}
    assert ranking
    assert ranking == pytest.approx(dict.fromkeys(ranking, 0.0), abs=1e-6)


def thirty_two_pairs(inputs: str) -> Batch:
    rng = torch.Generator().manual_seed(5)
    images = [
        SourceImage(
            torch.randn(3, PART_WIDTH, generator=rng), torch.rand(3, 4), torch.randn(WHOLE_WIDTH, generator=rng)
        )
        for _ in range(32)
    ]
    captions = [
        Caption(torch.randint(1, VOCABULARY, (4,), generator=rng), torch.randn(4, STATE_WIDTH, generator=rng))
        for _ in range(32)
    ]
    captions = [Caption(caption.ids, caption.states, draw_graph(4, rng)) for caption in captions]
    alone = torch.eye(32, LABELS, dtype=torch.bool)  # equal labels would make pictures equal
    return Batch(
        image_batch(images), text_batch(captions, inputs), torch.arange(32), labels=alone, rows=torch.arange(32)
    )


TRAINED = pytest.mark.parametrize("name", [one for one, kind in METHODS.items() if not issubclass(kind, ClosedForm)])
"""The methods that are trained by steps, not solved."""


@TRAINED
def test_thirty_two_pairs_are_learnt_by_heart(name: str, inputs: str) -> None:
    method, batch = small_method(name, inputs, dropout=0.0).train(), thirty_two_pairs(inputs)
    optimiser = torch.optim.Adam(method.parameters(), lr=2e-2)
    first = None
    for step in range(300):
        loss = torch.stack(list(method.losses(batch).values())).sum()
        first = first or loss.item()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 5 == 4:
            with torch.no_grad():
                scores = method.score(method.encode_images(batch.images), method.encode_texts(batch.texts))
            pairs = torch.arange(32)
            if torch.equal(scores.argmax(0), pairs) and torch.equal(scores.argmax(1), pairs):
                break
    else:
        pytest.fail(f"R@1 is below 100 after 300 steps, loss {first:.3f} -> {loss.item():.3f}")
    assert loss.item() < first


def test_an_explanation_names_every_word_and_region(method: Method, inputs: str) -> None:
    images, captions = draw_images(6), draw_captions(7)
    for picture, caption in zip(images, captions, strict=False):
        image, text = image_batch([picture]), text_batch([caption], inputs)
        alignment = method.explain(image, text)
        regions, words = len(picture.parts), len(caption.ids)
        assert alignment.words == text.words[0]
        assert torch.equal(alignment.boxes, picture.boxes)
        assert alignment.weights.shape == (regions, words)
        assert alignment.word_scores.shape == (words,)
        score = method.score(method.encode_images(image), method.encode_texts(text))[0, 0]
        assert alignment.score == pytest.approx(score.item(), abs=1e-6)
        assert (alignment.weights >= 0).all()


def test_real_nodes_come_before_padding_and_relations_join_real_objects(method: Method, inputs: str) -> None:
    if not method.reads_graphs:
        return
    texts = method.encode_texts(text_batch(draw_captions(7), inputs, padding=2))
    images = method.encode_images(image_batch(draw_images(6), padding=2, filler=5.0))
    for encoded in (texts, images):
        nodes = encoded.nodes
        assert nodes is not None
        assert (nodes.mask.int().diff(dim=1) <= 0).all()
        assert (nodes.kinds[nodes.mask] == OBJECT).any()
        for row in range(len(encoded)):
            for node in nodes.mask[row].nonzero()[:, 0].tolist():
                ends = nodes.ends[row, node]
                assert nodes.mask[row, ends].all()
                assert (nodes.kinds[row, ends] == OBJECT).all()
        assert torch.allclose(encoded.parts[nodes.mask].norm(dim=-1), torch.ones(int(nodes.mask.sum())), atol=1e-5)
    assert (texts.nodes.mask.sum(dim=1) == 0).tolist() == [False, False, True, False, False, False, False]


def captions_without_graphs(count: int) -> list[Caption]:
    return [Caption(caption.ids, caption.states) for caption in draw_captions(count)]


@pytest.mark.parametrize("padding", [0, 2])
def test_captions_with_empty_graphs_are_scored_and_explained_by_the_rest(
    method: Method, inputs: str, padding: int
) -> None:
    pictures, captions = draw_images(3), captions_without_graphs(4)
    texts = method.encode_texts(text_batch(captions, inputs, padding=padding))
    images = method.encode_images(image_batch(pictures))
    scores = method.score(images, texts)
    assert texts.embedding.isfinite().all()
    assert scores.shape == (3, 4)
    assert scores.isfinite().all()
    assert scores.std() > 0
    assert torch.allclose(method.score(images, texts.without_padding()), scores, atol=1e-6)
    alignment = method.explain(image_batch(pictures[:1]), text_batch(captions[:1], inputs, padding=padding))
    assert alignment.weights.isfinite().all()
    assert alignment.word_scores.isfinite().all()
    assert alignment.score == pytest.approx(scores[0, 0].item(), abs=1e-5)
    assert alignment.matches == ()


@TRAINED
def test_a_batch_of_empty_graphs_trains_without_harm(name: str, inputs: str) -> None:
    method, batch = small_method(name, inputs).train(), training_batch(inputs)
    for texts in (
        text_batch(captions_without_graphs(8), inputs),
        text_batch(captions_without_graphs(8), inputs, padding=2),
    ):
        losses = method.losses(replace(batch, texts=texts))
        assert all(value.isfinite() for value in losses.values())
        torch.stack(list(losses.values())).sum().backward()
        for key, parameter in method.named_parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all(), key


def test_a_method_that_reads_graphs_refuses_captions_without_them(name: str) -> None:
    method, texts = small_method(name), text_batch(draw_captions(2))
    bare = replace(texts, graphs=None)
    if not method.reads_graphs:
        assert torch.equal(method.encode_texts(bare).embedding, method.encode_texts(texts).embedding)
        return
    with pytest.raises(ModelError, match="captions came without"):
        method.encode_texts(bare)


def test_no_rows_give_no_scores(method: Method, inputs: str) -> None:
    images, texts = both_sides(method, inputs)
    assert method.score(images[[]], texts).shape == (0, 7)
    assert method.score(images, texts[[]]).shape == (6, 0)
    assert method.score_pairs(images[[]], texts[[]]).shape == (0,)


def test_provenance_names_where_every_module_comes_from(name: str) -> None:
    entries = METHODS[name].provenance
    assert entries
    assert {entry.status for entry in entries} <= set(get_args(Status))
    assert all(entry.module and entry.implementation and entry.source for entry in entries)
    assert len({entry.module for entry in entries}) == len(entries)
    assert METHODS[name].name == name


def test_equal_seeds_build_equal_methods(name: str, inputs: str) -> None:
    torch.manual_seed(7)
    one = small_method(name, inputs)
    torch.manual_seed(7)
    other = build_method(name, one.config.model_dump(), one.sizes)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_codes_are_the_signs_of_embeddings_and_their_scores_count_equal_bits(method: Method, inputs: str) -> None:
    images, texts = both_sides(method, inputs)
    if images.code is None:
        assert texts.code is None
        return
    bits = images.embedding.shape[1]
    for encoded in (images, texts):
        assert torch.equal(unpack_bits(encoded.code, bits=bits), encoded.embedding > 0)
    agreed = (unpack_bits(images.code, bits=bits)[:, None] == unpack_bits(texts.code, bits=bits)).sum(dim=2)
    assert torch.equal(method.score(images, texts), (2 * agreed - bits) / bits)
