"""Keys of earlier steps: the last so many, never those of the same picture."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.layers.momentum_queue import KeyQueue, SlowWeights


@given(st.lists(st.integers(1, 5), max_size=5), st.integers(1, 7), st.integers(0, 99))
def test_negatives_are_those_of_a_slow_loop_over_all_that_was_pushed(steps: list[int], size: int, seed: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    queue, pushed = KeyQueue(size, width=3), list[tuple[torch.Tensor, int]]()
    for count in steps:
        keys = torch.randn(count, 3, generator=drawn)
        rows = torch.randint(0, 4, (count,), generator=drawn)
        queue.push(keys, rows)
        pushed = [*pushed, *zip(keys, rows.tolist(), strict=True)][-size:]
    queries, own = torch.randn(2, 3, generator=drawn), torch.tensor([0, 3])
    found = queue.negatives(queries, own)
    for column, (query, row) in enumerate(zip(queries, own.tolist(), strict=True)):
        slow = sorted(-math.inf if other == row else float(key @ query) for key, other in pushed)
        torch.testing.assert_close(found[:, column].sort().values, torch.tensor(slow, dtype=torch.float32))


def test_a_key_stays_as_it_was_pushed_and_takes_no_gradient() -> None:
    queue, keys = KeyQueue(4, width=2), torch.ones(2, 2, requires_grad=True)
    queue.push(keys * 2, torch.tensor([0, 1]))
    query = torch.ones(1, 2, requires_grad=True)
    queue.negatives(query, torch.tensor([7])).sum().backward()
    assert query.grad is not None
    assert keys.grad is None
    assert not queue.state_dict()


def test_slow_weights_begin_at_the_weights_and_follow_them() -> None:
    layer = torch.nn.Linear(2, 2)
    named = dict(layer.named_parameters())
    slow = SlowWeights(named, momentum=0.75)
    slow.follow(named)
    first = {name: value.detach().clone() for name, value in named.items()}
    assert all(torch.equal(value, first[name]) for name, value in slow.weights().items())
    for parameter in named.values():
        parameter.data.add_(4.0)
    slow.follow(named)
    for name, value in slow.weights().items():
        torch.testing.assert_close(value, first[name] + 1.0)
    assert not slow.state_dict()
