"""Which pairs are scored in training, and that blocks and padding change none of the scores."""

from functools import partial

import pytest
import torch
from torch import Tensor

from crossgraph.layers import candidates
from crossgraph.layers.candidates import UNSCORED, candidate_scores, companions, score_in_blocks
from crossgraph.types import Encoded


def sides(n: int = 4, m: int = 6) -> tuple[Encoded, Encoded]:
    rng = torch.Generator().manual_seed(0)
    mask = torch.arange(5) < torch.randint(1, 6, (m, 1), generator=rng)
    parts = torch.randn(m, 5, 3, generator=rng) * mask[..., None]
    texts = Encoded(torch.randn(m, 2, generator=rng), parts, mask)
    return Encoded(torch.randn(n, 2, generator=rng)), texts


def pair_scores(images: Encoded, texts: Encoded) -> Tensor:
    return (images.embedding * texts.embedding).sum(dim=1) + texts.parts.sum(dim=(1, 2))


chosen_scores = partial(score_in_blocks, pair_scores)


def all_scores(images: Encoded, texts: Encoded) -> Tensor:
    return torch.stack([pair_scores(images[[i] * len(texts)], texts) for i in range(len(images))])


OWNER = torch.tensor([0, 0, 1, 2, 3, 3])


def test_without_a_count_every_pair_is_scored() -> None:
    images, texts = sides()
    scores = candidate_scores(chosen_scores, images, texts, torch.randn(4, 6), OWNER, count=0)
    assert torch.allclose(scores, all_scores(images, texts), atol=1e-5)


def test_one_candidate_is_the_hardest_negative_of_each_query_by_hand() -> None:
    images, texts = sides(2, 3)
    coarse = torch.tensor([[9.0, 2.0, 3.0], [1.0, 9.0, 9.0]])
    scores = candidate_scores(chosen_scores, images, texts, coarse, torch.tensor([0, 1, 1]), count=1)
    # matches (0,0), (1,1), (1,2); of two pictures every caption's negative is the other one: (1,0), (0,1), (0,2)
    assert (scores == UNSCORED).sum() == 0
    images, texts = sides(3, 3)
    coarse = torch.tensor([[9.0, 2.0, 3.0], [1.0, 9.0, 4.0], [0.0, 5.0, 9.0]])
    scores = candidate_scores(chosen_scores, images, texts, coarse, torch.tensor([0, 1, 2]), count=1)
    # captions: 0 -> picture 1, 1 -> 2, 2 -> 1; pictures: 0 -> caption 2, 1 -> 2, 2 -> 1
    assert (scores == UNSCORED).tolist() == [[False, True, False], [False, False, False], [True, False, False]]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_scored_pairs_are_the_matches_the_hardest_and_some_at_random(count: int) -> None:
    images, texts = sides()
    coarse = torch.randn(4, 6, generator=torch.Generator().manual_seed(3))
    torch.manual_seed(0)
    scores = candidate_scores(chosen_scores, images, texts, coarse, OWNER, count=count)
    torch.manual_seed(0)
    drawn, hard = torch.rand(4, 6), (count + 1) // 2
    wanted: set[tuple[int, int]] = set()
    for likely, some in ((coarse, hard), (drawn, count - hard)):
        taken = {(int(OWNER[j]), j) for j in range(6)} | wanted
        for j in range(6):
            left = [i for i in range(4) if (i, j) not in taken]
            wanted |= {(i, j) for i in sorted(left, key=lambda i: -float(likely[i, j]))[:some]}
        for i in range(4):
            left = [j for j in range(6) if (i, j) not in taken]
            wanted |= {(i, j) for j in sorted(left, key=lambda j: -float(likely[i, j]))[:some]}
    wanted |= {(int(OWNER[j]), j) for j in range(6)}
    full = all_scores(images, texts)
    for i in range(4):
        for j in range(6):
            expected = float(full[i, j]) if (i, j) in wanted else UNSCORED
            assert scores[i, j].item() == pytest.approx(expected, abs=1e-5)


def test_as_many_candidates_as_there_are_score_every_pair() -> None:
    images, texts = sides()
    scores = candidate_scores(chosen_scores, images, texts, torch.randn(4, 6), OWNER, count=20)
    assert torch.allclose(scores, all_scores(images, texts), atol=1e-5)


def test_blocks_of_any_size_and_their_cut_padding_change_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    images, texts = sides()
    rows, columns = torch.tensor([3, 0, 0, 1, 2]), torch.tensor([5, 0, 1, 1, 4])
    expected, widths = all_scores(images, texts)[rows, columns], []

    def scored(left: Encoded, right: Encoded) -> Tensor:
        widths.append((len(left), right.parts.shape[1], int(right.lengths().max())))
        return pair_scores(left, right)

    for size in (1, 2, 512):
        monkeypatch.setattr(candidates, "TRAINING_BLOCK", size)
        widths.clear()
        assert torch.allclose(score_in_blocks(scored, images, texts, rows, columns), expected, atol=1e-5)
        assert sum(count for count, _, _ in widths) == 5
        assert all(width == longest for _, width, longest in widths)


def test_gradients_of_unscored_pairs_are_zero_and_finite() -> None:
    images, texts = sides(3, 3)
    embedding = images.embedding.clone().requires_grad_()
    scores = candidate_scores(chosen_scores, Encoded(embedding), texts, torch.randn(3, 3), torch.arange(3), count=1)
    scores.sum().backward()
    assert embedding.grad.isfinite().all()
    assert embedding.grad.abs().sum() > 0


def test_coarse_scores_of_another_number_of_captions_are_refused() -> None:
    images, texts = sides()
    with pytest.raises(Exception, match="caption_image"):
        candidate_scores(chosen_scores, images, texts, torch.randn(4, 5), OWNER, count=1)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_companions_are_the_most_alike_and_some_at_random(count: int) -> None:
    likeness = torch.randn(7, 9, generator=torch.Generator().manual_seed(1))
    allowed = torch.rand(7, 9, generator=torch.Generator().manual_seed(2)) < 0.7
    allowed[:, :4] = True
    torch.manual_seed(0)
    found = companions(likeness, allowed, count=count)
    torch.manual_seed(0)
    drawn, near = torch.rand(7, 9), (count + 1) // 2
    for row, columns in enumerate(found.tolist()):
        free = [column for column in range(9) if allowed[row, column]]
        alike = sorted(free, key=lambda column: -float(likeness[row, column]))[:near]
        rest = sorted(set(free) - set(alike), key=lambda column: -float(drawn[row, column]))[: count - near]
        assert columns == alike + rest


@pytest.mark.parametrize("noise", [0.0, 1e-8, -1e-8])
def test_equal_captions_are_chosen_by_place_whatever_the_last_bit(noise: float) -> None:
    alike = torch.tensor([[0.9, 0.2, 0.7, 0.7, 0.7, 0.1]], dtype=torch.float64)
    alike[0, 4] += noise
    alike[0, 3] -= noise
    found = companions(alike, torch.ones(1, 6, dtype=torch.bool), count=3)
    assert found[0, :2].tolist() == [0, 2]


def test_companions_are_as_few_as_the_row_that_allows_fewest() -> None:
    foreign = ~torch.eye(3, dtype=torch.bool)
    assert sorted(companions(torch.zeros(3, 3), foreign, count=5)[0].tolist()) == [1, 2]
    assert companions(torch.zeros(1, 1), torch.zeros(1, 1, dtype=torch.bool), count=2).shape == (1, 0)
    assert companions(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.bool), count=2).shape == (0, 0)
