"""RACG against slow versions written from its formulas, and what each of its switches promises."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from crossgraph.errors import ConfigError, ModelError
from crossgraph.layers.cross_graph import CrossGraphEncoder, MultiHeadAlignment
from crossgraph.methods.racg import Racg
from crossgraph.types import Batch, Encoded, NodeBatch
from tests.methods.graph_pairs import (
    PlainNode,
    best_found,
    combined,
    cosine,
    encoded_pair,
    plain_nodes,
    shaken,
    softmax,
)
from tests.methods.synthetic_items import (
    Caption,
    SourceImage,
    draw_captions,
    draw_images,
    image_batch,
    small_method,
    text_batch,
    training_batch,
)

Looks = list[list[float]]


def slow_looks(
    cross: CrossGraphEncoder, regions: list[PlainNode], words: list[PlainNode]
) -> tuple[Looks, Looks, Looks]:
    """How word j looks at region i, how region i looks back at word j, and how consistent both are, as [i][j]."""
    looks, back, joined = ([[0.0] * len(words) for _ in regions] for _ in range(3))
    logits = [[-math.inf] * len(words) for _ in regions]
    for i, region in enumerate(regions):
        for j, word in enumerate(words):
            if region.is_relation != word.is_relation:
                continue
            logits[i][j] = float(region.vector @ word.vector)
            if region.is_relation:
                ends = zip(region.ends, word.ends, strict=True)
                joined[i][j] = sum(float(regions[a].vector @ words[b].vector) for a, b in ends) / 2
            if cross.consistency_weight is not None:
                logits[i][j] += float(cross.consistency_weight) * joined[i][j]
            logits[i][j] *= cross.sharpness
    for j, word in enumerate(words):
        like = [i for i, region in enumerate(regions) if region.is_relation == word.is_relation]
        for i, share in zip(like, softmax([logits[i][j] for i in like]) if like else [], strict=True):
            looks[i][j] = share
    for i, region in enumerate(regions):
        like = [j for j, word in enumerate(words) if region.is_relation == word.is_relation]
        for j, share in zip(like, softmax([logits[i][j] for j in like]) if like else [], strict=True):
            back[i][j] = share
    return looks, back, joined


def slow_agreement(align: MultiHeadAlignment, node: Tensor, counterpart: Tensor) -> float:
    gate = torch.sigmoid(align.gate(torch.cat([node * counterpart, torch.tensor([cosine(node, counterpart)])])))
    taken = node + gate * counterpart
    slices = zip(taken.view(align.heads, -1), counterpart.view(align.heads, -1), strict=True)
    shares = softmax(align.share.tolist())
    return sum(share * cosine(one, other) for share, (one, other) in zip(shares, slices, strict=True))


def weighted(weights: list[float], nodes: list[PlainNode]) -> Tensor:
    return torch.stack([weight * node.vector for weight, node in zip(weights, nodes, strict=True)]).sum(dim=0)


def slow_score(method: Racg, image: Encoded, text: Encoded) -> float:
    regions, words = plain_nodes(image), plain_nodes(text)
    if method.cross is None or not method.config.cross_at_inference:
        return combined(method.late, image, text, best_found(method.late, image, text))
    looks, back, joined = slow_looks(method.cross, regions, words)
    found = []
    for j, word in enumerate(words):
        column = [looks[i][j] for i in range(len(regions))]
        agreed = slow_agreement(method.align, word.vector, method.cross.image_to_text(weighted(column, regions)))
        if method.cross.consistency_weight is not None:
            agreed += float(method.cross.consistency_weight) * sum(
                looks[i][j] * joined[i][j] for i in range(len(regions))
            )
        found.append(agreed)
    if method.config.both_directions and words:
        coverage = [max(row) for row in looks]
        heard = [
            slow_agreement(method.align, region.vector, method.cross.text_to_image(weighted(back[i], words)))
            for i, region in enumerate(regions)
        ]
        answer = sum(c * h for c, h in zip(coverage, heard, strict=True)) / sum(coverage)
        found = [(one + answer) / 2 for one in found]
    return combined(method.late, image, text, found)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"both_directions": False, "heads": 1, "sharpness": 3.0},
        {"consistency": False, "intra_graph": False},
        {"relations": False},
        {"cross_graph": False},
    ],
    ids=["all switches on", "one direction and head", "no consistency", "objects only", "best matches"],
)
def test_batched_scores_equal_scoring_each_pair_in_loops(changes: dict[str, Any]) -> None:
    method = shaken(small_method("racg", **changes))
    images, captions = draw_images(3), draw_captions(5)
    with torch.no_grad():
        scores = method.score(method.encode_images(image_batch(images)), method.encode_texts(text_batch(captions)))
        for i, image in enumerate(images):
            for j, caption in enumerate(captions):
                pair = encoded_pair(method, image, caption)
                assert scores[i, j].item() == pytest.approx(slow_score(method, *pair), abs=5e-5)


SWITCHES: list[dict[str, object]] = [
    {"relations": False},
    {"intra_graph": False},
    {"cross_graph": False},
    {"consistency": False},
    {"reconstruction": False},
    {"reconstruction_weight": 0.0},
    {"cross_at_inference": False},
    {"both_directions": False},
    {"both_directions": False, "reconstruction": False},
    {"heads": 1},
    {"gru_width": 0},
    {"loss": "triplet"},
    {"loss": "triplet", "candidates": 1},
    {"candidates": 1},
    {"candidates": 2},
    {"late_weight": 0.0},
    {"global_weight": 0.0},
    {"relations": False, "intra_graph": False, "cross_graph": False},
]


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_every_switch_builds_scores_and_trains_all_it_has(changes: dict[str, Any]) -> None:
    method = small_method("racg", **changes).train()
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-3)
    loss = torch.stack(list(method.losses(training_batch()).values())).sum()
    loss.backward()
    assert loss.isfinite()
    assert [name for name, parameter in method.named_parameters() if parameter.grad is None] == []
    assert all(parameter.grad.isfinite().all() for parameter in method.parameters())
    optimiser.step()
    with torch.no_grad():
        images = method.eval().encode_images(image_batch(draw_images(3)))
        scores = method.score(images, method.encode_texts(text_batch(draw_captions(4))))
    assert scores.shape == (3, 4)
    assert scores.isfinite().all()
    assert scores.std() > 0


def test_losses_go_with_their_modules() -> None:
    assert set(small_method("racg").losses(training_batch())) == {"global", "late", "cross", "reconstruction"}
    without = {"cross_graph": {"global", "late"}, "reconstruction": {"global", "late", "cross"}}
    for switch, left in without.items():
        assert set(small_method("racg", "ids", **{switch: False}).losses(training_batch())) == left


def test_an_encoder_for_training_only_leaves_scores_that_decompose() -> None:
    method = shaken(small_method("racg", cross_at_inference=False))
    with torch.no_grad():
        images = method.encode_images(image_batch(draw_images(4)))
        texts = method.encode_texts(text_batch(draw_captions(5)))
        scores = method.score(images, texts)
        for i in range(4):
            for j in range(5):
                found = best_found(method.late, images[[i]], texts[[j]])
                assert scores[i, j].item() == pytest.approx(
                    combined(method.late, images[[i]], texts[[j]], found), abs=1e-5
                )
        assert not torch.allclose(scores, Racg.cross_pairs(method, images[[0] * 5], texts)[None], atol=1e-3)
    assert not method.crosses
    assert "cross" in method.losses(training_batch())


def pairs_to_learn(count: int) -> Batch:
    captions = [Caption(c.ids, c.states, c.graph) for c in draw_captions(count + 3, seed=4) if c.graph]
    return Batch(image_batch(draw_images(count, seed=4)), text_batch(captions[:count]), torch.arange(count))


def test_trained_matched_pairs_are_rebuilt_better_than_mismatched_ones() -> None:
    method, batch = small_method("racg", dropout=0.0, reconstruction_weight=1.0).train(), pairs_to_learn(10)
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        torch.stack(list(method.losses(batch).values())).sum().backward()
        optimiser.step()
    with torch.no_grad():
        images, texts = method.eval().encode_images(batch.images), method.encode_texts(batch.texts)
        matched = method.reconstruction(images, texts).item()
        others = [method.reconstruction(images[torch.arange(10).roll(by)], texts).item() for by in range(1, 10)]
    assert matched < min(others)


def test_a_relation_looks_for_one_that_joins_the_same_things_the_same_way_round_by_hand() -> None:
    kinds, ends = torch.tensor([[0, 0, 2, 2]]), torch.tensor([[[0, 0], [1, 1], [0, 1], [1, 0]]])
    mask = torch.ones(1, 4, dtype=torch.bool)
    dog, cat, chase = torch.eye(3)
    image = Encoded(dog[None], torch.stack([dog, cat, chase, chase])[None], mask, NodeBatch(kinds, ends, mask))
    alone = NodeBatch(kinds[:, :3], torch.tensor([[[0, 0], [1, 1], [1, 0]]]), mask[:, :3])
    text = Encoded(dog[None], torch.stack([dog, cat, chase])[None], mask[:, :3], alone)
    # both relations of the picture look alike; only the second goes from cat to dog, as the caption's does
    looks, back, joined = CrossGraphEncoder(3, sharpness=2.0, consistent=True).weights(image, text)
    assert joined[0, :, 2].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert looks[0, :, 2].tolist() == pytest.approx([0, 0, *softmax([2.0, 4.0])])
    assert looks[0, :, 0].tolist() == pytest.approx([*softmax([2.0, 0.0]), 0, 0])
    assert back[0, 3].tolist() == [0.0, 0.0, 1.0]
    plain = CrossGraphEncoder(3, sharpness=2.0, consistent=False).weights(image, text)[0]
    assert plain[0, :, 2].tolist() == pytest.approx([0, 0, 0.5, 0.5])


def drawn_pairs() -> list[tuple[SourceImage, Caption]]:
    return list(zip(draw_images(6), draw_captions(6), strict=True))


@pytest.mark.parametrize("changes", [{}, {"cross_graph": False}], ids=str)
def test_matches_show_where_each_node_of_the_caption_looked_most(changes: dict[str, Any]) -> None:
    method = small_method("racg", **changes)
    for picture, caption in drawn_pairs():
        with torch.no_grad():
            alignment = method.explain(image_batch([picture]), text_batch([caption]))
            image, text = encoded_pair(method, picture, caption)
        regions, words = plain_nodes(image), plain_nodes(text)
        assert len(alignment.matches) == len(words)
        for match, word in zip(alignment.matches, words, strict=True):
            like = [region for region in regions if region.is_relation == word.is_relation]
            assert (match.kind == "relation") == word.is_relation
            assert len(match.boxes) in ((0,) if not like else (1, 2) if word.is_relation else (1,))
            if not changes and not word.is_relation:
                best = max(like, key=lambda region: float(region.vector @ word.vector))
                assert match.boxes[0] == pytest.approx(picture.boxes[best.ends[0]].tolist())
        if changes:
            told = sum(match.contribution for match in alignment.matches)
            whole = float(method.late.share[0].detach() * (image.embedding[0] @ text.embedding[0]))
            assert alignment.score == pytest.approx(whole + told, abs=1e-5)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 heads do not divide a width of 16"):
        small_method("racg", heads=3)


def test_an_encoding_without_nodes_is_refused() -> None:
    bare = Encoded(torch.eye(16)[:2])
    with pytest.raises(ModelError, match="without nodes"):
        small_method("racg").score(bare, bare)
