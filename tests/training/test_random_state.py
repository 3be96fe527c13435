"""A training draws from its seed alone, and nobody else notices."""

from __future__ import annotations

import threading
from pathlib import Path

import torch

from crossgraph.training.checkpoint import WEIGHTS
from crossgraph.training.random_state import RandomState
from tests.training.fake_dataset import fake_trainer


def drawn(state: RandomState) -> list[float]:
    with state.drawing():
        return torch.rand(3).tolist()


def test_draws_are_those_of_the_seed_and_go_on_where_the_last_one_stopped() -> None:
    state = RandomState(7, device="cpu")
    found = drawn(state) + drawn(state)
    expected = torch.rand(6, generator=torch.Generator().manual_seed(7)).tolist()
    assert found[:3] == expected[:3]
    assert found[3:] != found[:3]
    again = RandomState(7, device="cpu")
    assert drawn(again) + drawn(again) == found


def test_the_generator_of_the_process_is_left_as_it_was() -> None:
    before = torch.get_rng_state()
    state = RandomState(0, device="cpu")
    drawn(state)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert drawn(state) != drawn(RandomState(0, device="cpu"))


def test_an_error_inside_gives_the_generator_back_too() -> None:
    before, state = torch.get_rng_state(), RandomState(0, device="cpu")
    try:
        with state.drawing():
            torch.rand(2)
            raise ValueError
    except ValueError:
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_a_restored_state_draws_what_the_saved_one_would() -> None:
    state, other = RandomState(0, device="cpu"), RandomState(1, device="cpu")
    drawn(state)
    other.restore({**state.tensors(), "weights.bias": torch.zeros(1)})
    assert drawn(other) == drawn(state)


def test_a_state_without_this_device_starts_from_the_seed() -> None:
    state = RandomState(3, device="cpu")
    state.restore({})
    assert drawn(state) == drawn(RandomState(3, device="cpu"))


def test_two_trainings_in_threads_of_one_process_are_what_each_is_alone(tmp_path: Path) -> None:
    for seed in (0, 1):
        fake_trainer(tmp_path / f"alone{seed}", epochs=2, seed=seed).train()
    before = torch.get_rng_state()
    threads = [
        threading.Thread(target=fake_trainer(tmp_path / f"beside{seed}", epochs=2, seed=seed).train) for seed in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(torch.get_rng_state(), before)
    for seed in (0, 1):
        alone, beside = (tmp_path / f"{which}{seed}" / WEIGHTS for which in ("alone", "beside"))
        assert alone.read_bytes() == beside.read_bytes()
