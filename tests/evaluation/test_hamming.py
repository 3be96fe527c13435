"""Counts by distance equal the obvious table of distances and labels."""

import numpy as np
import pytest

from crossgraph.bits import pack_words
from crossgraph.errors import ScoreError
from crossgraph.evaluation.hamming import hamming_groups
from crossgraph.evaluation.label_metrics import average_precision, ndcg_at
from crossgraph.evaluation.radius import by_radius
from crossgraph.evaluation.tie_groups import groups_of_scores


def drawn(bits: int, labels: int, *, q: int = 5, n: int = 300, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    sides = [(rng.random((rows, bits)) < 0.5, rng.random((rows, labels)) < 0.2) for rows in (q, n)]
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


@pytest.mark.parametrize(("bits", "labels"), [(3, 2), (16, 24), (64, 31), (128, 80), (320, 70)])
@pytest.mark.parametrize("graded", [False, True])
def test_counts_by_distance_equal_sorted_scores(bits: int, labels: int, graded: bool) -> None:
    codes, gallery, query_labels, gallery_labels = drawn(bits, labels)
    own = [np.array([1, 4]), np.array([], dtype=np.int64), *(np.array([i]) for i in range(3))]
    groups = hamming_groups(
        pack_words(codes),
        pack_words(gallery),
        bits=bits,
        query_labels=pack_words(query_labels),
        gallery_labels=pack_words(gallery_labels),
        own=own,
        graded=graded,
    )
    distances = (codes[:, None] != gallery[None]).sum(2)
    shared = (query_labels[:, None] & gallery_labels[None]).sum(2)
    slow = groups_of_scores(-distances.astype(np.float64), shared if graded else np.minimum(shared, 1), own)
    assert groups.items.sum(1).tolist() == [298, 300, 299, 299, 299]
    assert average_precision(groups) == pytest.approx(average_precision(slow))
    assert average_precision(groups.optimistic()) == pytest.approx(average_precision(slow.optimistic()))
    assert ndcg_at(groups, 10) == pytest.approx(ndcg_at(slow, 10))


def test_equal_codes_give_about_the_prevalence() -> None:
    _, _, query_labels, gallery_labels = drawn(8, 4, q=200, n=2000)
    codes, gallery = np.ones((200, 8), np.bool_), np.ones((2000, 8), np.bool_)
    groups = hamming_groups(
        pack_words(codes),
        pack_words(gallery),
        bits=8,
        query_labels=pack_words(query_labels),
        gallery_labels=pack_words(gallery_labels),
    )
    assert average_precision(groups).mean() == pytest.approx((groups.found / 2000).mean(), abs=0.005)


def test_a_radius_by_hand() -> None:
    """One query at distances 0, 1, 1, 3 from items of which the first and last are right; one that is far from all."""
    codes = np.array([[0, 0, 0], [1, 1, 1]], dtype=np.bool_)
    gallery = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]], dtype=np.bool_)
    right = np.array([[1], [0], [0], [1]], dtype=np.bool_)
    groups = hamming_groups(
        pack_words(codes),
        pack_words(gallery),
        bits=3,
        query_labels=pack_words(np.ones((2, 1), np.bool_)),
        gallery_labels=pack_words(right),
    )
    table = by_radius(groups)
    assert table.nothing_returned == (1, 0, 0, 0)
    assert table.precision_empty_zero == pytest.approx((1 / 2, (1 / 3 + 1) / 2, (1 / 2 + 1 / 3) / 2, 1 / 2))
    assert table.precision_empty_skipped[0] == 1.0
    assert table.precision_hits_only[1] == pytest.approx((1 / 3 + 1) / 2)
    assert table.precision_pooled == pytest.approx((1, 2 / 4, 3 / 7, 4 / 8))
    assert table.recall == pytest.approx((1 / 4, 2 / 4, 3 / 4, 1))


def test_codes_or_labels_of_different_length_are_refused() -> None:
    short, long = pack_words(np.ones((2, 64), np.bool_)), pack_words(np.ones((2, 65), np.bool_))
    with pytest.raises(ScoreError, match="rows of 1 and of 2 words"):
        hamming_groups(short, long, bits=64, query_labels=short, gallery_labels=short)
    with pytest.raises(ScoreError, match="rows of 1 and of 2 words"):
        hamming_groups(short, short, bits=64, query_labels=short, gallery_labels=long)
