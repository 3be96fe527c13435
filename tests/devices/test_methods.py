"""Every method steps, encodes, scores and explains on a device that is not the processor, and mixes the two nowhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crossgraph.evaluation.ranking import score_corpus
from crossgraph.evaluation.two_stage import two_stage
from crossgraph.methods.catalogue import METHODS
from crossgraph.methods.contract import ClosedForm
from crossgraph.training.neighbours import find_neighbours
from tests.methods.synthetic_items import (
    draw_captions,
    draw_images,
    image_batch,
    small_method,
    text_batch,
    training_batch,
    training_set,
)


@pytest.fixture(params=list(METHODS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def on(device: str, value: Tensor) -> bool:
    return value.device.type == torch.device(device).type


def same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one.cpu().float(), other.cpu().float(), atol=1e-4)


def stepped(name: str, device: str, *, edits: int | None) -> dict[str, Tensor]:
    """The weights of a method after two steps of every phase."""
    torch.manual_seed(0)
    with torch.no_grad():
        method = small_method(name, "states", **({"dropout": 0.0} if "dropout" in fields(name) else {}))
    if method.reads_labels:
        method.learn(training_set())
    method = method.to(device)
    if isinstance(method, ClosedForm):
        with torch.no_grad():
            method.fit([training_batch("states", images=12, captions=30, seed=seed).to(device) for seed in range(3)])
    optimisers = {
        phase: torch.optim.SGD([{"params": group.parameters} for group in method.groups(phase)], lr=1e-3)
        for phase in method.phases()
    }
    method.train()
    for seed in range(2):
        batch = training_batch("states", seed=seed, edits=edits).to(device)
        for phase, optimiser in optimisers.items():
            losses = method.losses(batch, phase)
            assert all(on(device, loss) for loss in losses.values())
            optimiser.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            optimiser.step()
    return {key: value for key, value in method.state_dict().items() if value.is_floating_point()}


def fields(name: str) -> set[str]:
    return set(METHODS[name].config_type.model_fields)


def test_every_phase_steps_as_on_the_processor(name: str, device: str) -> None:
    assert_stepped_alike(name, device)


@pytest.mark.parametrize("edits", [4, 0], ids=["some", "none"])
def test_a_method_steps_with_edited_captions(edits: int, device: str) -> None:
    assert_stepped_alike("sgfns", device, edits=edits)


def assert_stepped_alike(name: str, device: str, *, edits: int | None = None) -> None:
    here, there = stepped(name, "cpu", edits=edits), stepped(name, device, edits=edits)
    assert here.keys() == there.keys()
    assert [key for key, value in there.items() if not on(device, value)] == []
    assert [key for key, value in there.items() if not torch.allclose(value.cpu(), here[key], atol=1e-3)] == []


def test_both_sides_are_scored_as_on_the_processor(name: str, device: str) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        method = small_method(name)
    images, texts = image_batch(draw_images(6)), text_batch(draw_captions(7))
    rows, columns = torch.tensor([0, 5, 5, 2]), torch.tensor([6, 0, 1, 2])
    found = []
    for place in ("cpu", device):
        method = method.to(place)
        with torch.inference_mode():
            left, right = method.encode_images(images.to(place)), method.encode_texts(texts.to(place))
            pairs = method.score_pairs(left[rows.to(place)], right[columns.to(place)])
            scores = method.score(left, right)
        blocks = score_corpus(method, left, right)
        ranked = two_stage(method, left, right, shortlist_scores=left.embedding @ right.embedding.T, k=3)
        near = find_neighbours(left, right, (torch.arange(7) % 6).to(place), count=3)
        found.append([left.embedding, right.embedding, pairs, scores, blocks, *vars(ranked).values(), near])
    for here, there in zip(*found, strict=True):
        if isinstance(here, Tensor):
            assert on(device, there)
            assert same(here, there)


def test_a_match_is_explained(name: str, device: str) -> None:
    with torch.no_grad():
        method = small_method(name).to(device)
        images, texts = image_batch(draw_images(1)).to(device), text_batch(draw_captions(1)).to(device)
        alignment = method.explain(images, texts)
    assert len(alignment.word_scores) == len(alignment.words)
