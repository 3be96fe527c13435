"""The pretended GPU computes what the processor does, and refuses what CUDA refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from crossgraph.device import checked_device
from tests.devices.tagged import TaggedTensor

CPU = torch.arange(12.0).view(3, 4)
ROWS = torch.tensor([2, 0])

ALLOWED: dict[str, Callable[[Tensor], Tensor]] = {
    "a scalar of the processor in element-wise operations": lambda gpu: gpu * torch.tensor(2.0),
    "indices of the processor": lambda gpu: gpu[ROWS],
    "lists as indices": lambda gpu: gpu[[2, 0]] + gpu[:, (1, 3)].sum() + gpu.new_tensor([1.0, 2.0, 3.0, 4.0]),
    "a mask of the processor as an index": lambda gpu: gpu[CPU > 4],
    "a copy into a part": lambda gpu: gpu.clone().index_put((ROWS,), torch.tensor(5.0)),
    "masks by value": lambda gpu: gpu.masked_fill(gpu > 3, torch.tensor(0.0)),
    "what depends on values": lambda gpu: gpu[gpu > float(gpu.mean())].cumsum(0),
}
REFUSED: dict[str, Callable[[Tensor], object]] = {
    "sums": lambda gpu: gpu + CPU,
    "a scalar of the GPU with a matrix of the processor": lambda gpu: CPU + gpu.sum(),
    "products": lambda gpu: CPU @ gpu.T,
    "indices of the GPU": lambda gpu: CPU[ROWS.to(gpu.device)],
    "index_add": lambda gpu: gpu.index_add(0, ROWS, gpu[:2]),
    "index_select": lambda gpu: gpu.index_select(0, ROWS),
    "gather": lambda gpu: gpu.gather(0, ROWS[None].expand(3, 2)),
    "scatter": lambda gpu: gpu.scatter(0, ROWS[None], 1.0),
    "embeddings": lambda gpu: nn.functional.embedding(ROWS, gpu),
    "joining": lambda gpu: torch.cat([gpu, CPU]),
    "stacked scalars": lambda gpu: torch.stack([gpu.sum(), CPU.sum()]),
    "where": lambda gpu: torch.where(gpu > 1, gpu, CPU),
    "masks": lambda gpu: gpu.masked_fill(CPU > 1, 0.0),
    "in place": lambda gpu: CPU.clone().add_(gpu),
    "equality": lambda gpu: torch.equal(gpu, CPU),
    "lengths on the GPU": lambda gpu: nn.utils.rnn.pack_padded_sequence(gpu[None], torch.tensor([3], device="cuda")),
}


def test_a_device_is_found_and_named(device: str) -> None:
    place = checked_device(device)
    made = (torch.zeros(2, device=place), torch.tensor([1.5], device=device), CPU.to(device), torch.ones(1).to(place))
    assert {(one.device.type, one.is_cuda) for one in made} == {("cuda", True)}
    assert made[0].cpu().device.type == "cpu"
    assert torch.arange(3, device=made[0].device).tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="convert cuda:0 device type tensor to numpy"):
        made[0].numpy()


@pytest.mark.parametrize("name", ALLOWED)
def test_what_cuda_allows_gives_what_the_processor_gives(name: str, device: str) -> None:
    found = ALLOWED[name](CPU.to(device))
    assert found.device.type == "cuda"
    assert torch.allclose(found.cpu(), ALLOWED[name](CPU))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cuda_refuses_is_refused(name: str, device: str) -> None:
    with pytest.raises(RuntimeError):
        REFUSED[name](CPU.to(device))


def test_a_network_steps_forwards_and_backwards(device: str) -> None:
    weights = []
    for place in ("cpu", device):
        torch.manual_seed(0)
        network = nn.GRU(4, 3, batch_first=True, bidirectional=True)
        network = network.to(place)
        optimiser = torch.optim.AdamW(network.parameters())
        network(CPU[None].to(place))[0].square().sum().backward()
        optimiser.step()
        weights.append([parameter.detach().cpu() for parameter in network.parameters()])
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(*weights, strict=True))


def test_the_device_draws_from_a_generator_of_its_own(device: str) -> None:
    before, there = torch.get_rng_state(), torch.cuda.get_rng_state(device)
    first = torch.rand(4, device=device)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(torch.cuda.get_rng_state(device), there)
    torch.cuda.set_rng_state(there, device)
    assert torch.equal(torch.rand(4, device=device).cpu(), first.cpu())


def test_views_changed_in_place_change_what_they_are_views_of(device: str) -> None:
    matrix = CPU.to(device, copy=True)
    matrix[0] = 5.0
    matrix.T[1].mul_(2)
    expected = CPU.clone()
    expected[0] = 5.0
    expected[:, 1] *= 2
    assert torch.equal(matrix.cpu(), expected)
    assert not isinstance(matrix.cpu(), TaggedTensor)
