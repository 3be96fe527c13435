import torch

from crossgraph.layers.pooling import HeadPooling, masked_mean


def test_the_mean_counts_real_parts_only() -> None:
    parts = torch.tensor([[[1.0], [3.0], [100.0]], [[7.0], [7.0], [7.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert masked_mean(parts, mask).tolist() == [[2.0], [0.0]]


def test_pooling_with_equal_weights_is_the_mean() -> None:
    pool = HeadPooling(4, heads=2)
    torch.nn.init.zeros_(pool.weigh.weight)
    torch.nn.init.zeros_(pool.weigh.bias)
    parts, mask = torch.randn(2, 5, 4), torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    assert torch.allclose(pool(parts, mask), masked_mean(parts, mask), atol=1e-6)


def test_contributions_sum_to_the_pooled_vector_and_padding_contributes_nothing() -> None:
    pool = HeadPooling(6, heads=3)
    parts, mask = torch.randn(2, 4, 6), torch.tensor([[True] * 4, [True, True, False, False]])
    shares = pool.contributions(parts, mask)
    assert torch.allclose(shares.sum(dim=1), pool(parts, mask))
    assert shares[1, 2:].abs().max() == 0


def test_pooling_equals_a_loop_over_heads() -> None:
    torch.manual_seed(0)
    pool, parts = HeadPooling(6, heads=3), torch.randn(1, 5, 6)
    pooled = pool(parts, torch.ones(1, 5, dtype=torch.bool))[0]
    for head in range(3):
        weights = (parts[0] @ pool.weigh.weight[head] + pool.weigh.bias[head]).softmax(0)
        assert torch.allclose(pooled[2 * head : 2 * head + 2], weights @ parts[0, :, 2 * head : 2 * head + 2])


def test_neither_order_nor_padding_of_parts_matters() -> None:
    torch.manual_seed(0)
    pool, parts = HeadPooling(8, heads=4), torch.randn(2, 5, 8)
    mask = torch.ones(2, 5, dtype=torch.bool)
    pooled = pool(parts, mask)
    padded = torch.cat([parts, 9 * torch.randn(2, 3, 8)], dim=1)
    assert torch.allclose(pool(parts.flip(1), mask), pooled, atol=1e-6)
    assert torch.allclose(pool(padded, torch.nn.functional.pad(mask, (0, 3))), pooled, atol=1e-6)
