"""In what numbers pairs are multiplied where no gradient is wanted, and how far their scores move by it.

float32 unless asked otherwise. In bfloat16 the parts of both sides are held, and multiplied, with 8 bits; embeddings,
sums within products, softmaxes and scores stay in float32. What asks for it is the encoding that a method is given, so
nothing is set for a process or thread, and nothing has to be put back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from crossgraph.errors import ConfigError, unknown_name
from crossgraph.evaluation.ranking import scoring
from crossgraph.methods.by_image import ByImage
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress, Silent
from crossgraph.types import Encoded

FLOAT32 = "float32"
PRECISIONS: Mapping[str, torch.dtype] = MappingProxyType({FLOAT32: torch.float32, "bfloat16": torch.bfloat16})
INSTRUCTIONS = ("avx512_bf16", "bf16")
"""What processors, of x86 and of ARM, call theirs for products in bfloat16."""
COMPARED_IMAGES, COMPARED_TEXTS = 4, 512
"""Of how many pictures with how many captions it is told how far scores move."""


@dataclass(frozen=True)
class Shift:
    """How far scores lie from those of float32, whose deviation stands beside it."""

    pairs: int
    largest: float
    mean: float
    deviation: float

    @classmethod
    def between(cls, scores: Float[Tensor, "n m"], exact: Float[Tensor, "n m"]) -> Shift:
        """Of the same pairs, scored twice."""
        apart = (scores - exact).abs()
        return cls(exact.numel(), float(apart.max()), float(apart.mean()), float(exact.std(correction=0)))


def in_precision(
    name: str, method: Method, images: Encoded, texts: Encoded, *, progress: Progress = Silent()
) -> tuple[Encoded, Encoded]:
    """Both sides as the method multiplies them in the precision of that name; of float32 they are the very same.

    Of bfloat16, some pairs are scored in both, and `progress` is told how far their scores lie apart. Raises
    `ConfigError` as `require_precision` does.
    """
    require_precision(name, method, images.embedding.device)
    if name == FLOAT32:
        return images, texts
    given = images.with_parts_in(PRECISIONS[name]), texts.with_parts_in(PRECISIONS[name])
    if len(images) and len(texts):
        progress.note("pair precision", precision=name, **_told(shift_of(method, (images, texts), given)))
    return given


def require_precision(name: str, method: Method, device: torch.device | str) -> None:
    """Raise `ConfigError` for an unknown name, a method that does not score picture by picture, and a device without
    products in bfloat16: there they are emulated, and slower."""
    if name not in PRECISIONS:
        raise ConfigError(unknown_name("precision of pairs", name, PRECISIONS))
    if name == FLOAT32:
        return
    if not multiplies(method):
        raise ConfigError(
            f"{method.name} with these settings does not score picture by picture, and {name} is for that alone; leave "
            "out the precision of pairs, or set float32."
        )
    _refuse_device(name, torch.device(device))


def multiplies(method: Method) -> bool:
    """Whether a method makes its large products in the numbers that parts come in."""
    return isinstance(method, ByImage) and method.by_image


def shift_of(method: Method, exact: tuple[Encoded, Encoded], given: tuple[Encoded, Encoded]) -> Shift:
    """How far apart some evenly spread pairs of `exact` and of `given` are scored."""
    rows, columns = (
        torch.linspace(0, len(side) - 1, min(len(side), most)).long()
        for side, most in zip(exact, (COMPARED_IMAGES, COMPARED_TEXTS), strict=True)
    )
    with scoring(method):
        one, other = (method.score(images[rows], texts[columns]) for images, texts in (given, exact))
    return Shift.between(one, other)


def _told(shift: Shift) -> dict[str, object]:
    return {name: value if isinstance(value, int) else float(f"{value:.2g}") for name, value in asdict(shift).items()}


def _refuse_device(name: str, device: torch.device) -> None:
    """Raise `ConfigError` where products in that precision are not made by instructions."""
    if device.type != "cpu":
        raise ConfigError(f"pairs in {name} are for --device cpu; on {device} they were never tried. Set float32.")
    here = torch.cpu.get_capabilities()
    with_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not with_onednn or not any(here.get(one) for one in INSTRUCTIONS):
        raise ConfigError(
            f"pairs in {name} want a processor with instructions for it ({' or '.join(INSTRUCTIONS)}) and a torch with "
            "oneDNN, and this is none; set float32."
        )
