"""The identity of a frozen encoder, by which its cached outputs are found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import nn


def encoder_fingerprint(name: str, settings: Mapping[str, object], network: nn.Module | None = None) -> str:
    """Sixteen hex digits of a hash over the name, the settings (as JSON) and every weight of the network."""
    digest = hashlib.sha256(json.dumps([name, settings], sort_keys=True, default=str).encode())
    for key, weight in sorted(network.state_dict().items()) if network is not None else ():
        digest.update(f"{key}{tuple(weight.shape)}{weight.dtype}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
