"""KIDRR against slow versions written from its formulas, and what each of its switches promises."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crossgraph.errors import ModelError
from crossgraph.layers.pooling import HeadPooling
from crossgraph.layers.relation_reconstruction import RelationReconstruction
from crossgraph.losses.contrastive import info_nce
from crossgraph.methods.kidrr import Dissemination, Kidrr
from crossgraph.types import Batch, Encoded
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


def softmax(values: list[float]) -> list[float]:
    exponentials = [math.exp(value - max(values)) for value in values]
    return [value / sum(exponentials) for value in exponentials]


def weighted(weights: list[float], vectors: list[Tensor]) -> Tensor:
    return sum((w * v for w, v in zip(weights, vectors, strict=True)), torch.zeros_like(vectors[0]))


def unit(vector: Tensor) -> Tensor:
    found: Tensor = vector / vector.norm().clamp(min=1e-12)
    return found


def slow_pooling(module: HeadPooling, parts: list[Tensor]) -> Tensor:
    """Slice h of the channels is a mean over parts, weighted by head h."""
    slices = [part.view(module.heads, -1) for part in parts]
    heads = []
    for head in range(module.heads):
        weights = softmax([float(module.weigh(part)[head]) for part in parts])
        heads.append(weighted(weights, [pieces[head] for pieces in slices]))
    return torch.cat(heads)


def slow_dissemination(module: Dissemination, parts: list[Tensor], whole: Tensor) -> tuple[list[Tensor], Tensor]:
    for _ in range(module.rounds):
        linked = []
        for part in parts:
            logits = [float(module.query(part) @ module.key(other)) / math.sqrt(len(part)) for other in parts]
            told = weighted(softmax(logits), [module.value(other) for other in parts])
            linked.append(part + module.associate_gate * told)
        interest = [float(module.weigh(torch.tanh(module.of_part(x) * module.of_global(whole)))) for x in linked]
        collected = weighted(softmax(interest), linked)
        admit = torch.sigmoid(module.admit(torch.cat([whole, collected])))
        whole = whole + module.collect_gate * admit * module.gather(collected)
        spread = module.broadcast(whole)
        accepted = [torch.sigmoid(module.accept(torch.cat([x, whole]))) for x in linked]
        parts = [
            module.normalise(x + module.broadcast_gate * accept * spread)
            for x, accept in zip(linked, accepted, strict=True)
        ]
    return parts, whole


def slow_seen(queries: list[Tensor], keys: list[Tensor], sharpness: float) -> list[Tensor]:
    cosine = [[max(0.0, float(query @ key)) for key in keys] for query in queries]
    length = [max(math.sqrt(sum(row[k] ** 2 for row in cosine)), 1e-12) for k in range(len(keys))]
    return [unit(weighted(softmax([sharpness * row[k] / length[k] for k in range(len(keys))]), keys)) for row in cosine]


def slow_reasoning(module: RelationReconstruction, nodes: list[Tensor]) -> Tensor:
    for step in range(len(module.update)):
        moved = []
        for node in nodes:
            query = module.query[step](node)
            graph = softmax([float(query @ module.key[step](other)) for other in nodes])
            if module.rebuild:
                state = unit(module.state[step](node))
                alike = [max(0.0, float(state @ unit(module.state[step](other)))) + 1e-6 for other in nodes]
                kept = sorted(alike, reverse=True)[: module.top]
                alike = [value if value >= kept[-1] else 0.0 for value in alike]
                learned = float(torch.sigmoid(module.learned_share[step]))
                graph = [learned * a + (1 - learned) * b / sum(alike) for a, b in zip(graph, alike, strict=True)]
            new = torch.relu(module.update[step](weighted(graph, nodes)))
            moved.append(new + node if module.rebuild else new)
        nodes = moved
    return nodes[0]


def slow_score(method: Kidrr, image: SourceImage, caption: Caption) -> float:
    """One picture and one caption, region by region and word by word."""
    config, compare = method.config, method.similarities
    regions = [method.image_proj(part) for part in image.parts]
    if config.boxes:
        regions = [region + method.box_proj(box) for region, box in zip(regions, image.boxes, strict=True)]
    words = list(method.word_encoder(text_batch([caption]))[0])
    image_start = slow_pooling(method.pool_image, regions) + method.whole_proj(image.whole)
    text_start = slow_pooling(method.pool_text, words) + sum(words) / len(words)
    regions, whole_image = slow_dissemination(method.image_dissemination, regions, image_start)
    words, whole_text = slow_dissemination(method.text_dissemination, words, text_start)
    whole_image, whole_text = unit(whole_image), unit(whole_text)
    regions, words = [unit(region) for region in regions], [unit(word) for word in words]

    def similarity(level: str, left: Tensor, right: Tensor) -> Tensor:
        if config.similarity == "scalar":
            told: Tensor = compare.maps[level]((left @ right)[None])
            return told
        return unit(compare.maps[level]((left - right) ** 2))

    nodes = [similarity("global", whole_image, whole_text)]
    for level in config.levels:
        if level == "local":
            seen = slow_seen(words, regions, config.sharpness)
            nodes += [similarity(level, word, sight) for word, sight in zip(words, seen, strict=True)]
        if level == "global_local":
            nodes += [similarity(level, word, whole_image) for word in words]
        if level == "region":
            told = slow_seen(regions, words, config.sharpness)
            nodes += [similarity(level, region, tale) for region, tale in zip(regions, told, strict=True)]
    pooled = (
        sum(nodes) / len(nodes) if method.graph_reasoning is None else slow_reasoning(method.graph_reasoning, nodes)
    )
    score = math.tanh(float(method.scorer(pooled)))
    if method.anchor is None:
        return score
    importance = softmax([float(method.anchor.importance(word)) for word in words])
    seen = slow_seen(words, regions, config.sharpness)
    found = sum(share * float(word @ sight) for share, word, sight in zip(importance, words, seen, strict=True))
    shares: list[float] = method.anchor.share.tolist()
    return score + shares[0] * float(whole_image @ whole_text) + shares[1] * found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"top": 2, "steps": 2, "rounds": 3},
        {"reasoning": "sgr", "similarity": "scalar", "anchor": False},
        {"reasoning": "mean", "rounds": 0, "boxes": False, "levels": ("global", "local")},
    ],
    ids=["all switches on", "narrow graph", "plain reasoning on cosines", "everything off"],
)
def test_batched_scores_equal_scoring_each_pair_in_loops(changes: dict[str, Any]) -> None:
    method = small_method("kidrr", **changes)
    images, captions = draw_images(3), draw_captions(4)
    with torch.no_grad():
        for parameter in method.parameters():  # gates and biases leave their tame beginnings
            parameter.add_(0.2 * torch.randn_like(parameter))
        scores = method.score(method.encode_images(image_batch(images)), method.encode_texts(text_batch(captions)))
        for i, image in enumerate(images):
            for j, caption in enumerate(captions):
                assert scores[i, j].item() == pytest.approx(slow_score(method, image, caption), abs=2e-5)


def reasoning_inputs(*, real: int = 5, padded: int = 3, width: int = 8) -> tuple[Tensor, Tensor]:
    mask = torch.tensor([[True] * (real + padded), [True] * real + [False] * padded])
    return F.normalize(torch.randn(2, real + padded, width), dim=-1) * mask[..., None], mask


def test_without_rebuilding_reasoning_is_plain_sgr() -> None:
    reason = RelationReconstruction(8, steps=3, top=2, rebuild=False)
    nodes = torch.randn(2, 6, 8)
    state = nodes
    for query, key, update in zip(reason.query, reason.key, reason.update, strict=True):
        state = torch.relu(update(torch.softmax(query(state) @ key(state).transpose(1, 2), dim=-1) @ state))
    reasoned = reason(nodes, torch.ones(2, 6, dtype=torch.bool))
    assert torch.allclose(reasoned, state[:, 0], atol=1e-6)
    assert {name.split(".")[0] for name, _ in reason.named_parameters()} == {"query", "key", "update"}


def test_the_last_step_for_the_global_node_alone_equals_computing_all_rows() -> None:
    reason = RelationReconstruction(8, steps=3, top=3, rebuild=True)
    nodes, mask = reasoning_inputs()
    state = nodes
    for step, update in enumerate(reason.update):
        state = torch.relu(update(reason.graph(step, state, state, mask) @ state)) + state
    assert torch.allclose(reason(nodes, mask), state[:, 0], atol=1e-6)


@pytest.mark.parametrize("rebuild", [True, False])
@pytest.mark.parametrize("top", [1, 3, 50])
def test_rows_of_a_rebuilt_graph_sum_to_one_over_real_nodes(rebuild: bool, top: int) -> None:
    reason = RelationReconstruction(8, steps=1, top=top, rebuild=rebuild)
    nodes, mask = reasoning_inputs()
    graph = reason.graph(0, nodes, nodes, mask)
    assert torch.allclose(graph.sum(-1), torch.ones(2, 8), atol=1e-6)
    assert graph[1, :, 5:].abs().max() == 0


def test_the_rebuilt_part_of_a_row_keeps_the_nearest_nodes_only() -> None:
    reason = RelationReconstruction(8, steps=1, top=2, rebuild=True)
    first: Any = reason.state[0]
    torch.nn.init.eye_(first.weight)
    torch.nn.init.constant_(reason.learned_share, -100.0)  # all of the blend is the rebuilt graph
    nodes = F.normalize(torch.rand(1, 6, 8), dim=-1)
    graph = reason.graph(0, nodes, nodes, torch.ones(1, 6, dtype=torch.bool))[0]
    cosine = nodes[0] @ nodes[0].T
    for row in range(6):
        assert set(graph[row].nonzero()[:, 0].tolist()) == set(cosine[row].topk(2).indices.tolist())
        assert graph[row, row] == graph[row].max()


def test_a_trained_graph_differs_from_the_learned_one() -> None:
    reason = RelationReconstruction(8, steps=1, top=2, rebuild=True)
    nodes, mask = reasoning_inputs()
    blended = reason.graph(0, nodes, nodes, mask)
    reason.rebuild = False
    assert not torch.allclose(blended, reason.graph(0, nodes, nodes, mask), atol=1e-3)


def disseminated(rounds: int, parts: Tensor) -> tuple[Tensor, Tensor]:
    torch.manual_seed(3)
    with torch.no_grad():
        mask = torch.ones(parts.shape[:2], dtype=torch.bool)
        changed, whole = Dissemination(8, rounds=rounds)(parts, mask, parts.mean(dim=1))
        return changed, whole


def test_without_rounds_parts_are_untouched_and_no_region_reaches_another() -> None:
    parts = torch.randn(1, 5, 8)
    changed = parts.clone()
    changed[0, 2] += 1
    assert torch.equal(disseminated(0, parts)[0], parts)
    same = (disseminated(0, changed)[0] == disseminated(0, parts)[0]).all(dim=-1)[0]
    assert same.tolist() == [True, True, False, True, True]
    assert list(Dissemination(8, rounds=0).parameters()) == []


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("region", range(5))
def test_with_rounds_a_change_of_any_region_reaches_the_global_vector_and_all_others(rounds: int, region: int) -> None:
    parts = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
    changed = parts.clone()
    changed[0, region] += 1
    (before, whole_before), (after, whole_after) = disseminated(rounds, parts), disseminated(rounds, changed)
    assert (whole_after - whole_before).abs().max() > 1e-4
    assert ((after - before).abs().amax(dim=-1) > 1e-5).all()


def test_the_order_of_regions_does_not_matter_to_dissemination() -> None:
    parts = torch.randn(1, 5, 8)
    (straight, whole), (flipped, whole_flipped) = disseminated(2, parts), disseminated(2, parts.flip(1))
    assert torch.allclose(straight, flipped.flip(1), atol=1e-6)
    assert torch.allclose(whole, whole_flipped, atol=1e-6)


SWITCHES: list[dict[str, object]] = [
    {"similarity": "scalar"},
    {"levels": ()},
    {"levels": ("global",)},
    {"levels": ("local",)},
    {"levels": ("global_local",)},
    {"levels": ("region",)},
    {"reasoning": "mean"},
    {"reasoning": "sgr"},
    {"reasoning": "reconstruct"},
    {"boxes": False},
    {"rounds": 0},
    {"gru_width": 0},
    {"rounds": 2},
    {"loss": "triplet"},
    {"global_weight": 0.0},
    {"anchor_weight": 0.0},
    {"steps": 1},
    {"candidates": 1},
    {"candidates": 1, "loss": "triplet"},
]


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_every_switch_builds_scores_and_trains_all_it_has(changes: dict[str, Any]) -> None:
    method = small_method("kidrr", **changes).train()
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-3)
    loss = torch.stack(list(method.losses(training_batch()).values())).sum()
    loss.backward()
    assert loss.isfinite()
    unused = [name for name, parameter in method.named_parameters() if parameter.grad is None]
    assert unused == []
    assert all(parameter.grad.isfinite().all() for parameter in method.parameters())
    optimiser.step()
    with torch.no_grad():
        scores = method.eval().score(
            method.encode_images(image_batch(draw_images(3))), method.encode_texts(text_batch(draw_captions(4)))
        )
    assert scores.shape == (3, 4)
    assert scores.isfinite().all()
    assert scores.std() > 0


def test_boxes_matter_only_when_switched_on() -> None:
    image, caption = draw_images(1, most=4)[0], draw_captions(1)[0]
    moved = SourceImage(image.parts, image.boxes.flip(0) * 0.5, image.whole)
    for boxes in (True, False):
        method = small_method("kidrr", boxes=boxes)
        with torch.no_grad():
            text = method.encode_texts(text_batch([caption]))
            here, there = (
                method.score(method.encode_images(image_batch([one])), text).item() for one in (image, moved)
            )
        assert (here != there) == boxes


def test_the_smaller_loss_reaches_the_embedding_and_is_weighed() -> None:
    torch.manual_seed(0)
    method = small_method("kidrr", dropout=0.0)
    losses = method.losses(training_batch())
    heavier = Kidrr(method.config.model_copy(update={"global_weight": 2.0}), method.sizes)
    heavier.load_state_dict(method.state_dict())
    assert set(losses) == {"fine", "global", "anchor"}
    assert heavier.losses(training_batch())["global"].item() == pytest.approx(2 * losses["global"].item(), rel=1e-5)


def test_the_anchor_of_a_whole_batch_equals_the_anchor_pair_by_pair() -> None:
    method = small_method("kidrr").eval()
    with torch.no_grad():
        images = method.encode_images(image_batch(draw_images(3)))
        texts = method.encode_texts(text_batch(draw_captions(4)))
        everywhere = method.anchor.everywhere(images, texts, sharpness=method.config.sharpness)
        torch.nn.init.zeros_(method.scorer.weight)  # leaves nothing of the graph's score
        torch.nn.init.zeros_(method.scorer.bias)
        assert torch.allclose(method.score(images, texts), everywhere, atol=1e-5)


def test_the_anchors_own_loss_goes_with_the_anchor() -> None:
    for changes in ({"anchor": False}, {"anchor_weight": 0.0}):
        assert set(small_method("kidrr", **changes).losses(training_batch())) == {"fine", "global"}


def trained_on(candidates: int, batch: Batch) -> tuple[float, int]:
    """The fine loss of one untrained method, and how many pairs were scored for it."""
    torch.manual_seed(0)
    method = small_method("kidrr", candidates=candidates)
    scored: list[int] = []
    score_pairs = method.score_pairs

    def counting(images: Encoded, texts: Encoded) -> Tensor:
        scored.append(len(images))
        found: Tensor = score_pairs(images, texts)
        return found

    method.score_pairs = counting
    return method.losses(batch)["fine"].item(), sum(scored)


def test_as_many_candidates_as_the_batch_holds_train_as_all_pairs_do() -> None:
    batch = training_batch(images=5, captions=8)
    (full, all_pairs), (enough, scored) = trained_on(0, batch), trained_on(8, batch)
    assert enough == pytest.approx(full, rel=1e-5)
    assert all_pairs == scored == 40


def test_temperatures_keep_the_names_under_which_runs_have_saved_them() -> None:
    assert {"rank.scale", "rank_global.scale"} <= set(small_method("kidrr").state_dict())


def test_few_candidates_are_the_hardest_negatives_of_either_side() -> None:
    batch = training_batch(images=5, captions=8)
    torch.manual_seed(0)
    method = small_method("kidrr", candidates=1)
    with torch.no_grad():
        images, texts = method.encode_images(batch.images), method.encode_texts(batch.texts)
        coarse, fine = (images.embedding @ texts.embedding.T).tolist(), method.score(images, texts)
    owner = batch.caption_image.tolist()
    kept = set(zip(owner, range(8), strict=True))
    for caption in range(8):
        kept.add((max((i for i in range(5) if i != owner[caption]), key=lambda i: coarse[i][caption]), caption))
    for image in range(5):
        kept.add((image, max((j for j in range(8) if owner[j] != image), key=lambda j: coarse[image][j])))
    lost = torch.tensor([[(i, j) not in kept for j in range(8)] for i in range(5)])
    expected = info_nce(fine.masked_fill(lost, -1e4), batch.caption_image, scale=20.0)
    loss, scored = trained_on(1, batch)
    assert loss == pytest.approx(expected.item(), rel=1e-4)
    assert scored == len(kept) < 40


def test_weights_of_every_word_sum_to_one_over_the_regions() -> None:
    method = small_method("kidrr")
    with torch.no_grad():
        for image, caption in zip(draw_images(5), draw_captions(5), strict=True):
            alignment = method.explain(image_batch([image]), text_batch([caption]))
            assert torch.allclose(alignment.weights.sum(dim=0), torch.ones(len(caption.ids)), atol=1e-6)
            assert (alignment.word_scores.abs() <= 1 + 1e-6).all()


def test_an_encoding_without_parts_is_refused() -> None:
    bare = Encoded(F.normalize(torch.randn(2, 16), dim=-1))
    with pytest.raises(ModelError, match="kidrr scores parts"):
        small_method("kidrr").score(bare, bare)


def test_a_gate_starts_small_and_never_at_one() -> None:
    module: Any = Dissemination(8, rounds=2)
    assert module.associate_gate.item() == pytest.approx(0.1)
    assert module.collect_gate.item() == pytest.approx(0.1)
    assert module.broadcast_gate.item() == pytest.approx(0.1)
