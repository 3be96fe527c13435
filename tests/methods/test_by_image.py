"""Scoring picture by picture gives the numbers of scoring pair by pair, for whole tables and for lists."""

from typing import Any

import pytest
import torch

from crossgraph.layers import (
    attention,
    cross_graph_by_image,
    fusion_by_image,
    fusion_graph,
    node_matching,
    relation_reconstruction,
    similarity_vectors,
)
from crossgraph.methods import by_image, kidrr
from crossgraph.methods.by_image import ByImage
from crossgraph.methods.contract import Method
from crossgraph.types import Encoded
from tests.methods.graph_pairs import shaken
from tests.methods.synthetic_items import draw_captions, draw_images, image_batch, small_method, text_batch

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("kidrr", {}),
    ("kidrr", {"levels": ("global", "local"), "reasoning": "sgr", "anchor": False}),
    ("kidrr", {"reasoning": "mean", "top": 20}),
    ("kidrr", {"levels": ("local", "region")}),
    ("kidrr", {"levels": ("global_local",), "reasoning": "sgr"}),
    ("kidrr", {"levels": ("global",)}),
    ("kidrr", {"similarity": "scalar"}),
    ("racg", {}),
    ("racg", {"both_directions": False}),
    ("racg", {"relations": False}),
    ("racg", {"consistency": False, "heads": 1}),
    ("sgfns", {}),
    ("sgfns", {"top": 5, "threshold": -1.0}),
    ("sgfns", {"relations": False}),
    ("sgfns", {"attributes": False, "consistency": False, "top": 1}),
]

SIZES = [
    (by_image, "TEXTS"),
    (by_image, "TOGETHER"),
    (kidrr, "BLOCK_NUMBERS"),
    (cross_graph_by_image, "MOST"),
    (fusion_by_image, "MOST"),
]


MULTIPLYING = [
    attention,
    cross_graph_by_image,
    fusion_by_image,
    fusion_graph,
    node_matching,
    relation_reconstruction,
    similarity_vectors,
    kidrr,
]


@pytest.fixture(params=SETTINGS, ids=lambda one: f"{one[0]} {one[1]}")
def sides(request: pytest.FixtureRequest) -> tuple[ByImage, Encoded, Encoded]:
    name, changes = request.param
    torch.manual_seed(0)
    method = shaken(small_method(name, **changes))
    with torch.no_grad():
        images = method.encode_images(image_batch(draw_images(6), padding=2))
        texts = method.encode_texts(text_batch(draw_captions(60), padding=2))
    return method, images, texts


@torch.no_grad()
def test_a_table_equals_scoring_pair_by_pair(sides: tuple[ByImage, Encoded, Encoded]) -> None:
    method, images, texts = sides
    torch.testing.assert_close(method.score(images, texts), Method.score(method, images, texts), atol=2e-6, rtol=1e-5)


@torch.no_grad()
def test_a_list_of_pairs_equals_those_of_the_table_in_its_order(sides: tuple[ByImage, Encoded, Encoded]) -> None:
    method, images, texts = sides
    generator = torch.Generator().manual_seed(1)
    rows, columns = (torch.randint(count, (100,), generator=generator) for count in (len(images), len(texts)))
    told: list[int] = []
    found = method.score_listed(images, texts, rows, columns, done=told.append)
    torch.testing.assert_close(found, method.score(images, texts)[rows, columns], atol=2e-6, rtol=1e-5)
    assert sum(told) == 100


@torch.no_grad()
def test_blocks_of_any_size_give_the_same_list(
    sides: tuple[ByImage, Encoded, Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    method, images, texts = sides
    rows, columns = torch.arange(len(images)).repeat_interleave(30), torch.arange(30 * len(images)) % len(texts)
    at_once = method.score_listed(images, texts, rows, columns)
    for module, size in SIZES:
        monkeypatch.setattr(module, size, 13)
    torch.testing.assert_close(method.score_listed(images, texts, rows, columns), at_once, atol=2e-6, rtol=1e-5)


def test_gradients_are_those_of_pairs(sides: tuple[ByImage, Encoded, Encoded]) -> None:
    method, images, texts = sides
    assert method.score(images[[0]], texts[[0, 1]]).requires_grad


@torch.no_grad()
def test_items_without_any_part_are_scored_as_pairs_are(sides: tuple[ByImage, Encoded, Encoded]) -> None:
    method, images, texts = sides
    if method.reads_graphs:
        pytest.skip("graphs always have a node")
    assert images.mask is not None
    assert texts.mask is not None
    images.mask[2], texts.mask[5] = False, False
    torch.testing.assert_close(method.score(images, texts), Method.score(method, images, texts), atol=2e-6, rtol=1e-5)


def pairs_of(images: Encoded, texts: Encoded) -> tuple[torch.Tensor, torch.Tensor]:
    """As many pairs of each picture as make a list go by picture."""
    return torch.arange(len(images)).repeat_interleave(30), torch.arange(30 * len(images)) % len(texts)


@torch.no_grad()
def test_parts_in_bfloat16_move_scores_by_little(sides: tuple[ByImage, Encoded, Encoded]) -> None:
    method, *exact = sides
    images, texts = (side.with_parts_in(torch.bfloat16) for side in exact)
    whole, found = method.score(*exact), method.score(images, texts)
    assert found.dtype == torch.float32
    error = (found - whole).abs()
    assert float(error.mean()) < 0.01
    assert float((error > 0.05).float().mean()) < 0.02  # a match beside a threshold may fall on its other side
    assert not torch.equal(found, whole)
    rows, columns = pairs_of(images, texts)
    listed = (method.score_listed(images, texts, rows, columns) - whole[rows, columns]).abs()
    assert float(listed.mean()) < 0.01


@torch.no_grad()
def test_single_precision_is_what_torch_computes_bit_for_bit(
    sides: tuple[ByImage, Encoded, Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    method, images, texts = sides
    pairs = pairs_of(images, texts)
    table, listed = method.score(images, texts), method.score_listed(images, texts, *pairs)
    for module in MULTIPLYING:
        monkeypatch.setattr(module, "widened", lambda values: values)
        if hasattr(module, "mapped_by"):
            monkeypatch.setattr(module, "mapped_by", lambda linear, rows: linear(rows))
    assert torch.equal(method.score(images, texts), table)
    assert torch.equal(method.score_listed(images, texts, *pairs), listed)


def test_with_gradients_pairs_are_scored_in_single_precision(sides: tuple[ByImage, Encoded, Encoded]) -> None:
    method, images, texts = (sides[0], *(side.with_parts_in(torch.bfloat16)[[0, 1]] for side in sides[1:]))
    left, right = (side.with_parts_in(torch.float32) for side in (images, texts))
    assert torch.equal(method.score(images, texts), method.score(left, right))
    rows = torch.tensor([0, 1])
    assert torch.equal(method.score_listed(images, texts, rows, rows), method.score_listed(left, right, rows, rows))
