"""SGFNS against slow versions written from its formulas, its switches, and its generated negatives."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from crossgraph.errors import ConfigError, ModelError
from crossgraph.methods.sgfns import Sgfns
from crossgraph.types import OBJECT, Batch, Encoded, NegativeCaptions, NodeBatch
from tests.methods.graph_pairs import best_found, combined, encoded_pair, likenesses, plain_nodes, shaken, softmax
from tests.methods.synthetic_items import (
    STATE_WIDTH,
    Caption,
    Node,
    SourceImage,
    draw_captions,
    draw_images,
    image_batch,
    small_method,
    text_batch,
    training_batch,
)


def slow_edges(method: Sgfns, image: Encoded, text: Encoded) -> list[list[int]]:
    """The picture nodes that each text node has edges to, best first."""
    regions, found, like = plain_nodes(image), [], likenesses(method.base, image, text)
    for j, word in enumerate(plain_nodes(text)):
        kind = [i for i, region in enumerate(regions) if region.is_relation == word.is_relation]
        near = sorted(kind, key=[-row[j] for row in like].__getitem__)[: method.fuse.top]
        found.append([i for i in near if like[i][j] > method.fuse.threshold])
    return found


def fused(method: Sgfns, images: Encoded, texts: Encoded) -> tuple[torch.Tensor, torch.Tensor]:
    likeness = method.base.likeness(images, texts)
    return method.fuse(images, texts, likeness), method.fuse.fired(images, texts, likeness)


def slow_fusion(method: Sgfns, image: Encoded, text: Encoded) -> float:
    fuse, regions, words, edges = method.fuse, plain_nodes(image), plain_nodes(text), slow_edges(method, image, text)
    told, heard = [], []
    for word, near in zip(words, edges, strict=True):
        if not near:
            continue
        query = fuse.query(word.vector)
        shares = softmax([float(query @ fuse.key(regions[i].vector)) / math.sqrt(len(query)) for i in near])
        news, answer = torch.zeros_like(word.vector), torch.zeros_like(word.vector)
        for share, i in zip(shares, near, strict=True):
            news = news + share * fuse.image_to_text(regions[i].vector)
            answer = answer + share * (regions[i].vector + fuse.gate * share * fuse.text_to_image(word.vector))
        told.append(word.vector + fuse.gate * news)
        heard.append(answer)
    if not told:
        return 0.0
    one, other = torch.stack(told).mean(dim=0), torch.stack(heard).mean(dim=0)
    return math.tanh(float(fuse.scorer(torch.cat([(other - one) ** 2, other * one]))))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"top": 1, "threshold": 0.4, "attributes": False},
        {"relations": False, "top": 9, "threshold": -1.0},
        {"fusion": False},
    ],
    ids=["all switches on", "few edges", "objects only", "base score"],
)
def test_batched_scores_equal_scoring_each_pair_in_loops(changes: dict[str, Any]) -> None:
    method = shaken(small_method("sgfns", **changes))
    images, captions = draw_images(3), draw_captions(5)
    with torch.no_grad():
        scores = method.score(method.encode_images(image_batch(images)), method.encode_texts(text_batch(captions)))
        for i, picture in enumerate(images):
            for j, caption in enumerate(captions):
                image, text = encoded_pair(method, picture, caption)
                expected = combined(method.base, image, text, best_found(method.base, image, text))
                if method.fuse is not None:
                    expected += slow_fusion(method, image, text)
                assert scores[i, j].item() == pytest.approx(expected, abs=5e-5)


SWITCHES: list[dict[str, object]] = [
    {"relations": False},
    {"attributes": False},
    {"relations": False, "attributes": False},
    {"fusion": False},
    {"fusion": False, "negatives": "none"},
    {"negatives": "none"},
    {"negatives": "swap"},
    {"negatives": "attr"},
    {"negatives": "similar"},
    {"neg_loss": "ce"},
    {"neg_loss": "ce", "loss": "triplet"},
    {"neg_loss": "hinge"},
    {"neg_loss": "contrast"},
    {"neg_loss": "contrast", "loss": "triplet", "neg_others": 3},
    {"neg_loss": "contrast", "neg_even": 0.0, "fusion": False},
    {"negatives": "borrowed"},
    {"negatives": "edits"},
    {"visual": "replaced"},
    {"loss": "triplet"},
    {"gru_width": 0},
    {"candidates": 1},
    {"candidates": 2, "loss": "triplet"},
    {"top": 1},
    {"threshold": 9.0},
    {"consistency": False},
    {"base_weight": 0.0},
    {"global_weight": 0.0},
    {"neg_weight": 0.0},
]


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_every_switch_builds_scores_and_trains_all_it_has(changes: dict[str, Any]) -> None:
    method = small_method("sgfns", **changes).train()
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-3)
    loss = torch.stack(list(method.losses(training_batch(edits=3)).values())).sum()
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


def encoded_sides(method: Sgfns, *, padding: int = 0) -> tuple[Encoded, Encoded]:
    with torch.no_grad():
        images = method.encode_images(image_batch(draw_images(5), padding=padding))
        return images, method.encode_texts(text_batch(draw_captions(5), padding=padding))


def test_without_any_edge_the_fused_graph_adds_nothing() -> None:
    method = shaken(small_method("sgfns", threshold=9.0))
    images, texts = encoded_sides(method)
    with torch.no_grad():
        added, fired = fused(method, images, texts)
        assert not added.any()
        assert not fired.any()
        assert torch.allclose(method.score_pairs(images, texts), method.base.pairs(images, texts))


@pytest.mark.parametrize("top", [1, 2, 50])
def test_edges_join_comparable_nodes_above_the_threshold_and_at_most_top(top: int) -> None:
    method = shaken(small_method("sgfns", top=top, threshold=0.2))
    images, texts = encoded_sides(method, padding=1)
    with torch.no_grad():
        fired = fused(method, images, texts)[1]
        seen = 0
        for row in range(5):
            edges = slow_edges(method, images[[row]], texts[[row]])
            expected = torch.zeros_like(fired[row], dtype=torch.bool)
            for word, near in enumerate(edges):
                expected[near, word] = True
                assert len(near) <= top
            assert torch.equal(fired[row] > 0, expected)
            seen += int(expected.sum())
            totals = fired[row].sum(dim=0)
            assert torch.allclose(totals, (totals > 0).float(), atol=1e-5)
        assert seen > 0


def test_padding_of_the_other_items_does_not_reach_the_fused_graph() -> None:
    method = shaken(small_method("sgfns"))
    with torch.no_grad():
        plain, padded = (fused(method, *encoded_sides(method, padding=padding))[0] for padding in (0, 3))
    assert torch.allclose(plain, padded, atol=1e-5)


def test_matches_follow_the_edges_that_fired() -> None:
    method = shaken(small_method("sgfns", threshold=0.2))
    bare = 0
    for picture, caption in zip(draw_images(6), draw_captions(6), strict=True):
        with torch.no_grad():
            alignment = method.explain(image_batch([picture]), text_batch([caption]))
            image, text = encoded_pair(method, picture, caption)
            fired = fused(method, image, text)[1][0]
        regions, words, like = plain_nodes(image), plain_nodes(text), likenesses(method.base, image, text)
        weights = method.base.share[1].detach() * method.base.weights(text).detach()[0]
        assert len(words) == len(alignment.matches)
        for node, (match, near) in enumerate(zip(alignment.matches, slow_edges(method, image, text), strict=True)):
            found = sum(float(fired[i, node]) * like[i][node] for i in near)
            assert match.score == pytest.approx(found, abs=1e-5)
            assert match.contribution == pytest.approx(float(weights[node]) * found, abs=1e-5)
            if not near:
                assert match.boxes == ()
                bare += 1
                continue
            most = regions[max(near, key=lambda i: float(fired[i, node]))]
            places = list(dict.fromkeys(most.ends))  # a relation to the frame shows one box
            sides = [side for box in match.boxes for side in box]
            assert sides == pytest.approx(picture.boxes[places].flatten().tolist())
    assert bare > 0


def test_contributions_and_the_whole_sum_to_a_base_score() -> None:
    method = shaken(small_method("sgfns", fusion=False))
    for picture, caption in zip(draw_images(6), draw_captions(6), strict=True):
        with torch.no_grad():
            alignment = method.explain(image_batch([picture]), text_batch([caption]))
            image, text = encoded_pair(method, picture, caption)
            whole = method.base.share[0] * (image.embedding[0] @ text.embedding[0])
        told = sum(match.contribution for match in alignment.matches)
        assert alignment.score == pytest.approx(whole.item() + told, abs=1e-5)


LINKS = torch.tensor([0, 1, 2, 3, 4])
EDITED = training_batch(edits=3).negative_captions


def test_replaced_regions_are_the_nearest_of_the_look_alike() -> None:
    method = shaken(small_method("sgfns", visual="replaced"))
    images, texts = encoded_sides(method)
    lacking = shaken(small_method("sgfns")).visual_negatives(images, texts, LINKS)
    changed = method.visual_negatives(images, texts, LINKS)
    for row in range(5):
        alike = max((i for i in range(5) if i != row), key=lambda i: float(images.embedding[row] @ images.embedding[i]))
        others = [node.vector for node in plain_nodes(images[[alike]]) if not node.is_relation]
        for node in images.mask[row].nonzero()[:, 0].tolist():
            own = images.parts[row, node]
            if lacking.mask[row, node]:
                assert torch.equal(changed.parts[row, node], own)
            elif images.nodes.kinds[row, node] == OBJECT:
                assert torch.equal(changed.parts[row, node], max(others, key=lambda other: float(own @ other)))
            else:
                assert not changed.mask[row, node]
                continue
            assert changed.mask[row, node]
    assert torch.equal(changed.nodes.mask, changed.mask)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_visual_negatives_lack_the_announced_share_of_regions_and_every_relation_of_theirs(share: float) -> None:
    method = shaken(small_method("sgfns", region_dropout=share))
    images, texts = encoded_sides(method)
    left = method.visual_negatives(images, texts, LINKS)
    assert torch.equal(left.embedding, images.embedding)
    for row in range(5):
        objects = int(images.nodes.of_kind(OBJECT)[row].sum())
        gone = (images.mask[row] & ~left.mask[row]).nonzero()[:, 0].tolist()
        lost = {node for node in gone if images.nodes.kinds[row, node] == OBJECT}
        assert len(lost) == math.ceil(share * objects)
        for node in images.mask[row].nonzero()[:, 0].tolist():
            touches = bool(lost & set(images.nodes.ends[row, node].tolist()))
            assert (node in gone) == touches
        assert not left.parts[row, gone].any()
        kept = left.mask[row]
        assert torch.equal(left.parts[row, kept], images.parts[row, kept])
        assert torch.equal(left.nodes.mask, left.mask)


def test_a_caption_says_enough_with_two_nodes() -> None:
    texts = encoded_sides(small_method("sgfns"))[1]
    counts = [len(plain_nodes(texts[[row]])) for row in range(len(texts))]
    assert {True, False} == {count > 1 for count in counts}
    assert small_method("sgfns").says_enough(texts).tolist() == [count > 1 for count in counts]
    assert small_method("dual_encoder").says_enough(texts).all()


def test_what_a_visual_negative_lacks_is_what_the_caption_says_and_the_look_alike_lacks() -> None:
    method = shaken(small_method("sgfns"))
    images, texts = encoded_sides(method)
    left = method.visual_negatives(images, texts, LINKS)
    for row in range(5):
        alike = max((i for i in range(5) if i != row), key=lambda i: float(images.embedding[row] @ images.embedding[i]))
        regions = [node for node in plain_nodes(images[[row]]) if not node.is_relation]
        words = [node for node in plain_nodes(texts[[row]]) if not node.is_relation]
        others = [node for node in plain_nodes(images[[alike]]) if not node.is_relation]
        spoken = [max((float(region.vector @ word.vector) for word in words), default=-1.0) for region in regions]
        also = [max(float(region.vector @ other.vector) for other in others) for region in regions]
        telling = [one - other for one, other in zip(spoken, also, strict=True)]
        count = math.ceil(0.25 * len(regions))
        expected = set(sorted(range(len(regions)), key=telling.__getitem__, reverse=True)[:count])
        lost = images.nodes.of_kind(OBJECT)[row] & ~left.mask[row]
        assert set(lost.nonzero()[:, 0].tolist()) == expected


@pytest.mark.parametrize("seed", range(6))
def test_padding_of_captions_does_not_change_visual_negatives(seed: int) -> None:
    method = shaken(small_method("sgfns"))
    # all regions turn away from the caption, so that a padded node, of cosine 0, would be nearest
    rng = torch.Generator().manual_seed(seed)
    parts = torch.nn.functional.normalize(torch.rand(2, 4, 16, generator=rng) ** 3, dim=-1)
    kinds, mask = torch.zeros(2, 4, dtype=torch.long), torch.ones(2, 4, dtype=torch.bool)
    own = torch.arange(4)[None, :, None].expand(2, 4, 2)
    images = Encoded(parts[:, 0], parts, mask, NodeBatch(kinds, own, mask))
    texts = images[[0, 1]]
    away = Encoded(texts.embedding, -texts.parts.flip(0), mask, texts.nodes)
    pad = torch.nn.functional.pad
    wide = Encoded(away.embedding, pad(away.parts, (0, 0, 0, 2)), pad(mask, (0, 2)), away.nodes.resized(6))
    links = torch.tensor([0, 1])
    assert torch.equal(
        method.visual_negatives(images, away, links).mask, method.visual_negatives(images, wide, links).mask
    )


def losses_of(batch: Batch, **changes: Any) -> dict[str, float]:
    torch.manual_seed(0)
    method = small_method("sgfns", **changes)
    with torch.no_grad():
        return {name: value.item() for name, value in method.losses(batch).items()}


def test_losses_go_with_their_modules() -> None:
    batch = training_batch(edits=3)
    assert set(losses_of(batch)) == {"global", "base", "fused", "negatives"}
    assert set(losses_of(batch, fusion=False)) == {"global", "base", "negatives"}
    assert set(losses_of(batch, negatives="none")) == {"global", "base", "fused"}


@pytest.mark.parametrize("neg_loss", ["hinge", "ce", "contrast"])
def test_without_edits_the_loss_of_false_captions_is_zero(neg_loss: str) -> None:
    for batch in (training_batch(), training_batch(edits=0)):
        for negatives in ("swap", "attr"):
            assert losses_of(batch, negatives=negatives, neg_loss=neg_loss)["negatives"] == 0.0
    lonely = training_batch(images=1, captions=2)
    assert losses_of(lonely, negatives="all", neg_loss=neg_loss)["negatives"] == 0.0


@pytest.mark.parametrize("loss", ["info_nce", "triplet"])
@pytest.mark.parametrize("neg_loss", ["hinge", "ce"])
def test_the_loss_of_negatives_equals_a_loop_over_edits_and_visual_negatives(neg_loss: str, loss: str) -> None:
    batch = training_batch(edits=3)
    settings: dict[str, Any] = {"neg_loss": neg_loss, "loss": loss, "neg_weight": 0.5, "neg_margin": 0.3}
    torch.manual_seed(0)
    method = small_method("sgfns", "ids", **settings)
    edits, owner = batch.negative_captions, batch.caption_image.tolist()
    with torch.no_grad():
        images, texts = method.encode_images(batch.images), method.encode_texts(batch.texts)
        false = method.score(images, method.encode_texts(edits.texts)).tolist()
        true = method.score(images, texts).tolist()
        lacking = method.score_pairs(method.visual_negatives(images, texts, batch.caption_image), texts).tolist()
    matched = [true[owner[j]][j] for j in range(8)]
    edited = [(j, false[owner[j]][i]) for i, j in enumerate(edits.caption.tolist())]
    if neg_loss == "hinge":
        expected = sum(max(0.0, 0.3 + score - matched[j]) for j, score in edited) / len(edited)
    else:
        captions = {j for j, _ in edited}
        choices = [softmax([20 * matched[j], *(20 * score for k, score in edited if k == j)])[0] for j in captions]
        expected = -sum(map(math.log, choices)) / len(captions)
    textual = losses_of(batch, **settings, negatives="swap")["negatives"]
    assert textual == pytest.approx(0.5 * expected, rel=1e-3, abs=1e-5)
    pairs = list(zip(lacking, matched, strict=True))
    if neg_loss == "hinge":
        visual = sum(max(0.0, 0.3 + score - own) for score, own in pairs) / 8
    else:
        visual = -sum(math.log(softmax([20 * own, 20 * score])[0]) for score, own in pairs) / 8
    assert visual > 0
    both = losses_of(batch, **settings)["negatives"]
    assert both == pytest.approx(0.5 * (expected + visual), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("loss", ["info_nce", "triplet"])
def test_the_contrast_equals_a_loop_over_edits_and_all_other_pictures_and_captions(loss: str) -> None:
    batch = training_batch(edits=3, captions=10)
    settings: dict[str, Any] = {"neg_loss": "contrast", "loss": loss, "neg_others": 9, "neg_even": 0.3}
    torch.manual_seed(0)
    method = small_method("sgfns", "ids", **settings)
    edits, owner = batch.negative_captions, batch.caption_image.tolist()
    with torch.no_grad():
        images, texts = method.encode_images(batch.images), method.encode_texts(batch.texts)
        false = method.score(images, method.encode_texts(edits.texts)).tolist()
        true = method.score(images, texts).tolist()
        changed = method.visual_negatives(images, texts, batch.caption_image)
        lacking = method.score(changed, texts).tolist()
    textual = 0.0
    for i, j in enumerate(edits.caption.tolist()):
        preference = [true[row][j] - false[row][i] for row in range(5)]
        other = sum(preference[row] for row in range(5) if row != owner[j]) / 4
        textual += math.log(1 + math.exp(-20 * (preference[owner[j]] - other)))
        textual += 0.3 * math.log(math.cosh(10 * other))
    visual = 0.0
    for j in range(10):
        preference = [true[owner[j]][k] - lacking[j][k] for k in range(10)]
        other = sum(preference[k] for k in range(10) if owner[k] != owner[j]) / 8
        visual += math.log(1 + math.exp(-20 * (preference[j] - other)))
    assert losses_of(batch, **settings, negatives="edits")["negatives"] == pytest.approx(textual / 3, rel=1e-3)
    expected = textual / 3 + visual / 10
    assert losses_of(batch, **settings)["negatives"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("negatives", ["edits", "similar"])
def test_a_bias_of_sentences_or_pictures_changes_the_choice_and_not_the_contrast(
    negatives: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = replace(training_batch(edits=3), negative_captions=None if negatives == "similar" else EDITED)
    settings: dict[str, Any] = {"negatives": negatives, "neg_even": 0.0, "neg_others": 9}
    plain = {loss: losses_of(batch, neg_loss=loss, **settings)["negatives"] for loss in ("ce", "contrast")}
    scored = Sgfns.score_chosen

    def biased(self: Sgfns, images: Encoded, texts: Encoded, rows: Tensor, columns: Tensor) -> Tensor:
        of_text, of_image = texts.parts[..., 0].sum(dim=1), images.parts[..., 0].sum(dim=1)
        return scored(self, images, texts, rows, columns) + of_text[columns] + of_image[rows]

    monkeypatch.setattr(Sgfns, "score_chosen", biased)
    found = {loss: losses_of(batch, neg_loss=loss, **settings)["negatives"] for loss in ("ce", "contrast")}
    assert found["contrast"] == pytest.approx(plain["contrast"], rel=1e-3)
    assert abs(found["ce"] - plain["ce"]) > 0.01


def test_the_company_of_a_longer_false_caption_changes_no_loss() -> None:
    batch = training_batch(edits=3)
    false = batch.negative_captions
    graphs = false.texts.graphs.resized(20)
    padded = replace(batch, negative_captions=replace(false, texts=replace(false.texts, graphs=graphs)))
    assert losses_of(padded) == pytest.approx(losses_of(batch), abs=1e-5)


def test_the_kinds_of_edits_follow_the_switch() -> None:
    kinds = {negatives: small_method("sgfns", negatives=negatives).edits for negatives in ("none", "swap", "attr")}
    assert kinds == {"none": set(), "swap": {"swap", "predicate"}, "attr": {"attribute"}}
    assert small_method("sgfns", negatives="similar").edits == {"similar"}
    assert small_method("sgfns", negatives="borrowed").edits == {"borrowed"}
    assert small_method("sgfns", negatives="edits").edits == {"swap", "predicate", "attribute"}
    assert small_method("sgfns").edits == {"swap", "predicate", "attribute", "similar"}


def test_a_gate_starts_small() -> None:
    assert small_method("sgfns").fuse.gate.item() == pytest.approx(0.1)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 heads do not divide a width of 16"):
        small_method("sgfns", heads=3)


def test_an_encoding_without_nodes_is_refused() -> None:
    bare = Encoded(torch.eye(16)[:2])
    with pytest.raises(ModelError, match="without nodes"):
        small_method("sgfns").score(bare, bare)


PATTERNS = torch.randn(12, 10, generator=torch.Generator().manual_seed(7))
WRITTEN, EDITED_WORD = 13, 14


def told(words: list[int]) -> Caption:
    """A caption of so many objects of one word each."""
    graph = tuple(Node(OBJECT, (place, place), (place,)) for place in range(len(words)))
    return Caption(torch.tensor(words), torch.zeros(len(words), STATE_WIDTH), graph)


def batch_with_a_tell(seed: int, pictures: int) -> Batch:
    """Blurred pictures of two things, and captions that name both; half of them with an edit that names another thing.

    An edit ends in a word that the caption it edits does not end in, and every caption without an edit does: ranking
    learns nothing of that word, and choosing between a caption and its edit is won by it.
    """
    rng = torch.Generator().manual_seed(seed)
    images, true, false = [], [], []
    for place in range(pictures):
        first, second, missing = torch.randperm(12, generator=rng)[:3].tolist()
        parts = PATTERNS[[first, second]] + 2.0 * torch.randn(2, 10, generator=rng)
        boxes = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]])
        images.append(SourceImage(parts, boxes, parts.mean(dim=0)[:7]))
        edited = place >= pictures // 2
        true.append(told([first + 1, second + 1, WRITTEN if edited else EDITED_WORD]))
        if edited:
            false.append(told([first + 1, missing + 1, EDITED_WORD]))
    links = torch.arange(pictures)
    negatives = NegativeCaptions(text_batch(false), links[pictures // 2 :])
    return Batch(image_batch(images), text_batch(true), links, negative_captions=negatives)


@pytest.mark.parametrize("neg_loss", ["ce", "contrast"])
def test_what_tells_edited_sentences_apart_is_learned_by_the_choice_and_not_by_the_contrast(neg_loss: str) -> None:
    torch.manual_seed(0)
    method = small_method("sgfns", negatives="edits", neg_loss=neg_loss).train()
    optimiser = torch.optim.AdamW(method.parameters(), lr=5e-3)
    for step in range(60):
        loss = torch.stack(list(method.losses(batch_with_a_tell(step, 24)).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    unseen = batch_with_a_tell(9999, 400)
    edits = unseen.negative_captions
    with torch.no_grad():
        images = method.eval().encode_images(unseen.images)
        true, false = method.encode_texts(unseen.texts)[edits.caption], method.encode_texts(edits.texts)
        own, elsewhere = (
            (method.score_pairs(images[rows], true) > method.score_pairs(images[rows], false)).float().mean().item()
            for rows in (edits.caption, edits.caption.roll(5))
        )
    assert own > elsewhere + 0.05
    assert elsewhere > 0.7 if neg_loss == "ce" else elsewhere < 0.6
