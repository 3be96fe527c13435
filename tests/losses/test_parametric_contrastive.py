import math
from typing import Any

import pytest
import torch
from beartype.roar import BeartypeCallHintViolation

from crossgraph.losses.parametric_contrastive import parametric_contrastive_loss


def drawn(*, queries: int = 4, keys: int = 7, labels: int = 3, seed: int = 0) -> list[torch.Tensor]:
    """Queries, keys that begin with the queries, labels of both, class logits."""
    rng = torch.Generator().manual_seed(seed)
    vectors = torch.randn(keys, 5, generator=rng)
    has = torch.rand(keys, labels, generator=rng) < 0.5
    return [vectors[:queries], vectors, has[:queries], has, torch.randn(queries, labels, generator=rng)]


def slowly(
    queries: torch.Tensor,
    keys: torch.Tensor,
    query_labels: torch.Tensor,
    key_labels: torch.Tensor,
    class_logits: torch.Tensor,
    *,
    temperature: float,
    pair_weight: float,
    class_weight: float,
    spread: float,
    own: int,
) -> float:
    """The formula, term by term."""
    losses = []
    for i in range(len(queries)):
        keys_of_i = [j for j in range(len(keys)) if not (own and j == i)]
        pairs = {j: float(queries[i] @ keys[j]) / temperature for j in keys_of_i}
        classes = [float(logit) for logit in class_logits[i]]
        total = math.log(sum(map(math.exp, classes)) + spread * sum(math.exp(value) for value in pairs.values()))
        terms = [(class_weight, classes[c]) for c in range(len(classes)) if query_labels[i, c]]
        terms += [(pair_weight, pairs[j]) for j in keys_of_i if (query_labels[i] & key_labels[j]).any()]
        if weighed := sum(weight for weight, _ in terms):
            losses.append(-sum(weight * (logit - total) for weight, logit in terms) / weighed)
    return sum(losses) / max(len(losses), 1)


SETTINGS: dict[str, Any] = {"temperature": 0.7, "pair_weight": 0.3, "class_weight": 0.9, "spread": 0.5}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("own", [0, 4])
def test_it_is_the_formula_term_by_term(seed: int, own: int) -> None:
    items = drawn(seed=seed)
    loss = parametric_contrastive_loss(*items, own=own, **SETTINGS)
    assert loss.item() == pytest.approx(slowly(*items, **SETTINGS, own=own), rel=1e-5)


def test_one_query_one_class_and_one_key_worked_by_hand() -> None:
    query, label = torch.tensor([[1.0, 0.0]]), torch.tensor([[True]])
    loss = parametric_contrastive_loss(
        query, torch.tensor([[1.0, 0.0]]), label, label, torch.zeros(1, 1), temperature=1.0, pair_weight=1.0
    )
    total = math.log(1 + math.e)
    assert loss.item() == pytest.approx(-((0 - total) + (1 - total)) / 2)


def test_a_query_neither_draws_nor_pushes_itself() -> None:
    queries, keys, query_labels, key_labels, logits = (part[:1] if len(part) == 4 else part for part in drawn())
    query_labels = torch.ones_like(query_labels)
    without = parametric_contrastive_loss(queries, keys[1:], query_labels, key_labels[1:], logits)
    assert parametric_contrastive_loss(queries, keys, query_labels, key_labels, logits, own=1).item() == pytest.approx(
        without.item()
    )
    assert parametric_contrastive_loss(queries, keys, query_labels, key_labels, logits).item() != pytest.approx(
        without.item()
    )


def test_the_order_of_keys_does_not_matter() -> None:
    queries, keys, query_labels, key_labels, logits = drawn()
    turned = parametric_contrastive_loss(queries, keys.flip(0), query_labels, key_labels.flip(0), logits)
    assert turned.item() == pytest.approx(
        parametric_contrastive_loss(queries, keys, query_labels, key_labels, logits).item()
    )


def test_queries_without_labels_count_nothing() -> None:
    queries, keys, query_labels, key_labels, logits = drawn()
    query_labels = query_labels.clone()
    query_labels[2] = False
    kept = torch.tensor([0, 1, 3])
    some = parametric_contrastive_loss(queries[kept], keys, query_labels[kept], key_labels, logits[kept])
    assert parametric_contrastive_loss(queries, keys, query_labels, key_labels, logits).item() == pytest.approx(
        some.item()
    )
    assert parametric_contrastive_loss(queries, keys, torch.zeros_like(query_labels), key_labels, logits).item() == 0


def test_large_products_stay_finite_and_learn() -> None:
    queries, keys, query_labels, key_labels, logits = drawn()
    queries = (50 * queries).requires_grad_()
    loss = parametric_contrastive_loss(queries, keys, query_labels, key_labels, logits, temperature=0.05, own=4)
    loss.backward()
    assert loss.isfinite()
    assert queries.grad.isfinite().all()


def test_labels_of_another_number_of_keys_are_refused() -> None:
    queries, keys, query_labels, key_labels, logits = drawn()
    with pytest.raises(BeartypeCallHintViolation):
        parametric_contrastive_loss(queries, keys, query_labels, key_labels[1:], logits)
