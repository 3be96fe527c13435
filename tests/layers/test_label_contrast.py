import pytest
import torch

from crossgraph.layers.label_contrast import LabelContrast
from crossgraph.layers.label_queue import LabelQueue
from crossgraph.losses.parametric_contrastive import parametric_contrastive_loss


def drawn() -> tuple[LabelContrast, list[torch.Tensor]]:
    torch.manual_seed(0)
    contrast = LabelContrast(
        ("across", "within"), width=6, bits=4, labels=3, queue=10, temperature=0.5, pair_weight=0.2
    )
    labels = torch.rand(9, 3) < 0.5
    return contrast, [torch.randn(4, 6), torch.randn(4, 4), torch.randn(5, 4), labels[:4], labels[4:]]


def filled_rows(contrast: LabelContrast, name: str) -> int:
    queue = contrast.queues[name]
    assert isinstance(queue, LabelQueue)
    return int(queue.filled.sum())


def test_the_queue_joins_the_keys_from_the_second_batch_on() -> None:
    contrast, (features, queries, keys, labels, key_labels) = drawn()
    for old in (0, 1):
        expected = parametric_contrastive_loss(
            queries,
            torch.cat([queries, keys, *[keys] * old]),
            labels,
            torch.cat([labels, key_labels, *[key_labels] * old]),
            contrast.centres(features),
            temperature=0.5,
            pair_weight=0.2,
            own=4,
        )
        loss = contrast("across", features, queries, keys, labels, key_labels)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_every_name_has_a_queue_of_its_own() -> None:
    contrast, items = drawn()
    contrast("across", *items)
    across, within = (filled_rows(contrast, name) for name in ("across", "within"))
    assert (across, within) == (5, 0)


def test_evaluation_leaves_the_queue_as_it_is() -> None:
    contrast, items = drawn()
    once, twice = (contrast.eval()("across", *items).item() for _ in range(2))
    assert once == twice
    assert filled_rows(contrast, "across") == 0
