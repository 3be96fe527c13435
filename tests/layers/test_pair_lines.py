"""Pairs laid out by picture: every pair once, nothing lost, sums and maxima over captions as by a loop."""

import pytest
import torch

from crossgraph.layers import pair_lines
from crossgraph.layers.pair_lines import Lines, gathered


@pytest.mark.parametrize(("captions", "nodes"), [(2, 5), (3, 1), (16, 512)])
def test_what_is_made_of_lines_is_what_a_loop_over_pairs_makes(
    captions: int, nodes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_lines, "CAPTIONS", captions)
    rng = torch.Generator().manual_seed(0)
    chosen = torch.rand(7, 4, generator=rng) < 0.6
    chosen[2] = False
    values = torch.randn(7, 4, 3, generator=rng)
    rows, columns = (torch.randint(count, (40,), generator=rng) for count in (5, 7))
    lines = Lines.of(rows, columns, chosen.sum(dim=1), nodes=nodes)
    assert torch.equal(lines.pictures[lines.line], rows)
    assert len(set(zip(lines.line.tolist(), lines.slot.tolist(), strict=True))) == 40
    laid = lines.laid(chosen, values.dtype)
    blocks = gathered(values.flatten(0, 1), laid)
    sums = lines.of_pairs([one.sums @ block for one, block in zip(laid, blocks, strict=True)])
    largest = lines.of_pairs([one.largest(block, empty=-9.0) for one, block in zip(laid, blocks, strict=True)])
    shares = [one.softmax(block) for one, block in zip(laid, blocks, strict=True)]
    squares = lines.of_pairs([one.sums @ share.square() for one, share in zip(laid, shares, strict=True)])
    for pair, column in enumerate(columns.tolist()):
        own = values[column, chosen[column]]
        assert torch.allclose(sums[pair], own.sum(dim=0), atol=1e-6)
        assert torch.allclose(squares[pair], own.softmax(dim=0).square().sum(dim=0), atol=1e-6)
        assert torch.equal(largest[pair], own.amax(dim=0) if len(own) else torch.full((3,), -9.0))


def test_a_block_holds_as_many_nodes_as_it_may_and_a_longer_line_alone() -> None:
    rows, columns = torch.tensor([0, 0, 1, 2, 3]), torch.tensor([0, 1, 2, 2, 2])
    lines = Lines.of(rows, columns, torch.tensor([3, 4, 2]), nodes=4)
    assert lines.blocks == ((0, 2), (2, 1), (3, 1))
    assert lines.pictures[-1] == 0
    assert lines.slots == (1, 1, 2)
