"""Pairs that a training step scores together have the scores and the gradients of scoring them one by one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from crossgraph.layers import pair_lines
from crossgraph.layers.shared_rows import mapped
from crossgraph.types import Encoded, NodeBatch
from tests.methods.graph_pairs import shaken
from tests.methods.synthetic_items import draw_captions, draw_images, image_batch, small_method, text_batch

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("kidrr", {}),
    ("kidrr", {"levels": ("global", "local"), "reasoning": "sgr", "anchor": False}),
    ("kidrr", {"reasoning": "mean", "top": 20}),
    ("kidrr", {"similarity": "scalar"}),
    ("racg", {}),
    ("racg", {"both_directions": False}),
    ("racg", {"both_directions": False, "reconstruction": False}),
    ("racg", {"relations": False}),
    ("racg", {"consistency": False, "heads": 1}),
    ("sgfns", {}),
    ("sgfns", {"top": 5, "threshold": -1.0}),
    ("sgfns", {"relations": False}),
    ("sgfns", {"attributes": False, "consistency": False, "top": 1}),
    ("sgfns", {"fusion": False}),
]


@pytest.fixture(params=SETTINGS, ids=lambda one: f"{one[0]} {one[1]}")
def method(request: pytest.FixtureRequest) -> Any:
    name, changes = request.param
    return shaken(small_method(name, **changes)).double()


@pytest.fixture(params=["whole", "with holes"])
def sides(request: pytest.FixtureRequest, method: Any) -> tuple[Encoded, Encoded]:
    """Pictures and captions of various sizes; with holes, some nodes of pictures in between are gone."""
    images, texts = image_batch(draw_images(6), padding=2), text_batch(draw_captions(40), padding=2)
    with torch.no_grad():
        left, right = method.encode_images(as_double(images)), method.encode_texts(as_double(texts))
    if request.param == "with holes":
        if not method.reads_graphs:
            pytest.skip("regions have no holes")
        gone = torch.rand(left.mask.shape, generator=torch.Generator().manual_seed(2)) < 0.3
        gone[0] = True  # nothing is left of one picture
        mask = left.mask & ~gone
        left = Encoded(
            left.embedding, left.parts * mask[..., None], mask, NodeBatch(left.nodes.kinds, left.nodes.ends, mask)
        )
    return left, right


def as_double(record: Any) -> Any:
    return mapped(record, lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


def pairs_of(texts: Encoded, *, seed: int, count: int = 90) -> tuple[Tensor, Tensor]:
    """Some pairs in any order, most of them of one picture, some of them twice; of captions that say nothing twice,
    for of equal nodes rounding alone decides which is the largest."""
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randint(6, (count,), generator=rng) * (torch.rand(count, generator=rng) < 0.6)
    near = torch.cdist(texts.parts, texts.parts) < 1e-6
    apart = (near & texts.mask[:, None] & texts.mask[:, :, None]).sum(dim=(1, 2)) == texts.mask.sum(dim=1)
    columns = apart.nonzero()[:, 0]
    return rows, columns[torch.randint(len(columns), (count,), generator=rng)]


def gradients(
    method: Any, sides: tuple[Encoded, Encoded], way: Callable[[Encoded, Encoded], Tensor]
) -> dict[str, Tensor]:
    """The scores, and of a weighed sum of them the gradients of weights, wholes and parts."""
    method.zero_grad(set_to_none=True)
    left, right = (
        Encoded(
            one.embedding.clone().requires_grad_(),
            one.parts.clone().requires_grad_(),
            one.mask,
            one.nodes,
        )
        for one in sides
    )
    scores = way(left, right)
    weights = torch.randn(len(scores), generator=torch.Generator().manual_seed(5), dtype=scores.dtype)
    (scores * weights).sum().backward()
    found = {name: weight.grad.clone() for name, weight in method.named_parameters() if weight.grad is not None}
    given = {"images": left.embedding, "regions": left.parts, "texts": right.embedding, "words": right.parts}
    return {"scores": scores.detach()} | found | {name: value.grad for name, value in given.items()}


@pytest.mark.parametrize("captions", [2, 16])
def test_chosen_pairs_have_the_scores_and_gradients_of_pairs(
    method: Any, sides: tuple[Encoded, Encoded], captions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_lines, "CAPTIONS", captions)
    rows, columns = pairs_of(sides[1], seed=captions)
    alone = method.cross_pairs if method.name == "racg" else method.score_pairs

    def one_by_one(images: Encoded, texts: Encoded) -> Tensor:
        pairs = zip(rows.split(1), columns.split(1), strict=True)
        return torch.cat([alone(images[row], texts[column]) for row, column in pairs])

    slow = gradients(method, sides, one_by_one)
    fast = gradients(method, sides, lambda images, texts: method.score_chosen(images, texts, rows, columns))
    assert slow.keys() == fast.keys()
    for name, expected in slow.items():
        assert torch.allclose(fast[name], expected, atol=1e-9, rtol=1e-7), name


def test_no_pair_has_no_score(method: Any, sides: tuple[Encoded, Encoded]) -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert method.score_chosen(*sides, none, none).shape == (0,)
