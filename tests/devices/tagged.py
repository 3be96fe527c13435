"""A GPU that every machine has: tensors that say they are on `cuda:0`, computed on the processor, never mixed.

PyTorch's own fake tensors stop at steps that depend on values (`nonzero`, `.item()`, masks), and cannot go backwards
through a fake GPU in a torch that was built without CUDA. A `TaggedTensor` holds real values, so everything runs, and
gives the same numbers as the processor does. What it adds is CUDA's rule, checked at every operation: all tensors are
on one device, but that

* a tensor of no dimensions may stay on the processor in element-wise operations (and as the value of an assignment),
* indices of `x[indices]` may stay on the processor where x is on the GPU, not the other way round,
* copies go from any device to any other,
* the lengths of a packed sequence have to be on the processor.

Random numbers on the GPU are drawn from a generator of its own. Inference mode counts no versions of tensors, which
subclasses need: here it is only a mode without gradients. To C++ a tagged tensor is one on the device "meta", which
needs no driver and no threads of its own; to Python it is on "cuda:0". Names of devices are translated on the way down.
So what uses "meta" itself, as transformers does while it loads a model, has to be done before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode

GPU, INSIDE = torch.device("cuda", 0), torch.device("meta")
aten = torch.ops.aten
COPIES = {aten.copy_.default, aten._to_copy.default}
INDEXED = {aten.index.Tensor: 1, aten.index_put.default: 1, aten.index_put_.default: 1}
"""Operations that take indices, and at which place."""
SCALARS_WELCOME = {aten.masked_fill.Tensor, aten.masked_fill_.Tensor, aten.index_fill.int_Tensor}
PACKED = {
    aten._pack_padded_sequence.default: 1,
    aten._pack_padded_sequence_backward.default: 2,
    aten._pad_packed_sequence.default: 1,
}
"""Operations with packed sequences, and which argument is their lengths; where the second result is lengths too."""


class Generator:
    """Where the draws on the pretended GPU stand: not where those on the processor do."""

    def __init__(self) -> None:
        self.state = torch.Generator().manual_seed(0).get_state()

    def put(self, state: Tensor) -> None:
        """Go on from here."""
        self.state = state.clone()

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Let what is drawn inside come from here."""
        other = torch.get_rng_state()
        torch.set_rng_state(self.state)
        try:
            yield
        finally:
            self.state = torch.get_rng_state()
            torch.set_rng_state(other)


class AnyGenerator(torch.Generator):
    """A generator of any device, also of the one that is only pretended."""

    def __new__(cls, *_: object) -> AnyGenerator:
        return super().__new__(cls, "cpu")  # type: ignore[call-arg]


GENERATOR = Generator()


class TaggedTensor(torch.Tensor):
    """A tensor on the pretended GPU; `content` is what it holds."""

    content: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> TaggedTensor:
        made: TaggedTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=INSIDE,
        )
        made.content = values
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    device = property(lambda _: GPU)
    is_cuda = property(lambda _: True)
    is_cpu = property(lambda _: False)
    is_meta = property(lambda _: False)
    is_sparse = property(lambda self: self.content.is_sparse)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run on the values, once the devices are found to be right."""
        return run(func, args, kwargs or {})

    def tolist(self) -> Any:
        """The values, which a list of a GPU's tensor copies to the processor."""
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """Refused, as of any GPU."""
        if not force:
            raise TypeError(f"can't convert {GPU} device type tensor to numpy. Use Tensor.cpu() first.")
        return self.detach().cpu().numpy()

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"on {GPU}: {self.content!r}"

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise NotImplementedError("a tensor on a GPU is copied to the processor before it is written")

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.clone()


def run(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What `func` gives, on the device where it would be; `RuntimeError` where CUDA would refuse."""
    tensors = _tensors((*args, *kwargs.values()))
    assert not any(type(one) is Tensor and one.is_meta for one in tensors), f"{func}: a tensor without values"
    wrappers = {id(one.content): one for one in tensors if isinstance(one, TaggedTensor)}
    target = kwargs.get("device")
    if not wrappers and target is None:
        return func(*args, **kwargs)
    if len(wrappers) < len(tensors) or func in PACKED:
        require_one_device(func, args, kwargs)
    if target is None:
        on_gpu = isinstance(args[0], TaggedTensor) if func is aten.copy_.default else bool(wrappers)
    else:
        on_gpu = torch.device(target) == INSIDE
    values, named = _contents(args), {key: _contents(one) for key, one in kwargs.items()}
    if target is not None:
        named["device"] = torch.device("cpu")
    draws = on_gpu and torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None
    with GENERATOR.drawing() if draws else nullcontext():
        found = func(*values, **named)
    if wrappers and torch.Tag.inplace_view in func.tags:
        with no_dispatch():
            func(*args, **kwargs)  # shapes and strides alone
    if not on_gpu:
        return found
    if func in PACKED and isinstance(found, tuple):
        return _tagged(found[0], wrappers), found[1]
    return _tagged(found, wrappers)


def require_one_device(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Raise `RuntimeError` where the tensors of an operation are on devices that CUDA would not let meet."""
    if func in COPIES:
        return
    strict, scalars = list(args), torch.Tag.pointwise in func.tags or func in SCALARS_WELCOME or func in INDEXED
    if (place := PACKED.get(func)) is not None and isinstance(strict.pop(place), TaggedTensor):
        raise RuntimeError(f"{func}: lengths must be on the processor, but are on {GPU}")
    if (place := INDEXED.get(func)) is not None:
        indices = [one for one in strict.pop(place) if one is not None]
        if not isinstance(args[0], TaggedTensor) and any(isinstance(one, TaggedTensor) for one in indices):
            raise RuntimeError(f"{func}: indices on {GPU} into a tensor on cpu")
    tensors = _tensors((*strict, *kwargs.values()))
    gpu = [one for one in tensors if isinstance(one, TaggedTensor)]
    cpu = [one for one in tensors if not isinstance(one, TaggedTensor) and not (scalars and one.dim() == 0)]
    if gpu and cpu:
        shapes = ", ".join(f"{tuple(one.shape)} on {one.device}" for one in tensors)
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found {shapes}")
    if func in INDEXED and not isinstance(args[0], TaggedTensor) and gpu:
        raise RuntimeError(f"{func}: a value on {GPU} put into a tensor on cpu")


def _tensors(given: Sequence[Any]) -> list[Tensor]:
    """The tensors among what an operation is given, also in lists; operations are given no deeper ones."""
    found = []
    for one in given:
        if isinstance(one, Tensor):
            found.append(one)
        elif isinstance(one, (list, tuple)):
            found += _tensors(one)
    return found


def _contents(given: Any) -> Any:
    """The same with what tagged tensors hold in their places."""
    if isinstance(given, TaggedTensor):
        return given.content
    return type(given)(map(_contents, given)) if type(given) in (list, tuple) else given


def _tagged(found: Any, known: Mapping[int, TaggedTensor]) -> Any:
    """A result, or several, as on the GPU; one that was changed in place keeps its identity."""
    if isinstance(found, Tensor):
        return known[id(found)] if id(found) in known else TaggedTensor(found)
    return type(found)(_tagged(one, known) for one in found) if type(found) in (list, tuple) else found


class _Operations(TorchDispatchMode):
    """Also sees operations that only make tensors, and those on the processor."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return run(func, args, kwargs or {})


class _Names(TorchFunctionMode):
    """Calls the pretended GPU by the name that C++ knows it by."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        args, kwargs = tuple(map(_translated, args)), {key: _translated(one) for key, one in (kwargs or {}).items()}
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _index(args[1]), *args[2:])
        if func is Tensor.new_tensor and isinstance(args[0], TaggedTensor) and "device" not in kwargs:
            kwargs["device"] = INSIDE
        if func in (torch.tensor, torch.as_tensor, Tensor.new_tensor) and kwargs.get("device") == INSIDE:
            return func(*args, **{**kwargs, "device": torch.device("cpu")}).to(INSIDE)
        return func(*args, **kwargs)


def _index(one: Any) -> Any:
    """An index with tensors in the place of lists, of which C++ would make tensors on "meta", without values."""
    if isinstance(one, tuple):
        return tuple(torch.as_tensor(part) if isinstance(part, (list, tuple, np.ndarray)) else part for part in one)
    return torch.as_tensor(one) if isinstance(one, (list, np.ndarray)) else one


def _translated(one: Any) -> Any:
    """`one`, or the inner name of the GPU if it is its outer name."""
    if isinstance(one, str) and one.partition(":")[0] == "cuda":
        return INSIDE
    return INSIDE if isinstance(one, torch.device) and one.type == "cuda" else one


@contextmanager
def pretended_gpu() -> Iterator[str]:
    """Inside, torch says that it has one GPU, and `cuda` is a device whose tensors mix with no others."""
    with (
        patch.object(torch.backends.cuda, "is_built", lambda: True),
        patch.object(torch.cuda, "is_available", lambda: True),
        patch.object(torch.cuda, "device_count", lambda: 1),
        # a torch built for CUDA asks the real accelerator whether a graph is being captured, and there is none
        patch.object(torch.accelerator, "current_accelerator", lambda *_, **__: None),
        patch.object(torch.cuda, "get_rng_state", lambda *_: GENERATOR.state.clone()),
        patch.object(torch.cuda, "set_rng_state", lambda state, *_: GENERATOR.put(state)),
        patch.object(
            torch.cuda, "manual_seed_all", lambda seed: GENERATOR.put(torch.Generator().manual_seed(seed).get_state())
        ),
        patch.object(torch, "Generator", AnyGenerator),
        patch.object(torch._C, "_InferenceMode", lambda mode: torch.set_grad_enabled(not mode)),
        torch.backends.cudnn.flags(enabled=False),
        _Names(),
        _Operations(),
    ):
        yield "cuda"
