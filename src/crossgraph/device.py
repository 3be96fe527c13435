"""Where to compute: a device by its name, refused before any work is put in where it cannot be had.

Torch is loaded only when a name is checked, so that a command line can name devices without waiting for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from crossgraph.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
"""The names of devices; `cuda:1` is the second GPU, `auto` the best of what there is."""

_ALSO_CALLED: Mapping[str, str] = MappingProxyType({"gpu": "cuda", "nvidia": "cuda", "apple": "mps", "metal": "mps"})

_OTHERWISE = "Choose --device cpu, or auto for the best there is here."


def checked_device(name: str) -> torch.device:
    """The device called `name`: cpu, cuda, cuda:N, mps, or auto for the best that is here.

    Raises `ConfigError` for any other name, and for a device that this machine or this torch does not have.
    """
    import torch

    kind, colon, number = name.strip().lower().partition(":")
    if kind not in DEVICES or (colon and (kind != "cuda" or not number.isdecimal())):
        raise ConfigError(_unknown(name, kind, number))
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if kind == "cuda":
        _require_cuda(name, int(number) if number else None)
    if kind == "mps":
        _require_mps(name)
    return torch.device(kind, int(number)) if number else torch.device(kind)


def _unknown(name: str, kind: str, number: str) -> str:
    """The message for a name that is no device's, with the nearest one that is."""
    if meant := _ALSO_CALLED.get(kind):
        place = f":{number}" if number.isdecimal() and meant == "cuda" else ""
        return f"unknown device {name!r}. Did you mean '{meant}{place}'? Known: {', '.join(DEVICES)}, cuda:N."
    if kind in DEVICES:
        return f"unknown device {name!r}. Only cuda has a number, as in cuda:0; got {number!r}."
    return f"{unknown_name('device', name, DEVICES)} cuda:N is the GPU of that number."


def _require_cuda(name: str, number: int | None) -> None:
    import torch

    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        raise ConfigError(
            f"device {name!r} needs CUDA, and the torch installed here ({torch.__version__}) was built without it. "
            f"{_OTHERWISE} A torch with CUDA: https://pytorch.org/get-started/locally."
        )
    if not torch.cuda.is_available():
        raise ConfigError(f"device {name!r} needs a GPU, and torch finds none (see nvidia-smi). {_OTHERWISE}")
    count = torch.cuda.device_count()
    if number is not None and number >= count:
        here = ", ".join(f"cuda:{index}" for index in range(count))
        raise ConfigError(f"there is no device {name!r}: torch finds {here}. Choose one of these.")


def _require_mps(name: str) -> None:
    import torch

    if not torch.backends.mps.is_built():
        raise ConfigError(
            f"device {name!r} is an Apple GPU, and the torch installed here ({torch.__version__}) was built without "
            f"it. {_OTHERWISE}"
        )
    if not torch.backends.mps.is_available():
        raise ConfigError(f"device {name!r} needs an Apple GPU, and torch finds none. {_OTHERWISE}")
