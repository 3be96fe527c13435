import pytest
import torch

from crossgraph.graphs.label_association import label_association


def slowly(labels: list[list[bool]], threshold: float, share: float) -> list[list[float]]:
    """Entry by entry."""
    c = len(labels[0])
    count = [[sum(row[i] and row[j] for row in labels) for j in range(c)] for i in range(c)]
    joined = [
        [float(i != j and count[i][i] and count[i][j] / count[i][i] >= threshold) for j in range(c)] for i in range(c)
    ]
    scaled = [
        [joined[i][j] * share / (sum(joined[k][j] for k in range(c)) + 1e-6) + (i == j) for j in range(c)]
        for i in range(c)
    ]
    degree = [sum(row) for row in scaled]
    return [[scaled[j][i] / (degree[i] * degree[j]) ** 0.5 for j in range(c)] for i in range(c)]


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_formula_entry_by_entry(seed: int) -> None:
    labels = torch.rand(30, 6, generator=torch.Generator().manual_seed(seed)) < 0.4
    expected = torch.tensor(slowly(labels.tolist(), 0.4, 0.25))
    assert torch.allclose(label_association(labels), expected, atol=1e-6)


def test_a_boat_means_water_but_water_no_boat() -> None:
    boat_water = torch.tensor([[1, 1], [0, 1], [0, 1]], dtype=torch.bool)
    adjacency = label_association(boat_water)
    assert adjacency[1, 0].item() == pytest.approx(0.25 / 1.25**0.5, rel=1e-4)
    assert adjacency[0, 1].item() == 0


def test_labels_that_never_meet_and_labels_nobody_has_give_the_identity() -> None:
    assert torch.allclose(label_association(torch.eye(4, dtype=torch.bool)), torch.eye(4))
    assert torch.allclose(label_association(torch.zeros(3, 4, dtype=torch.bool)), torch.eye(4))


def test_the_order_of_pictures_does_not_matter_and_that_of_labels_is_kept() -> None:
    labels = torch.rand(20, 5, generator=torch.Generator().manual_seed(9)) < 0.5
    turned = torch.tensor([3, 1, 4, 0, 2])
    assert torch.equal(label_association(labels.flip(0)), label_association(labels))
    assert torch.allclose(label_association(labels[:, turned]), label_association(labels)[turned][:, turned])
