import pytest
import torch
import torch.nn.functional as F

from crossgraph.losses.label_triplet import label_triplet_loss


def drawn(seed: int) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    vectors, labels = F.normalize(torch.randn(9, 4, generator=rng), dim=1), torch.rand(9, 3, generator=rng) < 0.4
    return [vectors[:5], vectors[5:], labels[:5], labels[5:]]


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_mean_violation_over_every_violating_triplet(seed: int) -> None:
    queries, keys, query_labels, key_labels = drawn(seed)
    every, labels = torch.cat([queries, keys]), torch.cat([query_labels, key_labels])
    violations = []
    for i in range(5):
        for near in range(9):
            for far in range(9):
                if i in (near, far) or not (labels[i] & labels[near]).any() or (labels[i] & labels[far]).any():
                    continue
                violations.append(max(0.0, float(0.3 + queries[i] @ every[far] - queries[i] @ every[near])))
    expected = sum(violations) / max(1, sum(value > 0 for value in violations))
    assert label_triplet_loss(*drawn(seed)).item() == pytest.approx(expected, rel=1e-5)


def test_one_triplet_worked_by_hand() -> None:
    query, keys = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8], [0.8, 0.6]])
    loss = label_triplet_loss(query, keys, torch.tensor([[True, False]]), torch.eye(2, dtype=torch.bool), margin=0.3)
    assert loss.item() == pytest.approx(0.3 + 0.8 - 0.6)


def test_nothing_is_lost_where_all_are_alike_or_all_differ() -> None:
    queries, keys, query_labels, key_labels = drawn(0)
    for same in (torch.ones_like, torch.zeros_like):
        assert label_triplet_loss(queries, keys, same(query_labels), same(key_labels)).item() == 0
