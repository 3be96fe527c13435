"""In what numbers rows are made in training, and whether a device gains by it."""

from __future__ import annotations

import torch

from crossgraph.errors import ConfigError
from crossgraph.progress import Progress

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""By the name that `training.precision` has."""


def note_precision(name: str, device: str, progress: Progress) -> None:
    """Say so where a device computes in a precision, but slower; raise `ConfigError` where it cannot."""
    if name == "float32":
        return
    match torch.device(device).type:
        case "cuda":
            if not torch.cuda.is_bf16_supported(including_emulation=False):
                raise ConfigError(
                    f"training.precision={name!r} wants a device that computes in it, and {device} does not; set "
                    "training.precision='float32'."
                )
        case "cpu":
            if not torch.cpu.get_capabilities().get("avx512_bf16"):
                progress.note("precision", slower=f"this processor has no instructions for {name}, and emulates them")
        case other:
            progress.note("precision", unmeasured=f"whether {name} pays on {other} was not measured")
