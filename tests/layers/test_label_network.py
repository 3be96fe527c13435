import torch
import torch.nn.functional as F

from crossgraph.layers.label_network import LabelNetwork


def drawn() -> tuple[LabelNetwork, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    adjacency = torch.eye(4)
    adjacency[0, 1] = adjacency[1, 0] = 0.5
    return LabelNetwork(5, 6, 3), torch.randn(4, 5), adjacency


def test_it_is_two_convolutions_with_a_leaky_step_between() -> None:
    network, vectors, adjacency = drawn()
    hidden = F.leaky_relu(adjacency @ vectors @ network.first.weight.T, 0.2)
    assert torch.allclose(network(vectors, adjacency), adjacency @ hidden @ network.second.weight.T, atol=1e-6)


def test_a_label_hears_of_its_neighbours_and_of_no_other() -> None:
    network, vectors, adjacency = drawn()
    changed = vectors.clone()
    changed[1] += 1
    moved = (network(changed, adjacency) - network(vectors, adjacency)).abs().amax(dim=1) > 1e-6
    assert moved.tolist() == [True, True, False, False]
