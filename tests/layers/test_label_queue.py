import torch

from crossgraph.layers.label_queue import LabelQueue


def keys(*numbers: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys that are those numbers, twice, and carry their parity as label."""
    values = torch.tensor(numbers)
    return values[:, None].repeat(1, 2).float(), torch.stack([values % 2 == 0, values % 2 == 1], dim=1)


def numbers(queue: LabelQueue) -> list[int]:
    seen, labels = queue.seen()
    assert torch.equal(labels, keys(*seen[:, 0].int().tolist())[1])
    return sorted(seen[:, 0].int().tolist())


def test_an_empty_queue_shows_nothing_and_a_pushed_one_what_was_pushed() -> None:
    queue = LabelQueue(5, width=2, labels=2)
    assert queue.seen()[0].shape == (0, 2)
    queue.push(*keys(1, 2, 3))
    assert numbers(queue) == [1, 2, 3]


def test_the_oldest_keys_are_overwritten_first() -> None:
    queue = LabelQueue(5, width=2, labels=2)
    for start in range(1, 12, 2):
        queue.push(*keys(start, start + 1))
        assert numbers(queue) == list(range(max(1, start - 3), start + 2))


def test_of_more_keys_than_it_holds_the_last_stay() -> None:
    queue = LabelQueue(3, width=2, labels=2)
    queue.push(*keys(*range(8)))
    assert numbers(queue) == [5, 6, 7]
    queue.push(*keys(8))
    assert len(numbers(queue)) == 3


def test_a_queue_without_places_takes_nothing() -> None:
    queue = LabelQueue(0, width=2, labels=2)
    queue.push(*keys(1, 2))
    assert numbers(queue) == []


def test_what_was_seen_does_not_change_with_the_next_push() -> None:
    queue = LabelQueue(2, width=2, labels=2)
    queue.push(*keys(1, 2))
    seen, _ = queue.seen()
    queue.push(*keys(3, 4))
    assert seen[:, 0].tolist() == [1, 2]


def test_a_random_queue_starts_full_of_keys_and_labels_that_mean_nothing() -> None:
    torch.manual_seed(0)
    seen, labels = LabelQueue(50, width=2, labels=3, random=True).seen()
    assert len(seen) == 50
    assert 0.3 < labels.float().mean() < 0.7


def test_a_saved_queue_continues_where_it_was() -> None:
    queue, other = LabelQueue(3, width=2, labels=2), LabelQueue(3, width=2, labels=2)
    queue.push(*keys(1, 2))
    other.load_state_dict(queue.state_dict())
    for one in (queue, other):
        one.push(*keys(3, 4))
    assert numbers(queue) == numbers(other) == [2, 3, 4]
