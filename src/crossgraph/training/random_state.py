"""The random draws of one training: they come from its seed, and leave the process's own generators alone.

Initial weights, dropout and randomly chosen candidates all draw from PyTorch's generators, which are one a device for
the whole process. So a training lends them its own state for as long as it draws, and takes it back afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

PREFIX = "random."
_IN_TURN = threading.RLock()
"""Trainings in threads of one process draw one after the other: they share the generators."""


class RandomState:
    """Where the draws of one training stand, on the processor and on its device."""

    def __init__(self, seed: int, *, device: str) -> None:
        places = dict.fromkeys(("cpu", device))
        self._states = {place: torch.Generator(place).manual_seed(seed).get_state() for place in places}

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """What is drawn inside continues where the last draw stopped; other draws of the process never notice."""
        with _IN_TURN:
            others = {place: _state_of(place) for place in self._states}
            _put(self._states)
            try:
                yield
            finally:
                self._states = {place: _state_of(place) for place in self._states}
                _put(others)

    def tensors(self) -> dict[str, Tensor]:
        """The state as named tensors, one a kind of device."""
        return {f"{PREFIX}{_kind(place)}": state.clone() for place, state in self._states.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on where `tensors` stood. A device that they do not know goes on as it is: from the seed."""
        self._states = {
            place: tensors.get(f"{PREFIX}{_kind(place)}", state).cpu() for place, state in self._states.items()
        }


def _kind(place: str) -> str:
    return torch.device(place).type


def _state_of(place: str) -> Tensor:
    match _kind(place):
        case "cpu":
            return torch.get_rng_state()
        case "mps":
            return torch.mps.get_rng_state()
        case _:
            return torch.cuda.get_rng_state(place)


def _put(states: Mapping[str, Tensor]) -> None:
    for place, state in states.items():
        match _kind(place):
            case "cpu":
                torch.set_rng_state(state)
            case "mps":
                torch.mps.set_rng_state(state)
            case _:
                torch.cuda.set_rng_state(state, place)
