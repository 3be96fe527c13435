import pytest
import torch

from crossgraph.layers.label_queue import PairQueue
from crossgraph.layers.pair_contrast import Coded, PairContrast, likeness
from crossgraph.losses.own_and_like import own_and_like_loss


def coded(count: int, seed: int) -> Coded:
    rng = torch.Generator().manual_seed(seed)
    return Coded(
        torch.randn(count, 4, generator=rng), torch.arange(count) % 3, torch.rand(count, 2, generator=rng).round()
    )


def contrast(queue: int = 20) -> PairContrast:
    return PairContrast(("across", "within"), bits=4, labels=2, queue=queue, temperature=0.5, share=0.2)


def joined(*several: Coded) -> Coded:
    return Coded(*(torch.cat([getattr(one, name) for one in several]) for name in ("codes", "pictures", "labels")))


def test_the_queue_joins_the_keys_from_the_second_batch_on_and_knows_whose_they_are() -> None:
    layer, queries, keys = contrast(), coded(3, 0), coded(5, 1)
    for seen in (keys, joined(keys, keys)):
        expected = own_and_like_loss(
            queries.codes @ seen.codes.T / 0.5,
            queries.pictures[:, None] == seen.pictures,
            likeness(queries.labels, seen.labels),
            share=0.2,
        )
        assert layer("across", queries, keys, within=False).item() == pytest.approx(expected.item(), rel=1e-5)
    assert layer.queues["within"].pushed == 0


def test_within_a_medium_nothing_is_compared_with_itself_but_with_its_earlier_self() -> None:
    layer, items = contrast(), coded(5, 2)
    expected = own_and_like_loss(
        items.codes @ items.codes.T / 0.5,
        items.pictures[:, None] == items.pictures,
        likeness(items.labels, items.labels),
        share=0.2,
        itself=torch.eye(5, dtype=torch.bool),
    )
    assert layer("within", items, items, within=True).item() == pytest.approx(expected.item(), rel=1e-5)
    assert layer("within", items, items, within=True).item() != pytest.approx(expected.item(), rel=1e-3)


def test_evaluation_leaves_the_queue_as_it_is() -> None:
    layer = contrast().eval()
    once, twice = (layer("across", coded(3, 0), coded(5, 1), within=False).item() for _ in range(2))
    assert once == twice


def test_items_without_labels_are_like_nothing() -> None:
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    assert torch.allclose(likeness(labels, labels)[1], torch.zeros(3))
    assert likeness(labels, labels)[0, 2].item() == pytest.approx(0.5**0.5)


def numbered(*numbers: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    values = torch.tensor(numbers)
    return values[:, None].float(), values, -values[:, None].float()


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_a_queue_of_pairs_shows_the_last_keys_with_what_is_theirs(batch: int) -> None:
    queue, pushed = PairQueue(5, width=1, labels=1), []
    for start in range(0, 21, batch):
        some = list(range(start, start + batch))
        queue.push(*numbered(*some))
        pushed += some
        keys, pictures, labels = queue.seen()
        assert sorted(pictures.tolist()) == pushed[-5:]
        assert torch.equal(keys[:, 0].long(), pictures)
        assert torch.equal(labels, -keys)


def test_a_queue_of_pairs_without_places_takes_nothing() -> None:
    queue = PairQueue(0, width=1, labels=1)
    queue.push(*numbered(1, 2))
    assert len(queue.seen()[0]) == 0
