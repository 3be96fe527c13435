"""The identity of an encoder: what it computes, never what it is called, where it lies or how a library writes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

FORMAT = 2
"""Raised whenever we read settings or weights otherwise, so that features of before are not taken for those of now."""


@runtime_checkable
class Network(Protocol):
    """Anything with weights by name, as every module of torch has them."""

    def state_dict(self) -> Mapping[str, Tensor]: ...


def encoder_fingerprint(kind: str, settings: Mapping[str, object], weights: Iterable[Tensor] = ()) -> str:
    """Sixteen hex digits of a hash over the kind of encoder, our own settings (plain JSON) and every weight.

    Weights count by shape, type and bytes, not by name or order: the names of modules are another library's, which
    has changed them between versions, and weights that are saved again in another file are the same weights.
    """
    told = json.dumps([FORMAT, kind, settings], sort_keys=True)
    return hashlib.sha256("\n".join([told, *sorted(map(_digest, weights))]).encode()).hexdigest()[:16]


def weights_of(network: Network) -> Iterator[Tensor]:
    """What of a network decides its outputs: parameters and statistics, all of them floating-point numbers.

    Whole numbers among the buffers are positions and counters, which libraries keep or drop as they please; weights
    that two modules share count once.
    """
    values = (value for value in network.state_dict().values() if value.is_floating_point())
    return iter({(value.data_ptr(), value.shape): value for value in values}.values())


def _digest(weight: Tensor) -> str:
    digest = hashlib.sha256(f"{tuple(weight.shape)}{weight.dtype}".encode())
    digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
