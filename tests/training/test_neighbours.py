import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.training.neighbours import caption_centroids, find_neighbours
from crossgraph.types import Encoded


def unit(rows: int, seed: int) -> Encoded:
    return Encoded(F.normalize(torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed)), dim=-1))


def test_a_centroid_is_the_mean_of_a_pictures_captions_and_zero_without_any() -> None:
    texts = Encoded(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    centroids = caption_centroids(texts, torch.tensor([0, 0, 2]), images=3)
    assert centroids.tolist() == [[0.5, 0.5], [0.0, 0.0], [1.0, 0.0]]


@given(st.integers(1, 9), st.integers(0, 99), st.integers(1, 12), st.integers(1, 4))
def test_neighbours_equal_a_loop_over_all_pairs(n: int, seed: int, count: int, block: int) -> None:
    owner = [(3 * j + seed) % n for j in range(2 * n)]
    images, texts = unit(n, seed), unit(2 * n, seed + 1000)
    found = find_neighbours(images, texts, torch.tensor(owner), count=count, block=block)

    def fits(image: int, other: int) -> float:
        its = [float(images.embedding[image] @ texts.embedding[j]) for j, who in enumerate(owner) if who == other]
        return sum(its) / len(its) if its else 0.0

    assert found.shape == (n, min(count, n - 1))
    for image, row in enumerate(found.tolist()):
        near = {other: fits(image, other) + fits(other, image) for other in range(n) if other != image}
        best = sorted(near.values(), reverse=True)[: len(row)]
        assert [near[other] for other in row] == pytest.approx(best, abs=1e-5)
        assert len(set(row)) == len(row)


def test_twins_find_each_other_first() -> None:
    base = F.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), dim=-1).repeat_interleave(2, 0)
    found = find_neighbours(Encoded(base), Encoded(base), torch.arange(8), count=3)
    assert found[:, 0].tolist() == [1, 0, 3, 2, 5, 4, 7, 6]
