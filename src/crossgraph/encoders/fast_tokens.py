"""A frozen image network by OpenVINO, which on a processor reads pictures twice as fast as torch.

What it gives differs from torch's by 4 millionths of the largest number (`bench/backbone_rates.py`), a hundredth of
what is lost when features are kept in half precision. Nothing is sent anywhere (`silent_openvino.py`).
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.silent_openvino import import_openvino

AFTER = 64
"""So many pictures come before the network is compiled: that takes seconds, as many as it saves over a hundred."""

APART = 1e-4
"""Farther from torch's than this share of the largest number no output may be, or torch it stays."""

Tokens: TypeAlias = tuple[Float[Tensor, "n d r c"], Float[Tensor, "n e"]]


class FastTokens:
    """`backbone.tokens` of a frozen network: by torch, and, where OpenVINO is there, by that once it is worth it.

    Only a network that says it can be compiled is, and only for a processor. May be used by many threads.
    """

    def __init__(self, backbone: Backbone, *, after: int = AFTER) -> None:
        self._backbone = backbone
        self._left: int | None = after if backbone.compiles and importlib.util.find_spec("openvino") else None
        self._compiled: Any = None
        self._lock = threading.Lock()

    @property
    def compiled(self) -> bool:
        """Whether OpenVINO computes."""
        return self._compiled is not None

    def __call__(self, pixels: Float[Tensor, "n 3 h w"]) -> Tokens:
        """The grid of each picture and the vector for its whole, without gradients."""
        if self._compiled is None or not len(pixels):
            found = self._backbone.tokens(pixels)
            self._count(pixels, found)
            return found
        return _run(self._compiled, pixels)

    def _count(self, pixels: Float[Tensor, "n 3 h w"], found: Tokens) -> None:
        """Compile the network once enough pictures came, and keep it if it gives what torch `found` of these."""
        with self._lock:
            if self._left is None or pixels.device.type != "cpu":
                return
            self._left -= len(pixels)
            if self._left > 0 or not len(pixels):
                return
            self._left = None
            compiled = _compile(_Forward(self._backbone.tokens), pixels)
            pairs = zip(_run(compiled, pixels), found, strict=True)
            if all(float((one - other).abs().max()) <= APART * float(other.abs().max()) for one, other in pairs):
                self._compiled = compiled


class _Forward(nn.Module):
    """A function as a module, to be traced."""

    def __init__(self, tokens: Callable[[Tensor], Tokens]) -> None:
        super().__init__()
        self.tokens = tokens

    def forward(self, pixels: Tensor) -> Tokens:
        return self.tokens(pixels)


def _compile(module: nn.Module, pixels: Float[Tensor, "n 3 h w"]) -> Any:
    """The network for any number of pictures of this size, in single precision, on as many threads as torch has."""
    openvino = import_openvino()
    example = pixels[:1].clone()
    frontend = openvino.frontend.FrontEndManager().load_by_framework("pytorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, that tracing is on its way out, which OpenVINO still asks for
        decoder = openvino.frontend.pytorch.ts_decoder.TorchScriptPythonDecoder(module.eval(), example_input=(example,))
        model = frontend.convert(frontend.load(decoder))
    model.reshape([-1, *example.shape[1:]])
    threads = torch.get_num_threads()
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(model, "CPU", settings)


def _run(compiled: Any, pixels: Float[Tensor, "n 3 h w"]) -> Tokens:
    """Each thread takes one picture at a time, whose maps stay in the cache: a sixth faster than all at once."""
    openvino = import_openvino()
    found: list[Tokens | None] = [None] * len(pixels)
    queue = openvino.AsyncInferQueue(compiled, compiled.get_property("NUM_STREAMS"))

    def keep(request: Any, number: int) -> None:
        grid, whole = (torch.from_numpy(request.get_output_tensor(output).data.copy()) for output in range(2))
        found[number] = grid, whole

    queue.set_callback(keep)
    for number, picture in enumerate(pixels.contiguous().numpy()):
        queue.start_async([picture[None]], number, share_inputs=True)
    queue.wait_all()
    grids, wholes = zip(*found, strict=True)
    return torch.cat(grids), torch.cat(wholes)
