"""Word-to-region attention against a loop, and what masks must do."""

import math

import torch
import torch.nn.functional as F

from crossgraph.layers.attention import attend


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape), dim=-1)


def everything(parts: torch.Tensor) -> torch.Tensor:
    return torch.ones(parts.shape[:2], dtype=torch.bool)


def slow_attend(queries: torch.Tensor, keys: torch.Tensor, sharpness: float) -> tuple[torch.Tensor, torch.Tensor]:
    cosine = [[max(0.0, float(q @ k)) for k in keys] for q in queries]
    lengths = [math.sqrt(sum(row[k] ** 2 for row in cosine)) or 1.0 for k in range(len(keys))]
    weights = []
    for row in cosine:
        exponentials = [math.exp(sharpness * value / length) for value, length in zip(row, lengths, strict=True)]
        weights.append([value / sum(exponentials) for value in exponentials])
    looked = torch.tensor(weights)
    seen = torch.stack([sum(w * k for w, k in zip(row, keys, strict=True)) for row in looked])
    return seen / seen.norm(dim=-1, keepdim=True), looked


def test_attention_equals_a_loop_over_queries_and_keys() -> None:
    torch.manual_seed(0)
    queries, keys = unit(1, 4, 6), unit(1, 5, 6)
    seen, weights = attend(queries, keys, everything(queries), everything(keys), sharpness=5.0)
    slow_seen, slow_weights = slow_attend(queries[0], keys[0], 5.0)
    assert torch.allclose(weights[0], slow_weights, atol=1e-6)
    assert torch.allclose(seen[0], slow_seen, atol=1e-6)


def test_a_query_that_resembles_one_key_sees_that_key() -> None:
    basis = torch.eye(3)[None]
    seen, weights = attend(basis[:, :1], basis, everything(basis[:, :1]), everything(basis), sharpness=50.0)
    assert torch.allclose(seen[0, 0], basis[0, 0], atol=1e-5)
    assert weights[0, 0].argmax() == 0


def test_padding_on_either_side_changes_nothing() -> None:
    torch.manual_seed(1)
    queries, keys = unit(2, 3, 4), unit(2, 5, 4)
    seen, weights = attend(queries, keys, everything(queries), everything(keys))
    longer_queries, longer_keys = torch.cat([queries, unit(2, 2, 4)], 1), torch.cat([keys, unit(2, 4, 4)], 1)
    query_mask, key_mask = F.pad(everything(queries), (0, 2)), F.pad(everything(keys), (0, 4))
    padded_seen, padded_weights = attend(longer_queries, longer_keys, query_mask, key_mask)
    assert torch.allclose(padded_seen[:, :3], seen, atol=1e-6)
    assert padded_seen[:, 3:].abs().max() == 0
    assert torch.allclose(padded_weights[:, :3, :5], weights, atol=1e-6)
    assert padded_weights[..., 5:].abs().max() == 0


def test_without_real_keys_nothing_is_seen_and_gradients_stay_finite() -> None:
    queries, keys = unit(1, 2, 4).requires_grad_(), unit(1, 3, 4).requires_grad_()
    seen, weights = attend(queries, keys, everything(queries), torch.zeros(1, 3, dtype=torch.bool))
    (seen.sum() + weights.sum()).backward()
    assert seen.abs().max() == 0
    assert weights.abs().max() == 0
    assert queries.grad.isfinite().all()
    assert keys.grad.isfinite().all()
