"""Scoring block by block."""

import io
import itertools
import json
from collections.abc import Callable

import pytest
import torch

from crossgraph.errors import ScoreError
from crossgraph.evaluation.ranking import pair_bytes, score_corpus, scoring
from crossgraph.methods.contract import Method
from crossgraph.progress import JsonLines
from crossgraph.types import Encoded

MakeEncoded = Callable[..., Encoded]


def slow_scores(method: Method, images: Encoded, texts: Encoded) -> list[list[float]]:
    """Every pair alone."""
    with scoring(method):
        return [
            [float(method.score_pairs(images[[i]], texts[[j]])) for j in range(len(texts))] for i in range(len(images))
        ]


@pytest.mark.parametrize("block_pairs", [None, 1, 6, 10_000])
def test_blocks_of_any_size_equal_pairs_scored_alone(
    method: Method, make_encoded: MakeEncoded, block_pairs: int | None
) -> None:
    images, texts = make_encoded(5, 3, seed=0), make_encoded(7, 6, seed=1)
    scores = score_corpus(method, images, texts, block_pairs=block_pairs)
    assert torch.equal(scores, torch.tensor(slow_scores(method, images, texts)))


def test_no_block_is_larger_than_the_budget_allows(method: Method, make_encoded: MakeEncoded) -> None:
    images, texts = make_encoded(9, 3, seed=0), make_encoded(11, 6, seed=1)
    stream = io.StringIO()
    budget = 12 * pair_bytes(images, texts)
    score_corpus(method, images, texts, budget_bytes=budget, progress=JsonLines(stream, interval=0.0))
    done = [0, *(json.loads(line)["done"] for line in stream.getvalue().splitlines())]
    assert done[-1] == 99
    assert max(b - a for a, b in itertools.pairwise(done)) <= 12


def test_methods_without_parts_are_scored_too(product_method: Method, make_encoded: MakeEncoded) -> None:
    images, texts = Encoded(make_encoded(3, 1, seed=0).embedding), Encoded(make_encoded(4, 1, seed=1).embedding)
    expected = images.embedding @ texts.embedding.T
    for block_pairs in (None, 1, 5):
        assert torch.equal(score_corpus(product_method, images, texts, block_pairs=block_pairs), expected)


def test_scoring_works_without_dropout_and_leaves_every_module_as_it_was(method: Method) -> None:
    method.frozen = torch.nn.Dropout().eval()
    with scoring(method):
        assert not method.training
        assert torch.is_inference_mode_enabled()
    assert (method.training, method.frozen.training) == (True, False)


def test_scores_can_be_changed_and_differentiated_through_afterwards(method: Method, make_encoded: MakeEncoded) -> None:
    scores = score_corpus(method, make_encoded(2, 2, seed=0), make_encoded(2, 2, seed=1))
    assert not scores.is_inference()


def test_padding_is_cut_to_the_longest_row_and_holes_are_kept() -> None:
    mask = torch.tensor([[True, False, False, False], [False, True, False, False]])
    encoded = Encoded(torch.ones(2, 3), torch.ones(2, 4, 3), mask)
    assert encoded.lengths().tolist() == [1, 2]
    cut = encoded.without_padding()
    assert cut.mask is not None
    assert cut.mask.tolist() == [[True, False], [False, True]]
    assert Encoded(torch.ones(2, 3)).without_padding().parts is None


def test_a_method_that_gives_nan_is_refused_with_its_place(method: Method, make_encoded: MakeEncoded) -> None:
    images, texts = make_encoded(3, 2, seed=0), make_encoded(4, 2, seed=1)
    assert texts.parts is not None
    texts.parts[2] = torch.nan
    with pytest.raises(ScoreError, match=r"3 of 12 scores .* first is nan for image 0 and caption 2"):
        score_corpus(method, images, texts, block_pairs=4)
