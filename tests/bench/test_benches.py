"""What benchmarks compare is the same thing, and what they print is all there."""

import json

import pytest
import torch
import torch.nn.functional as F

from crossgraph.bench.catalogue import BENCHES, bench_named, story
from crossgraph.bench.peers import scan, sgraf
from crossgraph.bench.steps import _loops, _prepared, caption_by_caption
from crossgraph.bench.timing import Machine, Outcome, by_turns
from crossgraph.errors import ConfigError
from crossgraph.layers.attention import attend_to_one
from crossgraph.layers.candidates import score_in_blocks
from crossgraph.layers.late_attention import attended_cosines
from crossgraph.layers.shared_rows import mapped
from crossgraph.types import Encoded
from tests.methods.synthetic_items import draw_captions, draw_images, image_batch, small_method, text_batch


def units(*shape: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 0.5, dim=-1)


def test_scans_loop_is_late_interaction() -> None:
    regions, words = units(3, 5, 8, seed=0), units(4, 6, 8, seed=1)
    loop = scan.scores(regions, list(words))
    real = torch.ones(4, 6, dtype=torch.bool)
    found = attended_cosines(words, regions, real, torch.ones(3, 5, dtype=torch.bool))
    torch.testing.assert_close(found.mean(dim=2), loop)
    for image in range(3):
        seen = attend_to_one(words, regions[image], sharpness=9.0)
        torch.testing.assert_close(seen.cosines.mean(dim=1), loop[image])
        torch.testing.assert_close(F.normalize(seen.weights @ regions[image], dim=-1), seen.weights @ regions[image])


@torch.no_grad()
def test_the_loop_of_sgr_is_kidrr_as_sgr() -> None:
    method = small_method("kidrr", levels=("global", "local"), reasoning="sgr", anchor=False)
    images = method.encode_images(image_batch([one for one in draw_images(9) if len(one.parts) == 6] or draw_images(1)))
    texts = method.encode_texts(text_batch(draw_captions(5)))
    captions = [texts.parts[row, : int(texts.lengths()[row])] for row in range(5)]
    maps = sgraf.SimilarityMaps(method.similarities.maps["global"], method.similarities.maps["local"], method.scorer)
    steps = [list(getattr(method.graph_reasoning, name)) for name in ("query", "key", "update")]
    loop = sgraf.scores(images.parts, images.embedding, captions, texts.embedding, maps, sgraf.Reasoning(*steps))
    torch.testing.assert_close(torch.tanh(loop), method.score(images, texts), atol=1e-6, rtol=1e-5)


def test_a_loop_over_captions_scores_the_same_pairs() -> None:
    images, texts = (Encoded(units(count, 4, seed=count)) for count in (5, 6))
    rows, columns = torch.tensor([4, 0, 3, 3, 1]), torch.tensor([5, 2, 5, 0, 2])

    def score(left: Encoded, right: Encoded) -> torch.Tensor:
        return (left.embedding * right.embedding).sum(dim=1)

    found = caption_by_caption(score, images, texts, rows, columns)
    assert torch.equal(found, score_in_blocks(score, images, texts, rows, columns))


@pytest.mark.parametrize("name", ["kidrr", "racg", "sgfns"])
def test_the_loops_over_captions_have_the_losses_and_gradients_of_the_step(name: str) -> None:
    method, batch = _prepared(name, 6)
    method.double().eval()
    batch = mapped(batch, lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)
    found = []
    for way in _loops(method, batch).values():
        torch.manual_seed(0)
        way()
        found.append({key: weight.grad.clone() for key, weight in method.named_parameters() if weight.grad is not None})
    for loop in found[1:]:
        assert loop.keys() == found[0].keys()
        for key, expected in found[0].items():
            assert torch.allclose(loop[key], expected, atol=1e-9, rtol=1e-7), key


def test_ways_take_turns_after_each_was_tried_once() -> None:
    order: list[str] = []
    times = by_turns({"one": lambda: order.append("one"), "other": lambda: order.append("other")}, repeats=2)
    assert order == ["one", "other"] * 3
    assert {len(taken.processor) for taken in times.values()} == {2}


def test_every_benchmark_is_there_and_told_of() -> None:
    for name in BENCHES:
        assert callable(bench_named(name))
        assert name in story()
    with pytest.raises(ConfigError, match="pairs"):
        bench_named("pair")


def test_an_outcome_is_a_table_with_its_machine_and_plain_data() -> None:
    machine = Machine(2, 1, (0.5, 0.5, 0.5), 100.0, 40.0)
    outcome = Outcome("pairs", machine, [{"way": "a", "microseconds": 12.34}, {"way": "b", "more": 2000.0}], ["said"])
    told = outcome.markdown()
    assert "| a | 12.3 |" in told
    assert "2,000" in told
    assert "2 cores, 1 threads" in told
    assert json.loads(json.dumps(outcome.to_json()))["rows"][0]["microseconds"] == 12.34
